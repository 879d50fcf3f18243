"""How rules and numbers are said; shared by the verdict and by the explanation of a policy."""

from __future__ import annotations

from collections.abc import Iterable

from geoaudit.gate.policy import GROUPS, ThresholdRule

_STATISTICS = {
    "mean": "the mean of {}",
    "median": "the median of {}",
    "estimate": "the estimate of the check {}",
    "ci_low": "the lower end of the 95 % interval of {}",
    "ci_high": "the upper end of the 95 % interval of {}",
}


def end(statistic: str, side: str) -> str:
    """The interval's end that speaks against the one who asks; other statistics as they are."""
    if statistic != "interval":
        return statistic
    return "ci_low" if side == "minimum" else "ci_high"


def number(value: float) -> str:
    """Four significant digits."""
    return f"{value:.4g}"


def beside(value: float, bound: float) -> str:
    """A number beside the bound that it is held against: in full where rounding would make the two look equal."""
    return repr(value) if value != bound and number(value) == number(bound) else number(value)


def limit(side: str, bound: float) -> str:
    """ "at least 0.2", the bound as the policy has it."""
    return f"at {'least' if side == 'minimum' else 'most'} {bound:.15g}"


def asked_of(rule: ThresholdRule, whom: str | None, side: str, bound: float) -> str:
    """The threshold's demand: "the mean of srg for guided-ig is at least 0.2"."""
    what = rule.number or _STATISTICS[end(rule.statistic, side)].format(rule.of_what)
    return f"{what}{'' if whom is None else f' for {whom}'} is {limit(side, bound)}"


def either(names: Iterable[str], word: str = "or") -> str:
    """ "a", "a or b", "a, b or c"."""
    *first, last = names
    return f"{', '.join(first)} {word} {last}" if first else last


def whom(word: str) -> str:
    """A method by its id, or the methods that a word selects."""
    return f"every method that is meant by '{word}'" if word in GROUPS else word


def excused(rule: ThresholdRule) -> str:
    """What a threshold accepts of images without a score and of statuses, to end a sentence with; empty if nothing."""
    parts = [f"{100 * rule.missing:.4g} % of the images may lack a score"] if rule.missing else []
    if rule.allow:
        whose = "the check's result" if rule.check else "the metric's own test"
        parts.append(f"{whose} may be {either(dict.fromkeys(rule.allow))}")
    return f" ({'; '.join(parts)})" if parts else ""
