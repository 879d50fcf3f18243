"""Models near the audited one: noise on its learned weights, and how far the function moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from geoaudit.api import Probe, Problems
from geoaudit_plugins import graph_reading
from geoaudit_plugins.sanity import weights

_STATISTICS = {"BatchNormalization": (3, 4)}
"""Operators that hold statistics of the training data, and which inputs they are: mean and variance."""


@dataclass(frozen=True)
class Variant:
    """One perturbed model.

    Attributes:
        sigma: size of the noise, as a share of each tensor's own standard deviation.
        seed: number of the draw; the run's seed goes in as well.
    """

    sigma: float
    seed: int


@dataclass(frozen=True)
class Moved:
    """How far a perturbed model is from the audited one.

    Attributes:
        change: mean |p(x) - p'(x)| of the target's probability over images, in [0, 1]; nan where p' is not finite.
        agreement: share of images with the same predicted class, in [0, 1].
    """

    change: float
    agreement: float


def perturbed(probe: Probe, owner: str, variant: Variant) -> Probe:
    """A probe over theta + sigma std(theta) N(0, 1) for every learned tensor but normalisation statistics.

    Args:
        probe: over the audited model.
        owner: the check's id: keys the random numbers together with the variant's seed and the tensor's name, not
            with sigma, so that the levels of one seed lie on a line from the audited model.
        variant: size and seed.
    """
    layers = probe.layers()
    kept = statistics(layers.module)
    only = {t.name for layer in weights.learned(layers) for t in layer.tensors if t.place not in kept}

    def change(name: str, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        noise = probe.rng(owner, str(variant.seed), name).standard_normal(values.shape, dtype=np.float32)
        near: npt.NDArray[Any] = values + np.float32(variant.sigma * values.std(dtype=np.float64)) * noise
        return near

    return probe.with_layers(weights.changed(layers, change, only))


def statistics(module: Any) -> frozenset[str]:
    """The places of the means and variances that normalisation layers have learned."""
    found = {name for name, _ in module.named_buffers() if name.endswith(("running_mean", "running_var"))}
    for node in module.graph.nodes:
        positions = _STATISTICS.get(graph_reading.operator(module, node), ())
        found |= {node.args[i].target for i in positions if i < len(node.args) and node.args[i].op == "get_attr"}
    return frozenset(found)


def moved(problems: Problems, probe: Probe, other: Probe, key: str) -> Moved:
    """How far `other`'s function is from `probe`'s on these images; two forwards an image, paid once a run.

    Args:
        problems: the images.
        probe: over the audited model.
        other: over the perturbed one.
        key: names the perturbed model.
    """
    images = " ".join(problems.ids)
    before = probe.once(f"model-perturbation/before/{images}", lambda: _answers(problems, probe))
    return probe.once(f"{key}/{images}", lambda: _difference(before, _answers(problems, other)))


Answers = tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]


def _answers(problems: Problems, probe: Probe) -> Answers:
    """The targets' probabilities and the predicted classes, each (n,); -1 where the scores are not finite."""
    scores = probe.scores(problems.x)
    predicted = np.where(np.isfinite(scores).all(axis=1), scores.argmax(axis=1), -1)
    return probe.probabilities(problems.x, problems.targets), predicted


def _difference(before: Answers, after: Answers) -> Moved:
    change = np.abs(before[0] - after[0]).mean()
    return Moved(float(change), float((before[1] == after[1]).mean()))
