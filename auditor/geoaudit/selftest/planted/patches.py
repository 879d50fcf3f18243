"""A classifier whose evidence is known: it counts coloured squares, everything else is a distraction.

The file looks at cells of 2 x 2 px, the very regions by which faithfulness is read on a picture of 28 px.  A cell
shows class k where its colour k exceeds the mean of the other two by a margin; class k's score is a factor times
the sum of what its cells have beyond that margin.  Grey has no colour, so black, white and every grey texture
between them count for nothing, however strong their edges; the edges of the picture are therefore no explanation.

A picture holds six coloured squares of 4 x 4 px, far enough apart that under the strong blur of the sweep none of
them keeps its margin.  So whichever imputer takes m of the 24 cells away, the target's score is 24 - m times the
same number and the other scores are 0: p = e^s / (e^s + 2), and every masking curve of the true map is known.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, helper

from geoaudit.api import Attributions, Method, Need, Probe, Problems
from geoaudit.selftest.planted.files import HIGH, LOW, Layout, model_file, model_input

Array = npt.NDArray[np.float64]

SIDE, CELL, CLASSES = 28, 2, 3
CELLS = (SIDE // CELL) ** 2
"""Cells of a picture, which are the sweep's regions."""
EVIDENCE = 24
"""Cells of a picture that show its class."""
_SQUARE, _PLACES, _SQUARES = 4, (4, 12, 20), 6
_COLOUR, _GREY = 210, 50
_MARGIN = 0.9
_FACTOR = 0.5
SCORE_OF_CELL = _FACTOR * (round((HIGH - LOW) * (_COLOUR - _GREY) / 255.0, 12) - _MARGIN)
"""What one cell of evidence adds to its class' score."""


def file(layout: Layout, dtype: Any) -> ModelProto:
    """The classifier as an ONNX model, a Softmax at its end."""
    kernel = np.full((CLASSES, 3, CELL, CELL), -0.5)
    kernel[range(CLASSES), range(CLASSES)] = 1.0
    weights = {
        "kernel": kernel / CELL**2,
        "margin": np.full(CLASSES, -_MARGIN),
        "everywhere": np.array([2, 3]),
        "factor": np.array(_FACTOR),
    }
    nodes = [
        helper.make_node("Conv", ["planes", "kernel", "margin"], ["colour"], strides=[CELL, CELL]),
        helper.make_node("Relu", ["colour"], ["evidence"]),
        helper.make_node("ReduceSum", ["evidence", "everywhere"], ["amount"], keepdims=0),
        helper.make_node("Mul", ["amount", "factor"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["scores"], axis=1),
    ]
    return model_file(nodes, weights, (3, SIDE, SIDE), CLASSES, layout, dtype)


def pictures(count: int = 8) -> npt.NDArray[np.uint8]:
    """Grey noise with coloured squares; picture i is of class i modulo 3; shape (count, 28, 28, 3), RGB."""
    rng = np.random.default_rng(20240609)
    noise = rng.integers(0, 256, (count, SIDE, SIDE, 1), dtype=np.uint8)
    drawn = np.repeat(noise, 3, axis=-1)
    places = [(row, column) for row in _PLACES for column in _PLACES]
    for i, picture in enumerate(drawn):
        for place in rng.permutation(len(places))[:_SQUARES]:
            row, column = places[place]
            square = picture[row : row + _SQUARE, column : column + _SQUARE]
            square[...] = _GREY
            square[..., i % CLASSES] = _COLOUR
    return drawn


def evidence(drawn: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """The pixels that show a class, shape (n, 28, 28): those that are not grey."""
    return np.asarray(drawn.max(axis=-1) != drawn.min(axis=-1))


def probability(cells: npt.ArrayLike) -> Array:
    """The target's probability while this many cells of evidence are left."""
    odds = np.exp(SCORE_OF_CELL * np.asarray(cells, dtype=np.float64))
    return np.asarray(odds / (odds + CLASSES - 1))


def curves(fractions: Array) -> dict[str, Array]:
    """The true map's masking curves by order, over the shares of the cells taken out."""
    gone = np.rint(fractions * CELLS)
    return {
        "morf": probability(np.maximum(EVIDENCE - gone, 0)),
        "lerf": probability(np.minimum(EVIDENCE, CELLS - gone)),
    }


class PlantedMap(Method):
    """A map known beforehand, audited like a method's.

    Args:
        name: its id.
        maps: picture i's map at row i, channels first, shape (n, 3, 28, 28); picture i is called "0i.png".
    """

    title = "Planted map"
    family = "planted"
    reference = "Known by construction"
    needs: frozenset[Need] = frozenset()  # type: ignore[misc]

    def __init__(self, name: str, maps: Array) -> None:
        super().__init__()
        self.id = name  # type: ignore[misc]
        self.maps = maps

    def attribute(self, problems: Problems, probe: Probe) -> Attributions:
        """The maps of these pictures, in the model's layout."""
        chosen = self.maps[[int(name.partition(".")[0]) for name in problems.ids]]
        placed = chosen if problems.space.layout == "NCHW" else np.moveaxis(chosen, 1, -1)
        return Attributions(placed.astype(problems.x.dtype), (None,) * len(problems))


def true_maps(drawn: npt.NDArray[np.uint8]) -> Array:
    """What each element adds to its picture's score, shape (n, 3, 28, 28): a cell's share on each of its elements."""
    shown = evidence(drawn)[:, None] * (SCORE_OF_CELL / (3 * CELL**2))
    return np.repeat(shown, 3, axis=1)


def misleading_maps(drawn: npt.NDArray[np.uint8]) -> Array:
    """How far each element is from black where there is no evidence, and nothing where there is some."""
    grey = model_input(drawn) - LOW
    return np.asarray(grey * ~evidence(drawn)[:, None])
