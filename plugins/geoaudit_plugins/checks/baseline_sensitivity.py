"""Baseline sensitivity: what the choice of the baseline does to the map, and to the score that it gets.

A baseline is a choice twice over: the method's (where the walk starts, what an occluded window shows) and the
metric's (what a removed region is filled with).  A map made with a black baseline and scored by painting regions
black is examined in the language in which it was written.  So all pairs are looked at:

    G[m, k] = symmetric relevance gain (SRG) of the map made with baseline m, regions removed with baseline k

    own advantage     mean of G[k, k] less mean of G[m, k] over m != k.  Each row and each column counts alike on both
                      sides: a baseline that is better for all metrics, or a metric that scores all maps higher,
                      cancels out, and what is left is the favour of sharing a baseline
    spread            standard deviation, within each column, of the scores of maps whose baseline the metric does not
                      share: how much it matters which baseline the method has (three baselines or more)
    agreement         Spearman's correlation of |A| between maps with different baselines, mean over pairs
    best              the method baseline with the highest mean over the metric baselines that it does not share

Verdict, on the means over images.  WARN where the own advantage exceeds both the spread and 0.05 of SRG (then a
score read with the shared baseline alone says more about the sharing than about the map), and where agreement is below
0.5 (then "the" map of this method does not exist: it goes with its baseline).  INCONCLUSIVE where maps are constant and
so have no order that could agree.  Else PASS; never FAIL, for an answer to another question ("why this image and not a
white one?") may well be another answer.  From three images on the advantage has a 95 % interval (Student's t).

Methods that do not read the run's baseline (gradients, methods with a start of their own) are found by their maps: the
first map with another baseline is the same map.  They pass at the price of that one map.

What it cannot show: which baseline is right.  SRG is read in few steps here, so that small differences between cells
mean nothing.

Defaults.  Three baselines on one image: black, white, blur; the thorough budget adds the mean colour and noise and
takes 8 images.  Meanings are the run's (see `geoaudit_plugins.checks.baselines`).  Maps are made with a coarser
quadrature (`nodes`) than the run's.

Cost: a map for each baseline and image, the one with the run's baseline shared with other checks; the sweep of each.

Source: Sturmfels, Lundberg, Lee, Visualizing the Impact of Feature Attribution Baselines, Distill 2020,
doi 10.23915/distill.00022; Haug, Zuern, El-Jiz, Kasneci, On Baselines for Local Feature Attributions, 2021,
arXiv 2101.00905; SRG: Bluecher et al. 2024, arXiv 2401.06654.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from geoaudit.api import (
    BudgetName,
    Check,
    Cost,
    FillImputer,
    Finding,
    Floats,
    Group,
    Method,
    Parameters,
    Probe,
    Problems,
    Quadrature,
    Status,
    Subject,
)
from geoaudit.scoring.sweep import Sweep, srg
from geoaudit_plugins.checks.baseline_crossing import Array, Crossed
from geoaudit_plugins.checks.baselines import KINDS, Kind, make
from geoaudit_plugins.sanity import maps as sanity
from geoaudit_plugins.sanity import numbers
from geoaudit_plugins.sanity.similarity import spearman

_SAME = 1e-5  # of a map's size: rounding
_SAME_BASELINE = 1e-4  # of the input range: the run's baselines are computed from pixels, in another order


class BaselineSensitivityParameters(Parameters):
    """Which baselines are crossed, and what is held to be much."""

    baselines: str = Field("black,blur,white", description=f"at least two of {', '.join(KINDS)}, by commas")
    images: int = Field(1, ge=1, description="images examined, the first ones")
    nodes: int = Field(16, ge=2, description="first nodes of the integrator for the maps")
    steps: int = Field(5, ge=1, description="fractions of the masked sweep between 0 and 1")
    advantage: float = Field(0.05, ge=0, description="own advantage, in SRG, below which it is never warned of")
    agreement: float = Field(0.5, ge=-1, le=1, description="mean rank correlation below which maps disagree")

    @field_validator("baselines")
    @classmethod
    def _known(cls, value: str) -> str:
        names = [name.strip() for name in value.split(",")]
        if len(set(names)) != len(names) or len(names) < 2 or not set(names) <= set(KINDS):
            raise ValueError(f"name at least two different ones of {', '.join(KINDS)}")
        return ",".join(sorted(names))

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The baselines, sorted."""
        return tuple(kind for kind in KINDS if kind in self.baselines.split(","))


