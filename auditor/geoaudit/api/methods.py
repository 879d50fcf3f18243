"""Attribution methods and controls: the classes to derive from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from geoaudit.api.parameters import Parameters as _Parameters  # inside a class the name is its own parameters
from geoaudit.api.probe import Cost, Need, Probe, Quadrature
from geoaudit.api.problems import Problems
from geoaudit.api.walks import Attributions, Walk

Flag = Literal["ncc-by-construction", "not-complete", "reconstruction", "stochastic", "needs-calibration-set"]


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
        default: whether it runs when no method is named; one that is not has to be named with --methods.
        budgets: parameters that a budget ("quick", "standard", "thorough") sets other than the defaults.
    """

    id: ClassVar[str]
    title: ClassVar[str]
    family: ClassVar[str]
    reference: ClassVar[str]
    kind: ClassVar[Literal["method", "control"]] = "method"
    flags: ClassVar[frozenset[Flag]] = frozenset()
    needs: ClassVar[frozenset[Need]] = frozenset({"gradients"})
    default: ClassVar[bool] = True
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    Parameters: ClassVar[type[_Parameters]] = _Parameters

    def __init__(self, parameters: _Parameters | None = None) -> None:
        self.parameters = parameters if parameters is not None else self.Parameters()

    @abstractmethod
    def attribute(self, problems: Problems, probe: Probe) -> Attributions:
        """The maps of `problems`.  An image's map must not depend on the other images of the batch."""

    def cost(self, quadrature: Quadrature) -> Cost:
        """Expected evaluations for one image; the plan adds them up."""
        return Cost()

    def memory(self, quadrature: Quadrature) -> int:
        """Arrays of the size of one image that `attribute` holds for each problem at its peak."""
        return 8


class PathMethod(Method):
    """A method that only decides where to walk; the integrator does the rest."""

    @abstractmethod
    def walk(self, problems: Problems, probe: Probe) -> Walk:
        """The walks from the baselines to the images."""

    def attribute(self, problems: Problems, probe: Probe) -> Attributions:
        """Integrate the gradient along the walk."""
        from geoaudit.paths.integrator import integrate

        return integrate(self.walk(problems, probe), problems, probe)

    def cost(self, quadrature: Quadrature) -> Cost:
        """The first nodes and a quarter more: what a curve takes on average on photographs."""
        nodes = 1.25 * quadrature.first_nodes
        return Cost(gradients=nodes, forwards=quadrature.scan + 0.25 * nodes)

    def memory(self, quadrature: Quadrature) -> int:
        """One gradient a node is kept while the walk is refined."""
        return 8 + quadrature.node_limit


class Control(Method):
    """A map that a method must beat; scored like every method, never numbered in the ranking.

    Unless it says otherwise it needs no gradients.
    """

    needs: ClassVar[frozenset[Need]] = frozenset()
    kind: ClassVar[Literal["method", "control"]] = "control"
    family: ClassVar[str] = "control"
