"""Smoothed random map: noise that looks like a heat map."""

from __future__ import annotations

import numpy as np
from pydantic import Field
from scipy.ndimage import gaussian_filter

from geoaudit import Attributions, Control, Parameters, Probe, Problems


class SmoothRandomParameters(Parameters):
    """Parameters of the smoothed random map."""

    sigma_share: float = Field(
        default=1 / 14, gt=0, le=1, description="sigma as a share of the shorter side; one scoring region"
    )


class SmoothRandom(Control):
    """Gaussian-smoothed normal noise: tells a smooth map's advantage from a true one's."""

    id = "smooth-random"
    title = "Smoothed random map"
    reference = "Control"
    flags = frozenset({"not-complete", "stochastic"})
    Parameters = SmoothRandomParameters

    def attribute(self, problems: Problems, probe: Probe) -> Attributions:
        """Smooth maps that know nothing; drawn from the run's seed and the image's id alone."""
        space = problems.space
        settings = self.parameters
        assert isinstance(settings, SmoothRandomParameters)
        values = np.empty_like(problems.x)
        for i, image_id in enumerate(problems.ids):
            noise = probe.rng(self.id, image_id).standard_normal(space.size)
            smooth = gaussian_filter(noise, sigma=settings.sigma_share * min(space.size))
            values[i] = np.expand_dims(smooth / space.channels, space.channel_axis)
        return Attributions(values, (None,) * len(problems))
