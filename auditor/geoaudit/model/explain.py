"""The explained scalar as a function of the logits, in numpy and in torch.

For logits z and target t, with a Softmax tail or none: probability p_t = exp(z_t) / sum_k exp(z_k).  With a
Sigmoid tail classes are independent: p_t = 1 / (1 + exp(-z_t)).  The margin is z_t - max_{k != t} z_k.
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
Doubles = npt.NDArray[np.float64]


def probabilities(logits: npt.NDArray[Any], tail: str | None = None) -> Doubles:
    """Class probabilities, float64 in [0, 1], shape (m, classes) like `logits`.

    Args:
        logits: scores before the tail, any float dtype, shape (m, classes).
        tail: `Head.tail`; "Sigmoid" gives independent probabilities, everything else a softmax.
    """
    double = np.asarray(logits, dtype=np.float64)
    return np.asarray(special.expit(double) if tail == "Sigmoid" else special.softmax(double, axis=1))


def values(logits: npt.NDArray[Any], targets: Ints, space: Space, tail: str | None = None) -> Doubles:
    """The explained scalar of each row, float64, shape (m,).

    Args:
        logits: scores before the tail, shape (m, classes).
        targets: explained classes, shape (m,), in [0, classes).
        space: which scalar.
        tail: `Head.tail`.
    """
    double = np.asarray(logits, dtype=np.float64)
    rows = np.arange(len(double))
    chosen: Doubles = double[rows, targets]
    if space == "logit":
        return chosen
    if space == "margin":
        others = double.copy()
        others[rows, targets] = -np.inf
        return np.asarray(chosen - others.max(axis=1))
    if tail == "Sigmoid":
        return np.asarray(special.expit(chosen) if space == "probability" else special.log_expit(chosen))
    log_probability = chosen - special.logsumexp(double, axis=1)
    return np.asarray(np.exp(log_probability) if space == "probability" else log_probability)


def values_torch(logits: torch.Tensor, targets: torch.Tensor, space: Space, tail: str | None = None) -> torch.Tensor:
    """`values` for torch: logits (m, classes) of any float dtype, targets int64 (m,); float64, shape (m,).

    The scalar is formed in float64 so that a saturated probability keeps its gradient.
    """
    import torch

    double = logits.double()
    index = targets[:, None]
    chosen = double.gather(1, index)[:, 0]
    if space == "logit":
        return chosen
    if space == "margin":
        return chosen - double.scatter(1, index, -torch.inf).amax(dim=1)
    if tail == "Sigmoid":
        return torch.sigmoid(chosen) if space == "probability" else torch.nn.functional.logsigmoid(chosen)
    log_probability = chosen - torch.logsumexp(double, dim=1)
    return log_probability.exp() if space == "probability" else log_probability
