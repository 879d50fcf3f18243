"""What a metric returns is checked before it is kept, inverted maps included."""

from typing import Any

import numpy as np
import pytest

from geoaudit.api import Attributions, Group, Metric, Scores
from geoaudit.audit.score import BROKEN, Scorer
from geoaudit.audit.tally import Tally


class Odd(Metric):
    id = "outside/odd"
    title = "Odd"
    reference = "a test"
    higher_is_better = True
    ideal = None
    made: Any = None

    def score(self, attributions: Any, problems: Any, evidence: Any) -> Any:
        return self.made


def scored(scene, made):
    """Values and reasons of three images, of the maps and of their inversions."""
    problems, probe = scene(n=3)
    metric = Odd()
    metric.made = made
    scorer = Scorer(Group(problems, probe, {}), [metric], [])
    maps, own, turned = Attributions(problems.x, (None,) * 3), Tally(None), Tally(None)
    scorer.score_inverted(turned, maps, scorer.score(own, maps))
    return [(t.column(metric.id), [row.reasons[metric.id] for row in t.rows]) for t in (own, turned)]


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (Scores(np.zeros(2), (None,) * 2), "returned 2 scores for 3 images"),
        (Scores(np.zeros((3, 1)), (None,) * 3), "returned 3 x 1 scores for 3 images"),
        (Scores(np.zeros(3), (None,) * 2), "returned 2 reasons for 3 images"),
        (None, "AttributeError"),
    ],
)
def test_scores_of_another_shape_are_a_broken_metric(made, told, scene):
    for values, reasons in scored(scene, made):
        assert np.isnan(values).all()
        assert all(reason.startswith(BROKEN) and told in reason for reason in reasons)


def test_a_value_that_is_no_score_is_not_counted(scene):
    for values, reasons in scored(scene, Scores(np.array([np.inf, 1.0, 2.0]), (None, "no score", None))):
        np.testing.assert_array_equal(values, [np.nan, np.nan, 2.0])
        assert reasons == ["not finite", "no score", None]
    assert np.isnan(Scores.of([np.inf, 1.0], [None, "no score"]).values).all()
