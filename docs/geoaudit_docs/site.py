"""What the site is made of: the generated pages, the places in the guides that are filled in, and the menu."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import geoaudit
from geoaudit.gate import PolicyFile
from geoaudit_docs import commands, facts, integrations, models, plugins, readme
from geoaudit_docs.examples import TABLES
from geoaudit_docs.markdown import code
from geoaudit_reports.schema import SCHEMAS, schema_file

_PLACE = re.compile(r"^<!-- insert: (?P<name>[^>]+?) -->$", re.MULTILINE)

FACTS: Mapping[str, Callable[[], str]] = {
    "exit codes": facts.exit_codes,
    "errors": facts.error_kinds,
    "budgets": facts.budgets,
    "flags": facts.flags,
    "glossary": facts.glossary,
    "outputs": facts.outputs,
    "selftest": facts.selftest,
    "action inputs": integrations.action_inputs,
    "action outputs": integrations.action_outputs,
    "hooks": integrations.hooks,
    **TABLES,
}
"""What a guide can have filled in, by name."""

_ARGUMENTS: Mapping[str, Callable[[str], str]] = {
    "readme": lambda heading: readme.excerpt("README.md", heading),
    "contributing": lambda heading: readme.excerpt("CONTRIBUTING.md", heading),
    "paragraph": lambda start: readme.paragraph("README.md", start),
    "policy": lambda _: models.reference(PolicyFile, level=3, toml=True),
    "output": lambda comment: readme.fence("README.md", comment),
    "architectures": facts.architectures,
    "file": readme.file,
}
"""The same for what takes an argument, by its first word."""


@cache
def insertion(name: str) -> str:
    """The text for one place.

    Raises:
        LookupError: nothing is called so.
    """
    if name in FACTS:
        return FACTS[name]()
    word, _, argument = name.partition(" ")
    if word not in _ARGUMENTS:
        raise LookupError(f"nothing to insert is called '{name}'")
    return _ARGUMENTS[word](argument)


def fill(markdown: str) -> str:
    """The guide with every place `<!-- insert: NAME -->` filled in.

    Raises:
        LookupError: nothing is called so.
    """
    return _PLACE.sub(lambda match: insertion(match["name"]), markdown)


@cache
def pages() -> Mapping[str, str]:
    """Every generated page by name."""
    schemas = {f"schemas/{name}.md": _schema(name) for name in SCHEMAS}
    changelog = {"changelog.md": "# Changelog\n\n" + readme.whole("CHANGELOG.md") + "\n"}
    return {**commands.pages(), **plugins.pages(), **schemas, "plugin-api.md": _api(), **changelog}


def _schema(name: str) -> str:
    chosen = SCHEMAS[name]
    file = schema_file(name).relative_to(readme.ROOT).as_posix()
    return (
        f"# {name.capitalize()}, schema version {chosen.version}\n\n"
        f"The JSON schema lies in {code(file)} and in the installed package. This page is generated from the same "
        f"model.\n\n{models.reference(chosen.model)}\n"
    )


def _api() -> str:
    """The names that a plugin imports."""
    names = [name for name in geoaudit.__all__ if not name.startswith("_")]
    lead = (
        "# What a plugin imports\n\nEvery name below comes from the package `geoaudit`; nothing else of it is public.\n"
    )
    return lead + "".join(f"\n::: geoaudit.api.{name}\n" for name in names)


def menu(entries: Sequence[Any]) -> list[Any]:
    """The menu with every value `generated: FOLDER` replaced by the generated pages of that folder."""
    return [_entry(entry) for entry in entries]


def _entry(entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    ((title, value),) = entry.items()
    if isinstance(value, list):
        return {title: menu(value)}
    folder = str(value).removeprefix("generated ")
    return {title: [name for name in pages() if name.startswith(f"{folder}/")]} if folder != value else entry
