"""A closed-form classifier and problems to ask it about: p = sigmoid(sum(w x) + b), f its logit."""

import numpy as np
import pytest

from geoaudit.api import Cost, InputSpace, Problems


class LinearProbe:
    """The parts of a probe that the scoring room uses; remembers the size of every call."""

    def __init__(self, weights, bias=0.0):
        self.weights, self.bias, self.calls = weights, bias, []

    @property
    def spent(self):
        return Cost(forwards=sum(self.calls))

    def outputs(self, points, targets):
        return np.tensordot(points.astype(np.float64), self.weights, axes=points.ndim - 1) + self.bias

    def probabilities(self, points, targets):
        assert len(points) == len(targets)
        self.calls.append(len(points))
        return 1.0 / (1.0 + np.exp(-self.outputs(points, targets)))


def build(n=3, side=12, layout="NCHW", seed=0, channels=3):
    """Problems about random images, black baseline, and the probe; weights vary over the image."""
    rng = np.random.default_rng(seed)
    shape = (channels, side, side) if layout == "NCHW" else (side, side, channels)
    space = InputSpace(layout, shape, (0.0,) * channels, (1.0,) * channels)
    x = rng.uniform(0.2, 1.0, (n, *shape)).astype(np.float32)
    probe = LinearProbe(rng.normal(0, 0.1, shape), -0.5)
    baseline, targets = np.zeros_like(x), np.zeros(n, np.int64)
    f_x, f_baseline = probe.outputs(x, targets), probe.outputs(baseline, targets)
    return Problems(tuple(f"i{k}" for k in range(n)), x, baseline, targets, f_x, f_baseline, space), probe


@pytest.fixture(scope="session")
def scene():
    """Builder of problems and their probe."""
    return build
