"""Linear models and feature preparation of the ai.onnx.ml domain, as scikit-learn's exporters write them.

Scores keep the input's floating-point type (float32 from integers).  Labels in strings are left aside: the label
output then holds the class index, int64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isnan

import torch
from torch import Tensor
from torch.nn import functional

from geoaudit.model.converters.operator import operator

ML = "ai.onnx.ml"


def _floating(x: Tensor) -> Tensor:
    return x if x.is_floating_point() else x.to(torch.float32)


def _constant(values: Sequence[float], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device)


def _rows(x: Tensor) -> Tensor:
    return _floating(x if x.dim() > 1 else x.unsqueeze(0))


@operator("Scaler", domain=ML)
def scaler(x: Tensor, *, offset: Sequence[float] = (0.0,), scale: Sequence[float] = (1.0,)) -> Tensor:
    """(x - offset) * scale, one number for all or one for each feature."""
    x = _floating(x)
    return (x - _constant(offset, x)) * _constant(scale, x)


@operator("Normalizer", domain=ML)
def normalizer(x: Tensor, *, norm: str = "MAX") -> Tensor:
    """Rows divided by their largest value (MAX), sum of magnitudes (L1) or length (L2); rows of norm 0 stay.

    The largest value is taken with its sign, as in onnxruntime.
    """
    x = _floating(x)
    axis = min(1, x.dim() - 1)
    if norm == "MAX":
        size = x.amax(axis, keepdim=True)
    elif norm == "L1":
        size = x.abs().sum(axis, keepdim=True)
    elif norm == "L2":
        square = (x * x).sum(axis, keepdim=True)
        size = torch.where(square == 0, 1, square).sqrt()
    else:
        raise NotImplementedError(f"norm {norm}")
    return x / torch.where(size == 0, 1, size)


@operator("Imputer", domain=ML)
def imputer(
    x: Tensor, *, imputed_value_floats: Sequence[float] = (), imputed_value_int64s: Sequence[int] = (),
    replaced_value_float: float = 0.0, replaced_value_int64: int = 0,
) -> Tensor:  # fmt: skip
    """`x` with the replaced value (NaN too) exchanged for the imputed one, one for all or one for each feature."""
    if not x.is_floating_point():
        return torch.where(x == replaced_value_int64, _constant(imputed_value_int64s, x), x)
    lacking = x.isnan() if isnan(replaced_value_float) else x == replaced_value_float
    return torch.where(lacking, _constant(imputed_value_floats, x), x)


@operator("Binarizer", domain=ML)
def binarizer(x: Tensor, *, threshold: float = 0.0) -> Tensor:
    """1 where x > threshold, else 0; its gradient is zero."""
    return (x > threshold).to(x.dtype)


@operator("FeatureVectorizer", domain=ML)
def feature_vectorizer(*inputs: Tensor, inputdimensions: Sequence[int]) -> Tensor:
    """The inputs side by side, each cut or filled with zeros to its number of columns."""
    columns = [_rows(x) for x in inputs]
    flat = [x.reshape(x.shape[0], -1) for x in columns]
    return torch.cat(
        [functional.pad(x, (0, size - x.shape[1])) for x, size in zip(flat, inputdimensions, strict=True)], 1
    )


@operator("ArrayFeatureExtractor", domain=ML)
def array_feature_extractor(x: Tensor, y: Tensor) -> Tensor:
    """Columns `y` of the last axis; one axis of input gives one row."""
    x = x.unsqueeze(0) if x.dim() == 1 else x
    return x.index_select(-1, y.reshape(-1).to(torch.int64))


@operator("OneHotEncoder", domain=ML)
def one_hot_encoder(x: Tensor, *, cats_int64s: Sequence[int], zeros: int = 1) -> Tensor:
    """One more axis with a float32 1 at the category.

    Raises:
        ValueError: an unknown category with `zeros` 0.
    """
    found = x.to(torch.int64).unsqueeze(-1) == torch.tensor(cats_int64s, device=x.device)
    if not zeros and not bool(found.any(-1).all()):
        raise ValueError("unknown category")
    return found.to(torch.float32)


@operator("LabelEncoder", since=2, domain=ML)
def label_encoder(
    x: Tensor, *, keys_int64s: Sequence[int] = (), keys_floats: Sequence[float] = (),
    values_int64s: Sequence[int] = (), values_floats: Sequence[float] = (), default_int64: int = -1,
    default_float: float = -0.0, version: int, default_string: str = "", keys_tensor: Tensor | None = None,
    values_tensor: Tensor | None = None, default_tensor: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Numbers exchanged by a table, a default for those that it lacks; NaN is found since version 4."""
    keys = torch.tensor(keys_int64s or keys_floats) if keys_tensor is None else keys_tensor
    if values_tensor is None:
        kind = torch.int64 if values_int64s else torch.float32
        values = torch.tensor(values_int64s or values_floats, dtype=kind)
        rest = torch.tensor(default_int64 if values_int64s else default_float, dtype=kind)
    else:
        values = values_tensor
        zero = -1 if not values.is_floating_point() else -0.0
        rest = values.new_tensor(zero) if default_tensor is None else default_tensor.reshape(()).to(values.dtype)
    keys, values, rest = (t.to(x.device) for t in (keys.reshape(-1).to(x.dtype), values.reshape(-1), rest))
    given = x.unsqueeze(-1)
    same = given == keys
    if version >= 4 and x.is_floating_point():
        same = same | (given.isnan() & keys.isnan())
    return torch.where(same.any(-1), values[same.to(torch.uint8).argmax(-1)], rest)


