"""Two reports side by side: comparison.json and comparison.html, each a pure function of the comparison."""

from __future__ import annotations

from pathlib import Path

from geoaudit.compare.result import Comparison

__all__ = ["HTML_NAME", "JSON_NAME", "dumps", "render", "write_comparison"]

JSON_NAME = "comparison.json"
HTML_NAME = "comparison.html"


def dumps(comparison: Comparison) -> str:
    """The comparison as JSON: keys in the model's order, floats in full, one newline at the end."""
    return comparison.model_dump_json(indent=1, by_alias=True) + "\n"


def render(comparison: Comparison) -> str:
    """The comparison as one HTML document that loads nothing; the same comparison gives the same text."""
    from geoaudit_reports.comparison.page import SECTIONS, build
    from geoaudit_reports.html.document import fill_template

    return fill_template("comparison.html", page=build(comparison), sections=SECTIONS)


def write_comparison(comparison: Comparison, folder: Path) -> Path:
    """Write both files into `folder`, which is made if it is missing.

    Returns:
        The path of `comparison.html`.

    Raises:
        OutputError: the folder cannot be written.
    """
    from geoaudit.errors import OutputError
    from geoaudit_reports.files import write_atomically

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = f"cannot be written: {error.strerror or error}"
        raise OutputError(str(folder), reason, "Choose another folder with -o.") from error
    write_atomically(folder / JSON_NAME, dumps(comparison))
    write_atomically(folder / HTML_NAME, render(comparison))
    return folder / HTML_NAME
