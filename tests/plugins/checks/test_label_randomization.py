"""Label randomization is listed, never run, and says why."""

from geoaudit import Cost, Quadrature, Status, Subject, registry


def test_it_is_skipped_with_the_reason_and_what_is_done_instead():
    entry = registry.load(()).checks["label-randomization"]
    check = registry.create(entry, "thorough", {})
    (finding,) = check.examine(Subject(None, (), (), {}, {}, classes=10), None, None)
    assert finding.status is Status.SKIP and finding.method is None and check.examines == "model"
    for words in ("permuted labels", "neither the training data", "model-randomization", "model-perturbation"):
        assert words in finding.reason
    assert check.cost(None, Quadrature(), 8, 8) == Cost() and "not possible" in check.scope(8)


def test_every_check_that_it_points_to_exists():
    checks = registry.load(()).checks
    assert "model-perturbation" in checks and not checks["label-randomization"].cls.gate