def _probit(p: Tensor) -> Tensor:
    """Inverse of the normal distribution by Winitzki's approximation, with onnxruntime's constants."""
    x = 2 * p - 1
    log = ((1 - x) * (1 + x)).log()
    v = 2 / (3.14159 * 0.147) + 0.5 * log
    root = ((v * v - log / 0.147).sqrt() - v).clamp(min=0)
    safe = torch.where(root == 0, 1, root)
    return 1.41421356 * torch.where(x < 0, -1.0, 1.0) * torch.where(root == 0, 0.0, safe.sqrt())


def _softmax_zero(scores: Tensor) -> Tensor:
    kept = scores.abs() > 1e-7
    raised = torch.where(kept, (scores - scores.amax(-1, keepdim=True)).exp(), 0.0)
    total = raised.sum(-1, keepdim=True)
    return raised / torch.where(total == 0, 1, total)


def _post_transformed(scores: Tensor, post_transform: str) -> Tensor:
    """Scores of shape (rows, classes) after one of the ai.onnx.ml transforms; a single score knows but PROBIT.

    Raises:
        NotImplementedError: a transform that the domain does not define.
    """
    if post_transform not in _TRANSFORMS:
        raise NotImplementedError(f"post_transform {post_transform}")
    return scores if scores.shape[-1] == 1 and post_transform != "PROBIT" else _TRANSFORMS[post_transform](scores)


_TRANSFORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "NONE": lambda scores: scores,
    "LOGISTIC": torch.sigmoid,
    "SOFTMAX": lambda scores: scores.softmax(-1),
    "SOFTMAX_ZERO": _softmax_zero,
    "PROBIT": _probit,
}


def _linear(x: Tensor, coefficients: Sequence[float], intercepts: Sequence[float], targets: int) -> Tensor:
    weight = _constant(coefficients, x).reshape(targets, -1)
    return functional.linear(x, weight, _constant(intercepts, x) if intercepts else None)


@operator("LinearRegressor", domain=ML)
def linear_regressor(
    x: Tensor, *, coefficients: Sequence[float], intercepts: Sequence[float] = (), post_transform: str = "NONE",
    targets: int = 1,
) -> Tensor:  # fmt: skip
    """Affine predictions, shape (rows, targets)."""
    return _post_transformed(_linear(_rows(x), coefficients, intercepts, targets), post_transform)


@operator("LinearClassifier", domain=ML)
def linear_classifier(
    x: Tensor, *, coefficients: Sequence[float], intercepts: Sequence[float] = (), classlabels_ints: Sequence[int] = (),
    classlabels_strings: Sequence[str] = (), multi_class: int = 0, post_transform: str = "NONE",
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Labels int64 of shape (rows,), and scores of shape (rows, classes).

    One score s for two classes becomes two columns, 1 - s and s; of the transforms only LOGISTIC acts on it.

    Raises:
        NotImplementedError: PROBIT of one score for two classes: what onnxruntime gives depends on the batch.
    """
    x = _rows(x)
    classes = len(classlabels_ints) or len(classlabels_strings)
    targets = len(intercepts) or len(coefficients) // x.shape[-1]
    raw = _linear(x, coefficients, intercepts, targets)
    index = (raw[:, 0] > 0).to(torch.int64) if targets == 1 else raw.argmax(-1)
    label = torch.tensor(classlabels_ints, device=x.device)[index] if classlabels_ints else index
    if targets > 1 or classes != 2:
        return label, _post_transformed(raw, post_transform)
    if post_transform == "PROBIT":
        raise NotImplementedError("post_transform PROBIT of one score")
    positive = raw.sigmoid() if post_transform == "LOGISTIC" else raw
    return label, torch.cat((1 - positive, positive), 1)


@operator("ZipMap", domain=ML)
def zip_map(x: Tensor, *, classlabels_int64s: Sequence[int] = (), classlabels_strings: Sequence[str] = ()) -> Tensor:
    """The scores themselves: maps from label to score are lists in another guise."""
    return x
