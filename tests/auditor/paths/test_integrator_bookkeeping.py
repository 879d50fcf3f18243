"""What the integrator adds up and how often it asks for points, against the plain formulas."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from geoaudit.api import Curve, Quadrature
from geoaudit.paths.integrator import integrate
from geoaudit.paths.strand import Strand
from geoaudit.paths.walk import Track

LIMITS = Quadrature(tolerance=1e-3, node_limit=40, scan=17, first_nodes=8)


class Kept:
    """The strands of an integration: their nodes and gradients."""

    def __init__(self):
        self.rows = {}

    def __call__(self, i, strand):
        nodes = strand.nodes
        self.rows[i] = nodes, np.stack([np.array(strand.gradients[t]) for t in nodes]), strand.track.at(nodes)


def bent(problems):
    """A curved walk from baseline to image."""

    def at(i, t):
        start, end = problems.baseline[i], problems.x[i]
        along = t[:, None, None, None]
        return start + along * (end - start) + np.sin(np.pi * along) * np.roll(end - start, 1, axis=-1)

    return Curve(at)


def test_sums_of_a_bent_walk_are_those_of_the_plain_formula(lab):
    """The map, S, and the map of every other node with straight lines between, node by node in float64."""
    function, rng = lab.network(3), np.random.default_rng(5)
    problems = lab.problems_of(function, rng.normal(size=(3, 6)), rng.normal(size=(3, 6)))
    kept = Kept()
    made = integrate(bent(problems), problems, function.probe(LIMITS), keep=kept)
    for i, record in enumerate(made.records):
        t, g, points = kept.rows[i]
        ways = np.diff(points, axis=0)
        values = (0.5 * (g[:-1] + g[1:]) * ways).sum(axis=0)
        even = np.unique([*range(0, len(t), 2), len(t) - 1])
        flat = g.reshape(len(t), -1)
        thin = np.stack([np.interp(t, t[even], column[even]) for column in flat.T], axis=1).reshape(g.shape)
        half = (0.5 * (thin[:-1] + thin[1:]) * ways).sum(axis=0)
        np.testing.assert_allclose(made.values[i], values, rtol=1e-10, atol=1e-12)
        assert record.magnitude == pytest.approx(np.abs(values).sum(), rel=1e-10)
        assert record.magnitude_half == pytest.approx(np.abs(half).sum(), rel=1e-10)
        assert record.sum_half == pytest.approx(half.sum(), rel=1e-9, abs=1e-12)
        assert record.magnitude_half != pytest.approx(record.magnitude, rel=1e-10)


def test_thinned_gradients_stay_in_the_gradients_precision():
    strand = Strand(Track(lambda t: t, np.array([0.0, 1.0])), 0, True, 1.0)
    for t in (0.0, 0.25, 1.0):
        strand.gradients[t] = np.full((1, 2, 2), t, dtype=np.float32)
    from geoaudit.paths.measures import _thin

    between = _thin(strand, strand.nodes, 1)
    assert between.dtype == np.float32
    np.testing.assert_allclose(between, 0.25)


def test_a_point_between_two_pieces_is_built_once():
    asked = []

    def at(t):
        asked.extend(t.tolist())
        return np.asarray(t)[:, None]

    strand = Strand(Track(at, np.array([0.0, 1.0])), 0, True, 1.0)
    nodes = [0.0, 0.25, 0.5, 1.0]
    moves = [float(strand.move(a, b)[0]) for a, b in pairwise(nodes)]
    assert moves == [0.25, 0.25, 0.5] and asked == nodes


def test_a_midpoint_is_built_once_for_its_output_and_its_gradient(lab):
    """On a polyline no output is known beforehand: every node's output and gradient share one point."""
    function = lab.network(1)
    vertices = lab.random_legs(2)
    problems = lab.problems_of(function, vertices[:1], vertices[-1:])
    probe = function.probe(LIMITS)
    asked = {"outputs": [], "gradients": []}
    outputs, gradients = probe.outputs, probe.value_and_gradient

    def spied(name, evaluate):
        def evaluate_and_note(points, targets):
            asked[name] += [point.tobytes() for point in points]
            return evaluate(points, targets)

        return evaluate_and_note

    probe.outputs, probe.value_and_gradient = spied("outputs", outputs), spied("gradients", gradients)
    record = integrate(lab.polyline(vertices), problems, probe).records[0]
    assert asked["outputs"] == asked["gradients"]  # the same points, in the same order
    assert len(asked["gradients"]) == record.gradients == record.forwards
