"""The explained scalar as a function of the scores, in numpy and in torch; the one place that knows the tails.

For a row of scores z and the target t:

    tail              probability p_t                logit            margin
    None, Softmax,    exp(z_t) / sum_k exp(z_k)      z_t              z_t - max_{k != t} z_k
    LogSoftmax
    Sigmoid           1 / (1 + exp(-z_t))            z_t              z_t
    Probabilities     z_t                            log z_t          log z_t - max_{k != t} log z_k

With a Sigmoid every class is a yes-or-no question of its own: "no" has the score 0, so the margin is the logit.  A
head of one number z is two such classes, -z and z, whose probabilities add up to 1.  With "Probabilities" the model's
own numbers are probabilities already and are not normalised again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import special

from geoaudit.api import Ints

if TYPE_CHECKING:
    import torch

Space = Literal["logit", "probability", "log-probability", "margin"]
Tail = Literal["Softmax", "LogSoftmax", "Sigmoid", "Probabilities"]
Doubles = npt.NDArray[np.float64]

LEAST = 1e-12
"""Probabilities below it count as it where a logarithm is taken.  Trees give exact zeros and float32 softmaxes
underflow to them; the logarithm stays finite (-27.6) and differences of it far above the rounding of float64."""


def rows(raw: npt.NDArray[Any], binary: bool, tail: str | None) -> npt.NDArray[Any]:
    """What the model gives as rows of one score a class.

    Args:
        raw: the tensor that is read, any float dtype, shape (m, numbers).
        binary: one number stands for two classes.
        tail: `Head.tail`.

    Returns:
        `raw` itself, or of one number z [-z, z], of one probability p [1 - p, p]; dtype of `raw`, (m, classes).
    """
    if not binary:
        return raw
    return np.concatenate([1 - raw if tail == "Probabilities" else -raw, raw], axis=1)


def rows_torch(raw: torch.Tensor, binary: bool, tail: str | None) -> torch.Tensor:
    """`rows` for torch; same shapes."""
    import torch

    if not binary:
        return raw
    return torch.cat([1 - raw if tail == "Probabilities" else -raw, raw], dim=1)


def probabilities(logits: npt.NDArray[Any], tail: str | None = None) -> Doubles:
    """Class probabilities, float64 in [0, 1], shape (m, classes) like `logits`.

    Args:
        logits: rows of scores, any float dtype, shape (m, classes).
        tail: `Head.tail`; "Sigmoid" gives independent probabilities, "Probabilities" the rows themselves (clipped
            to [0, 1]), everything else a softmax.
    """
    double = np.asarray(logits, dtype=np.float64)
    if tail == "Probabilities":
        return np.clip(double, 0.0, 1.0)
    return np.asarray(special.expit(double) if tail == "Sigmoid" else special.softmax(double, axis=1))


def values(logits: npt.NDArray[Any], targets: Ints, space: Space, tail: str | None = None) -> Doubles:
    """The explained scalar of each row, float64, shape (m,).

    Args:
        logits: rows of scores, shape (m, classes).
        targets: explained classes, shape (m,), in [0, classes).
        space: which scalar.
        tail: `Head.tail`.
    """
    double = np.asarray(logits, dtype=np.float64)
    at = np.arange(len(double))
    if tail == "Probabilities":
        if space == "probability":
            return np.asarray(double[at, targets])
        double = np.log(np.maximum(double, LEAST))
    chosen: Doubles = double[at, targets]
    if space == "logit" or (tail == "Sigmoid" and space == "margin"):
        return chosen
    if space == "margin":
        others = double.copy()
        others[at, targets] = -np.inf
        return np.asarray(chosen - others.max(axis=1))
    if tail == "Sigmoid":
        return np.asarray(special.expit(chosen) if space == "probability" else special.log_expit(chosen))
    if tail == "Probabilities":
        return chosen
    log_probability = chosen - special.logsumexp(double, axis=1)
    return np.asarray(np.exp(log_probability) if space == "probability" else log_probability)


def values_torch(logits: torch.Tensor, targets: torch.Tensor, space: Space, tail: str | None = None) -> torch.Tensor:
    """`values` for torch: rows (m, classes) of any float dtype, targets int64 (m,); float64, shape (m,).

    The scalar is formed in float64 so that a saturated probability keeps its gradient.
    """
    import torch

    double = logits.double()
    index = targets[:, None]
    if tail == "Probabilities":
        if space == "probability":
            return double.gather(1, index)[:, 0]
        double = double.clamp_min(LEAST).log()
    chosen = double.gather(1, index)[:, 0]
    if space == "logit" or (tail == "Sigmoid" and space == "margin"):
        return chosen
    if space == "margin":
        return chosen - double.scatter(1, index, -torch.inf).amax(dim=1)
    if tail == "Sigmoid":
        return torch.sigmoid(chosen) if space == "probability" else torch.nn.functional.logsigmoid(chosen)
    if tail == "Probabilities":
        return chosen
    log_probability = chosen - torch.logsumexp(double, dim=1)
    return log_probability.exp() if space == "probability" else log_probability
