"""Models and problems of a few features for the integrator's tests."""

from types import SimpleNamespace

import numpy as np
import pytest

from geoaudit import InputSpace, Polyline, Problems
from geoaudit.analytic import AnalyticProbe


def network(seed, d=6, units=5):
    """A smooth random function of d features."""
    rng = np.random.default_rng(seed)
    weights, bias, scale = rng.normal(size=(units, d)), rng.normal(size=units), rng.normal(size=units) + 0.5
    return Function(
        lambda x: (np.tanh(x @ weights.T + bias) * scale).sum(axis=1),
        lambda x: ((1 - np.tanh(x @ weights.T + bias) ** 2) * scale) @ weights,
    )


class Function:
    """f (m,) and gradient (m, d) of points (m, d)."""

    def __init__(self, f, gradient):
        self.f, self.gradient = f, gradient

    def probe(self, quadrature=None):
        return AnalyticProbe(self.f, self.gradient, quadrature)


def problems_of(function, starts, ends):
    """One problem for each row of starts (n, d) and ends (n, d)."""
    baseline, x = (np.asarray(a, dtype=np.float64)[:, None, None, :] for a in (starts, ends))
    n, d = len(x), x.shape[-1]
    space = InputSpace("NCHW", (1, 1, d), (0.0,), (1.0,))
    f_x, f_b = function.f(x.reshape(n, d)), function.f(baseline.reshape(n, d))
    ids = tuple(f"{i}.png" for i in range(n))
    return Problems(ids, x, baseline, np.zeros(n, np.int64), f_x, f_b, space)


def polyline(*vertices):
    """Polylines through vertices (m + 1, d), one a problem."""
    return Polyline([np.asarray(v, dtype=np.float64)[:, None, None, :] for v in vertices])


def random_legs(seed, d=6, legs=3):
    """Vertices (legs + 1, d) of a random polyline."""
    return np.random.default_rng(seed + 1000).normal(size=(legs + 1, d))


@pytest.fixture(scope="session")
def lab():
    return SimpleNamespace(
        network=network,
        Function=Function,
        problems_of=problems_of,
        polyline=polyline,
        random_legs=random_legs,
    )
