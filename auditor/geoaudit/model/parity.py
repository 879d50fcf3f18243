"""The certificate that gradients may be believed: the converted model computes what onnxruntime computes.

Two things are compared on the audited images: the outputs, and the gradient with directional finite
differences of onnxruntime (see `slopes` and `finite`), of a quantised model with its rounding frozen at each image
(see `frozen_rounding`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from geoaudit.api import Floats, Ints, Status
from geoaudit.audit.result import GradientParity, Parity
from geoaudit.errors import ParityError
from geoaudit.model import quantised_gradient, slopes
from geoaudit.model.bisect import first_difference
from geoaudit.model.explain import Space
from geoaudit.model.quantised_gradient import Frozen
from geoaudit.model.runtime import Runtime
from geoaudit.model.slopes import Slopes
from geoaudit.model.twin import Twin

Precision = Literal["float16", "float32", "float64", "quantised"]

OUTPUT_TOLERANCE: dict[Precision, float] = {"float16": 3e-2, "float32": 1e-3, "float64": 1e-6, "quantised": 5e-2}
"""Allowed |difference| as a share of a row's range.  Two correct float32 engines differ by 1e-6 to 1e-4, the
mildest known conversion error (a reversed CumSum) by 2.5e-2; float16 has 10 bits for each of many sums."""
TYPICAL_TOLERANCE = 1e-2
"""Allowed difference of a quantised model's median row.  On 8-bit networks of 3 to 12 layers onnxruntime's integer
kernels, its own unfused graph and the twin agreed to the last bit on nine rows of ten; on the others one value had
rounded to the next of 255 levels, at most 0.45 % of the row's range.  Deep networks may carry such a flip further, so
a single row may differ by more; a wrong conversion shows on every row."""
GRADIENT_TOLERANCE = 0.05
"""Allowed median relative error.  float32 gradients of deep rectifier networks differ from their own float64
gradients by up to 2.6 % (L2), and the measured slopes are as uncertain as `slopes` lets them be."""


@dataclass(frozen=True)
class _Outputs:
    """Largest differences of the scores, absolute and over the row's range, and the median row's; share of equal best
    classes."""

    absolute: float
    relative: float
    typical: float
    agreement: float
    worst: int


def certify(
    runtime: Runtime, twin: Twin, points: Floats, targets: Ints, space: Space, rng: np.random.Generator,
    gradient_images: int = 4,
) -> Parity:  # fmt: skip
    """Compare the twin with onnxruntime.

    Args:
        runtime: onnxruntime on the audited file.
        twin: the converted model.
        points: audited images in model input space, shape (n, *shape), n >= 1.
        targets: explained classes, shape (n,).
        space: the explained scalar, whose gradient is checked.
        rng: draws the directions.
        gradient_images: images, the first ones, on which gradients are checked; five directions each.

    Returns:
        PASS; FAIL where outputs or gradients differ beyond tolerance; WARN where the best class differs
        although the scores agree, where a single slope is off by more than half, where too few
        slopes could be measured, and at best for a quantised model, whose gradient passes straight through the
        rounding.
    """
    outputs = _compare_outputs(runtime, twin, points)
    precision = _precision(runtime, twin)
    quantised = bool(twin.converted.straight_through)
    tolerance = OUTPUT_TOLERANCE["quantised" if quantised else precision]
    agree = outputs.relative <= tolerance and (not quantised or outputs.typical <= TYPICAL_TOLERANCE)
    first: str | None = None
    errors: list[float] = []
    if agree:
        some = slice(min(gradient_images, len(points)))
        given = (runtime, twin, points[some], targets[some], space, rng)
        if quantised:
            frozen = quantised_gradient.compare(*given, tolerance)
            errors = frozen.slopes.errors
            status, reason = _straight_through(frozen, twin.converted.straight_through, outputs.relative)
        else:
            found = _slopes(*given, np.dtype(precision))
            errors = found.errors
            status, reason = _verdict(outputs, found)
    else:
        first = first_difference(twin, points[outputs.worst], TYPICAL_TOLERANCE if quantised else tolerance)
        first = first or "the graph's clean-up passes: every tensor of the cleaned graph agrees"
        status, reason = Status.FAIL, _differing(outputs, tolerance, first, quantised)
    return Parity(
        status=status, reason=reason, images=len(points),
        max_abs_diff=outputs.absolute, max_rel_diff=outputs.relative, top1_agreement=outputs.agreement,
        gradient=_summary(errors, quantised_gradient.SURROGATE if quantised else None), tolerance=tolerance,
        first_difference=first,
    )  # fmt: skip


def _summary(errors: list[float], surrogate: str | None) -> GradientParity:
    return GradientParity(
        directions=len(errors),
        median_rel_error=float(np.median(errors)) if errors else None,
        max_rel_error=float(max(errors)) if errors else None,
        tolerance=GRADIENT_TOLERANCE,
        surrogate=surrogate,
    )


def _precision(runtime: Runtime, twin: Twin) -> Precision:
    """The coarser of the formats that the file has and that it was computed in."""
    order: tuple[Precision, ...] = ("float16", "float32", "float64")
    formats = (twin.normalised.precision, runtime.precision)
    return next(name for name in order if name in formats)


def _compare_outputs(runtime: Runtime, twin: Twin, points: Floats) -> _Outputs:
    """Differences over each row's range, or over the median row's where that is larger.

    A row whose scores happen to be equal, as those of a binary head near zero, has no range of its own.
    """
    expected = runtime.logits(points).astype(np.float64)
    found = twin.logits(points).astype(np.float64)
    difference = np.abs(expected - found).max(axis=1)
    ranges = np.ptp(expected, axis=1)
    relative = difference / np.maximum(np.maximum(ranges, np.median(ranges)), 1e-12)
    return _Outputs(
        absolute=_finite(difference.max()),
        relative=_finite(relative.max()),
        typical=_finite(np.median(relative)),
        agreement=float(np.mean(expected.argmax(axis=1) == found.argmax(axis=1))),
        worst=int(np.argmax(np.nan_to_num(relative, nan=np.inf))),
    )


def raise_if_failed(parity: Parity, thing: str = "the model") -> None:
    """Raise ParityError if the certificate's status is FAIL.

    Args:
        parity: the certificate.
        thing: the file's name for the message.
    """
    if parity.status == Status.FAIL:
        raise ParityError(
            thing, f"the converted model does not compute what onnxruntime computes: {parity.reason}",
            "Its gradients cannot be believed. Export again without the operator named if you can, or audit "
            "without gradients: --gradient-free.",
        )  # fmt: skip


def _slopes(
    runtime: Runtime, twin: Twin, points: Floats, targets: Ints, space: Space, rng: np.random.Generator,
    dtype: np.dtype[np.floating],
) -> Slopes:  # fmt: skip
    _, gradients = twin.value_and_gradient(points, targets, space)
    scores = [runtime.logits] * len(points)
    return slopes.compare(scores, points, targets, gradients, space, twin.head.tail, rng, dtype)


def _differing(outputs: _Outputs, tolerance: float, first: str, quantised: bool) -> str:
    typical = f" ({outputs.typical:.2g} on the median image, {TYPICAL_TOLERANCE:.2g} allowed)" if quantised else ""
    return (
        f"outputs differ by {outputs.relative:.2g} of their range, {tolerance:.2g} is allowed{typical}; "
        f"first difference: {first}"
    )


def _verdict(outputs: _Outputs, found: Slopes) -> tuple[Status, str]:
    """The verdict on a model whose outputs agree and that does not round."""
    measured = f"{len(found.errors)} of {found.tried} directional slopes could be measured"
    if 2 * len(found.errors) < max(found.tried, 1):
        return Status.WARN, f"outputs agree; the gradient is hardly checked: only {measured}"
    median, worst = float(np.median(found.errors)), max(found.errors)
    text = f"{measured}, median relative error {median:.2g}, largest {worst:.2g}"
    if median > GRADIENT_TOLERANCE:
        return Status.FAIL, f"outputs agree, gradients do not: {text}; {GRADIENT_TOLERANCE} is allowed"
    if outputs.agreement < 1:
        differing = f"the best class differs on {1 - outputs.agreement:.0%} of the images"
        return Status.WARN, f"scores agree, but {differing}; {text}"
    if worst > 0.5:
        return Status.WARN, f"outputs agree; one slope is far off: {text}"
    return Status.PASS, f"outputs agree to {outputs.relative:.2g} of their range; {text}"


def _straight_through(frozen: Frozen, rounding: tuple[str, ...], relative: float) -> tuple[Status, str]:
    """The verdict on a model whose outputs agree and whose gradient ignores its rounding."""
    status, reason = quantised_gradient.verdict(frozen, rounding, GRADIENT_TOLERANCE)
    return status, f"outputs agree to {relative:.2g} of their range{', ' if status == Status.FAIL else '; '}{reason}"


def _finite(value: float) -> float:
    """Reports hold no NaN or infinity; an engine that yields one is as wrong as can be."""
    return float(np.nan_to_num(value, nan=1e30, posinf=1e30))
