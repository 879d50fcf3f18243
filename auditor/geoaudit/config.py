"""Reads geoaudit.toml and [tool.geoaudit] of pyproject.toml, and says where each setting came from."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from geoaudit.errors import UsageError
from geoaudit.images.fields import PARSERS, Stated

_PREPROCESS = "preprocess"


@dataclass(frozen=True)
class FileConfig:
    """The settings of the configuration files.

    Attributes:
        values: option name, with underscores, to its value as TOML gives it.
        source: the same keys to where the value stands, such as "geoaudit.toml".
        preprocess: the table [preprocess]: field name, with underscores, to its value and where it stands.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    source: Mapping[str, str] = field(default_factory=dict)
    preprocess: Mapping[str, Stated] = field(default_factory=dict)

    def default_map(self) -> dict[str, Any]:
        """`values` as click wants them; a list becomes "a,b", the way it is written on the command line."""
        return {
            name: ",".join(str(item) for item in value) if isinstance(value, list) else value
            for name, value in self.values.items()
        }

    def origin(self, name: str, parameter_source: str) -> str:
        """Where option `name`'s value came from, in words for the report.

        Args:
            name: with underscores.
            parameter_source: the name of click's ParameterSource: "COMMANDLINE", "ENVIRONMENT",
                "DEFAULT_MAP", ...
        """
        if parameter_source == "DEFAULT_MAP":
            return self.source[name]
        words = {
            "COMMANDLINE": f"option --{name.replace('_', '-')}",
            "ENVIRONMENT": f"GEOAUDIT_{name.upper()}",
        }
        return words.get(parameter_source, "default")


def load_config(cwd: Path, known: Collection[str]) -> FileConfig:
    """The settings of `cwd`/geoaudit.toml, and below them those of [tool.geoaudit] in `cwd`/pyproject.toml.

    Args:
        cwd: the folder whose two files are read; either may be missing.
        known: the options that may be set, with "-" or "_".

    Raises:
        UsageError: a file cannot be read, is not TOML, or sets an unknown option.
    """
    pyproject = _read(cwd / "pyproject.toml").get("tool", {})
    tables = (
        (
            "pyproject.toml [tool.geoaudit]",
            pyproject.get("geoaudit", {}) if isinstance(pyproject, dict) else {},
        ),
        ("geoaudit.toml", _read(cwd / "geoaudit.toml")),
    )
    options = {name.replace("-", "_") for name in known}
    values: dict[str, Any] = {}
    source: dict[str, str] = {}
    preprocess: dict[str, Stated] = {}
    for origin, table in tables:  # the stronger file comes last
        settings = _checked(table, options | {_PREPROCESS}, origin)
        fields = _checked(settings.pop(_PREPROCESS, {}), {*PARSERS, "preset"}, f"{origin} [{_PREPROCESS}]")
        values |= settings
        source |= dict.fromkeys(settings, origin)
        preprocess |= {name: Stated(value, f"{origin} [{_PREPROCESS}]") for name, value in fields.items()}
    return FileConfig(values, source, preprocess)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(path.name, f"cannot be read ({error.strerror or error})") from None
    except ValueError as error:  # TOMLDecodeError, which says line and column, and UnicodeDecodeError
        raise UsageError(path.name, f"is not TOML ({error})", "Correct the file or remove it.") from None


def _checked(table: Any, known: Collection[str], origin: str) -> dict[str, Any]:
    """The table with underscores in its keys, once all of them are known."""
    if not isinstance(table, dict):
        raise UsageError(origin, "is not a table", "Write it as a table of option = value lines.")
    settings = {key.replace("-", "_"): value for key, value in table.items()}
    for key in settings:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(sorted(known))}."
            raise UsageError(origin, f"no option {key!r}", hint)
    return settings