class _Given(FillImputer):
    """Fills with pictures that were made before."""

    id = "given"
    title = "Given pictures"
    reference = ""

    def __init__(self, filled: Floats) -> None:
        super().__init__()
        self._filled = filled

    def fill(self, problems: Problems, probe: Probe) -> Floats:
        return self._filled


@dataclass(frozen=True)
class Grid:
    """What all methods share.

    Attributes:
        group: the images, with an imputer for each baseline.
        posed: the images asked against each baseline.
    """

    group: Group
    posed: Mapping[str, Problems]


class BaselineSensitivity(Check):
    """How the map and its score go with the baseline."""

    id: ClassVar[str] = "baseline-sensitivity"
    title: ClassVar[str] = "Baseline sensitivity"
    reference: ClassVar[str] = "Sturmfels et al., Distill 2020; Haug et al., 2021, arXiv 2101.00905"
    examines: ClassVar[Literal["model", "method"]] = "method"
    from_budget: ClassVar[BudgetName] = "standard"
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "thorough": {"baselines": ",".join(KINDS), "images": 8, "steps": 10}
    }
    Parameters: ClassVar[type[Parameters]] = BaselineSensitivityParameters
    parameters: BaselineSensitivityParameters

    def examine(self, subject: Subject, problems: Problems, probe: Probe) -> list[Finding]:
        """One finding a method."""
        method, p = subject.method, self.parameters
        assert method is not None  # it examines methods
        chosen = sanity.first(problems, p.images)
        grid = probe.once(f"{self.id}/{p!r}/{chosen.ids!r}", lambda: self._grid(chosen, probe))
        own = sanity.original(method, chosen, probe, p.nodes).values
        made: dict[str, Floats] = {k: own for k in p.kinds if _same_baseline(grid.posed[k], chosen)}
        others = [kind for kind in p.kinds if kind not in made]
        for kind in others:
            made[kind] = sanity.maps(method, grid.posed[kind], probe, p.nodes).values
            if kind == others[0] and _equal(own, made[kind]):
                return [self._independent(method, own)]
        left = _left_out(chosen.ids, made)
        gains: Array = np.zeros(0)
        if len(left) < len(chosen):
            gains = self._gains(made, grid)
            for image, gain in zip(chosen.ids, gains, strict=True):
                if not np.isfinite(gain).all():
                    left.setdefault(image, f"the model's outputs for {image} are not finite with some baseline")
        usable = [i for i, image in enumerate(chosen.ids) if image not in left]
        if not usable:
            reason = f"No image can be judged: {'; '.join(left.values())}."
            return [Finding(self.id, method.id, Status.INCONCLUSIVE, reason)]
        pairs = list(combinations(p.kinds, 2))
        correlations = np.array([[spearman(made[a][i], made[b][i]) for a, b in pairs] for i in usable])
        return [self._finding(method, Crossed(gains[usable], correlations), left)]

    def _grid(self, problems: Problems, probe: Probe) -> Grid:
        """The baselines, as starts and as fills."""
        fills = {kind: make(kind, problems, probe) for kind in self.parameters.kinds}
        posed: dict[str, Problems] = {
            kind: problems.starting_at(fill, probe.outputs(fill, problems.targets)) for kind, fill in fills.items()
        }
        return Grid(Group(problems, probe, {kind: _Given(fill) for kind, fill in fills.items()}), posed)

    def _gains(self, made: Mapping[str, Floats], grid: Grid) -> Array:
        """SRG by image, method baseline and metric baseline; what is not finite in a map counts as 0."""
        kinds = self.parameters.kinds
        sweep = Sweep(imputers=kinds, steps=self.parameters.steps)
        finite = {kind: np.nan_to_num(made[kind], posinf=0.0, neginf=0.0) for kind in kinds}
        return np.stack([srg(sweep.curves(finite[kind], grid.group)) for kind in kinds], axis=1)

    def _independent(self, method: Method, own: Floats) -> Finding:
        if not np.any(own):
            reason = "The map is 0 everywhere, with either baseline."
            return Finding(self.id, method.id, Status.INCONCLUSIVE, reason)
        reason = "The map does not depend on the run's baseline: with another one it is the same map."
        return Finding(self.id, method.id, Status.PASS, reason, details={"depends": False})

    def _finding(self, method: Method, found: Crossed, left: Mapping[str, str]) -> Finding:
        p, kinds = self.parameters, self.parameters.kinds
        advantage, spread = float(found.advantages.mean()), found.spread
        agreement = found.agreement
        limit = max(p.advantage, spread if math.isfinite(spread) else 0.0)
        best = kinds[int(found.elsewhere.argmax())]
        sentences = [f"A metric that shares the method's baseline scores it {_more(advantage)}."]
        if advantage > limit and math.isfinite(spread):
            sentences[0] = f"{sentences[0][:-1]}, which is more than the choice of the baseline itself does."
        only = "only " if agreement < p.agreement else ""
        alike = f"agree to {only}{agreement:.2g} (mean rank correlation)"
        alike = alike if math.isfinite(agreement) else "are constant, so their orders cannot be compared"
        sentences.append(f"Maps with different baselines {alike}.")
        sentences.append(f"Scored with baselines that it does not share, {best} is its best.")
        sentences += [f"{len(left)} of {len(left) + len(found.gains)} images cannot be judged."] if left else []
        warned = advantage > limit or agreement < p.agreement
        status = Status.WARN if warned else Status.PASS if math.isfinite(agreement) else Status.INCONCLUSIVE
        low, high = found.interval
        return Finding(
            self.id, method.id, status, " ".join(sentences), advantage, low, high,
            limit, self._details(found, best) | {"left_out": dict(sorted(left.items()))},
        )  # fmt: skip

    def _details(self, found: Crossed, best: str) -> dict[str, Any]:
        kinds = self.parameters.kinds
        mean = found.gains.mean(axis=0)
        pairs = {}
        for place, (a, b) in enumerate(combinations(kinds, 2)):
            values = found.correlations[:, place]
            pairs[f"{a} and {b}"] = (
                numbers.finite(values[np.isfinite(values)].mean()) if np.isfinite(values).any() else None
            )
        return {
            "agreement": numbers.finite(found.agreement),
            "agreement_by_pair": pairs,
            "best": best,
            "depends": True,
            "elsewhere": {kind: numbers.finite(v) for kind, v in zip(kinds, found.elsewhere, strict=True)},
            "images": len(found.gains),
            "spread": numbers.finite(found.spread),
            "srg": {m: {k: numbers.finite(mean[i, j]) for j, k in enumerate(kinds)} for i, m in enumerate(kinds)},
        }

    def cost(self, method: Method | None, quadrature: Quadrature, images: int, calibration: int) -> Cost:
        """A map for each baseline and its sweep; one more map of the run's baseline where that is another.

        Methods that say that they start elsewhere are taken at their word: one map and its copy.
        """
        assert method is not None
        p, n = self.parameters, min(images, self.parameters.images)
        each = sanity.cost(method, quadrature, p.nodes, n)
        if "own-baseline" in method.flags:
            return each * 2
        k = len(p.kinds)
        return each * k + Cost(forwards=2.0 * k * k * p.steps * n)

    def scope(self, images: int) -> str:
        """How many images and baselines."""
        n = min(images, self.parameters.images)
        return f"{n} image{'' if n == 1 else 's'}, {len(self.parameters.kinds)} baselines"


