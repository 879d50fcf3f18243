"""captum's attribution classes as methods, through one adapter; offered where captum is installed.

captum explains torch modules.  It is given one whose forward asks the probe (`bridge`), so that black-box methods
run on the audited file itself and gradient methods on its certified twin, everything counted.  Methods that look
inside a torch module (DeepLift, LRP, GradCam, ...) cannot be had this way.

They run only when named, as captum/<Name>, for most of them repeat a built-in method: what they are good for is
a second opinion by other people's code.

Source: Kokhlikyan et al., Captum: A unified and generic model interpretability library for PyTorch, 2020,
arXiv 2009.07896.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from geoaudit.registry import Offer
from geoaudit_plugins.captum_methods.gradients import GradientShap, InputXGradient, IntegratedGradients, Saliency
from geoaudit_plugins.captum_methods.outputs import FeatureAblation, KernelShap, Lime, Occlusion, ShapleyValueSampling

CLASSES = (
    *(FeatureAblation, GradientShap, InputXGradient, IntegratedGradients, KernelShap, Lime, Occlusion, Saliency),
    ShapleyValueSampling,
)
"""Every adapted class."""


def offer() -> Offer:
    """The adapted classes, none where captum is not installed.  captum itself is imported when a map is made."""
    try:
        return Offer(f"captum {version('captum')}", CLASSES)
    except PackageNotFoundError:
        return Offer("captum", ())
