"""Linear models and feature preparation of ai.onnx.ml against onnxruntime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from onnx import helper, numpy_helper

from geoaudit.model.converters import linear_models

Array = npt.NDArray[Any]
Agrees = Callable[..., list[Array]]
X = np.array([[1, 2, -1], [0, 0, 0], [-9, 0.5, 2], [0.2, 0.1, 0.3]], np.float32)
COEFFICIENTS = [0.1, 0.05, -0.02, 0.02, 0.06, 0.03, -0.03, 0.04, 0.1]
INTERCEPTS = [0.3, 0.4, 0.2]
TRANSFORMS = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"]


@pytest.fixture
def same(agrees: Agrees) -> Callable[..., list[Array]]:
    def check(op: str, feeds: dict[str, Array], outputs: str = "y", version: int = 3, **settings: Any) -> list[Array]:
        gradient = settings.pop("gradient", ())
        node = helper.make_node(op, list(feeds), outputs.split(","), domain="ai.onnx.ml", **settings)
        return agrees(node, feeds, domains={"ai.onnx.ml": version}, gradient=gradient)

    return check


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("targets", [1, 2, 3])
@pytest.mark.parametrize("multi_class", [0, 1])
def test_classifier(same: Any, transform: str, targets: int, multi_class: int) -> None:
    labels = [5, 7, 9][: max(targets, 2)]
    same(
        "LinearClassifier", {"x": X}, "label,scores", coefficients=COEFFICIENTS[: 3 * targets], multi_class=multi_class,
        intercepts=INTERCEPTS[:targets], classlabels_ints=labels, post_transform=transform, gradient=("x",),
    )  # fmt: skip


def test_classifier_without_intercepts_takes_integers_and_counts_string_labels(same: Any) -> None:
    settings = {"coefficients": COEFFICIENTS, "classlabels_ints": [0, 1, 2], "intercepts": [0.0] * 3}
    same("LinearClassifier", {"x": np.arange(12).reshape(4, 3)}, "label,scores", **settings)
    named = {"coefficients": COEFFICIENTS, "classlabels_strings": ["a", "b", "c"], "intercepts": [0.0, 0.0, 9.0]}
    label, scores = linear_models.linear_classifier(torch.from_numpy(X), **named)
    assert label.tolist() == [2] * 4
    assert scores.shape == (4, 3)


def test_classifier_with_probit_of_one_score_is_refused() -> None:
    with pytest.raises(NotImplementedError, match="PROBIT"):
        linear_models.linear_classifier(
            torch.from_numpy(X),
            coefficients=[1, 1, 1],
            intercepts=[0],
            classlabels_ints=[0, 1],
            post_transform="PROBIT",
        )


@pytest.mark.parametrize("transform", [*TRANSFORMS, "PROBIT"])
@pytest.mark.parametrize("targets", [1, 2])
def test_regressor(same: Any, transform: str, targets: int) -> None:
    settings = {"coefficients": COEFFICIENTS[: 3 * targets], "intercepts": INTERCEPTS[:targets], "targets": targets}
    same("LinearRegressor", {"x": np.abs(X[[0, 3]])}, post_transform=transform, gradient=("x",), **settings)


def test_unknown_transform_is_refused() -> None:
    with pytest.raises(NotImplementedError, match="post_transform CUBE"):
        linear_models.linear_regressor(torch.from_numpy(X), coefficients=[1, 1, 1], post_transform="CUBE")


def test_scaler(same: Any) -> None:
    same("Scaler", {"x": X}, offset=[1.0, 2.0, 3.0], scale=[0.5, 2.0, 1.0], gradient=("x",))
    same("Scaler", {"x": X}, offset=[1.0], scale=[0.5])
    same("Scaler", {"x": np.arange(6).reshape(2, 3)}, offset=[1.0], scale=[0.5])


@pytest.mark.parametrize("norm", ["MAX", "L1", "L2"])
def test_normalizer(same: Any, norm: str) -> None:
    x = np.concatenate([X, -np.abs(X) - 0.1])
    same("Normalizer", {"x": x}, norm=norm)
    same("Normalizer", {"x": x[[0, 2, 3]]}, norm=norm, gradient=("x",))
    same("Normalizer", {"x": x[0]}, norm=norm)
    zeros = torch.zeros(1, 3, requires_grad=True)
    linear_models.normalizer(zeros, norm=norm).sum().backward()
    assert zeros.grad is not None
    assert bool(zeros.grad.isfinite().all())


@pytest.mark.parametrize("gap", [float("nan"), 0.0])
def test_imputer(same: Any, gap: float) -> None:
    x = np.where(X == 0, np.float32(gap), X)
    same("Imputer", {"x": x}, imputed_value_floats=[7.0, 8.0, 9.0], replaced_value_float=gap)
    same("Imputer", {"x": x}, imputed_value_floats=[7.0], replaced_value_float=gap)


def test_integers_are_imputed_and_encoded(same: Any) -> None:
    x = np.array([[1, -2, 3], [-2, 5, 6]])
    same("Imputer", {"x": x}, imputed_value_int64s=[4], replaced_value_int64=-2)
    same("OneHotEncoder", {"x": x[0]}, cats_int64s=[3, 1, 8], zeros=1)
    with pytest.raises(ValueError, match="category"):
        linear_models.one_hot_encoder(torch.from_numpy(x), cats_int64s=[1], zeros=0)


def test_binarizer(same: Any) -> None:
    same("Binarizer", {"x": X}, threshold=0.2)


def test_feature_vectorizer(same: Any) -> None:
    same("FeatureVectorizer", {"x": X, "z": X[:, :2] + 1}, inputdimensions=[2, 2], gradient=("x", "z"))


def test_array_feature_extractor(same: Any) -> None:
    same("ArrayFeatureExtractor", {"x": X, "y1": np.array([[2, 0]])}, gradient=("x",))
    same("ArrayFeatureExtractor", {"x": X[0], "y1": np.array([1])})
    same("ArrayFeatureExtractor", {"x": np.stack([X, X]), "y1": np.array([1, 1, 2])})


def test_label_encoder_of_numbers(same: Any) -> None:
    x = np.array([[1, 4, 2], [9, 1, 1]])
    same("LabelEncoder", {"x": x}, keys_int64s=[1, 2, 4], values_int64s=[10, 20, 40], default_int64=-7)
    same("LabelEncoder", {"x": x}, keys_int64s=[1, 2, 4], values_floats=[0.1, 0.2, 0.4])
    same("LabelEncoder", {"x": X}, keys_floats=[1.0, 0.5, 2.0], values_int64s=[1, 2, 3])
    gap = np.array([np.nan, 1.0, 3.0], np.float32)
    for version in (2, 4):  # NaN is found since version 4
        table = {"keys_floats": [1.0, float("nan")], "values_floats": [5.0, 6.0], "default_float": 2.0}
        same("LabelEncoder", {"x": gap}, version=version, **table)
    tensors = {
        "keys_tensor": np.array([1, 4]),
        "values_tensor": np.array([0.5, 2.5]),
        "default_tensor": np.array([9.0]),
    }
    same("LabelEncoder", {"x": x}, version=4, **{k: numpy_helper.from_array(v) for k, v in tensors.items()})


def test_zip_map_gives_the_scores() -> None:
    x = torch.from_numpy(X)
    assert linear_models.zip_map(x, classlabels_int64s=[0, 1, 2]) is x
