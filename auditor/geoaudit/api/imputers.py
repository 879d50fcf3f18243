"""Imputers: what stands in for the part of an image that is taken out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from geoaudit.api.parameters import Parameters as _Parameters  # inside a class the name is its own parameters
from geoaudit.api.probe import Probe
from geoaudit.api.problems import Floats, Problems

Removed = npt.NDArray[np.bool_]
"""Which pixels are taken out, shape (m, height, width)."""
Filler = Callable[[npt.NDArray[np.integer[Any]], Removed], Floats]
"""Indices of images (m,) and what is removed from each, to imputed images (m, *space.shape), new arrays."""


class Imputer(ABC):
    """A way to take pixels out of an image; all channels of a pixel together.

    Class attributes:
        id, title, reference: as for methods.
    """

    id: ClassVar[str]
    title: ClassVar[str]
    reference: ClassVar[str]
    Parameters: ClassVar[type[_Parameters]] = _Parameters

    def __init__(self, parameters: _Parameters | None = None) -> None:
        self.parameters = parameters if parameters is not None else self.Parameters()

    @abstractmethod
    def open(self, problems: Problems, probe: Probe) -> Filler:
        """What takes pixels out of these images; called once for a group of images.

        What an image becomes may depend on the image, its id, what is removed from it and the run's seed; never on
        the other images, nor on how often the filler was called.
        """


class FillImputer(Imputer):
    """An imputer whose fill does not depend on what is removed: the image's removed pixels take the fill's."""

    @abstractmethod
    def fill(self, problems: Problems, probe: Probe) -> Floats:
        """The images with everything removed, in model input space, shape (n, *space.shape)."""

    def open(self, problems: Problems, probe: Probe) -> Filler:
        """Copies the fill over what is removed."""
        filled = np.asarray(self.fill(problems, probe), dtype=problems.x.dtype)
        axis = problems.space.channel_axis

        def impute(images: npt.NDArray[np.integer[Any]], removed: Removed) -> Floats:
            points: Floats = problems.x[images]  # a copy, for indexing by an array makes one
            for point, image, gone in zip(points, images, removed, strict=True):
                np.copyto(point, filled[image], where=np.expand_dims(gone, axis))
            return points

        return impute
