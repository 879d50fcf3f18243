"""The worked examples of the page on NCC: small enough to check by hand, and measured by the tool's own code.

Every number that the page prints of an example is computed here when the site is built.  Points are in two features
unless said otherwise; float64; outputs have no unit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from geoaudit import registry
from geoaudit.analytic import AnalyticProbe, feature_problems
from geoaudit.api import Attributions, InputSpace, Method, Problems, Quadrature, Recorded, Scores, WalkRecord
from geoaudit.api.metrics import Evidence, Group
from geoaudit.paths.integrator import integrate
from geoaudit.scoring.ncc import profile
from geoaudit.selftest import QUADRATURE, as_walk
from geoaudit.selftest.models import LINEAR, Model
from geoaudit.selftest.walks import WALKS, WalkCase
from geoaudit_docs.markdown import code, table


@dataclass(frozen=True)
class Reading:
    """What is measured of one map.

    Attributes:
        delta_f: f(image) - f(baseline).
        attribution: A, one number a feature.
        magnitude: S = sum|A|.
        violation: the NCC violation, by the metric; nan where the metric gives none.
        reason: why it gives none.
        record: what was measured on the walk; None where there is none.
    """

    delta_f: float
    attribution: tuple[float, ...]
    magnitude: float
    violation: float
    reason: str | None
    record: WalkRecord | None


def _read(attributions: Attributions, problems: Problems, probe: AnalyticProbe) -> Reading:
    metric = registry.create(registry.load(()).metrics["ncc-violation"], "standard", {})
    scores: Scores = metric.score(attributions, problems, Evidence(None, Group(problems, probe, {})))
    values = attributions.values[0].ravel()
    return Reading(
        float(problems.delta_f[0]),
        tuple(float(v) for v in values),
        float(np.abs(values).sum()),
        float(scores.values[0]),
        scores.reasons[0],
        attributions.records[0],
    )


def walked(name: str) -> Reading:
    """The closed-form case of this name, through the integrator."""
    case = case_named(name)
    probe = AnalyticProbe(case.model.f, case.model.gradient, QUADRATURE)
    problems = feature_problems(probe, case.corners[0], case.corners[-1])
    return _read(integrate(as_walk(case, problems), problems, probe), problems, probe)


def case_named(name: str) -> WalkCase:
    """The self-test's case of this name."""
    return next(case for case in WALKS if case.name == name)


def by_plugin(method: str, model: Model, start: tuple[float, ...], end: tuple[float, ...]) -> Reading:
    """The map of a built-in method or control for a formula."""
    made: Method = registry.create(registry.load(()).methods[method], "standard", {})
    probe = AnalyticProbe(model.f, model.gradient, QUADRATURE)
    problems = feature_problems(probe, start, end)
    return _read(made.attribute(problems, probe), problems, probe)


CANCELLING = Model("x + x^4 / 4", lambda x: x[:, 0] + x[:, 0] ** 4 / 4, lambda x: 1.0 + x**3)
"""From -1 to 1 its slope bends one way in the first half and the other way in the second, by as much."""


def by_chance(refined: bool) -> Reading:
    """x + x^4 / 4 from -1 to 1 with nodes at -1, 0 and 1 alone, or refined as in an audit."""
    probe = AnalyticProbe(CANCELLING.f, CANCELLING.gradient, Quadrature(node_limit=256))
    problems = feature_problems(probe, (-1.0,), (1.0,))
    points = np.array([[-1.0], [0.0], [1.0]])
    nodes = [points.reshape(-1, 1, 1, 1)], [CANCELLING.gradient(points).reshape(-1, 1, 1, 1)], [CANCELLING.f(points)]
    walk = Recorded(*nodes, rule="refined" if refined else "trapezoid")
    return _read(integrate(walk, problems, probe), problems, probe)


GRAINS = np.array([[[3.0, 1.0, -1.0, 1.0], [2.0, 1.0, 1.0, -2.0]], [[-2.0, 1.0, 2.0, -1.0], [-1.0, -2.0, 1.0, 3.0]]])
"""A map of 2 channels, 2 x 4 pixels: A, one number an element."""


