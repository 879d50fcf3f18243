"""Completeness: the attributions of a path method add up to the output difference.

Two numbers are held apart. The error bar is the integral's own uncertainty: where it is small, a missing
rest is the walk's fault, not the quadrature's. The completeness error is the total miss, which can be small
by chance. PASS needs both at most 10 % on every image; images that miss are counted and named.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from geoaudit.api import Check, Finding, Parameters, Probe, Problems, Status, Subject, WalkRecord


class CompletenessParameters(Parameters):
    """The threshold."""

    threshold: float = Field(0.10, gt=0, description="largest allowed miss as a share of the output difference")


class Completeness(Check):
    """Attributions of path methods sum to the output difference."""

    id: ClassVar[str] = "completeness"
    title: ClassVar[str] = "Completeness"
    reference: ClassVar[str] = "Sundararajan et al., ICML 2017, arXiv 1703.01365, section 3"
    examines: ClassVar[Literal["model", "method"]] = "method"
    Parameters: ClassVar[type[Parameters]] = CompletenessParameters
    parameters: CompletenessParameters

    def examine(self, subject: Subject, problems: Problems, probe: Probe) -> list[Finding]:
        """One finding a method: SKIP for maps that come from no walk."""
        method = subject.method.id if subject.method is not None else None
        walks = [(i, r) for i, r in zip(subject.image_ids, subject.records, strict=True) if r is not None]
        if not walks:
            return [Finding(self.id, method, Status.SKIP, "The method claims no completeness: it integrates no walk.")]
        judged = [(i, r) for i, r in walks if r.completeness_error == r.completeness_error]
        if not judged:
            reason = "The output difference is too small to divide by on every image."
            return [Finding(self.id, method, Status.INCONCLUSIVE, reason)]
        limit = self.parameters.threshold
        late = [i for i, r in judged if _miss(r) > limit]
        worst = max(_miss(r) for _, r in judged)
        status = Status.PASS if not late else (Status.FAIL if len(late) == len(judged) else Status.WARN)
        reason = f"Completeness error and error bar are at most {100 * worst:.2g} % on {len(judged)} images."
        if late:
            share = f"{100 * limit:.0f} %"
            reason = f"{len(late)} of {len(judged)} images miss the output difference by more than {share}."
        details = {"images": sorted(late), "undefined": len(walks) - len(judged)}
        return [Finding(self.id, method, status, reason, estimate=worst, threshold=limit, details=details)]


def _miss(record: WalkRecord) -> float:
    return max(record.completeness_error, record.error_bar)
