"""Resizing: a linear map along each axis."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from geoaudit.model.adjoint.along import copied_back, mixed_back
from geoaudit.model.adjoint.rules.registry import Site, rule
from geoaudit.model.adjoint.tape import Array
from geoaudit.model.converters import Operator, definitions


@rule("Resize", "Upsample")
def resize(site: Site) -> list[str | None]:
    """Pictures of another height and width."""
    site.only(0)
    shape = site.shape()
    if len(shape) != 4 or site.out[:2] != shape[:2]:
        site.refuse("of other axes than height and width")
    if site.attribute("coordinate_transformation_mode", "") == "tf_crop_and_resize":
        site.refuse("that crops")
    g, now = site.g, list(site.out)
    for axis in (2, 3):
        matrix = _matrix(site, axis)
        places = matrix.argmax(axis=1)
        if np.array_equal(matrix, places[:, None] == np.arange(shape[axis])):
            g = copied_back(site.tape, g, tuple(now), axis, places.tolist(), shape[axis], site.x())
        else:
            g = mixed_back(site.tape, g, tuple(now), axis, matrix, site.x())
        now[axis] = shape[axis]
    return site.results(x0=g)


def _matrix(site: Site, axis: int) -> Array:
    """The map along one axis as the converted model has it, (elements after, elements before).

    It is read off pictures that are 1 in one row or column and 0 elsewhere, one channel each.
    """
    shape = site.shape()
    length = shape[axis]
    rows = torch.eye(length, dtype=torch.float64 if site.tape.dtype(site.x()) == np.float64 else torch.float32)
    lines = rows[None, :, :, None] if axis == 2 else rows[None, :, None, :]
    pictures = lines.expand(1, length, *shape[2:])
    version = site.tape.opset
    known = max(v for domain, name, v in definitions() if (domain, name) == ("", site.node.op_type) and v <= version)
    function = Operator(site.node, definitions()["", site.node.op_type, known], known)
    with torch.no_grad():
        made = function(pictures, *_given(site, length)).numpy()
    return np.ascontiguousarray((made[0, :, :, 0] if axis == 2 else made[0, :, 0, :]).T)


def _given(site: Site, channels: int) -> list[Any]:
    """The other inputs, for one picture of `channels`."""
    given = []
    for index in range(1, len(site.node.input)):
        if site.has(index):
            value = site.constant(index).copy()
            if value.dtype == np.int64 and len(value) == 4:
                value[:2] = 1, channels
            given.append(torch.from_numpy(value))
    return given
