"""What the GitHub action and the pre-commit hooks offer, from the files that declare them."""

from __future__ import annotations

from typing import Any

import yaml  # type: ignore[import-untyped,unused-ignore]

from geoaudit_docs.markdown import code, prose, table
from geoaudit_docs.readme import ROOT


def action_inputs() -> str:
    """The action's inputs with their defaults."""
    rows = []
    for name, told in _read("action.yml")["inputs"].items():
        default = "required" if told.get("required") else code(told["default"]) if told.get("default") else "none"
        rows.append((code(name), prose(told["description"]), default))
    return table(("Input", "Meaning", "Default"), rows)


def action_outputs() -> str:
    """The action's outputs."""
    rows = [(code(name), prose(told["description"])) for name, told in _read("action.yml")["outputs"].items()]
    return table(("Output", "Meaning"), rows)


def hooks() -> str:
    """The pre-commit hooks."""
    rows = [
        (code(hook["id"]), code(hook["entry"]), prose(hook["description"])) for hook in _read(".pre-commit-hooks.yaml")
    ]
    return table(("Hook", "Runs", "What it asks"), rows)


def _read(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
