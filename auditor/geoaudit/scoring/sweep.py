"""The masked-forward sweep: what the deployed model still says while regions of an image are taken out.

Most relevant regions first (MoRF) and least relevant first (LeRF), Samek et al. 2017 (arXiv 1509.06321); the
area between the two is the symmetric relevance gain of Bluecher et al. 2024 (arXiv 2401.06654).  Only
outputs are needed, so every forward runs on onnxruntime.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice, product

import numpy as np
import numpy.typing as npt

from geoaudit.api import Cost, Floats, Group, InputSpace, Ints, Problems, SweepCurves
from geoaudit.errors import PluginError, UsageError
from geoaudit.scoring.regions import Grid, Order, importance, relevance_places
from geoaudit.threads import ahead

BATCH = 16
"""Masked images held at a time, whatever the number of images, methods and fractions: two full batches of onnxruntime.

Few enough to stay in the processor's caches until the model reads them: with 64 at 224 x 224 they are written to
memory and read back, and the sweep spends a fifth of its time beside the model, with 16 a tenth.
"""

_Job = tuple[int, int, int, int]  # imputer, image, 0 for MoRF and 1 for LeRF, position in the counts
_WHOLE = "sweep: whole"


@dataclass(frozen=True)
class Sweep:
    """How the sweep is made.

    Attributes:
        region_px: side of the square regions in pixels; None for 1/14 of the shorter side.
        order: regions ordered by summed magnitude or by signed sums.
        imputers: ids of the imputers; the ranking averages over them.
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

    def curves(self, values: Floats, group: Group) -> SweepCurves:
        """The sweep of one map an image.

        Args:
            values: the maps, shape (n, *shape).
            group: the images that the maps explain; both ends of every curve are evaluated once for all maps.

        Returns:
            Curves over the shares of regions really taken out, ends included.

        Raises:
            PluginError: a map is not finite.
            UsageError: the group has no imputer of that id.
        """
        problems = group.problems
        grid = Grid.of(problems.space, self.region_px)
        counts = self.counts(grid)
        places = self._places(values, problems, grid)
        result = np.empty((2, len(problems), len(self.imputers), len(counts) + 2))
        result[..., 0] = group.once(_WHOLE, lambda: _probabilities(group, None))[:, None]
        result[..., -1] = np.stack([self._end(name, group) for name in self.imputers], axis=1)
        jobs = iter(product(range(len(self.imputers)), range(len(problems)), (0, 1), range(len(counts))))
        batches = iter(lambda: list(islice(jobs, BATCH)), [])
        # Fillers are open since both ends were evaluated, and evaluate nothing: the next images are masked meanwhile.
        for batch, points in ahead((b, self._masked(b, places, counts, grid, group)) for b in batches):
            targets = problems.targets[[image for _, image, _, _ in batch]]
            for job, probability in zip(batch, group.probe.probabilities(points, targets), strict=True):
                imputer, image, least, k = job
                result[least, image, imputer, k + 1] = probability
        fractions = np.concatenate([[0.0], counts / grid.count, [1.0]])
        return SweepCurves(fractions, self.imputers, result[0], result[1])

    def _end(self, imputer: str, group: Group) -> npt.NDArray[np.float64]:
        """The targets' probabilities at the fully imputed images, shape (n,)."""
        return group.once(f"sweep: all imputed by {imputer}", lambda: _probabilities(group, imputer))

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
            places[i] = relevance_places(scores, image_id)
        return places

    def _masked(self, batch: list[_Job], places: Ints, counts: Ints, grid: Grid, group: Group) -> Floats:
        """The batch's masked images, shape (len(batch), *shape)."""
        images = np.array([image for _, image, _, _ in batch])
        removed = np.empty((len(batch), grid.height, grid.width), dtype=np.bool_)
        for row, (_, image, least, k) in enumerate(batch):
            gone = places[image] >= grid.count - counts[k] if least else places[image] < counts[k]
            np.take(gone, grid.labels, out=removed[row], mode="clip")
        by_imputer = np.array([imputer for imputer, _, _, _ in batch])
        parts = []
        for imputer in np.unique(by_imputer):  # ascending, as the jobs are
            rows = by_imputer == imputer
            parts.append(group.filler(self.imputers[imputer])(images[rows], removed[rows]))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _probabilities(group: Group, imputer: str | None) -> npt.NDArray[np.float64]:
    """The targets' probabilities at the images, or at them fully imputed, shape (n,)."""
    problems, parts = group.problems, []
    for start in range(0, len(problems), BATCH):
        images = np.arange(start, min(start + BATCH, len(problems)))
        points = problems.x[images]
        if imputer is not None:
            points = group.filler(imputer)(images, np.ones((len(images), *problems.space.size), dtype=np.bool_))
        parts.append(group.probe.probabilities(points, problems.targets[images]))
    return np.concatenate(parts)


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
