"""How far maps and scores are the seed's doing; and a method that hides its randomness is found."""

import numpy as np
import pytest

from geoaudit import Attributions, Cost, Method, Quadrature, Status, Subject, registry

SHELF = registry.load(())


def make(budget="standard", **parameters):
    return registry.create(SHELF.checks["seed-reliability"], budget, parameters)


def method(name):
    return registry.create(SHELF.methods[name], "quick", {}, SHELF.methods)


def spread(metric, seed_sd, image_sd):
    return {"metric": metric, "seed_sd": seed_sd, "image_sd": image_sd, "images": 2}


def repeats(similarity=0.9, rows=(), reason=None, seeds=(0, 1, 2)):
    return {"seeds": list(seeds), "images": 2, "map_similarity": similarity, "spread": list(rows), "reason": reason}


def judged(seeds, scores=None, **parameters):
    subject = Subject(method("smoothgrad"), ("a", "b", "c"), (None,) * 3, {}, {}, 4, seeds=seeds, scores=scores or {})
    (finding,) = make(**parameters).examine(subject, None, None)  # it looks at what was repeated and nothing else
    assert finding.check == "seed-reliability" and finding.method == "smoothgrad"
    assert finding.reason[0].isupper() and finding.reason.endswith(".") and "\n" not in finding.reason
    return finding


@pytest.mark.parametrize(
    ("similarity", "status"),
    [(1.0, Status.PASS), (0.75, Status.PASS), (0.74, Status.WARN), (0.5, Status.WARN), (0.49, Status.FAIL),
     (-0.2, Status.FAIL)],
)  # fmt: skip
def test_the_maps_similarity_is_judged(similarity, status):
    finding = judged(repeats(similarity))
    assert finding.status is status and finding.estimate == similarity and finding.threshold == 0.75
    assert "3 seeds on 2 images" in finding.reason and f"{similarity:.2f}" in finding.reason


def test_thresholds_are_parameters():
    assert judged(repeats(0.6), reliable="0.6", unreliable="0.3").status is Status.PASS
    assert judged(repeats(0.6), reliable="0.9", unreliable="0.7").status is Status.FAIL
    with pytest.raises(Exception, match="unreliable"):
        make(reliable="0.2")


FULL = {"srg": (0.1, 0.2, 0.3), "deletion": (0.1, 0.2, 0.3), "ncc-violation": (0.9, None, 0.8)}


@pytest.mark.parametrize(
    ("row", "status"),
    [
        (spread("srg", 0.7, 1.0), Status.PASS),  # 0.49 of the variance
        (spread("srg", 0.72, 1.0), Status.WARN),  # 0.52
        (spread("deletion", 5.0, 1.0), Status.PASS),  # the ranking does not order by it
        (spread("ncc-violation", 5.0, 1.0), Status.PASS),  # two images say nothing about a variance
        (spread("srg", 0.7, 0.0), Status.PASS),  # nothing to compare with
        (spread("srg", None, 1.0), Status.PASS),
    ],
)
def test_a_ranked_score_must_not_be_the_seeds(row, status):
    finding = judged(repeats(0.9, [row]), FULL)
    assert finding.status is status and ("variance of srg" in finding.reason) == (status is Status.WARN)
    share = finding.details["seed_share"][row["metric"]]
    known = row["seed_sd"] is not None and row["image_sd"]
    assert share == (pytest.approx((row["seed_sd"] / row["image_sd"]) ** 2) if known else None)


def test_a_bad_map_stays_a_failure_whatever_the_scores():
    assert judged(repeats(0.1, [spread("srg", 5.0, 1.0)]), FULL).status is Status.FAIL


@pytest.mark.parametrize(
    ("seeds", "words"),
    [
        (None, "not repeated"),
        (repeats(None, reason="the maps are constant"), "the maps are constant"),
        (repeats(None, reason="the repeat with seed 1 failed (oom)", seeds=(0,)), "seed 1 failed"),
    ],
)
def test_without_repeats_it_says_so(seeds, words):
    finding = judged(seeds)
    assert finding.status is Status.INCONCLUSIVE and words in finding.reason and finding.estimate is None


