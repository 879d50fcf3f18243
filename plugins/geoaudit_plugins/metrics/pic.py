"""Performance information curves: how much of the output returns with how much of the image's information?

Shared by `pic-sic` (the target's probability) and `pic-aic` (whether the target is the class that the model names).

Start from a blurred image that keeps only a random hundredth of the pixels.  Reveal the most important pixels, the
given shares of all pixels at a time, and at each step measure two things of the half-sharp ("bokeh") image: its
information, which is the length of its lossless WebP file, and what the model says of it.  Both are rescaled so that
the blurred image is 0 and the image itself is 1, and cut off there.  The score is the area under the model's answer
over the information, in [0, 1]: a map is good that brings the answer back with little information.  Importance is |A|
summed over the channels.

Shares, the random hundredth and the rule are those of the published code.  Departures, and why:

- No image is left out in silence.  The code asks its caller to leave out images below a probability of 0.8 and those
  that cannot be rescaled.  Here low confidence leaves out nothing; an image whose blurred version holds as much
  information as itself, or is answered as well as itself, has no curve and gets null with that reason.
- The hidden pixels are filled in by a push-pull pyramid (`bokeh`).  The code triangulates the sharp pixels and
  interpolates linearly, which takes up to a second for each step; both fill in smoothly from the sharp pixels.
- Exactly as many pixels are revealed as asked.  The code compares with a quantile, which reveals all tied pixels at
  once: everything, for a constant map.  Tied pixels here come in an order drawn from the image's id.
- Points are sorted by information, then by answer; the code leaves points of equal information in any order.  The
  answer is then replaced by its running maximum, as in the code (on by default there).  It lifts every curve a little,
  a random map's too, so the score is to be compared with the controls', not with one half.
- One score an image.  The code takes the median curve over images first and the area of that.
- The area is exact for the broken line through the points; the code samples it at 1000 places.
- Files are written with less effort (method 2, quality 25: a seventh of the time, about 5 % longer, lossless still).
- The random pixels are drawn from the run's seed and the image's id: the same for all maps and methods.

What it cannot show: the length of a file measures texture, not meaning.  A map on smooth ground reveals little
information for many pixels and is favoured; a map on edges pays for them.

Source: Kapishnikov, Bolukbasi, Viegas, Terry, XRAI: Better Attributions Through Regions, ICCV 2019, arXiv 1906.02825,
section 4.2; published code: github.com/PAIR-code/saliency, metrics/pic.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from hashlib import blake2b
from io import BytesIO

import numpy as np
import numpy.typing as npt
from pydantic import Field

from geoaudit import Attributions, Cost, Evidence, Group, InputSpace, Metric, Parameters, Problems, Removed
from geoaudit.api import Floats, Ints
from geoaudit.scoring.regions import relevance_places
from geoaudit_plugins.metrics.bokeh import bokeh

SHARES = (0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.10, 0.13, 0.21, 0.34, 0.5, 0.75)
"""Shares of the pixels revealed (published code)."""
SMALLEST_GAIN = 1e-6
"""A probability that rises by no more than this from the blurred image to the image does not rise."""
SAME_INFORMATION = "the blurred image holds no less information than the image"
Array = npt.NDArray[np.float64]


class PicParameters(Parameters):
    """What the blurred image keeps."""

    random_share: float = Field(0.01, gt=0, lt=1, description="share of the pixels sharp from the start (paper)")


@dataclass(frozen=True)
class Measured:
    """Half-sharp images.

    Attributes:
        information: lengths of their files in bytes, shape (n, k).
        probability: of the target, in [0, 1], shape (n, k).
        named: whether the target is the class with the highest probability, shape (n, k).
    """

    information: Array
    probability: Array
    named: npt.NDArray[np.bool_]


class PicMetric(Metric):
    """What both metrics share."""

    higher_is_better = True
    ideal = 1.0
    needs = frozenset({"probe"})
    reads_importance = True
    from_budget = "standard"
    Parameters = PicParameters
    parameters: PicParameters

    def curves(self, attributions: Attributions, problems: Problems, evidence: Evidence) -> tuple[Measured, Measured]:
        """The ends, blurred image and image (k = 2), and the steps between (k = `len(SHARES)`); made once."""
        group, share = evidence.group, self.parameters.random_share
        order = "least" if evidence.inverted else "most"
        digest = blake2b(np.ascontiguousarray(attributions.values).data, digest_size=16).hexdigest()
        ends = group.once(f"pic: ends at {share}", lambda: _ends(group, share))
        steps = group.once(
            f"pic: steps at {share}, {order} important first, of {digest}",
            lambda: _steps(group, attributions.values, evidence.inverted, share),
        )
        return ends, steps

    def cost(self, space: InputSpace) -> tuple[Cost, Cost]:
        """Half of the forwards: the two metrics share them, and usually both run."""
        return Cost(forwards=len(SHARES) / 2), Cost(forwards=1)


def _ends(group: Group, share: float) -> Measured:
    """The blurred image and the image."""
    problems = group.problems
    everything = np.ones(problems.space.size, dtype=np.bool_)
    sharp = [np.stack([first, everything]) for first in _sharp_at_first(group, share)]
    return _measured(group, sharp)


def _steps(group: Group, maps: Floats, inverted: bool, share: float) -> Measured:
    """The images half sharp, as a map tells: one k for each of `SHARES`."""
    problems = group.problems
    height, width = problems.space.size
    counts = np.maximum(1, np.rint(np.array(SHARES) * height * width).astype(np.int64))
    sharp = []
    for i, first in enumerate(_sharp_at_first(group, share)):
        places = _places(maps[i], problems.space, problems.ids[i], inverted).reshape(height, width)
        sharp.append((places < counts[:, None, None]) | first)
    return _measured(group, sharp)


def _places(values: Floats, space: InputSpace, image: str, inverted: bool) -> Ints:
    """Each pixel's place in the order in which pixels are revealed, shape (pixels,)."""
    mass = np.abs(values).sum(axis=space.channel_axis, dtype=np.float64).ravel()
    places = relevance_places(mass, image)
    return len(places) - 1 - places if inverted else places


