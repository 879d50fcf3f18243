"""Random map: what every faithfulness number must be compared with."""

from __future__ import annotations

import numpy as np

from geoaudit import Attributions, Control, Probe, Problems


class Random(Control):
    """Independent standard normal noise for each pixel, spread evenly over the channels."""

    id = "random"
    title = "Random map"
    reference = "Control"
    flags = frozenset({"not-complete", "stochastic"})

    def attribute(self, problems: Problems, probe: Probe) -> Attributions:
        """Maps that know nothing; drawn from the run's seed and the image's id alone."""
        space = problems.space
        values = np.empty_like(problems.x)
        for i, image_id in enumerate(problems.ids):
            noise = probe.rng(self.id, image_id).standard_normal(space.size)
            values[i] = np.expand_dims(noise / space.channels, space.channel_axis)
        return Attributions(values, (None,) * len(problems))
