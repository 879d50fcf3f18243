"""Centre map: photographers put the subject in the middle."""

from __future__ import annotations

import numpy as np
from scipy.signal.windows import gaussian

from geoaudit import Attributions, Control, Probe, Problems


class Center(Control):
    """One Gaussian in the middle of the image, sigma a quarter of each side: shows the data set's bias."""

    id = "center"
    title = "Centre of the image"
    reference = "Control"
    flags = frozenset({"not-complete"})

    def attribute(self, problems: Problems, probe: Probe) -> Attributions:
        """The same map for every image."""
        space = problems.space
        height, width = space.size
        bump = np.outer(gaussian(height, height / 4), gaussian(width, width / 4))
        one = np.expand_dims(bump / space.channels, space.channel_axis)
        values = np.broadcast_to(one, problems.x.shape).astype(problems.x.dtype)
        return Attributions(values, (None,) * len(problems))
