"""Excerpts of the README, CONTRIBUTING and CHANGELOG: what stands there is said once, and shown here too."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The checkout."""

_HEADING = re.compile(r"^(#+) (.+)$")
_LINK = re.compile(r"\[([^\]]*)\]\(([^)#]*)(#[^)]*)?\)")
PLACES = {
    "README.md#what-is-measured": "methods/index.md",
    "README.md#which-files-can-be-audited": "models.md",
    "README.md#writing-a-plugin": "adding-a-plugin.md#a-package-of-your-own",
    "CONTRIBUTING.md": "adding-a-plugin.md",
    "CHANGELOG.md": "changelog.md",
    "docs/pages/performance.md": "performance.md",
    "reports/geoaudit_reports/schema/report-v1.json": "schemas/report.md",
}
"""Where the site says what a link of the repository points at; other files are named instead of linked."""


def excerpt(file: str, heading: str) -> str:
    """What stands under a heading, up to the next of the same or a higher level, without the heading itself.

    Args:
        file: relative to the checkout.
        heading: its text.

    Raises:
        LookupError: there is no such heading.
    """
    level, kept, fenced = 0, [], False
    for line in (ROOT / file).read_text(encoding="utf-8").splitlines():
        fenced ^= line.lstrip().startswith("```")
        match = None if fenced else _HEADING.match(line)
        if level and match and len(match.group(1)) <= level:
            break
        if level:
            kept.append(line)
        elif match and match.group(2) == heading:
            level = len(match.group(1))
    if not level:
        raise LookupError(f"{file} has no heading '{heading}'")
    return _fitted("\n".join(kept).strip(), file)


def paragraph(file: str, start: str) -> str:
    """The paragraph that starts with `start`, without it.

    Raises:
        LookupError: there is none.
    """
    for block in (ROOT / file).read_text(encoding="utf-8").split("\n\n"):
        if block.startswith(start):
            return _fitted(block.removeprefix(start).strip(), file)
    raise LookupError(f"{file} has no paragraph that starts with '{start}'")


def fence(file: str, comment: str) -> str:
    """The code block that follows an HTML comment, with its fence.

    Raises:
        LookupError: there is none.
    """
    text = (ROOT / file).read_text(encoding="utf-8")
    match = re.search(rf"<!-- {re.escape(comment)} -->\n(```.*?\n```)", text, re.DOTALL)
    if match is None:
        raise LookupError(f"{file} has no code block after the comment '{comment}'")
    return match.group(1)


def file(name: str) -> str:
    """A file of the checkout as a code block."""
    language = {"Dockerfile": "docker"}.get(name, name.rpartition(".")[2])
    return f"```{language}\n{(ROOT / name).read_text(encoding='utf-8')}```"


def whole(file: str) -> str:
    """A file without its title."""
    return _fitted((ROOT / file).read_text(encoding="utf-8").partition("\n")[2].strip(), file)


def _fitted(text: str, file: str) -> str:
    """Links and comments as the site needs them; lists need a blank line before them."""
    text = _LINK.sub(lambda match: _link(match, file), re.sub(r"<!--.*?-->\n?", "", text))
    return re.sub(r"(?m)^((?!- |\d+\. |[ #|>]).+)\n(?=- |1\. )", r"\1\n\n", text)


def _link(match: re.Match[str], file: str) -> str:
    words, target, fragment = match.group(1), match.group(2), match.group(3) or ""
    if target.startswith("https://"):
        return match.group()
    place = PLACES.get((target or file) + fragment, PLACES.get(target))
    if place:
        return f"[{words}]({place})"
    named = f"`{target}`" if target else ""
    return words if not named or words in (target, named) else f"{words} ({named})"
