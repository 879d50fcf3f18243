"""Manifold-Aligned Guided IG: Guided IG walked in the codes of an autoencoder.

Guided IG moves single pixels, and on its way passes pictures that look like no picture.  Here the walk is made in the
code space of an encoder E and a decoder D of pictures, and every point of it is (nearly) a decoded picture.  From
z = E(x') to E(x) the code moves in steps of equal L1 length; in each step only those code elements move, by straight
interpolation, whose partial derivatives of f(D(z)) are smallest in magnitude, exactly as guided-ig does it with pixels.

Carrying the residual.  No autoencoder is perfect: r' = x' - D(E(x')) and r = x - D(E(x)) are not 0.  The published
walk jumps from x' to D(E(x')) in its first step and from D(z) to x in its last, across what the autoencoder cannot
draw; f may change there more than on all the rest.  Here point k of K is D(z_k) + (1 - s) r' + s r with s = k / K:
both ends are exact, and the residual is spread evenly.  `residual="ends"` walks as published.

Guiding.  One gradient a step, g = the gradient of f at the walk's point, which serves the integral and, pulled back
through the decoder by J_D(z)^T g, the choice of elements.  The released code evaluates the choice at D(z) and the
integral at the walk's points, twice the gradients; where the residual is left to the ends the two are the same
points, but for the first.

Integration.  The recorded points are the vertices of a polyline in model input space, integrated like every other
walk: nodes are added until the error bar is met (`rule="refined"`).  Between vertices the walk is straight in pixels,
not in codes.  It is complete: the attributions sum to f(x) - f(x') within the error bar.  `rule="left"` multiplies
each step by the gradient at its start, as published, and misses tens of percent.  Elements that the model does not
look at get exactly 0; an image that equals its baseline gets zeros and costs nothing.

Without an autoencoder (`--autoencoder ENC.onnx DEC.onnx`) the walk is made on a PCA manifold of the calibration set:
D(z) = mean + V z with at most `components` principal components of at most `pictures` pictures, taken evenly from the
set.  That is a plane through a handful of pictures, no manifold of natural images: it holds their coarse layout and
light, and on other pictures most of the way is residual, which goes in a straight line; the map is then close to that
of integrated-gradients.  The report says on what manifold it was walked, how much variance that holds, and whether it
leaves out more than half of the way.  With fewer than two pictures, or pictures that are all the same, there is no
such plane and the method does not apply.

Defaults.  fraction = 0.05 of the code elements is the released code's; it takes 200 steps (the thorough budget),
here 60 as for guided-ig, because the integration is refined afterwards.  Evaluations of encoder and decoder are not
counted as the model's: 2 encodings and K + 1 decodings an image, and K - 1 passes back through the decoder.

What it cannot show: the walk is only as close to the pictures' manifold as the autoencoder is; one that was trained on
other pictures, or blurs, leads through its own artefacts.  A map says nothing about the autoencoder.  D(z) plus
residual may leave the range of pixel values by as much as the residual does.

Departures from the released code, besides those named: no spherical interpolation (slerp), its default, because the
L1 length of a code that turns does not fall evenly, so that the last step jumps over what the schedule has missed;
bookkeeping in float64 progress coordinates, where its float32 test for an arrived element can never be met; each image
is explained for its own class, where a batch was explained for all classes of the batch.

Source: Soyeon Kim et al., Manifold-Aligned Guided Integrated Gradients for Reliable Feature Attribution, ICML 2026,
arXiv 2605.02167; steps, fraction and rules of the authors' released code.  Guided IG: Kapishnikov et al., CVPR 2021,
arXiv 2106.09788.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from geoaudit.api import (
    Attributions,
    Autoencoder,
    Cost,
    Flag,
    Floats,
    Parameters,
    PathMethod,
    Probe,
    Problems,
    Quadrature,
    Recorded,
    Runs,
)
from geoaudit.errors import NotApplicable
from geoaudit.paths.integrator import integrate
from geoaudit_plugins.manifolds.ends import Ends
from geoaudit_plugins.manifolds.pca import PcaManifold, learn
from geoaudit_plugins.methods.guided_ig import advance

MOSTLY_STRAIGHT = "On some images the manifold leaves out more than half of the way: that part is walked straight."


class ManifoldGuidedIGParameters(Parameters):
    """How the walk is recorded and integrated, and what it is walked on without an autoencoder."""

    steps: int = Field(60, ge=1, description="equal L1 steps of the code; the released code uses 200")
    fraction: float = Field(0.05, gt=0, le=1, description="share of the code's elements that may move (released code)")
    residual: Literal["carried", "ends"] = Field(
        "carried", description="what the autoencoder leaves out: spread over the walk, or in its first and last step"
    )
    rule: Literal["refined", "trapezoid", "left"] = Field(
        "refined", description="how the recorded walk is integrated; the released code uses left"
    )
    pictures: int = Field(128, ge=2, description="calibration pictures that the PCA manifold is learned from, at most")
    components: int = Field(32, ge=1, description="principal components of the PCA manifold, at most")


class ManifoldGuidedIG(PathMethod):
    """Guided IG in the codes of an autoencoder."""

    id: ClassVar[str] = "manifold-guided-ig"
    title: ClassVar[str] = "Manifold-Aligned Guided IG"
    family: ClassVar[str] = "path"
    reference: ClassVar[str] = "S. Kim et al., ICML 2026, arXiv 2605.02167"
    flags: ClassVar[frozenset[Flag]] = frozenset({"needs-calibration-set"})
    runs: ClassVar[Runs] = "with all"
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"quick": {"steps": 30}, "thorough": {"steps": 200}}
    Parameters: ClassVar[type[Parameters]] = ManifoldGuidedIGParameters
    parameters: ManifoldGuidedIGParameters

    def attribute(self, problems: Problems, probe: Probe) -> Attributions:
        """Integrate the gradient along the walk, and say what it was walked on.

        Raises:
            NotApplicable: there is neither an autoencoder nor a set of pictures to learn one from.
        """
        manifold = self._manifold(probe)
        ends = Ends.on(manifold, problems)
        maps = integrate(self._recorded(problems, probe, manifold, ends), problems, probe)
        notes = (_told(manifold, probe),) if isinstance(manifold, PcaManifold) else ()
        return Attributions(maps.values, maps.records, (*notes, *((MOSTLY_STRAIGHT,) if ends.left_out > 0.5 else ())))

    def walk(self, problems: Problems, probe: Probe) -> Recorded:
        """The walk through the codes, recorded: one gradient a step for every image, images batched."""
        manifold = self._manifold(probe)
        return self._recorded(problems, probe, manifold, Ends.on(manifold, problems))

    def _manifold(self, probe: Probe) -> Autoencoder:
        """The user's autoencoder, or the manifold learned from the calibration set."""
        if probe.autoencoder is not None:
            return probe.autoencoder
        p, count = self.parameters, len(probe.calibration)
        why = f"no autoencoder was given, and the calibration set holds {count} picture{'' if count == 1 else 's'}"
        found = None
        if count >= 2:
            key = f"{self.id}/pca/{p.pictures}/{p.components}"
            found = probe.once(key, lambda: learn(probe.calibration, p.pictures, p.components))
            why = "no autoencoder was given, and the pictures of the calibration set are all the same"
        if found is None:
            raise NotApplicable(
                self.id, f"{why}: no manifold can be learned from it",
                "Give different pictures with --calibration DIR, or an autoencoder with --autoencoder.",
            )  # fmt: skip
        return found

    def _recorded(self, problems: Problems, probe: Probe, manifold: Autoencoder, ends: Ends) -> Recorded:
        n, p = len(problems), self.parameters
        moving = np.flatnonzero((problems.x != problems.baseline).reshape(n, -1).any(axis=1))
        progress = np.where(ends.way == 0, 1.0, 0.0)
        vertices = np.empty((p.steps + 1, *problems.x.shape), dtype=problems.x.dtype)
        gradients = np.zeros((p.steps, *problems.x.shape), dtype=problems.x.dtype)
        values = np.zeros((p.steps, n))
        for step in range(p.steps):
            vertices[step] = problems.baseline
            if not len(moving):
                continue
            codes = (ends.start[moving] + ends.way[moving] * progress[moving]).reshape(-1, *manifold.code_shape)
            if step > 0:
                vertices[step, moving] = manifold.decode(codes) + self._carried(ends, moving, step / p.steps)
            values[step, moving], gradients[step, moving] = probe.value_and_gradient(
                vertices[step, moving], problems.targets[moving]
            )
            if step == p.steps - 1:
                break  # the last step ends at the image, whatever is still to go
            slopes = np.abs(manifold.pull_back(codes, gradients[step, moving])).reshape(len(moving), -1)
            for row, i in enumerate(moving):
                advance(progress[i], slopes[row], np.abs(ends.way[i]), (step + 1) / p.steps, p.fraction, 1.0)
        vertices[-1] = problems.x
        return Recorded(
            vertices=[vertices[:, i] for i in range(n)],
            gradients=[gradients[:, i] for i in range(n)],
            values=[values[:, i] for i in range(n)],
            rule=p.rule,
        )

    def _carried(self, ends: Ends, images: npt.NDArray[np.intp], share: float) -> Floats | float:
        """What is added to the decoded pictures once a share of the way is done."""
        if self.parameters.residual == "ends":
            return 0.0
        carried: Floats = (1.0 - share) * ends.residual_start[images] + share * ends.residual_end[images]
        return carried

    def cost(self, quadrature: Quadrature) -> Cost:
        """One gradient a step, then the refinement."""
        if self.parameters.rule != "refined":
            return Cost(gradients=self.parameters.steps)
        limit = quadrature.node_limit
        return Cost(gradients=self.parameters.steps + 0.75 * limit, forwards=self.parameters.steps + 1.5 * limit)

    def memory(self, quadrature: Quadrature) -> int:
        """Vertices and gradients of the recording, the residuals, and one gradient a node of the refinement."""
        return 24 + 2 * self.parameters.steps + quadrature.node_limit


def _told(manifold: PcaManifold, probe: Probe) -> str:
    """The sentence that stands beside the maps."""
    return (
        f"No autoencoder was given: walks on a PCA manifold of {manifold.pictures} pictures "
        f"({len(manifold.components)} component{'' if len(manifold.components) == 1 else 's'}, "
        f"{100 * manifold.variance:.0f} % of the variance), taken from {probe.calibration.source}."
    )
