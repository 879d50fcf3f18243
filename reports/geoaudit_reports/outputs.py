"""The report in other programs' formats: each a pure function of the report, in a module of its own.

A format is one module with `dumps(report) -> str`, and one line below; the command line offers each as an option.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from geoaudit_reports.files import write_atomically

if TYPE_CHECKING:
    from geoaudit.audit.result import Report


@dataclass(frozen=True)
class Output:
    """One format.

    Attributes:
        name: the option's name without dashes.
        help: the option's help.
        module: where `dumps` is.
    """

    name: str
    help: str
    module: str


OUTPUTS = (
    Output("junit", "JUnit XML: a case for every rule of the policy.", "geoaudit_reports.junit"),
    Output("markdown", "A summary in Markdown.", "geoaudit_reports.markdown"),
    Output("intoto", "in-toto statement: a test result about the model.", "geoaudit_reports.intoto"),
    Output("cyclonedx", "CycloneDX ML-BOM with the model card.", "geoaudit_reports.cyclonedx"),
)


def render(name: str, report: Report) -> str:
    """`report` in the format `name`, one newline at the end."""
    module = next(output.module for output in OUTPUTS if output.name == name)
    text: str = import_module(module).dumps(report)
    return text


def write(files: Mapping[str, Path], report: Report) -> None:
    """Write `report` in each of the formats to its file, whole or not at all.

    Args:
        files: format name to path.
        report: what to write.

    Raises:
        OutputError: a file cannot be written.
    """
    for name, path in files.items():
        write_atomically(path, render(name, report))
