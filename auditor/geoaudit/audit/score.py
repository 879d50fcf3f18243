"""Scores of one group's maps: sweeps, metrics and the NCC profile."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from geoaudit.api import Attributions, Evidence, Group, Metric, Problems, Scores, SweepCurves
from geoaudit.audit.curves import Curves
from geoaudit.audit.rows import Row
from geoaudit.audit.tally import Tally
from geoaudit.errors import GeoauditError
from geoaudit.scoring import ncc
from geoaudit.scoring.regions import Grid
from geoaudit.scoring.sweep import Sweep, inverted, srg

BROKEN = "the metric is broken"
"""How the reason of a score begins that its metric could not compute."""


@dataclass(frozen=True)
class Scored:
    """What the scores of inverted maps follow from.

    Attributes:
        curves: the maps' headline sweep, if some metric needed one.
        scores: the maps' scores by metric.
    """

    curves: SweepCurves | None
    scores: Mapping[str, Scores]


class Scorer:
    """Scores the maps of one group of images.

    Args:
        group: the images, the model, and what all maps share.
        metrics: what is scored.
        sweeps: the headline sweep first, then the second readings; empty if no metric needs them.
    """

    def __init__(self, group: Group, metrics: Sequence[Metric], sweeps: Sequence[Sweep]) -> None:
        self.group = group
        self.metrics = metrics
        self.headline = sweeps[0] if sweeps else None
        self.readings = [s for s in sweeps[1:] if self._says_more(s)]

    @property
    def problems(self) -> Problems:
        """The images."""
        return self.group.problems

    def score(self, tally: Tally, attributions: Attributions) -> Scored:
        """Add the group's rows to `tally`; returns what the inverted control's scores follow from."""
        curves = None
        if self.headline is not None:
            curves = self.headline.curves(attributions.values, self.group)
        self._add_rows(tally, attributions, curves)
        evidence = Evidence(curves, self.group)
        found = {m.id: self._scored(m, partial(m.score, attributions, self.problems, evidence)) for m in self.metrics}
        for name, scores in found.items():
            tally.add_scores(name, scores)
        if self.headline is not None and curves is not None and self.readings:
            self._add_reading(tally, self.headline, curves)  # beside the others, to compare them with
        for sweep in self.readings:
            self._add_reading(tally, sweep, sweep.curves(attributions.values, self.group))
        return Scored(curves, found)

    def _add_reading(self, tally: Tally, sweep: Sweep, curves: SweepCurves) -> None:
        gains = srg(curves).mean(axis=1)
        tally.readings.setdefault((self._side(sweep), sweep.order), []).extend(gains.tolist())

    def score_inverted(self, tally: Tally, attributions: Attributions, scored: Scored) -> None:
        """The inverted control: the method's sweep with most and least relevant exchanged, which costs nothing."""
        curves = None if scored.curves is None else inverted(scored.curves)
        self._add_rows(tally, attributions, curves)
        evidence = Evidence(curves, self.group, inverted=True)
        for m in self.metrics:
            own = scored.scores[m.id]
            found = self._scored(m, partial(m.score_inverted, attributions, self.problems, evidence, own))
            tally.add_scores(m.id, found)

    def _add_rows(self, tally: Tally, attributions: Attributions, curves: SweepCurves | None) -> None:
        problems = self.problems
        for i, image in enumerate(problems.ids):
            profile = ncc.profile(attributions.values[i], problems.space)
            tally.rows.append(Row(image, float(problems.delta_f[i]), {}, {}, attributions.records[i], profile))
        if curves is not None:
            tally.curves.append(curves)

    def _scored(self, metric: Metric, score: Callable[[], Scores]) -> Scores:
        """The metric's scores.  One that breaks is its own failure: null with the reason, and nothing else stops."""
        n = len(self.problems)
        try:
            scores = score()
            shape = np.shape(scores.values)
            if shape == (n,) and len(scores.reasons) == n:
                return Scores.of(scores.values, scores.reasons)
            wrong = f"{len(scores.reasons)} reasons" if shape == (n,) else f"{' x '.join(map(str, shape))} scores"
            fault = f"returned {wrong} for {n} images"
        except Exception as error:
            told = error.message if isinstance(error, GeoauditError) else f"{type(error).__name__}: {error}"
            fault = f"failed ({told})"
        return Scores.of(np.full(n, np.nan), [f"{BROKEN}: {fault}"] * n)

    def _side(self, sweep: Sweep) -> int:
        return Grid.of(self.problems.space, sweep.region_px).region

    def _says_more(self, sweep: Sweep) -> bool:
        """Whether a second reading differs from the headline and has enough regions to say anything."""
        assert self.headline is not None  # readings exist only beside a headline
        same = self._side(sweep) == self._side(self.headline) and sweep.order == self.headline.order
        return not same and 2 * self._side(sweep) <= min(self.problems.space.size)


def mean_curves(curves: Sequence[SweepCurves] | Curves) -> SweepCurves:
    """The mean over the images of all groups; shapes as for one image."""
    if isinstance(curves, Curves):
        return curves.mean()
    return SweepCurves(
        curves[0].fractions,
        curves[0].imputers,
        np.concatenate([c.morf for c in curves]).mean(axis=0, keepdims=True),
        np.concatenate([c.lerf for c in curves]).mean(axis=0, keepdims=True),
    )
