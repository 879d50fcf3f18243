"""Can the straight-through gradient of a quantised model be believed?  Never PASS: rounding has no gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from geoaudit.api import Floats, Ints, Status
from geoaudit.model import slopes
from geoaudit.model.explain import Space
from geoaudit.model.frozen_rounding import FrozenRounding, NotFrozenError
from geoaudit.model.runtime import Runtime
from geoaudit.model.slopes import Slopes
from geoaudit.model.twin import Twin

SURROGATE = "the model with the rounding frozen at each image"
"""What the slopes of a quantised model are measured on."""


@dataclass
class Frozen:
    """What the comparison with the rounding frozen found.

    Attributes:
        slopes: measured on the images that could be used.
        left_out: images on which nothing could be measured.
        obstacle: a clause that says why not, on the last of them; None if there is none.
    """

    slopes: Slopes = field(default_factory=Slopes)
    left_out: int = 0
    obstacle: str | None = None


def compare(
    runtime: Runtime, twin: Twin, points: Floats, targets: Ints, space: Space, rng: np.random.Generator,
    tolerance: float,
) -> Frozen:  # fmt: skip
    """The twin's gradients against slopes of onnxruntime with every rounding frozen at each image.

    Args:
        runtime: onnxruntime on the audited file.
        twin: the converted model.
        points: images in model input space, shape (m, *shape), m >= 1.
        targets: explained classes, shape (m,).
        space: the explained scalar.
        rng: draws the directions.
        tolerance: allowed |difference| of the scores at the images, as a share of a row's range (or of the median
            row's where that is larger).
    """
    expected = runtime.logits(points).astype(np.float64)
    ranges = np.ptp(expected, axis=1)
    allowed = tolerance * np.maximum(ranges, np.median(ranges))
    found = Frozen()
    try:
        frozen = FrozenRounding(twin)
    except NotFrozenError as reason:
        return Frozen(left_out=len(points), obstacle=str(reason))
    for i in range(len(points)):
        one = slice(i, i + 1)
        with frozen.recording() as seen:
            _, gradient = twin.value_and_gradient(points[one], targets[one], space)
        try:
            near = frozen.at(points[i], seen, expected[i], float(allowed[i]))
            given = ([near], points[one], targets[one], gradient, space, twin.head.tail, rng)
            found.slopes.add(slopes.compare(*given, np.dtype(np.float32)))
        except NotFrozenError as reason:
            found.left_out += 1
            found.obstacle = str(reason)
    return found


def verdict(frozen: Frozen, operators: Sequence[str], tolerance: float) -> tuple[Status, str]:
    """FAIL if the slopes contradict the gradient, else WARN; and the reason, to follow "outputs agree ...".

    Args:
        frozen: the comparison.
        operators: the operators that round.
        tolerance: allowed median relative error.
    """
    through = f"gradients are straight-through: they pass over the rounding of {', '.join(operators)}"
    found = frozen.slopes
    left = _left_out(frozen)
    if not found.tried and not found.flat:
        return Status.WARN, f"{through}; the gradient could not be checked: {frozen.obstacle}"
    if not found.tried:
        return Status.WARN, f"{through}; there was no gradient to check{left}"
    measured = f"{len(found.errors)} of {found.tried} directional slopes could be measured"
    if 2 * len(found.errors) < found.tried:
        return Status.WARN, f"{through}; the gradient is hardly checked: only {measured}{left}"
    median, worst = float(np.median(found.errors)), max(found.errors)
    text = f"{measured}, median relative error {median:.2g}, largest {worst:.2g}"
    if median > tolerance:
        return Status.FAIL, (
            f"gradients do not: {through}, and with the rounding frozen at each image they contradict onnxruntime's "
            f"slopes: {text}; {tolerance} is allowed{left}"
        )
    return Status.WARN, (
        f"{through}; with the rounding frozen at each image they agree with onnxruntime's slopes: {text}{left}"
    )


def _left_out(frozen: Frozen) -> str:
    told = ""
    if flat := frozen.slopes.flat:
        told += (
            f"; {_images(flat)} left out: the scores sit on the limits that they were calibrated for, "
            "where their gradient is zero"
        )
    if frozen.left_out:
        told += f"; {_images(frozen.left_out)} left out: {frozen.obstacle}"
    return told


def _images(count: int) -> str:
    return "1 image was" if count == 1 else f"{count} images were"
