"""Scores of one group's maps: sweeps, metrics and the NCC profile."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from geoaudit.api import Attributions, Evidence, Metric, Probe, Problems, Scores, SweepCurves
from geoaudit.audit.tally import Row, Tally
from geoaudit.errors import GeoauditError
from geoaudit.scoring import ncc
from geoaudit.scoring.regions import Grid
from geoaudit.scoring.sweep import Sweep, SweepCache, inverted, srg

BROKEN = "the metric is broken"
"""How the reason of a score begins that its metric could not compute."""


class Scorer:
    """Scores the maps of one group of images.

    Args:
        problems: the group.
        probe: the model.
        metrics: what is scored.
        sweeps: the headline sweep first, then the second readings; empty if no metric needs them.
    """

    def __init__(self, problems: Problems, probe: Probe, metrics: Sequence[Metric], sweeps: Sequence[Sweep]) -> None:
        self.problems = problems
        self.probe = probe
        self.metrics = metrics
        self.headline = sweeps[0] if sweeps else None
        self.readings = [s for s in sweeps[1:] if self._says_more(s)]
        self._cache = SweepCache(problems, probe)

    def score(self, tally: Tally, attributions: Attributions) -> SweepCurves | None:
        """Add the group's rows to `tally`; returns the headline sweep for the inverted control."""
        curves = None
        if self.headline is not None:
            curves = self.headline.curves(attributions.values, self.problems, self.probe, self._cache)
        self._add_rows(tally, attributions, curves)
        if self.headline is not None and curves is not None and self.readings:
            self._add_reading(tally, self.headline, curves)  # beside the others, to compare them with
        for sweep in self.readings:
            made = sweep.curves(attributions.values, self.problems, self.probe, self._cache)
            self._add_reading(tally, sweep, made)
        return curves

    def _add_reading(self, tally: Tally, sweep: Sweep, curves: SweepCurves) -> None:
        gains = srg(curves).mean(axis=1)
        tally.readings.setdefault((self._side(sweep), sweep.order), []).extend(gains.tolist())

    def score_inverted(self, tally: Tally, attributions: Attributions, curves: SweepCurves | None) -> None:
        """The inverted control: the method's sweep with most and least relevant exchanged; costs nothing."""
        self._add_rows(tally, attributions, None if curves is None else inverted(curves))

    def _add_rows(self, tally: Tally, attributions: Attributions, curves: SweepCurves | None) -> None:
        problems = self.problems
        for i, image in enumerate(problems.ids):
            profile = ncc.profile(attributions.values[i], problems.space)
            tally.rows.append(Row(image, float(problems.delta_f[i]), {}, {}, attributions.records[i], profile))
        if curves is not None:
            tally.curves.append(curves)
        evidence = Evidence(curves, self.probe)
        for metric in self.metrics:
            scores = _scored(metric, attributions, problems, evidence)
            tally.add_scores(metric.id, scores)

    def _side(self, sweep: Sweep) -> int:
        return Grid.of(self.problems.space, sweep.region_px).region

    def _says_more(self, sweep: Sweep) -> bool:
        """Whether a second reading differs from the headline and has enough regions to say anything."""
        assert self.headline is not None  # readings exist only beside a headline
        same = self._side(sweep) == self._side(self.headline) and sweep.order == self.headline.order
        return not same and 2 * self._side(sweep) <= min(self.problems.space.size)


def _scored(metric: Metric, attributions: Attributions, problems: Problems, evidence: Evidence) -> Scores:
    """The metric's scores.  A metric that breaks is its own failure: null with the reason, and nothing else stops."""
    n = len(problems)
    try:
        scores = metric.score(attributions, problems, evidence)
        fault = None if len(scores.values) == n else f"returned {len(scores.values)} scores for {n} images"
    except Exception as error:
        fault = f"failed ({error.message if isinstance(error, GeoauditError) else f'{type(error).__name__}: {error}'})"
    return scores if fault is None else Scores.of(np.full(n, np.nan), [f"{BROKEN}: {fault}"] * n)


def mean_curves(curves: Sequence[SweepCurves]) -> SweepCurves:
    """The mean over the images of all groups; shapes as for one image."""
    return SweepCurves(
        curves[0].fractions,
        curves[0].imputers,
        np.concatenate([c.morf for c in curves]).mean(axis=0, keepdims=True),
        np.concatenate([c.lerf for c in curves]).mean(axis=0, keepdims=True),
    )
