from __future__ import annotations

import numpy as np
import pytest
import torch

from geoaudit.model import explain

SPACES = ("logit", "probability", "log-probability", "margin")


def test_by_hand():
    logits = np.array([[0.0, np.log(3.0), -np.inf]])
    target = np.array([1])
    assert explain.values(logits, target, "logit")[0] == pytest.approx(np.log(3))
    assert explain.values(logits, target, "margin")[0] == pytest.approx(np.log(3))
    assert explain.values(logits, target, "probability")[0] == pytest.approx(0.75)
    assert explain.values(logits, target, "log-probability")[0] == pytest.approx(np.log(0.75))
    assert explain.values(logits, target, "probability", "Sigmoid")[0] == pytest.approx(0.75)
    np.testing.assert_allclose(explain.probabilities(logits), [[0.25, 0.75, 0.0]])
    np.testing.assert_allclose(explain.probabilities(logits, "Sigmoid"), [[0.5, 0.75, 0.0]])


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("tail", [None, "Softmax", "LogSoftmax", "Sigmoid", "Probabilities"])
def test_numpy_and_torch_agree_and_no_confidence_overflows(space, tail):
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((6, 4)).astype(np.float32) * np.array([[1], [1], [10], [100], [500], [900]])
    if tail == "Probabilities":
        logits = explain.probabilities(logits).astype(np.float32)
    targets = rng.integers(0, 4, 6)
    expected = explain.values(logits, targets, space, tail)
    found = explain.values_torch(torch.from_numpy(logits), torch.from_numpy(targets), space, tail)
    assert found.dtype == torch.float64 and expected.dtype == np.float64
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12, atol=1e-300)
    if space == "probability":
        rows = explain.probabilities(logits, tail)[np.arange(6), targets]
        np.testing.assert_allclose(expected, rows, rtol=1e-9)


def test_torch_margin_gradient_is_target_minus_best_rival():
    logits = torch.tensor([[1.0, 5.0, 4.0]], requires_grad=True)
    explain.values_torch(logits, torch.tensor([1]), "margin").sum().backward()
    assert logits.grad is not None and logits.grad.tolist() == [[0.0, 1.0, -1.0]]


def test_probabilities_are_not_normalised_again():
    row, target = np.array([[0.1, 0.6, 0.0, 0.3]]), np.array([1])
    np.testing.assert_array_equal(explain.probabilities(row, "Probabilities"), row)
    assert explain.values(row, target, "probability", "Probabilities")[0] == 0.6
    for space in ("logit", "log-probability"):
        assert explain.values(row, target, space, "Probabilities")[0] == pytest.approx(np.log(0.6))
    assert explain.values(row, target, "margin", "Probabilities")[0] == pytest.approx(np.log(2))
    assert explain.values(row, np.array([2]), "logit", "Probabilities")[0] == pytest.approx(np.log(explain.LEAST))


@pytest.mark.parametrize("tail", ["Sigmoid", "Probabilities"])
def test_a_binary_head_is_two_classes_that_add_up(tail):
    raw = np.array([[0.3], [0.8]])
    rows = explain.rows(raw, True, tail)
    np.testing.assert_array_equal(rows, explain.rows_torch(torch.from_numpy(raw), True, tail).numpy())
    p = explain.probabilities(rows, tail)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    for target, sign in ((0, -1), (1, 1)):
        logit = explain.values(rows, np.full(2, target), "margin", tail)
        expected = raw[:, 0] if tail == "Sigmoid" else np.log(raw[:, 0] / (1 - raw[:, 0]))
        np.testing.assert_allclose(logit, sign * expected)
    assert explain.rows(raw, False, tail) is raw
