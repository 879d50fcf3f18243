"""The masked-forward sweep: what the deployed model still says while regions of an image are taken out.

Most relevant regions first (MoRF) and least relevant first (LeRF), Samek et al. 2017 (arXiv 1509.06321); the
area between the two is the symmetric relevance gain of Bluecher et al. 2024 (arXiv 2401.06654).  Only
outputs are needed, so every forward runs on onnxruntime.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import islice, product

import numpy as np
import numpy.typing as npt

from geoaudit.api import Cost, Floats, InputSpace, Ints, Probe, Problems, SweepCurves
from geoaudit.errors import PluginError, UsageError
from geoaudit.scoring.imputers import fill
from geoaudit.scoring.regions import Grid, Order, importance, relevance_order

BATCH = 64
"""Masked images held at a time, whatever the number of images, methods and fractions."""

_Job = tuple[int, int, int, int]  # image, imputer, 0 for MoRF and 1 for LeRF, position in the counts


@dataclass
class SweepCache:
    """What all maps of one group of images share: the filled images, and both ends of every curve.

    Make one for each group and hand it to every `Sweep.curves` call of that group.
    """

    problems: Problems
    probe: Probe
    _fills: dict[str, Floats] = field(default_factory=dict, repr=False)
    _ends: dict[str | None, npt.NDArray[np.float64]] = field(default_factory=dict, repr=False)

    def fill(self, imputer: str) -> Floats:
        """The fully imputed images, shape (n, *shape)."""
        if imputer not in self._fills:
            problems = self.problems
            self._fills[imputer] = fill(imputer, problems.x, problems.baseline, problems.space)
        return self._fills[imputer]

    def whole(self) -> npt.NDArray[np.float64]:
        """The targets' probabilities at the untouched images, shape (n,)."""
        return self._probabilities(None)

    def imputed(self, imputer: str) -> npt.NDArray[np.float64]:
        """The targets' probabilities at the fully imputed images, shape (n,)."""
        return self._probabilities(imputer)

    def _probabilities(self, imputer: str | None) -> npt.NDArray[np.float64]:
        if imputer not in self._ends:
            points = self.problems.x if imputer is None else self.fill(imputer)
            targets = self.problems.targets
            parts = [
                self.probe.probabilities(points[i : i + BATCH], targets[i : i + BATCH])
                for i in range(0, len(points), BATCH)
            ]
            self._ends[imputer] = np.concatenate(parts)
        return self._ends[imputer]


@dataclass(frozen=True)
class Sweep:
    """How the sweep is made.

    Attributes:
        region_px: side of the square regions in pixels; None for 1/14 of the shorter side.
        order: regions ordered by summed magnitude or by signed sums.
        imputers: names of the imputers; the ranking averages over them.
        steps: fractions strictly between 0 and 1, at least 1; fewer where the image has fewer regions.
    """

    region_px: int | None = None
    order: Order = "magnitude"
    imputers: tuple[str, ...] = ("baseline", "blur")
    steps: int = 14

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise UsageError(f"{self.steps} sweep steps", "leave nothing between 0 and 1", "Give at least 1.")
        if not self.imputers:
            raise UsageError("sweep", "has no imputer", "Name at least one.")

    def counts(self, grid: Grid) -> Ints:
        """Regions taken out at each interior fraction, ascending, without 0 and `grid.count`."""
        wanted = np.rint(np.linspace(0.0, 1.0, self.steps + 2) * grid.count).astype(np.int64)
        unique = np.unique(wanted)
        return unique[(unique > 0) & (unique < grid.count)]

    def cost(self, space: InputSpace) -> tuple[Cost, Cost]:
        """Forwards for one image: of every map, and once for all maps of the image."""
        interior = len(self.counts(Grid.of(space, self.region_px)))
        return Cost(forwards=2 * len(self.imputers) * interior), Cost(forwards=1 + len(self.imputers))

    def curves(self, values: Floats, problems: Problems, probe: Probe, cache: SweepCache) -> SweepCurves:
        """The sweep of one map an image.

        Args:
            values: the maps, shape (n, *shape).
            problems: the images that the maps explain.
            probe: only `probabilities` is used.
            cache: the group's cache; made for these very problems.

        Returns:
            Curves over the shares of regions really taken out, ends included.

        Raises:
            PluginError: a map is not finite.
            ValueError: the cache belongs to other images.
        """
        if cache.problems.ids != problems.ids:
            raise ValueError("the sweep's cache was made for other images")
        grid = Grid.of(problems.space, self.region_px)
        counts = self.counts(grid)
        places = self._places(values, problems, grid)
        result = np.empty((2, len(problems), len(self.imputers), len(counts) + 2))
        result[..., 0] = cache.whole()[:, None]
        result[..., -1] = np.stack([cache.imputed(name) for name in self.imputers], axis=1)
        jobs = iter(product(range(len(problems)), range(len(self.imputers)), (0, 1), range(len(counts))))
        while batch := list(islice(jobs, BATCH)):
            points = self._masked(batch, places, counts, grid, cache)
            targets = problems.targets[[image for image, _, _, _ in batch]]
            for job, probability in zip(batch, probe.probabilities(points, targets), strict=True):
                image, imputer, least, k = job
                result[least, image, imputer, k + 1] = probability
        fractions = np.concatenate([[0.0], counts / grid.count, [1.0]])
        return SweepCurves(fractions, self.imputers, result[0], result[1])

    def _places(self, values: Floats, problems: Problems, grid: Grid) -> Ints:
        """Each region's place in its image's order, 0 the most relevant; shape (n, grid.count)."""
        places = np.empty((len(problems), grid.count), dtype=np.int64)
        for i, image_id in enumerate(problems.ids):
            if not np.isfinite(values[i]).all():
                raise PluginError(
                    f"map of {image_id}",
                    "has values that are not finite",
                    "Report it to the method's author.",
                )
            scores = importance(values[i], problems.space, grid, self.order)
            places[i, relevance_order(scores, image_id)] = np.arange(grid.count)
        return places

    def _masked(self, batch: list[_Job], places: Ints, counts: Ints, grid: Grid, cache: SweepCache) -> Floats:
        """The batch's masked images, shape (len(batch), *shape)."""
        problems = cache.problems
        points = problems.x[[image for image, _, _, _ in batch]]  # a copy; each is then filled in place
        for point, (image, imputer, least, k) in zip(points, batch, strict=True):
            removed = places[image] >= grid.count - counts[k] if least else places[image] < counts[k]
            mask = np.expand_dims(removed[grid.labels], problems.space.channel_axis)
            np.copyto(point, cache.fill(self.imputers[imputer])[image], where=mask)
        return points


def inverted(curves: SweepCurves) -> SweepCurves:
    """The curves of the same maps with the order of importance reversed; no forward is needed.

    What was most relevant is now least relevant: MoRF and LeRF change places.
    """
    return replace(curves, morf=curves.lerf, lerf=curves.morf)


def srg(curves: SweepCurves) -> npt.NDArray[np.float64]:
    """Symmetric relevance gain for each image and imputer, AUC(LeRF) - AUC(MoRF), in [-1, 1], shape (n, p).

    Source: Bluecher et al. 2024 (arXiv 2401.06654).
    """
    return curves.area("lerf") - curves.area("morf")
