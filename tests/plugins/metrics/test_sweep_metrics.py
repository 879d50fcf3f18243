"""Metrics that read the masked-forward sweep, on curves written by hand."""

import numpy as np
import pytest

from geoaudit import Evidence, SweepCurves
from geoaudit.errors import PluginError
from geoaudit_plugins.metrics.comprehensiveness import Comprehensiveness
from geoaudit_plugins.metrics.deletion import Deletion
from geoaudit_plugins.metrics.insertion import Insertion
from geoaudit_plugins.metrics.log_odds import LogOdds
from geoaudit_plugins.metrics.srg import Srg
from geoaudit_plugins.metrics.sufficiency import Sufficiency

ALL = (Srg, Deletion, Insertion, Comprehensiveness, Sufficiency, LogOdds)
FRACTIONS = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
MORF = np.array([[[0.8, 0.2, 0.1, 0.0, 0.0], [0.8, 0.4, 0.3, 0.2, 0.2]]])
LERF = np.array([[[0.8, 0.8, 0.8, 0.4, 0.0], [0.8, 0.9, 0.6, 0.4, 0.2]]])


def value(metric, morf=MORF, lerf=LERF, fractions=FRACTIONS):
    curves = SweepCurves(fractions, ("baseline", "blur")[: morf.shape[1]], morf, lerf)
    scores = metric().score(None, None, Evidence(sweep=curves, group=None))
    assert scores.values.shape == (len(morf),)
    return scores.values[0], scores.reasons[0]


def test_values_by_hand():
    morf_area = np.mean([0.25 * (0.4 + 0.2 + 0.1 + 0 + 0), 0.25 * (0.4 + 0.4 + 0.3 + 0.2 + 0.1)])
    lerf_area = np.mean([0.25 * (0.4 + 0.8 + 0.8 + 0.4 + 0), 0.25 * (0.4 + 0.9 + 0.6 + 0.4 + 0.1)])
    assert value(Deletion)[0] == pytest.approx(morf_area)
    assert value(Insertion)[0] == pytest.approx(lerf_area)
    assert value(Srg)[0] == pytest.approx(lerf_area - morf_area)
    assert value(Comprehensiveness)[0] == pytest.approx(np.mean([0.6, 0.7, 0.4, 0.5]))
    # the top 1/4 and 1/2 kept: the least relevant 3/4 and 1/2 imputed
    assert value(Sufficiency)[0] == pytest.approx(np.mean([0.4, 0.0, 0.4, 0.2]))
    logs = np.log([0.2 / 0.8, 0.1 / 0.8, 0.4 / 0.8, 0.3 / 0.8])
    assert value(LogOdds)[0] == pytest.approx(logs.mean())


@pytest.mark.parametrize("metric", ALL)
def test_an_inversion_scores_worse(metric):
    better, worse = value(metric)[0], value(metric, LERF, MORF)[0]
    assert (better > worse) == metric.higher_is_better and better != worse


@pytest.mark.parametrize("metric", ALL)
def test_needs_the_sweep(metric):
    assert metric.needs == {"sweep"}
    with pytest.raises(PluginError, match=metric.id):
        metric().score(None, None, Evidence(sweep=None, group=None))


@pytest.mark.parametrize("metric", ALL)
def test_without_interior_fractions_the_areas_tie_and_the_rest_is_null(metric):
    ends = np.array([[[0.8, 0.2]]])
    found, reason = value(metric, ends, ends, np.array([0.0, 1.0]))
    if metric in (Comprehensiveness, Sufficiency, LogOdds):
        assert np.isnan(found) and reason == "too few regions"
    else:
        assert found == pytest.approx(0.0 if metric is Srg else 0.5)


def test_log_odds_survives_a_probability_that_underflows():
    assert np.isfinite(value(LogOdds, np.zeros_like(MORF), LERF)[0])


def test_fractions_like_one_fifteenth_count_up_to_one_half():
    fractions = np.arange(16) / 15
    falling = np.linspace(1, 0, 16)[None, None]
    assert value(Comprehensiveness, falling, falling, fractions)[0] == pytest.approx(np.mean(fractions[1:8]))
    assert value(Sufficiency, falling, falling, fractions)[0] == pytest.approx(np.mean(fractions[8:15]))
