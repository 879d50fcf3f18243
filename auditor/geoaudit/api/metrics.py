"""Metrics: one number a map."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from geoaudit.api.imputers import Filler, Imputer
from geoaudit.api.parameters import Parameters as _Parameters  # inside a class the name is its own parameters
from geoaudit.api.probe import Cost, Probe
from geoaudit.api.problems import InputSpace, Problems
from geoaudit.api.walks import Attributions
from geoaudit.errors import UsageError

BudgetName = Literal["quick", "standard", "thorough"]
"""How much a run may spend; what runs from one budget on runs under the larger ones too."""
T = TypeVar("T")


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


@dataclass
class Group:
    """A group of images, and what every metric and every map of it shares; kept while the group is scored.

    Attributes:
        problems: the images.
        probe: the model.
        imputers: the run's imputers by id.
    """

    problems: Problems
    probe: Probe
    imputers: Mapping[str, Imputer]
    _fillers: dict[str, Filler] = field(default_factory=dict, repr=False)
    _made: dict[str, Any] = field(default_factory=dict, repr=False)

    def filler(self, imputer: str) -> Filler:
        """What takes pixels out of these images, by the imputer's id.

        Raises:
            UsageError: the run has no such imputer.
        """
        if imputer not in self.imputers:
            known = ", ".join(sorted(self.imputers)) or "none"
            raise UsageError(f"imputer '{imputer}'", "is unknown", f"Choose from {known}.")
        if imputer not in self._fillers:
            self._fillers[imputer] = self.imputers[imputer].open(self.problems, self.probe)
        return self._fillers[imputer]

    def once(self, key: str, make: Callable[[], T]) -> T:
        """What `make` returns, made at the first call with this key: evaluations that do not depend on the map.

        The key names the metric and every parameter that the result depends on.
        """
        if key not in self._made:
            self._made[key] = make()
        made: T = self._made[key]
        return made


@dataclass(frozen=True)
class Evidence:
    """What metrics may ask for; a kind that a metric does not name in `needs` may be None.

    Attributes:
        sweep: the masked-forward sweep of these maps, if some metric needs it.
        group: the images, the model, and what all maps share.
        inverted: the maps are an inverted control, -A: what orders by magnitude must begin with the least.
    """

    sweep: SweepCurves | None
    group: Group
    inverted: bool = False

    @property
    def probe(self) -> Probe:
        """The model, for metrics that evaluate it themselves."""
        return self.group.probe


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
        """Scores from any array: nan where there is a reason, and a reason where a value is not finite."""
        array = np.asarray(values, dtype=np.float64)
        given = tuple(reasons) if reasons is not None else (None,) * len(array)
        found = [r or (None if math.isfinite(v) else "not finite") for r, v in zip(given, array, strict=True)]
        return cls(np.where([r is None for r in found], array, np.nan), tuple(found))


class Metric(ABC):
    """A score of maps: one number an image.

    Class attributes:
        id, title, reference: as for methods.
        higher_is_better: direction; None where neither end is better by itself.
        ideal: the best possible value; None if unbounded or unknown.
        needs: kinds of evidence: "sweep" and/or "probe".
        reads_importance: whether it reads the order or the signs of importance; an inverted map must then score
            worse than its method and a random map, or the metric is not believed on this model.
        from_budget: the smallest budget under which it runs without being named.
        budgets: parameters that a budget sets other than the defaults.
    """

    id: ClassVar[str]
    title: ClassVar[str]
    reference: ClassVar[str]
    higher_is_better: ClassVar[bool | None]
    ideal: ClassVar[float | None]
    needs: ClassVar[frozenset[Literal["sweep", "probe"]]] = frozenset()
    reads_importance: ClassVar[bool] = False
    from_budget: ClassVar[BudgetName] = "quick"
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    Parameters: ClassVar[type[_Parameters]] = _Parameters

    def __init__(self, parameters: _Parameters | None = None) -> None:
        self.parameters = parameters if parameters is not None else self.Parameters()

    @abstractmethod
    def score(self, attributions: Attributions, problems: Problems, evidence: Evidence) -> Scores:
        """The maps' scores."""

    def score_inverted(
        self, attributions: Attributions, problems: Problems, evidence: Evidence, scores: Scores
    ) -> Scores:
        """The scores of the inverted maps; override it where they follow from the maps' own `scores`.

        Args:
            attributions: the inverted maps, -A.
            problems: the images.
            evidence: with `inverted` set and the sweep's orders exchanged.
            scores: of the maps themselves.
        """
        return self.score(attributions, problems, evidence)

    def cost(self, space: InputSpace) -> tuple[Cost, Cost]:
        """Expected evaluations of its own for one image: of every map (inverted ones apart), and once for all maps."""
        return Cost(), Cost()

    def inversion_cost(self, space: InputSpace) -> Cost:
        """Expected evaluations for one inverted map."""
        return self.cost(space)[0]
