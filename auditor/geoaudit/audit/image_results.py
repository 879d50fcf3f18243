"""One method on one image, as the report states it."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from geoaudit.api import Status, WalkRecord
from geoaudit.audit.result import PerImage, WalkInfo
from geoaudit.audit.rows import Row
from geoaudit.audit.tally import Tally


def per_image(row: Row, tally: Tally) -> PerImage:
    """What one method is reported with on one image."""
    missing = {name: reason for name, reason in row.reasons.items() if reason is not None}
    ncc = missing.get("ncc-violation")
    inconclusive = ncc in ("degenerate baseline", "incomplete", "not converged") and row.record is not None
    late = row.record is not None and not row.record.met
    reasons = [f"NCC {ncc}"] if inconclusive else []
    if late:
        reasons.append("its gradients did not bring the error bar to its tolerance")
    status = Status.INCONCLUSIVE if inconclusive else (Status.WARN if late else Status.PASS)
    return PerImage(
        image=row.image,
        method=tally.method.id,
        scores={name: finite(value) for name, value in sorted(row.scores.items())},
        reasons=dict(sorted(missing.items())),
        status=status,
        reason="; ".join(reasons) or None,
        walk=None if row.record is None else _walk(row.record),
        delta_f=row.delta_f,
    )


def _walk(record: WalkRecord) -> WalkInfo:
    values = asdict(record)
    values.pop("sum_half")
    return WalkInfo.model_validate({k: finite(v) if isinstance(v, float) else v for k, v in values.items()})


def finite(value: float) -> float | None:
    """The value, or None where it is not finite."""
    return float(value) if np.isfinite(value) else None
