"""Formulas as MathML, which browsers show by themselves: no script, no font and no network."""

from __future__ import annotations

import html
import re

from latex2mathml.converter import convert

_FORMULA = re.compile(r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<latex>.*?)\\[)\]]</(?P=tag)>', re.DOTALL)


def mathml(page: str) -> str:
    r"""The page with every formula, `\(...\)` or `\[...\]` as the Markdown extension marks it, as MathML.

    Args:
        page: HTML.
    """
    return _FORMULA.sub(_formula, page)


def _formula(match: re.Match[str]) -> str:
    latex, block = html.unescape(match["latex"]), match["tag"] == "div"
    converted = convert(latex, display="block" if block else "inline")
    return f'<div class="formula">{converted}</div>' if block else converted
