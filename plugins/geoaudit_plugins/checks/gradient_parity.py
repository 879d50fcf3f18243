"""Gradient parity: the converted model's gradients agree with the slopes that onnxruntime shows.

Along random and gradient directions the directional derivative is compared with central finite differences of
onnxruntime's outputs at several step sizes.  Equal outputs do not imply equal gradients: a converter may
compute a value by operations that have another derivative, or none.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from geoaudit.api import Check, Finding, Need, Probe, Problems, Status, Subject


class GradientParity(Check):
    """Same slopes in onnxruntime and in the differentiable twin."""

    id: ClassVar[str] = "gradient-parity"
    title: ClassVar[str] = "Gradient parity"
    reference: ClassVar[str] = "the run's own parity certificate"
    examines: ClassVar[Literal["model", "method"]] = "model"
    needs: ClassVar[frozenset[Need]] = frozenset({"gradients"})

    def examine(self, subject: Subject, problems: Problems, probe: Probe) -> list[Finding]:
        """One finding: the certificate's."""
        gradient = subject.parity["gradient"]
        median, worst, tolerance = (gradient[k] for k in ("median_rel_error", "max_rel_error", "tolerance"))
        if median is None:
            reason = "No direction had a slope that onnxruntime resolves."
            return [Finding(self.id, None, Status.INCONCLUSIVE, reason, threshold=tolerance)]
        surrogate = gradient.get("surrogate")
        status = Status.FAIL if median > tolerance else Status.WARN if surrogate else Status.PASS
        reason = (
            f"Along {gradient['directions']} directions the gradient differs from onnxruntime's finite "
            f"differences by {100 * median:.2g} % in the median and {100 * worst:.2g} % at worst."
        )
        if surrogate:
            reason += f" They are those of {surrogate}: rounding itself has no useful derivative."
        return [Finding(self.id, None, status, reason, estimate=median, threshold=tolerance)]
