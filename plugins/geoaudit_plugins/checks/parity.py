"""Parity: the converted model computes what onnxruntime computes on the audited images.

Gradients come from the conversion, so every map stands on this certificate.  It compares all scores of the
audited images (largest absolute difference, largest difference as a share of the scores' range, agreement of
the best class).  A failure ends the audit before any map is computed.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from geoaudit.api import Check, Finding, Need, Probe, Problems, Status, Subject


class Parity(Check):
    """Same outputs in onnxruntime and in the differentiable twin."""

    id: ClassVar[str] = "parity"
    title: ClassVar[str] = "Output parity"
    reference: ClassVar[str] = "the run's own parity certificate"
    examines: ClassVar[Literal["model", "method"]] = "model"
    needs: ClassVar[frozenset[Need]] = frozenset({"gradients"})

    def examine(self, subject: Subject, problems: Problems, probe: Probe) -> list[Finding]:
        """One finding: the certificate's."""
        certificate = subject.parity
        relative, tolerance = certificate["max_rel_diff"], certificate["tolerance"]
        agreement = certificate["top1_agreement"]
        within = Status.PASS if agreement == 1.0 else Status.WARN
        status = Status.FAIL if relative > tolerance else within
        reason = (
            f"On {certificate['images']} images the scores differ by at most "
            f"{certificate['max_abs_diff']:.2g} and the best class agrees on {100 * agreement:.0f} %."
        )
        return [Finding(self.id, None, status, reason, estimate=relative, threshold=tolerance)]
