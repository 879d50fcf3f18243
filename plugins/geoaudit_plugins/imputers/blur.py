"""Blur: what is removed takes the same place of the image under a strong Gaussian blur.

Colours stay, shapes go.  Where sharp and blurred meet in a textured place there is an edge, a fainter one than that of
a hole of one colour.
"""

from __future__ import annotations

from pydantic import Field
from scipy.ndimage import gaussian_filter

from geoaudit import FillImputer, InputSpace, Parameters, Probe, Problems
from geoaudit.api import Floats


class BlurParameters(Parameters):
    """How strong the blur is."""

    share: float = Field(1 / 14, gt=0, description="sigma as a share of the shorter side: 16 px at 224")


class Blur(FillImputer):
    """The image under a Gaussian blur, borders mirrored."""

    id = "blur"
    title = "The image, blurred"
    reference = "Fong and Vedaldi 2017 (arXiv 1704.03296)"
    Parameters = BlurParameters
    parameters: BlurParameters

    def sigma(self, space: InputSpace) -> float:
        """Standard deviation of the blur in pixels."""
        return min(space.size) * self.parameters.share

    def fill(self, problems: Problems, probe: Probe) -> Floats:
        """The blurred images, shape (n, *space.shape)."""
        sigma = [self.sigma(problems.space)] * 4
        sigma[0] = 0.0
        sigma[1 + problems.space.channel_axis] = 0.0
        filled: Floats = gaussian_filter(problems.x, sigma=sigma, mode="reflect")
        return filled
