"""Plain text to Markdown that shows it as it is: nothing in it is taken for markup but backticks and sources."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence

_SPECIAL = re.compile(r"[\\`*_{}\[\]#|<>&~^$]|^[-+!:=]|(?<=^\d)[.)]")
_SOURCE = re.compile(
    r"(?P<arxiv>arXiv:?\s(?P<number>\d{4}\.\d{4,5}))|(?P<doi>doi:?\s(?P<suffix>10\.\d+/[^\s;,)]*[^\s;,).]))", re.DOTALL
)
_LIST = re.compile(r"^(?:-|\d+\.) +")


def literal(text: str) -> str:
    """`text` with every character that Markdown or HTML could read as markup written as an entity."""
    return _SPECIAL.sub(lambda match: f"&#{ord(match.group())};", text)


def code(text: object) -> str:
    """`text` as code; also within table cells."""
    return f"<code>{literal(str(text))}</code>"


def prose(text: str) -> str:
    """A paragraph: backticked parts become code, arXiv numbers and DOIs become links, the rest stays as it is."""
    parts = re.split(r"``?([^`]+)``?", " ".join(text.split()))
    return "".join(code(part) if i % 2 else _linked(part) for i, part in enumerate(parts))


def _linked(text: str) -> str:
    done, result = 0, []
    for match in _SOURCE.finditer(text):
        result.append(literal(text[done : match.start()]))
        arxiv = match.group("arxiv") is not None
        target = f"arxiv.org/abs/{match['number']}" if arxiv else f"doi.org/{match['suffix']}"
        result.append(f'<a href="https://{target}">{literal(match.group())}</a>')
        done = match.end()
    return "".join([*result, literal(text[done:])])


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """A table whose cells are Markdown already; `numbers` are the columns that stand on the right."""
    rule = ["---:" if i in numbers else ":---" for i in range(len(headings))]
    lines = [headings, rule, *rows]
    return "\n".join("| " + " | ".join(cell.replace("\n", " ") for cell in line) + " |" for line in lines) + "\n"


def first_paragraph(text: str | None) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join((inspect.cleandoc(text or "").split("\n\n") or [""])[0].split())


def body(text: str | None) -> str:
    """A docstring without its sections (Args, Raises, ...)."""
    return re.split(r"\n\s*(?:Args|Attributes|Class attributes|Raises|Returns):\n", inspect.cleandoc(text or ""))[0]


def docstring(text: str | None) -> str:
    """A docstring as Markdown: paragraphs, lists with hanging lines, and indented blocks as they are."""
    return "\n\n".join(filter(None, (_block(block) for block in re.split(r"\n[ \t]*\n", body(text)))))


def _block(block: str) -> str:
    """One block: runs of lines that are indented by four or more stay as they are, the others are prose."""
    runs: list[tuple[bool, list[str]]] = []
    for line in block.splitlines():
        fixed = line.startswith("    ")
        if not runs or runs[-1][0] != fixed:
            runs.append((fixed, []))
        runs[-1][1].append(line)
    return "\n\n".join(_fixed(lines) if fixed else _flowing(lines) for fixed, lines in runs)


def _fixed(lines: Sequence[str]) -> str:
    return "```text\n" + inspect.cleandoc("\n" + "\n".join(lines)) + "\n```"


def _flowing(lines: Sequence[str]) -> str:
    """A paragraph, or the items of a list."""
    items: list[list[str]] = []
    for line in lines:
        if not items or _LIST.match(line.strip()):
            items.append([])
        items[-1].append(line.strip())
    texts = [" ".join(item) for item in items]
    if not _LIST.match(texts[0]) and len(texts) == 1:
        return _with_lead(texts[0])
    return "\n".join(f"- {prose(_LIST.sub('', text))}" if _LIST.match(text) else prose(text) + "\n" for text in texts)


def _with_lead(text: str) -> str:
    """A paragraph that starts with a title ("Departures. ...", "Source: ...") shows it as one."""
    match = re.match(r"(?:([A-Z][\w' -]{2,38})\.|[A-Z][a-z]+:) +(?=[A-Z`|0-9(])", text)
    if match and len(match.group().split()) <= 5:
        return f"**{literal(match.group().strip())}** {prose(text[match.end() :])}"
    return prose(text)
