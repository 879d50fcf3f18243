"""captum's attribution classes as methods, through one adapter; offered where captum is installed.

captum explains torch modules.  It is given one whose forward asks the probe (`bridge`), so that black-box methods
run on the audited file itself and gradient methods on its certified twin, everything counted.  Those that hook
activations (DeepLift, DeepLiftShap, GuidedBackprop, Deconvolution) get the converted graph inside that module
(`hooked`), where its operators allow.

Not to be had: GuidedGradCam and all Layer and Neuron classes, which want a layer named; LRP, which has rules for
torch's own layers only; FeaturePermutation, which shuffles features among the images of a batch, so that an image's
map would depend on the others; ShapleyValues, whose cost is the factorial of the number of features.

They run only when named, as captum/<Name>, for most of them repeat a built-in method: what they are good for is
a second opinion by other people's code.

Source: Kokhlikyan et al., Captum: A unified and generic model interpretability library for PyTorch, 2020,
arXiv 2009.07896.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from geoaudit.registry import Offer
from geoaudit_plugins.captum_methods.gradients import (
    GradientShap,
    InputXGradient,
    IntegratedGradients,
    NoiseTunnel,
    Saliency,
)
from geoaudit_plugins.captum_methods.hooked import Deconvolution, DeepLift, DeepLiftShap, GuidedBackprop
from geoaudit_plugins.captum_methods.outputs import FeatureAblation, KernelShap, Lime, Occlusion, ShapleyValueSampling

CLASSES = (
    *(Deconvolution, DeepLift, DeepLiftShap, FeatureAblation, GradientShap, GuidedBackprop, InputXGradient),
    *(IntegratedGradients, KernelShap, Lime, NoiseTunnel, Occlusion, Saliency, ShapleyValueSampling),
)
"""Every adapted class."""


def offer() -> Offer:
    """The adapted classes, none where captum is not installed.  captum itself is imported when a map is made."""
    try:
        return Offer(f"captum {version('captum')}", CLASSES)
    except PackageNotFoundError:
        return Offer("captum", ())