def test_a_repeat_that_failed_is_told_beside_those_that_did_not():
    finding = judged(repeats(0.9, reason="the repeat with seed 2 failed (oom)", seeds=(0, 1)))
    assert finding.status is Status.PASS and finding.reason.endswith("Left out: the repeat with seed 2 failed (oom).")
    assert "Left out" not in judged(repeats(0.9)).reason


class Hidden(Method):
    """Declares no randomness, and draws."""

    id, title, family, reference = "hidden", "Hidden", "test", "test"

    def __init__(self, size, keyed):
        super().__init__()
        self.size, self.keyed, self.calls = size, keyed, 0

    def attribute(self, problems, probe):
        self.calls += 1
        rng = probe.rng("hidden") if self.keyed else np.random.default_rng(self.calls)
        return Attributions(problems.x + self.size * rng.normal(size=problems.x.shape), (None,) * len(problems))


def verified(found, examined, budget="standard", **parameters):
    subject = Subject(examined, found.problems.ids, (None,) * 5, {}, {}, 4)
    (finding,) = make(budget, **parameters).examine(subject, found.problems, found.probe)
    return finding


@pytest.mark.parametrize("keyed", [True, False], ids=["by the seed", "behind the probe's back"])
def test_hidden_randomness_is_found(scene, keyed):
    finding = verified(scene("formula"), Hidden(0.1, keyed))
    assert finding.status is Status.FAIL and "two seeds give two maps of a/1.png" in finding.reason
    assert finding.estimate == finding.details["difference"] > finding.threshold == 1e-3
    assert verified(scene("formula"), Hidden(0.1, keyed), tolerance="0.9").status is Status.PASS


class Silent(Hidden):
    """The picture times a number that changes from call to call."""

    def attribute(self, problems, probe):
        self.calls += 1
        return Attributions(problems.x * self.size[self.calls - 1], (None,) * len(problems))


@pytest.mark.parametrize(
    ("factors", "words"),
    [
        ((np.nan, np.nan), "not finite"),
        ((1, np.nan), "not finite"),
        ((np.inf, 1), "not finite"),
        ((0, 0), "is 0 every"),
    ],
)
def test_maps_that_show_nothing_prove_nothing(scene, factors, words):
    finding = verified(scene("formula"), Silent(np.array(factors, np.float32), keyed=False))
    assert finding.status is Status.INCONCLUSIVE and words in finding.reason and "nan" not in finding.reason
    assert finding.estimate is None and finding.details["difference"] is None


def test_rounding_is_not_randomness(scene):
    finding = verified(scene("formula"), Hidden(1e-6, True))
    assert finding.status is Status.PASS and 0 < finding.estimate < 1e-4


@pytest.mark.parametrize("kind", [{}, {"layout": "NHWC", "channels": 1, "dtype": np.float64}])
@pytest.mark.parametrize("name", ["gradient", "integrated-gradients", "guided-ig"])
def test_deterministic_methods_are_verified_at_the_announced_cost(scene, name, kind):
    found, examined = scene("network", **kind), method(name)
    expected = make().cost(examined, found.probe.quadrature, 5, len(found.probe.calibration))
    finding = verified(found, examined)
    assert finding.status is Status.PASS and finding.estimate == 0 and "the same map of a/1.png" in finding.reason
    spent = found.probe.spent
    assert expected.gradients / 2 <= spent.gradients <= 2 * expected.gradients
    assert spent.forwards <= 2 * expected.forwards + 2


def test_nothing_is_spent_where_nothing_is_verified(scene):
    found = scene("network")
    finding = verified(found, method("gradient"), budget="quick")
    assert finding.status is Status.SKIP and "not asked twice" in finding.reason
    assert found.probe.spent == Cost() == make("quick").cost(method("gradient"), Quadrature(), 5, 5)
    assert make().cost(method("smoothgrad"), Quadrature(), 5, 5) == Cost()
    assert "twice" in make().scope(5) and "twice" not in make("quick").scope(5)
