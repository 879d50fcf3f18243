"""Every verdict that the built-in checks can reach, and that each is said in a plain sentence."""

import dataclasses

import numpy as np
import pytest

from geoaudit import Status, Subject, registry
from geoaudit.analytic import AnalyticProbe, feature_problems
from geoaudit.api import WalkRecord

CHECKS = registry.load(()).checks
PROBE = AnalyticProbe(lambda x: x[:, 0], np.ones_like)
PROBLEMS = feature_problems(PROBE, [0.0], [1.0])
FIELDS = {field.name for field in dataclasses.fields(WalkRecord)}


def walked(completeness_error, error_bar):
    numbers = dict.fromkeys(FIELDS, 0.0) | {"nodes": 3, "gradients": 3, "forwards": 3, "met": True}
    return WalkRecord(**numbers | {"completeness_error": completeness_error, "error_bar": error_bar})


def examine(check, records=(), parity=None, labels=None, method="gradient", parameters=None, scores=None):
    chosen = registry.load(()).methods[method].cls() if CHECKS[check].cls.examines == "method" else None
    ids = tuple(f"{i}.png" for i in range(len(records)))
    subject = Subject(chosen, ids, tuple(records), parity or {}, labels or {}, classes=10, scores=scores or {})
    findings = registry.create(CHECKS[check], "standard", parameters or {}).examine(subject, PROBLEMS, PROBE)
    (finding,) = findings
    assert finding.check == check and finding.method == (method if chosen else None)
    assert not finding.reason[0].islower() and finding.reason.endswith(".") and "nan" not in finding.reason
    return finding


NAN = float("nan")


@pytest.mark.parametrize(
    ("records", "status", "words"),
    [
        ([None, None], Status.SKIP, "integrates no walk"),
        ([walked(NAN, NAN)] * 2, Status.INCONCLUSIVE, "too small to divide"),
        ([walked(0.02, 0.03), walked(0.01, 0.1)], Status.PASS, "at most 10 %"),
        ([walked(0.02, 0.03), walked(NAN, NAN), None], Status.PASS, "3 % on 1 image. 2 of 3 images cannot be judged."),
        ([walked(0.02, 0.03), walked(0.11, 0.03)], Status.WARN, "1 of 2 images"),
        ([walked(0.02, 0.2), walked(0.01, 0.1)], Status.WARN, "error bar is more than 10 % on 1 of 2 images"),
        ([walked(0.2, 0.03), walked(0.01, 0.3)], Status.FAIL, "2 of 2 images"),
    ],
)
def test_completeness(records, status, words):
    finding = examine("completeness", records)
    assert finding.status is status and words in finding.reason
    if status in (Status.WARN, Status.FAIL):
        assert finding.estimate > finding.threshold and finding.details["images"]


def test_completeness_names_the_images_and_takes_another_threshold():
    records = [walked(0.02, 0.03), walked(0.3, 0.03)]
    assert examine("completeness", records).details["images"] == ["1.png"]
    assert examine("completeness", records, parameters={"threshold": "0.5"}).status is Status.PASS
    strict = examine("completeness", records, parameters={"threshold": "0.001"})
    assert strict.status is Status.FAIL and "more than 0.1 % on" in strict.reason


def test_completeness_holds_the_parts_apart():
    records = [
        dataclasses.replace(walked(0.3, 0.02), quadrature_error=0.01, method_error=0.31),
        dataclasses.replace(walked(0.02, 0.04), quadrature_error=0.05, method_error=0.0),
        dataclasses.replace(walked(0.01, 0.02), quadrature_error=0.01, method_error=0.02),
        walked(NAN, NAN),
    ]
    finding = examine("completeness", records)
    assert finding.details["split"] == {
        "method": {"median": 0.02, "worst": 0.31},
        "quadrature": {"median": 0.02, "worst": 0.05},
        "total": {"median": 0.02, "worst": 0.3},
    }
    assert finding.details["undefined"] == 1 and finding.reason.endswith("the integral is exact enough.")
    assert examine("completeness", [walked(0.01, 0.2)]).reason.endswith("on 1: more nodes may help.")
    both = dataclasses.replace(walked(0.3, 0.2), method_error=0.3)
    assert "on 1, and the walk does not join its ends on 1" in examine("completeness", [both]).reason