def grains() -> dict[str, float]:
    """The NCC violation of `GRAINS` by granularity, by the report's own code."""
    space = InputSpace("NCHW", (2, 2, 4), (0.0, 0.0), (1.0, 1.0))
    return profile(GRAINS, space, patches=(2,))


def walk_table(*names: str) -> str:
    """The named cases side by side."""
    rows = []
    for name in names:
        case, found = case_named(name), walked(name)
        assert found.record is not None
        rows.append(
            (
                name.partition(" ")[2],
                code(case.model.formula),
                shown(found.delta_f),
                vector(found.attribution),
                shown(found.magnitude),
                found.reason or shown(found.violation),
                shown(found.record.total_variation),
                shown(found.record.path_cancellation),
            )
        )
    headings = ("Walk", "f", "Δf", "A", "S", "NCC violation", "TV", "path cancellation")
    return table(headings, rows, numbers=(2, 4, 5, 6, 7))


def uniform_table() -> str:
    """Integrated gradients, the uniform map and IDGI for 2 x1 - x2."""
    rows = []
    for method in ("integrated-gradients", "uniform-complete", "idgi"):
        found = by_plugin(method, LINEAR, (0.0, 0.0), (1.0, 1.0))
        rows.append((code(method), vector(found.attribution), shown(sum(found.attribution)), shown(found.violation)))
    return table(("Map", "A", "ΣA", "NCC violation"), rows, numbers=(2, 3))


def chance_table() -> str:
    """Right by chance, and right."""
    rows = []
    for name, refined in (("nodes −1, 0, 1", False), ("refined", True)):
        found = by_chance(refined)
        assert found.record is not None
        verdict = found.reason or shown(found.violation)
        rows.append((name, shown(found.attribution[0]), shown(found.delta_f), *_errors(found.record), verdict))
    headings = ("Quadrature", "ΣA", "Δf", "completeness error", "error bar", "NCC violation")
    return table(headings, rows, numbers=(1, 2, 3, 4, 5))


def _errors(record: WalkRecord) -> tuple[str, str]:
    return f"{100 * record.completeness_error:.1f} %", f"{100 * record.error_bar:.1f} %"


def grain_table() -> str:
    """The map of two channels by granularity."""
    return table(("Granularity", "NCC violation"), [(k, shown(v)) for k, v in grains().items()], numbers=(1,))


def grain_map() -> str:
    """The map of two channels as numbers."""
    lines = [
        f"channel {c}:  " + "   ".join(" ".join(f"{v:+.0f}" for v in row) for row in rows)
        for c, rows in enumerate(GRAINS)
    ]
    return "```text\n" + "\n".join(lines) + "\n```"


def shown(value: float) -> str:
    """Three decimals at most, no trailing zeros, no negative zero."""
    text = f"{value:.3f}".rstrip("0").rstrip(".")
    return ("0" if text in {"-0", ""} else text).replace("-", "−")


def vector(values: tuple[float, ...]) -> str:
    """The numbers in brackets."""
    return "(" + ", ".join(shown(v) for v in values) + ")"


TABLES: dict[str, Callable[[], str]] = {
    "example floor": lambda: walk_table("T1 linear, straight", "T1 linear, x1 first"),
    "example walks": lambda: walk_table("T2 product, straight", "T2 product, x1 first", "T2 product, x2 first"),
    "example ridge": lambda: walk_table(
        "T3 ReLU unit, straight", "T3 ReLU unit, along its edge", "T3 ReLU unit, x1 first"
    ),
    "example back and forth": lambda: walk_table("T6 squares, straight", "T6 squares, round the circle", "T8 sine"),
    "example no difference": lambda: walk_table(
        "T7 product, straight, no difference", "T7 product, x1 first, no difference"
    ),
    "example flow": lambda: walk_table("T10 gradient flow of squares", "T10 gradient flow of a product"),
    "example bump": lambda: walk_table("T9 bump, straight over it", "T9 bump, round it"),
    "example uniform": uniform_table,
    "example chance": chance_table,
    "example grains": lambda: f"{grain_map()}\n\n{grain_table()}",
}
"""The page's tables by the name of their place."""
