"""Expected Gradients: integrated gradients averaged over baselines that are pictures.

What it does.  No colour has to stand for "nothing": the reference is what pictures of this kind usually are.  With
references b drawn from a set D and a position a uniform in [0, 1],

    A = E_{b, a} [ (x - b) * g(b + a (x - b)) ]

the mean over D of the integrated gradients from b to x.  In expectation A adds up to f(x) - E f(b).

Estimate.  n samples (b_s, a_s) and A = (1/n) sum_s (x - b_s) * g(b_s + a_s (x - b_s)).  The positions are stratified:
a_s is drawn uniformly from the s-th of n equal parts of [0, 1].  The references take turns: the strata are gone
through in runs as long as the number of references, each run a random order of them all, so that every reference is
seen over the whole of [0, 1] and equally often, up to one sample.  With one reference this is integrated gradients by
a jittered midpoint rule; on a linear model it is exact.

References.  Pictures of the calibration set: the user's, or else the audited images.  At most 64 of them, drawn once
a run, are held in memory and serve every image; the explained image itself, recognised by its pixels, is left out.
Where nothing else is left, the method does not apply.

Completeness and its error bar.  What the map claims to add up to is f(x) minus the mean of f at the references as
they were used (flag own-baseline): exact numbers, so that only the integral is uncertain.  A sample's miss,

    m_s = sum_i (x - b_s)_i g_i - (f(x) - f(b_s)),

has mean 0 for every reference when its position is uniform, and the sum's error is the mean of the misses.  Positions
are stratified, so its variance is estimated from neighbouring strata: error bar = root of
sum_s (m_{s+1} - m_s)^2 / (2 n (n - 1)).  This is the standard error of the sum, 0 for a linear model.  With fewer
references than samples it errs on the safe side, by what the strata differ systematically and what the turns even
out.  How far the mean over these references is from the mean over all pictures that might have been drawn is a
question about the set and not part of it.

What the record says.  The walks are the straight lines from the references, each with the weight of its share of the
samples; nodes are the samples.  total_variation adds up |f changes| from each reference over its samples to the
image, path_cancellation = 1 - |claim| / total_variation; with a sample or two on a line both see little of it, and
what they call cancellation is mostly references whose f lies on different sides of f(x).  length is the mean
|x - b_s|; absolute_integral and conformal_length are the samples' means of sum_i |(x - b_s)_i g_i| and |x - b_s| |g|;
absolute_misses is that of |m_s|.  magnitude_half and sum_half come from every other sample, which are stratified
likewise.  S contains the samples' noise, so with few samples the NCC of a photograph is often "not converged".

Defaults.  Published implementations draw positions independently and 5 to 200 samples.  64 cost what the other path
methods cost; the quick budget takes 24, the thorough one 200.

What it cannot show.  What the image has in common with its references gets no attribution, and another set gives
another map: of other classes, it explains the difference between classes; of the audited images, it depends on which
images were audited together.

Source: Erion, Janizek, Sturmfels, Lundberg, Lee, Improving performance of deep learning models with axiomatic
attribution priors and expected gradients, Nature Machine Intelligence 2021, arXiv 1906.10670, section 2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from geoaudit.api import (
    Attributions,
    Cost,
    Flag,
    Floats,
    Ints,
    Method,
    Parameters,
    Probe,
    Problems,
    Quadrature,
    Runs,
)
from geoaudit.errors import NotApplicable
from geoaudit_plugins.methods.sampled_lines import Drawn, Sums, record

CHUNK = 64
"""Points, over all images, that are evaluated at a time."""
HELD = 64
"""Pictures of the calibration set that are held in memory."""


class ExpectedGradientsParameters(Parameters):
    """The size of the estimate."""

    samples: int = Field(64, ge=2, description="pairs of a reference and a position, one gradient each")


class ExpectedGradients(Method):
    """Integrated gradients from references that are pictures of the calibration set."""

    id: ClassVar[str] = "expected-gradients"
    title: ClassVar[str] = "Expected Gradients"
    family: ClassVar[str] = "path"
    reference: ClassVar[str] = "Erion et al., Nature Machine Intelligence 2021, arXiv 1906.10670"
    flags: ClassVar[frozenset[Flag]] = frozenset({"own-baseline", "needs-calibration-set", "stochastic"})
    runs: ClassVar[Runs] = "with all"
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"quick": {"samples": 24}, "thorough": {"samples": 200}}
    Parameters: ClassVar[type[Parameters]] = ExpectedGradientsParameters
    parameters: ExpectedGradientsParameters

    def attribute(self, problems: Problems, probe: Probe) -> Attributions:
        """One gradient a sample and image; samples of all images fill the batches.

        Raises:
            NotApplicable: the calibration set holds no picture besides the explained one.
        """
        pool = self._pool(problems, probe)
        drawn = [self._draw(problems, i, pool, probe) for i in range(len(problems))]
        known = _known_outputs(problems, pool, drawn, probe)
        sums = [Sums(problems.space.shape, self.parameters.samples) for _ in drawn]
        for parts, points, targets in _chunks(problems, pool, drawn):
            outputs, gradients = probe.value_and_gradient(points, targets)
            for (i, s), output, gradient in zip(parts, outputs, gradients, strict=True):
                way = problems.x[i] - pool[drawn[i].references[s]]
                sums[i].add(s, way, gradient, float(output))
        values = np.empty_like(problems.x)
        records = []
        for i, total in enumerate(sums):
            values[i] = total.values
            records.append(record(total, drawn[i], known[i], float(problems.f_x[i]), probe.quadrature.tolerance))
        return Attributions(values, tuple(records), (self._note(pool, probe),))

    def _pool(self, problems: Problems, probe: Probe) -> Floats:
        """The pictures that references are drawn from, shape (k, *shape), in the dtype of the images."""
        pictures = probe.calibration
        if not len(pictures):
            self._refuse(pictures.source)

        def load() -> Floats:
            rng = probe.rng(self.id, "references")
            return pictures.points(np.sort(rng.choice(len(pictures), min(HELD, len(pictures)), replace=False)).tolist())

        return probe.once(f"{self.id}/references", load).astype(problems.x.dtype, copy=False)

    def _draw(self, problems: Problems, i: int, pool: Floats, probe: Probe) -> Drawn:
        """Problem i's samples, from its own generator."""
        others = np.array([k for k, b in enumerate(pool) if not np.array_equal(b, problems.x[i])], dtype=np.int64)
        if not len(others):
            self._refuse(probe.calibration.source)
        rng, n = probe.rng(self.id, problems.ids[i]), self.parameters.samples
        turns = [rng.permutation(others) for _ in range(-(-n // len(others)))]
        positions = (np.arange(n) + rng.random(n)) / n
        return Drawn(np.concatenate(turns)[:n], positions)

    def _refuse(self, source: str) -> None:
        raise NotApplicable(
            self.id, f"the calibration set ({source}) has no picture that could serve as a reference",
            "Give pictures of the kind that the model meets: --calibration DIR.",
        )  # fmt: skip

    def _note(self, pool: Floats, probe: Probe) -> str:
        """Where the references come from."""
        total, source = len(probe.calibration), probe.calibration.source
        if total == 1:
            return f"Its only reference is the one picture of the calibration set ({source})."
        share = f"{len(pool)} of the {total}" if len(pool) < total else f"the {total}"
        return f"Its references are {share} pictures of the calibration set ({source}), without the explained one."

    def cost(self, quadrature: Quadrature) -> Cost:
        """One gradient a sample; one forward a reference."""
        return Cost(gradients=self.parameters.samples, forwards=min(self.parameters.samples, HELD))

    def memory(self, quadrature: Quadrature) -> int:
        """Two sums in float64; points, ways and gradients of a batch."""
        return 12 + 3 * min(CHUNK, self.parameters.samples)


def _known_outputs(problems: Problems, pool: Floats, drawn: list[Drawn], probe: Probe) -> list[dict[int, float]]:
    """The explained output at the references of each image, for its target."""
    wanted = [(i, int(b)) for i, one in enumerate(drawn) for b in np.unique(one.references)]
    known: list[dict[int, float]] = [{} for _ in drawn]
    for start in range(0, len(wanted), CHUNK):
        part = wanted[start : start + CHUNK]
        found = probe.outputs(pool[[b for _, b in part]], problems.targets[[i for i, _ in part]])
        for (i, b), output in zip(part, found, strict=True):
            known[i][b] = float(output)
    return known


def _chunks(
    problems: Problems, pool: Floats, drawn: list[Drawn]
) -> Iterator[tuple[list[tuple[int, int]], Floats, Ints]]:
    """The (image, sample) pairs, their points and targets, a batch at a time."""
    pairs = [(i, s) for i, one in enumerate(drawn) for s in range(len(one.positions))]
    for start in range(0, len(pairs), CHUNK):
        part = pairs[start : start + CHUNK]
        points = np.empty((len(part), *problems.x.shape[1:]), dtype=problems.x.dtype)
        for point, (i, s) in zip(points, part, strict=True):
            reference = pool[drawn[i].references[s]]
            point[...] = reference + point.dtype.type(drawn[i].positions[s]) * (problems.x[i] - reference)
        yield part, points, problems.targets[[i for i, _ in part]]