@pytest.mark.parametrize(
    ("method", "scores", "status", "words"),
    [
        ("captum/DeepLift", (0.01, 0.02), Status.PASS, "at most 2 % on 2 images"),
        ("captum/DeepLift", (0.01, None), Status.PASS, "at most 1 % on 1 image. 1 of 2 images cannot be judged."),
        ("captum/DeepLift", (0.01, 0.4), Status.WARN, "1 of 2 images"),
        ("captum/DeepLift", (0.4, 0.4), Status.FAIL, "2 of 2 images"),
        ("captum/DeepLift", (None, None), Status.INCONCLUSIVE, "too small to divide"),
        ("gradient-x-input", (0.4, 0.4), Status.SKIP, "claims no completeness"),
    ],
)
def test_completeness_without_a_walk_is_judged_by_the_total(method, scores, status, words):
    finding = examine("completeness", [None, None], method=method, scores={"completeness-error": scores})
    assert finding.status is status and words in finding.reason
    if finding.estimate is not None:
        assert set(finding.details["split"]) == {"total"} and "no quadrature error" in finding.reason


def certificate(relative=1e-6, agreement=1.0, median=1e-3):
    gradient = {"directions": 6, "median_rel_error": median, "max_rel_error": 0.02, "tolerance": 0.01}
    return {
        "images": 8, "max_abs_diff": 1e-5, "max_rel_diff": relative, "top1_agreement": agreement,
        "tolerance": 1e-3, "gradient": gradient,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("numbers", "status"),
    [
        ({}, Status.PASS),
        ({"agreement": 0.875}, Status.WARN),
        ({"relative": 0.01}, Status.FAIL),
        ({"relative": 0.01, "agreement": 0.5}, Status.FAIL),
    ],
)
def test_parity(numbers, status):
    finding = examine("parity", parity=certificate(**numbers))
    assert finding.status is status and "8 images" in finding.reason
    assert finding.threshold == 1e-3 and (finding.estimate > finding.threshold) == (status is Status.FAIL)


@pytest.mark.parametrize(
    ("median", "status"), [(1e-3, Status.PASS), (0.01, Status.PASS), (0.02, Status.FAIL), (None, Status.INCONCLUSIVE)]
)
def test_gradient_parity(median, status):
    finding = examine("gradient-parity", parity=certificate(median=median))
    assert finding.status is status and finding.estimate == median


def test_gradient_parity_of_a_surrogate_is_never_a_pass():
    parity = certificate()
    parity["gradient"]["surrogate"] = "the model with its steps smoothed"
    finding = examine("gradient-parity", parity=parity)
    assert finding.status is Status.WARN and "the model with its steps smoothed" in finding.reason
    parity["gradient"]["median_rel_error"] = 0.02
    assert examine("gradient-parity", parity=parity).status is Status.FAIL


@pytest.mark.parametrize(
    ("accuracy", "labelled", "status", "words"),
    [
        (None, 0, Status.SKIP, "No image has a true label"),
        (0.8, 50, Status.PASS, "above chance"),
        (0.1, 50, Status.WARN, "preprocessing suspect"),
        (0.0, 3, Status.INCONCLUSIVE, "too few images"),
        (1.0, 1, Status.INCONCLUSIVE, "too few images"),  # guessing hits one of one with probability 1 / 10
    ],
)
def test_preprocessing(accuracy, labelled, status, words):
    finding = examine("preprocessing", labels={"top1_accuracy": accuracy, "labelled": labelled})
    assert finding.status is status and words in finding.reason and finding.estimate == accuracy