def _equal(a: Floats, b: Floats) -> bool:
    """Whether the maps are the same up to rounding, image by image."""
    size = [float(np.square(m, dtype=np.float64).sum()) for m in a]
    miss = [float(np.square(m - o, dtype=np.float64).sum()) for m, o in zip(a, b, strict=True)]
    return all(d <= _SAME**2 * s for d, s in zip(miss, size, strict=True))


def _same_baseline(one: Problems, other: Problems) -> bool:
    """Whether all images have the same baseline in both, up to how it was computed."""
    space = one.space
    width = np.abs(space.per_channel(space.high) - space.per_channel(space.low))
    return bool((np.abs(one.baseline - other.baseline) <= _SAME_BASELINE * width).all())


def _left_out(ids: tuple[str, ...], made: Mapping[str, Floats]) -> dict[str, str]:
    """Images with a map that has no order, and why."""
    found: dict[str, str] = {}
    for kind, values in made.items():
        for image, value in zip(ids, values, strict=True):
            if not np.isfinite(value).all():
                found.setdefault(image, f"the map of {image} with the baseline {kind} is not finite")
            elif not value.any():
                found.setdefault(image, f"the map of {image} with the baseline {kind} is 0 everywhere")
    return found


def _more(advantage: float) -> str:
    return f"{abs(advantage):.2g} of SRG {'higher' if advantage >= 0 else 'lower'} than metrics that do not"
