"""Channel mean: what is removed takes the image's own mean colour.

One colour an image, the mean of each channel over all its pixels, whatever is removed: it brings no colour and no
brightness into the picture that was not there.  A hole of one colour has an edge, though, and shows its own shape.

Source: Zeiler and Fergus 2014 (arXiv 1311.2901) hide parts of a picture behind a uniform grey; Samek et al. 2017
(arXiv 1509.06321, section II) discuss what to hide them behind.
"""

from __future__ import annotations

import numpy as np

from geoaudit import FillImputer, Probe, Problems
from geoaudit.api import Floats


class ChannelMean(FillImputer):
    """The image's mean colour."""

    id = "channel-mean"
    title = "The image's mean colour"
    reference = "Samek et al. 2017 (arXiv 1509.06321)"

    def fill(self, problems: Problems, probe: Probe) -> Floats:
        """The mean colours, shape (n, *space.shape)."""
        axes = (2, 3) if problems.space.layout == "NCHW" else (1, 2)
        means = np.mean(problems.x, axis=axes, keepdims=True, dtype=np.float64)
        return np.broadcast_to(means, problems.x.shape).astype(problems.x.dtype)