def _sharp_at_first(group: Group, share: float) -> list[Removed]:
    """For each image the pixels that are sharp from the start, at least one, shape (height, width)."""
    height, width = group.problems.space.size
    count = max(1, round(share * height * width))
    found = []
    for image in group.problems.ids:
        first = np.zeros(height * width, dtype=np.bool_)
        first[group.probe.rng("pic", image).choice(height * width, count, replace=False)] = True
        found.append(first.reshape(height, width))
    return found


def _measured(group: Group, sharp: list[Removed]) -> Measured:
    """What there is to measure of every image with the pixels `sharp` (k, height, width) sharp."""
    problems, axis = group.problems, group.problems.space.channel_axis
    information, probability, named = [], [], []
    for i, masks in enumerate(sharp):
        points = np.moveaxis(bokeh(np.moveaxis(problems.x[i], axis, 0), masks), 1, 1 + axis)
        rows = group.probe.class_probabilities(np.ascontiguousarray(points))
        information.append([file_length(picture) for picture in pictures(points, problems.space)])
        probability.append(rows[:, problems.targets[i]])
        named.append(rows.argmax(axis=1) == problems.targets[i])
    return Measured(np.array(information, dtype=np.float64), np.array(probability), np.array(named))


def pictures(points: Floats, space: InputSpace) -> npt.NDArray[np.uint8]:
    """Points in model input space (m, *space.shape) as pictures 0..255, shape (m, height, width, channels)."""
    low, high = (space.per_channel(ends).astype(points.dtype) for ends in (space.low, space.high))
    scaled = np.clip(np.rint((points - low) / (high - low) * 255), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(np.moveaxis(scaled, 1 + space.channel_axis, -1))


def file_length(picture: npt.NDArray[np.uint8]) -> int:
    """Bytes of the lossless WebP file of a picture (height, width, channels); other than RGB side by side in grey."""
    from PIL import Image

    if picture.shape[2] != 3:
        picture = np.hstack(list(np.moveaxis(picture, 2, 0)))
    buffer = BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(buffer, "webp", lossless=True, quality=25, method=2)
    return buffer.tell()


def area(information: Array, answer: Array) -> float:
    """The area under the running maximum of `answer` over `information`.

    Args:
        information: ends first (blurred image, image), then the steps, in any unit, shape (2 + k,); the ends differ.
        answer: likewise, shape (2 + k,).

    Returns:
        In [0, 1].
    """
    x, y = (np.clip((a - a[0]) / (a[1] - a[0]), 0.0, 1.0) for a in (information, answer))
    order = np.lexsort((y, x))
    return float(np.trapezoid(np.maximum.accumulate(y[order]), x[order]))


def score_of(
    values: Floats, ends: Measured, steps: Measured, i: int, answers: tuple[Array, Array], fault: str | None
) -> tuple[float, str | None]:
    """Image i's area, or nan and why there is none.

    Args:
        values: image i's map.
        ends, steps: from `PicMetric.curves`.
        i: the image.
        answers: what the model says at the ends and at the steps.
        fault: why the answers cannot be rescaled; None where they can.
    """
    if not np.isfinite(values).all():
        return math.nan, "the map is not finite"
    if ends.information[i, 0] >= ends.information[i, 1]:
        return math.nan, SAME_INFORMATION
    if fault is not None:
        return math.nan, fault
    information = np.concatenate([ends.information[i], steps.information[i]])
    return area(information, np.concatenate(answers)), None
