"""Completeness: a method's attributions add up to the output difference that they explain.

Three numbers are held apart, all as shares of |delta f|, the output difference:

    quadrature    the integral's own error: the map's sum against f(end) - f(start) of the walk, and the error bar,
                  its uncertainty, which cannot be small by chance as the sum can; the larger of the two
    method        f(end) - f(start) against delta f: the walk does not join the baseline and the image, or the map
                  claims more than its walk
    total         the map's sum against delta f; the two parts may cancel

Where the error bar is small, what is missing is the walk's fault, not the quadrature's; where it is large, more nodes
are the cure (`--budget thorough`).  PASS needs the total and the error bar to be at most 10 % on every image; images
that miss are counted and named.  FAIL: all images miss.  Images whose output difference is too small to divide by are
not judged, and counted.  The details hold median and worst of each number.

A method that integrates no walk but claims that its maps add up (it does not carry the flag not-complete) is judged by
the total alone, for there is no integral whose error could be told apart.  Methods that claim nothing are skipped.  A
method that shares out the output's own steps (IDGI) is complete by construction: its total is 0, and its error bar is
the walk's.

Source: Sundararajan, Taly, Yan, Axiomatic Attribution for Deep Networks, ICML 2017, arXiv 1703.01365, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Any, ClassVar, Literal

from pydantic import Field

from geoaudit.api import Check, Finding, Parameters, Probe, Problems, Status, Subject, WalkRecord

_SCORE = "completeness-error"


class CompletenessParameters(Parameters):
    """The threshold."""

    threshold: float = Field(0.10, gt=0, description="largest allowed miss as a share of the output difference")


class Completeness(Check):
    """Attributions of complete methods sum to the output difference."""

    id: ClassVar[str] = "completeness"
    title: ClassVar[str] = "Completeness"
    reference: ClassVar[str] = "Sundararajan et al., ICML 2017, arXiv 1703.01365, section 3"
    examines: ClassVar[Literal["model", "method"]] = "method"
    Parameters: ClassVar[type[Parameters]] = CompletenessParameters
    parameters: CompletenessParameters

    def examine(self, subject: Subject, problems: Problems, probe: Probe) -> list[Finding]:
        """One finding a method: SKIP for maps that claim to add up to nothing."""
        method = subject.method
        assert method is not None  # it examines methods
        walks = [(i, r) for i, r in zip(subject.image_ids, subject.records, strict=True) if r is not None]
        if walks:
            return [self._walked(method.id, walks, len(subject.image_ids))]
        scores = subject.scores.get(_SCORE, ())
        if "not-complete" in method.flags or not scores:
            reason = "The method claims no completeness: it integrates no walk."
            return [Finding(self.id, method.id, Status.SKIP, reason)]
        return [self._unwalked(method.id, list(zip(subject.image_ids, scores, strict=True)))]

    def _walked(self, method: str, walks: Sequence[tuple[str, WalkRecord]], images: int) -> Finding:
        """The verdict on walks."""
        judged = [(i, r) for i, r in walks if r.completeness_error == r.completeness_error]
        misses = [(i, max(r.completeness_error, r.error_bar)) for i, r in judged]
        if not judged:
            return self._undefined(method)
        parts = {
            "method": [r.method_error for _, r in judged],
            "quadrature": [max(r.quadrature_error, r.error_bar) for _, r in judged],
            "total": [r.completeness_error for _, r in judged],
        }
        status, reason, late = self._judge(misses, images, "The larger of completeness error and error bar is")
        if late:
            reason += f" {_blamed([r for i, r in judged if i in late], self.parameters.threshold)}"
        return self._finding(method, status, reason, misses, self._details(late, images - len(judged), parts))

    def _unwalked(self, method: str, scores: Sequence[tuple[str, float | None]]) -> Finding:
        """The verdict on maps that come from no walk."""
        misses = [(i, s) for i, s in scores if s is not None]
        if not misses:
            return self._undefined(method)
        status, reason, late = self._judge(misses, len(scores), "The completeness error is")
        reason += " The maps come from no walk, so no quadrature error can be told apart."
        parts = {"total": [miss for _, miss in misses]}
        return self._finding(method, status, reason, misses, self._details(late, len(scores) - len(misses), parts))

    def _undefined(self, method: str) -> Finding:
        reason = "The output difference is too small to divide by on every image."
        return Finding(self.id, method, Status.INCONCLUSIVE, reason)

    def _judge(self, misses: Sequence[tuple[str, float]], images: int, what: str) -> tuple[Status, str, list[str]]:
        """Status, reason and the images that miss, of those that can be judged."""
        limit = self.parameters.threshold
        late = [i for i, miss in misses if not miss <= limit]
        if late:
            status = Status.FAIL if len(late) == len(misses) else Status.WARN
            reason = f"{what} more than {100 * limit:g} % on {len(late)} of {_images(len(misses))}."
        else:
            status, worst = Status.PASS, max(miss for _, miss in misses)
            reason = f"{what} at most {100 * worst:.2g} % on {_images(len(misses))}."
        if left := images - len(misses):
            reason += f" {left} of {_images(images)} cannot be judged."
        return status, reason, late

    def _finding(
        self, method: str, status: Status, reason: str, misses: Sequence[tuple[str, float]], details: dict[str, Any]
    ) -> Finding:
        worst = max(miss for _, miss in misses)
        limit = self.parameters.threshold
        return Finding(self.id, method, status, reason, estimate=worst, threshold=limit, details=details)

    @staticmethod
    def _details(late: list[str], undefined: int, parts: dict[str, list[float]]) -> dict[str, Any]:
        return {
            "images": sorted(late),
            "split": {name: _summary(values) for name, values in parts.items()},
            "undefined": undefined,
        }


def _summary(values: list[float]) -> dict[str, float | None]:
    """Median and worst of the finite values."""
    known = [v for v in values if math.isfinite(v)]
    return {"median": median(known), "worst": max(known)} if known else {"median": None, "worst": None}


def _blamed(records: Sequence[WalkRecord], limit: float) -> str:
    """Which part misses, on the images that do."""
    walk = sum(r.method_error > limit for r in records)
    integral = sum(max(r.quadrature_error, r.error_bar) > limit for r in records)
    if walk and integral:
        return f"The integral is not exact enough on {integral}, and the walk does not join its ends on {walk}."
    if walk:
        return f"The walk does not join its ends on {walk}; the integral is exact enough."
    if integral:
        return f"The integral is not exact enough on {integral}: more nodes may help."
    return "Neither part is too large by itself."


def _images(count: int) -> str:
    return f"{count} image{'' if count == 1 else 's'}"
