"""Attribution methods and controls: the classes to derive from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from geoaudit.api.parameters import Parameters as _Parameters  # inside a class the name is its own parameters
from geoaudit.api.probe import Cost, Need, Probe, Quadrature
from geoaudit.api.problems import Problems
from geoaudit.api.walks import Attributions, Recorded, Walk

Flag = Literal[
    "ncc-by-construction",
    "not-complete",
    "own-baseline",
    "reconstruction",
    "shows-picture",
    "stochastic",
    "needs-calibration-set",
]
"""What the ranking and the reader must know of a method.

"own-baseline": complete with respect to a start of its own (a blurred image, another class' image), not to the
run's baseline.  "needs-calibration-set": its maps depend on `Probe.calibration`.
"""
Runs = Literal["by default", "with all", "when named"]
"""When a method runs: without --methods, with --methods all, or only when --methods names it or its package."""


class Method(ABC):
    """An attribution method: one file, one class, one abstract method.

    Class attributes (facts; nothing elsewhere knows the method by name):
        id: unique; third parties use "package/name".
        title: for people.
        family: "path", "gradient", "perturbation", "control", ...
        reference: paper, year, arXiv id or DOI.
        flags: what the ranking must know.
        needs: what it needs of the model besides its outputs.  {"gradients"} unless it says otherwise: a method
            that asks the probe for outputs alone declares an empty set, and gradient-free audits run it.
        runs: when it runs.
        budgets: parameters that a budget ("quick", "standard", "thorough") sets other than the defaults.
        shares_line: whether `cost` counts the shared straight line (`Probe.straight_line`), which is paid once by
            all methods of a run that do; an instance may set it by its parameters.
        base_parameter: name of the parameter that holds the id of another method to build upon; None: none.

    Attributes:
        parameters: bound values.
        base: the method that `base_parameter` names, bound with its own defaults for the same budget.
    """

    id: ClassVar[str]
    title: ClassVar[str]
    family: ClassVar[str]
    reference: ClassVar[str]
    kind: ClassVar[Literal["method", "control"]] = "method"
    flags: ClassVar[frozenset[Flag]] = frozenset()
    needs: ClassVar[frozenset[Need]] = frozenset({"gradients"})
    runs: ClassVar[Runs] = "by default"
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    shares_line: bool = False
    base_parameter: ClassVar[str | None] = None
    Parameters: ClassVar[type[_Parameters]] = _Parameters

    def __init__(self, parameters: _Parameters | None = None, base: Method | None = None) -> None:
        self.parameters = parameters if parameters is not None else self.Parameters()
        self.base = base

    @abstractmethod
    def attribute(self, problems: Problems, probe: Probe) -> Attributions:
        """The maps of `problems`.  An image's map must not depend on the other images of the batch."""

    def cost(self, quadrature: Quadrature) -> Cost:
        """Expected evaluations for one image; the plan adds them up."""
        return Cost()

    def preparation(self, quadrature: Quadrature, calibration: int) -> Cost:
        """Expected evaluations that are made once a run, whatever the number of images.

        Args:
            quadrature: tolerance and limits.
            calibration: number of images in the calibration set.
        """
        return Cost()

    def memory(self, quadrature: Quadrature) -> int:
        """Arrays of the size of one image that `attribute` holds for each problem at its peak."""
        return 8


class PathMethod(Method):
    """A method that only decides where to walk; the integrator does the rest."""

    @abstractmethod
    def walk(self, problems: Problems, probe: Probe) -> Walk:
        """The walks from the baselines to the images."""

    def pose(self, problems: Problems, probe: Probe) -> Problems:
        """The problems as this method poses them: one with a start of its own replaces the baseline here."""
        return problems

    def attribute(self, problems: Problems, probe: Probe) -> Attributions:
        """Integrate the gradient along the walk."""
        from geoaudit.paths.integrator import integrate

        posed = self.pose(problems, probe)
        return integrate(self.walk(posed, probe), posed, probe)

    def recorded(self, problems: Problems, probe: Probe) -> tuple[Attributions, Recorded]:
        """The maps, and the nodes of the integrated walk with their values and gradients, both ends included.

        For methods that use the same nodes otherwise.

        Raises:
            NotApplicable: the method walks several ways to one image.
        """
        from geoaudit.paths.recording import integrate_recorded

        posed = self.pose(problems, probe)
        return integrate_recorded(self.walk(posed, probe), posed, probe)

    def cost(self, quadrature: Quadrature) -> Cost:
        """What a curve takes."""
        return quadrature.curve

    def memory(self, quadrature: Quadrature) -> int:
        """The integrator keeps few of the gradients in memory, whatever the number of nodes."""
        return 16


class Control(Method):
    """A map that a method must beat; scored like every method, never numbered in the ranking.

    Unless it says otherwise it needs no gradients.
    """

    needs: ClassVar[frozenset[Need]] = frozenset()
    kind: ClassVar[Literal["method", "control"]] = "control"
    family: ClassVar[str] = "control"
