"""Metrics: one number a map."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from geoaudit.api.parameters import Parameters as _Parameters  # inside a class the name is its own parameters
from geoaudit.api.probe import Probe
from geoaudit.api.problems import Problems
from geoaudit.api.walks import Attributions


@dataclass(frozen=True)
class SweepCurves:
    """Target probabilities while regions of the images are imputed, from onnxruntime.

    Attributes:
        fractions: share of the regions imputed, from 0 to 1 inclusive, ascending, shape (k,).
        imputers: names, shape (p,).
        morf: most relevant regions first, in [0, 1], shape (n, p, k).
        lerf: least relevant regions first, same shape.
    """

    fractions: npt.NDArray[np.float64]
    imputers: tuple[str, ...]
    morf: npt.NDArray[np.float64]
    lerf: npt.NDArray[np.float64]

    def area(self, order: Literal["morf", "lerf"]) -> npt.NDArray[np.float64]:
        """Area under each curve by the trapezoid rule over `fractions`, in [0, 1], shape (n, p)."""
        curves = self.morf if order == "morf" else self.lerf
        return np.asarray(np.trapezoid(curves, self.fractions, axis=-1), dtype=np.float64)


@dataclass(frozen=True)
class Evidence:
    """What metrics may ask for; a kind that a metric does not name in `needs` may be None.

    Attributes:
        sweep: the masked-forward sweep of these maps, if some metric needs it.
        probe: the model, for metrics that evaluate it themselves.
    """

    sweep: SweepCurves | None
    probe: Probe


@dataclass(frozen=True)
class Scores:
    """One number an image.

    Attributes:
        values: float64, shape (n,), nan where there is no score.
        reasons: for each image why there is none, else None.
    """

    values: npt.NDArray[np.float64]
    reasons: tuple[str | None, ...]

    @classmethod
    def of(cls, values: npt.ArrayLike, reasons: Sequence[str | None] | None = None) -> Scores:
        """Scores from any array; without `reasons` every value must be finite."""
        array = np.asarray(values, dtype=np.float64)
        given = tuple(reasons) if reasons is not None else (None,) * len(array)
        found = (r or (None if math.isfinite(v) else "not finite") for r, v in zip(given, array, strict=True))
        return cls(array, tuple(found))


class Metric(ABC):
    """A score of maps: one number an image.

    Class attributes:
        id, title, reference: as for methods.
        higher_is_better: direction; None where neither end is better by itself.
        ideal: the best possible value; None if unbounded or unknown.
        needs: kinds of evidence: "sweep" and/or "probe".
    """

    id: ClassVar[str]
    title: ClassVar[str]
    reference: ClassVar[str]
    higher_is_better: ClassVar[bool | None]
    ideal: ClassVar[float | None]
    needs: ClassVar[frozenset[Literal["sweep", "probe"]]] = frozenset()
    Parameters: ClassVar[type[_Parameters]] = _Parameters

    def __init__(self, parameters: _Parameters | None = None) -> None:
        self.parameters = parameters if parameters is not None else self.Parameters()

    @abstractmethod
    def score(self, attributions: Attributions, problems: Problems, evidence: Evidence) -> Scores:
        """The maps' scores."""
