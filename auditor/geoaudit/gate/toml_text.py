"""Any text as a TOML string or comment."""

from __future__ import annotations

import json
import re
import textwrap


def comment(text: str, first: str = "# ", more: str = "# ") -> list[str]:
    """The text as comment lines of at most 100 characters, where its words allow."""
    return textwrap.wrap(
        plain(text), 100, initial_indent=first, subsequent_indent=more, break_long_words=False, break_on_hyphens=False
    )


def quoted(text: str) -> str:
    """The text as a TOML string: JSON's escapes are TOML's, but for the delete character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def plain(text: str) -> str:
    """The text in one line without control characters, which a comment may not hold."""
    return " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", " ", text).split())
