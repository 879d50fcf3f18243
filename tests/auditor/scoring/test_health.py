"""Metrics must tell methods from their inversions, or they are not believed."""

import numpy as np
import pytest

from geoaudit.api import Status
from geoaudit.scoring.health import Inversion, assess


def case(gain, n=12, higher=True, noise=0.05, metric="srg", methods=3):
    """Methods that are `gain` better than random; inversions that are as much worse."""
    rng = np.random.default_rng(0)
    sign = 1 if higher else -1
    level = {f"m{i}": rng.normal(sign * gain, noise, n) for i in range(methods)}
    return Inversion(metric, higher, level, {k: -v for k, v in level.items()}, rng.normal(0, noise, n))


@pytest.mark.parametrize("higher", [True, False])
def test_a_working_metric_passes_in_both_directions(higher):
    assert assess([case(0.3, higher=higher)], 0)[0].status == Status.PASS
    assert assess([case(-0.3, higher=higher)], 0)[0].status == Status.FAIL


def test_a_constant_metric_fails_and_says_why():
    found = assess([case(0.0, noise=0.0)], 0)[0]
    assert found.status == Status.FAIL and "for 0 of 3 methods" in found.reason


def test_better_than_its_inversion_but_not_below_random_fails():
    good = case(0.3)
    shifted = Inversion("srg", True, good.methods, good.inverted, good.random - 1.0)
    found = assess([shifted], 0)[0]
    assert found.status == Status.FAIL and "below a random map" in found.reason


def test_too_few_images_are_said_and_do_not_fail():
    two, one = assess([case(0.3, n=2)], 0)[0], assess([case(-0.3, n=1)], 0)[0]
    assert two.status == one.status == Status.INCONCLUSIVE
    assert "2 images are too few" in two.reason and "1 image is too few" in one.reason
    assert assess([case(0.03, n=5, noise=0.05)], 0)[0].status == Status.INCONCLUSIVE


def test_one_bad_method_does_not_break_the_metric():
    good = case(0.3)
    methods = {**good.methods, "bad": -good.methods["m0"] / 3}
    found = assess([Inversion("srg", True, methods, {k: -v for k, v in methods.items()}, good.random)], 0)[0]
    assert found.status == Status.PASS and "3 of 4" in found.reason


def test_nothing_to_compare_is_skipped_never_passed():
    good = case(0.3, metric="a")
    skipped = [
        Inversion("b", True, {}, {}, good.random),
        Inversion("c", True, good.methods, good.inverted, None),
        Inversion("d", True, good.methods, good.inverted, np.full(12, np.nan)),
    ]
    found = assess([*skipped, good], 0)
    assert [h.metric for h in found] == ["a", "b", "c", "d"]
    assert [h.status for h in found] == [Status.PASS, Status.SKIP, Status.SKIP, Status.SKIP]


def test_missing_images_are_left_out():
    good = case(0.3)
    holes = {k: np.where(np.arange(12) < 4, np.nan, v) for k, v in good.methods.items()}
    found = assess([Inversion("srg", True, holes, good.inverted, good.random)], 0)[0]
    assert found.status == Status.PASS
