"""Which tier a method belongs to, and why, in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from geoaudit.audit.result import PairTest
from geoaudit.scoring.contenders import BY_CONSTRUCTION, ENOUGH, Contender
from geoaudit.scoring.statistics import cliffs_delta, holm, paired, wilcoxon

ALPHA = 0.05
MATTERS = 0.1
"""A gain in SRG over a random map that no faithful method is to be denied.

The weakest methods in use gained .11 (gradient x input, EfficientNet-Lite0, photographs)."""

Tier = Literal["recommended", "caution", "rejected"]
Outcome = Literal["above", "below", "not above", "undecided", "too few images", "not tested"]

_CONTROLS = {"random": "a random map", "edges": "an edge map that ignores the model"}
_FLAGS = {
    BY_CONSTRUCTION: "its NCC holds by construction, says nothing about it and earns no rank: its place rests on SRG",
    "not-complete": "not complete by design: its map need not add up to the change in output",
}


@dataclass(frozen=True)
class Against:
    """One method's SRG against a control's.

    Attributes:
        outcome: what the tests say.
        test: the one-sided paired test whether it is above, Holm-corrected over the methods.
        below: the corrected p of the test whether it is below; null without common images.
    """

    outcome: Outcome
    test: PairTest
    below: float | None

    @property
    def figures(self) -> str:
        """The numbers behind the outcome, for a sentence."""
        decided = self.below if self.outcome == "below" else self.test.p_holm
        p = "no test" if decided is None else f"p = {decided:.3g} after Holm"
        return f"{p}, {self.test.n} image{'' if self.test.n == 1 else 's'}"


def against(methods: Sequence[Contender], control: Contender | None) -> dict[str, Against]:
    """Every method's SRG against one control's: one-sided paired Wilcoxon tests, Holm over the methods.

    "too few images": not significant, and fewer than `ENOUGH` images have both scores; want of images is no evidence
    against a method.  "below": significantly below the control.  "not above": not significant, and significantly less
    than `MATTERS` above the control (one-sided, on its own, so that a method with that gain is told so by mistake in
    at most 5 % of the cases).  "undecided": neither.  Empty where there is no such control.
    """
    if control is None or control.status == "error":
        return {}
    up = [wilcoxon(m.srg, control.srg, "greater") for m in methods]
    higher, lower = holm([p for p, _ in up]), holm([wilcoxon(m.srg, control.srg, "less")[0] for m in methods])
    result = {}
    for method, (_, n), above, below in zip(methods, up, higher, lower, strict=True):
        outcome: Outcome = "not above"
        if above is None or below is None:
            outcome = "not tested"
        elif above < ALPHA:
            outcome = "above"
        elif below < ALPHA:
            outcome = "below"
        elif n < ENOUGH:
            outcome = "too few images"
        elif not _negligible(method, control):
            outcome = "undecided"
        result[method.id] = Against(outcome, pair_test(method, control, n, above), below)
    return result


def _negligible(method: Contender, control: Contender) -> bool:
    """Whether a gain of `MATTERS` over the control can be ruled out."""
    p, _ = wilcoxon(method.srg - MATTERS, control.srg, "less")
    return p is not None and p < ALPHA


def pairwise(methods: Sequence[Contender]) -> list[PairTest]:
    """Two-sided paired Wilcoxon tests of every two methods' SRG, Holm over all pairs."""
    pairs = [(a, b) for i, a in enumerate(methods) for b in methods[i + 1 :]]
    tests = [wilcoxon(a.srg, b.srg) for a, b in pairs]
    adjusted = holm([p for p, _ in tests])
    return [pair_test(a, b, n, p) for (a, b), (_, n), p in zip(pairs, tests, adjusted, strict=True)]


def pair_test(a: Contender, b: Contender, n: int, p: float | None) -> PairTest:
    """The report's row for one comparison, with effect sizes on the common images."""
    first, second = paired(a.srg, b.srg)
    median = float(np.median(first - second)) if n else None
    return PairTest(
        a=a.id, b=b.id, metric="srg", n=n, median_difference=median, p_holm=p,
        cliffs_delta=cliffs_delta(first, second),
    )  # fmt: skip


def tier(method: Contender, random: Against | None, edges: Against | None, srg_healthy: bool) -> tuple[Tier, list[str]]:
    """A method's tier and the reasons for it, the weightiest first.

    Args:
        method: the method.
        random: its SRG against the random control; None if that was not run.
        edges: its SRG against the edges control; None if that was not run.
        srg_healthy: whether SRG passed its own test; if not, no method is rejected by it.
    """
    if method.status == "error":
        return "rejected", [f"it failed: {method.reason or 'no reason was recorded'}"]
    rejections: list[str] = []
    cautions: list[str] = []
    notes: list[str] = []
    rejections += [f"it fails the check {check}: {reason}" for check, reason in method.failed]
    if not srg_healthy:
        cautions.append("faithfulness was not judged: SRG failed its own test on this model")
    else:
        for control, found in (("random", random), ("edges", edges)):
            _faithfulness(control, found, rejections, cautions, notes)
    _completeness(method, cautions, notes)
    cautions += [f"the check {check} warns: {reason}" for check, reason in method.warned]
    cautions += [f"it fails the check {check}" for check in sorted(set(method.doubted))]
    cautions += [f"the check {check} was inconclusive" for check in sorted(set(method.inconclusive))]
    cautions += [f"the check {check} itself failed and says nothing" for check in sorted(set(method.unchecked))]
    if rejections:
        return "rejected", rejections + cautions
    return ("caution", cautions) if cautions else ("recommended", notes)


def _faithfulness(
    control: str, found: Against | None, rejections: list[str], cautions: list[str], notes: list[str]
) -> None:
    """Sorts what a comparison says; only the random control can reject."""
    rival = _CONTROLS[control]
    if found is None:
        cautions.append(f"not compared with {rival}: the {control} control was not scored")
    elif found.outcome == "not tested":
        cautions.append(f"not compared with {rival}: no image has both scores")
    elif found.outcome == "above":
        notes.append(f"more faithful than {rival} ({found.figures})")
    elif found.outcome == "too few images":
        cautions.append(f"too few images to decide whether it is more faithful than {rival} ({found.figures})")
    elif found.outcome == "undecided" and control == "random":
        cautions.append(
            f"not shown to be more faithful than {rival}, though a gain of {MATTERS} in SRG cannot be ruled out "
            f"({found.figures})"
        )
    elif control == "random":
        word = "is below" if found.outcome == "below" else "is not above"
        rejections.append(f"no evidence of faithfulness: its SRG {word} that of {rival} ({found.figures})")
    else:
        word = "less faithful" if found.outcome == "below" else "not shown to be more faithful"
        cautions.append(f"{word} than {rival} ({found.figures})")


def _completeness(method: Contender, cautions: list[str], notes: list[str]) -> None:
    """NCC: assessable or not, and what the method's flags say about it."""
    total = len(method.ncc)
    missing = int(np.isnan(method.ncc).sum())
    why = f" ({method.ncc_reason})" if method.ncc_reason else ""
    if missing == total and method.ncc_reason == "no walk":
        cautions.append("NCC does not exist for it: its map comes from no walk and does not add up")
    elif not method.assessable:
        cautions.append(f"NCC not assessable: null on {missing} of {total} images{why}")
    elif missing:
        notes.append(f"NCC is null on {missing} of {total} images{why}")
    cautions += [text for flag, text in sorted(_FLAGS.items()) if flag in method.flags]
