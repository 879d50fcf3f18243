"""The certificate that gradients may be believed: the converted model computes what onnxruntime computes.

Two things are compared on the audited images: the outputs, and the gradient with directional finite
differences of onnxruntime (see `finite`).  A random direction says little about the gradient's own, and the
other way round, so five kinds of directions are used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from geoaudit.api import Floats, Ints, Status
from geoaudit.audit.result import GradientParity, Parity
from geoaudit.errors import ParityError
from geoaudit.model import explain
from geoaudit.model.bisect import first_difference
from geoaudit.model.explain import Space
from geoaudit.model.finite import slope
from geoaudit.model.runtime import Runtime
from geoaudit.model.twin import Twin

OUTPUT_TOLERANCE = {"float16": 3e-2, "float32": 1e-3, "float64": 1e-6}
"""Allowed |difference| as a share of a row's range.  Two correct float32 engines differ by 1e-6 to 1e-4, the
mildest known conversion error (a reversed CumSum) by 2.5e-2; float16 has 10 bits for each of many sums."""
GRADIENT_TOLERANCE = 0.05
"""Allowed median relative error.  float32 gradients of deep rectifier networks differ from their own float64
gradients by up to 2.6 % (L2), and the measured slopes are as uncertain as `_RESOLVED` lets them be."""
_RESOLVED = 0.1  # a slope whose steps disagree by more than this says nothing about the gradient
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Outputs:
    """Largest differences of the scores, absolute and over the row's range; share of equal best classes."""

    absolute: float
    relative: float
    agreement: float
    worst: int


@dataclass(frozen=True)
class _Directions:
    """Relative errors of the slopes that could be resolved, and how many could not."""

    errors: list[float]
    tried: int


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
        although the scores agree, where a single slope is off by more than half, or where too few
        slopes could be measured.
    """
    outputs = _compare_outputs(runtime, twin, points)
    tolerance = OUTPUT_TOLERANCE[twin.precision]
    first: str | None = None
    slopes = _Directions([], 0)
    if outputs.relative <= tolerance:
        some = slice(min(gradient_images, len(points)))
        slopes = _check_gradients(runtime, twin, points[some], targets[some], space, rng)
    else:
        first = first_difference(twin, points[outputs.worst], tolerance)
        first = first or "the graph's clean-up passes: every tensor of the cleaned graph agrees"
    status, reason = _verdict(outputs, tolerance, slopes, first)
    errors = slopes.errors
    return Parity(
        status=status, reason=reason, images=len(points),
        max_abs_diff=outputs.absolute, max_rel_diff=outputs.relative, top1_agreement=outputs.agreement,
        gradient=GradientParity(
            directions=len(errors),
            median_rel_error=float(np.median(errors)) if errors else None,
            max_rel_error=float(max(errors)) if errors else None,
            tolerance=GRADIENT_TOLERANCE,
        ),
        tolerance=tolerance, first_difference=first,
    )  # fmt: skip


def _compare_outputs(runtime: Runtime, twin: Twin, points: Floats) -> _Outputs:
    expected = runtime.logits(points).astype(np.float64)
    found = twin.logits(points).astype(np.float64)
    difference = np.abs(expected - found).max(axis=1)
    relative = difference / np.maximum(np.ptp(expected, axis=1), 1e-12)
    return _Outputs(
        absolute=_finite(difference.max()),
        relative=_finite(relative.max()),
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
            "Its gradients cannot be believed. Export again, without the operator named if you can, with "
            "torch.onnx.export(model, ..., opset_version=17, dynamo=False).",
        )  # fmt: skip


def _check_gradients(
    runtime: Runtime, twin: Twin, points: Floats, targets: Ints, space: Space, rng: np.random.Generator
) -> _Directions:
    """Relative errors |g.v - D| / max(|g.v|, |D|, |g||v| / sqrt(d)).

    Along a random direction the derivative is about |g||v| / sqrt(d), and by chance may be much less:
    divided by its own size the error would be noise, divided by |g||v| it would be invisible.
    """
    dtype = np.dtype(twin.precision)
    tail = twin.head.tail
    _, gradients = twin.value_and_gradient(points, targets, space)
    errors: list[float] = []
    tried = 0
    for point, target, gradient in zip(points, targets, gradients.astype(np.float64), strict=True):
        if not np.any(gradient):
            continue  # a dead output: nothing to divide by, and the outputs' agreement stands alone

        def value(batch: Floats, target: int = int(target)) -> Doubles:
            return explain.values(runtime.logits(batch), np.full(len(batch), target), space, tail)

        for direction in _directions(gradient, rng):
            tried += 1
            measured = slope(value, point, direction, dtype)
            claimed = float((gradient * measured.displacement).sum())
            typical = float(np.linalg.norm(gradient)) * float(np.sqrt(np.mean(measured.displacement**2)))
            scale = max(abs(claimed), abs(measured.value), typical)
            if scale > 0 and measured.uncertainty <= _RESOLVED * scale:
                errors.append(abs(claimed - measured.value) / scale)
    return _Directions(errors, tried)


def _directions(gradient: Doubles, rng: np.random.Generator) -> list[Doubles]:
    """The gradient; its signs, randomly sized; random signs; Gaussian noise; the same smoothed."""
    shape = gradient.shape
    axes = (0, 8, 8) if shape[0] <= 4 else (8, 8, 0)
    return [
        gradient,
        np.sign(gradient) * rng.random(shape),
        rng.choice([-1.0, 1.0], shape),
        rng.standard_normal(shape),
        ndimage.gaussian_filter(rng.standard_normal(shape), axes, mode="wrap"),
    ]


def _verdict(outputs: _Outputs, tolerance: float, slopes: _Directions, first: str | None) -> tuple[Status, str]:
    relative, agreement = outputs.relative, outputs.agreement
    if relative > tolerance:
        return Status.FAIL, (
            f"outputs differ by {relative:.2g} of their range, {tolerance:.2g} is allowed; first difference: {first}"
        )
    measured = f"{len(slopes.errors)} of {slopes.tried} directional slopes could be measured"
    if 2 * len(slopes.errors) < max(slopes.tried, 1):
        return Status.WARN, f"outputs agree; the gradient is hardly checked: only {measured}"
    median, worst = float(np.median(slopes.errors)), max(slopes.errors)
    text = f"{measured}, median relative error {median:.2g}, largest {worst:.2g}"
    if median > GRADIENT_TOLERANCE:
        return Status.FAIL, f"outputs agree, gradients do not: {text}; {GRADIENT_TOLERANCE} is allowed"
    if agreement < 1:
        return (
            Status.WARN,
            f"scores agree, but the best class differs on {1 - agreement:.0%} of the images; {text}",
        )
    if worst > 0.5:
        return Status.WARN, f"outputs agree; one slope is far off: {text}"
    return Status.PASS, f"outputs agree to {relative:.2g} of their range; {text}"


def _finite(value: float) -> float:
    """Reports hold no NaN or infinity; an engine that yields one is as wrong as can be."""
    return float(np.nan_to_num(value, nan=1e30, posinf=1e30))
