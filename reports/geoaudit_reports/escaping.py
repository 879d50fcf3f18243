"""Text that users and models wrote, made harmless for each language it is written in.

Names of files, class labels, reasons and policies may hold anything.  Each function below turns any text into
one that is read as text, and nothing else, by one kind of reader.
"""

from __future__ import annotations

import re
import unicodedata

_HIDDEN = ("Cc", "Cs", "Zl", "Zp")
_MARKS = "\u061c\u200e\u200f"  # of direction, for which Unicode names no class of their own
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ACTIVE = re.compile(r"[&<>\\`*_\[\]|~#@!$]|(?<=:)//|(?<=www)\.", re.IGNORECASE)
_NO_CODE_SPAN = re.compile(r"[`|\\]")
_REFERENCE = "&#8203;"
"""A space of no width, written as an entity: behind @ and # it keeps names from becoming mentions and links."""


def visible(text: str) -> str:
    """`text` on one line: control and invisible direction characters are written out, such as ``\\n`` or ``\\u202e``.

    Space, letters, marks and symbols of any script stay as they are.
    """
    return "".join(_written(c) if _is_hidden(c) else c for c in text)


def xml_text(text: str) -> str:
    """`text` without characters that XML 1.0 forbids, even escaped: they are written out, such as ``\\x00``.

    Source: W3C, Extensible Markup Language (XML) 1.0 (Fifth Edition), section 2.2.
    """
    return _NOT_IN_XML.sub(lambda found: _written(found[0]), text)


def prose(text: str) -> str:
    """`text` as a run of words in Markdown, in a table cell too: no markup, no link, no mention comes of it.

    Active characters become numeric entities, which no Markdown construct can begin or end with.
    Source: GitHub Flavored Markdown specification, sections 4.10 (tables), 6.2 (entities) and 6.9 (autolinks).
    """
    return _ACTIVE.sub(lambda found: "".join(_entity(c) for c in found[0]), visible(text).strip())


def code(text: str) -> str:
    """`text` as code in Markdown, in a table cell too; the empty text is told by a dash."""
    shown = visible(text)
    if not shown.strip():
        return "–"
    if not _NO_CODE_SPAN.search(shown):
        return f"`{shown}`"
    return f"<code>{prose(text)}</code>"


def command_data(text: str) -> str:
    """`text` as the message of a GitHub workflow command.

    Source: GitHub Docs, "Workflow commands for GitHub Actions"; the toolkit escapes the same characters.
    """
    lines = "\n".join(visible(line) for line in re.split(r"\r\n|\r|\n", text))
    return lines.replace("%", "%25").replace("\n", "%0A")


def command_property(text: str) -> str:
    """`text` as a property's value, such as the title, of a GitHub workflow command."""
    return command_data(visible(text)).replace(":", "%3A").replace(",", "%2C")


def shortened(text: str, length: int) -> str:
    """`text`, at most `length` characters of it; an ellipsis tells that there is more."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _is_hidden(character: str) -> bool:
    number = ord(character)
    is_none = number & 0xFFFE == 0xFFFE or 0xFDD0 <= number <= 0xFDEF  # numbers that Unicode gives to no character
    if is_none or character in _MARKS or unicodedata.category(character) in _HIDDEN:
        return True
    return unicodedata.bidirectional(character) in ("LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI")


def _written(character: str) -> str:
    number = ord(character)
    names = {9: "\\t", 10: "\\n", 13: "\\r"}
    wide = f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
    return names.get(number, f"\\x{number:02x}" if number < 0x100 else wide)


def _entity(character: str) -> str:
    written = f"&#{ord(character)};"
    return written + _REFERENCE if character in "@#" else written
