"""Inpainting: what is removed is filled in smoothly from what is left around it.

scikit-image's biharmonic inpainting: in the removed part each channel solves the biharmonic equation, with the
known pixels around it as boundary values, so that brightness and its slope run on across the edge of the hole.  No
edge appears that was not there; a small hole in a smooth surface cannot be told from the surface.  The inside of a
large hole is a smooth sheet between its edges: nothing is invented there, and a model may notice that nothing is.

Each channel's values are clipped to the range of its known pixels (scikit-image does so: a biharmonic sheet can run
far beyond its edges).  Where everything is removed there is nothing to go by, and the picture's mean colour is taken.

It has no parameters, and it is the slowest of the imputers: at 224 x 224 about 0.1 s for a picture with half its
pixels removed and 0.5 s with nine tenths of them, many times the model's own forward pass.

Source: Damelin and Hoang 2018, International Journal of Mathematics and Mathematical Sciences, 3950312,
doi 10.1155/2018/3950312, as implemented by `skimage.restoration.inpaint_biharmonic`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from geoaudit import Imputer, Probe, Problems
from geoaudit.api import Filler, Floats, Removed
from geoaudit.errors import PluginError


class Inpainting(Imputer):
    """Biharmonic inpainting by scikit-image."""

    id = "inpainting"
    title = "Biharmonic inpainting"
    reference = "Damelin and Hoang 2018 (doi 10.1155/2018/3950312)"

    def open(self, problems: Problems, probe: Probe) -> Filler:
        """Solves for one image after the other.

        Raises (by the filler):
            PluginError: the equations of an image have no unique solution.
        """
        space = problems.space

        def impute(images: npt.NDArray[np.integer[Any]], removed: Removed) -> Floats:
            points: Floats = problems.x[images]  # a copy, for indexing by an array makes one
            for point, image, gone in zip(points, images, removed, strict=True):
                if not gone.any():
                    continue
                filled = _filled(point.astype(np.float64), gone, space.channel_axis)
                if not np.isfinite(filled).all():
                    raise PluginError(
                        f"inpainting {problems.ids[int(image)]}", "has no unique solution", "Use another imputer."
                    )
                np.copyto(point, filled, where=np.expand_dims(gone, space.channel_axis), casting="same_kind")
            return points

        return impute


def _filled(picture: npt.NDArray[np.float64], gone: npt.NDArray[np.bool_], axis: int) -> npt.NDArray[np.float64]:
    """The picture with what is gone filled in."""
    if gone.all():
        pixels = tuple(a for a in range(3) if a != axis)
        return np.broadcast_to(picture.mean(axis=pixels, keepdims=True), picture.shape)
    from skimage.restoration import inpaint_biharmonic

    return np.asarray(inpaint_biharmonic(picture, gone, channel_axis=axis), dtype=np.float64)
