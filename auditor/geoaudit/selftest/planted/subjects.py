"""What is audited to calibrate an audit, under which conditions, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
from onnx import ModelProto

from geoaudit.api import Floats, Method, Quadrature
from geoaudit.audit.assemble import Facts, assemble
from geoaudit.audit.result import Report
from geoaudit.registry import Registry
from geoaudit.selftest.planted.files import Layout

FINE = Quadrature(tolerance=1e-3, node_limit=512, scan=257, first_nodes=128)
"""Finer than an audit's, so that a map can be held against a formula element by element."""


@dataclass(frozen=True)
class Subject:
    """A planted model with its pictures, and with what it is audited.

    Attributes:
        name: for messages.
        model: the ONNX model.
        layout: how it takes its picture.
        pictures: RGB, shape (n, h, w, 3).
        methods: ids of methods from the registry; the controls come with them.
        metrics: ids of the metrics.
        planted: methods known beforehand, audited beside the others.
        checks: ids of checks from the registry.
        least: of methods and controls only these run; none: all of them.
        quadrature: tolerance and limits of the integrator.
    """

    name: str
    model: ModelProto
    layout: Layout
    pictures: npt.NDArray[np.uint8]
    methods: tuple[str, ...]
    metrics: tuple[str, ...]
    planted: tuple[Method, ...] = ()
    checks: tuple[str, ...] = ()
    least: tuple[str, ...] = ()
    quadrature: Quadrature = field(default_factory=Quadrature)


@dataclass(frozen=True)
class Conditions:
    """What does not depend on the planted model.

    Attributes:
        registry: the plugins under test.
        seed: the run's.
        gradients: False: without converting the model, as --gradient-free does.
    """

    registry: Registry
    seed: int
    gradients: bool


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        facts: what its report is made of.
        maps: by method and control, in the model's layout, shape (n, *shape).
    """

    facts: Facts
    maps: Mapping[str, Floats]

    @cached_property
    def report(self) -> Report:
        """The report, made at the first call."""
        return assemble(self.facts, "", lambda: 0.0)

    def scores(self, method: str, metric: str) -> npt.NDArray[np.float64]:
        """One score a picture, nan where missing; nothing but nan for a method that did not run."""
        found = self.facts.tallies.get(method)
        images = len(self.facts.inputs.files)
        column = np.empty(0) if found is None or found.over else found.column(metric)
        return column if len(column) == images else np.full(images, np.nan)
