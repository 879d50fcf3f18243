"""The converted graph behind a probe of its own, dressed for captum's hooks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from geoaudit.api import Floats, Ints, Probe, Problems
from geoaudit.errors import NotApplicable
from geoaudit_plugins.captum_methods.dressed import rectified, rescaled

Rule = Literal["rescale", "rectifiers"]
_WAY_OUT = "Leave it out, or use a method that needs gradients alone, such as integrated-gradients."
_SAME = 1e-3


@dataclass(frozen=True)
class Inside:
    """A dressed graph.

    Attributes:
        probe: evaluates it, and counts into the run's probe.
        module: the graph itself, the very object that the probe evaluates.
    """

    probe: Probe
    module: Any


def dressed(rule: Rule, problem: Problems, probe: Probe, thing: str) -> Inside:
    """The converted graph, dressed and found to be the same function; two gradients.

    Args:
        rule: "rescale": every nonlinear operator, for DeepLift; "rectifiers": those that cut off at 0.
        problem: one problem, on which it is compared with the model.
        probe: the model.
        thing: the method, for messages.

    Raises:
        NotApplicable: captum has no rule for some nodes, there is nothing to hook, or hooks would not see an image
            and its baseline together.
    """
    module = probe.layers().module
    if rule == "rescale" and (refused := rescaled(module)):
        raise NotApplicable(thing, f"there is no rule for {_some(refused)}", _WAY_OUT)
    if rule == "rectifiers" and not rectified(module):
        raise NotApplicable(thing, "the model has no rectifier (Relu, or Clip from 0) to change", _WAY_OUT)
    inside = Inside(probe.with_layers(module), module)
    sizes: list[int] = []
    watch = module.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    pair = np.concatenate([problem.x, problem.baseline])
    values, _ = inside.probe.value_and_gradient(pair, np.repeat(problem.targets, 2))
    watch.remove()
    if rule == "rescale" and sizes[-1] % 2:
        raise NotApplicable(thing, "the model does not take an image and its baseline in one batch", _WAY_OUT)
    known = np.concatenate([problem.f_x, problem.f_baseline])
    if np.abs(values - known).max() > _SAME * max(1.0, float(np.abs(known).max())):
        raise NotApplicable(
            thing, "the graph cannot be rewritten for hooks without changing what it computes", _WAY_OUT
        )
    return inside


class Pairs:
    """Images and baselines, evaluated pair by pair, so that DeepLift's hooks find each image with its own baseline.

    The hooks take the first half of a batch for images and the second for their baselines.  The probe fills a batch
    of two up with copies of the baseline, so that the image stands first and a baseline opens the second half.

    Args:
        probe: evaluates the dressed graph.
    """

    def __init__(self, probe: Probe) -> None:
        self._probe = probe

    def outputs(self, points: Floats, targets: Ints) -> npt.NDArray[np.float64]:
        """The explained output (m,)."""
        return self._probe.outputs(points, targets)

    def value_and_gradient(self, points: Floats, targets: Ints) -> tuple[npt.NDArray[np.float64], Floats]:
        """Values (m,), and what the hooks make of the gradients (m, *shape): of the first half, the images."""
        half = len(points) // 2
        values, gradients = np.empty(len(points)), np.zeros_like(points)
        for i in range(half):
            pair = [i, half + i]
            values[pair], gradients[pair] = self._probe.value_and_gradient(points[pair], targets[pair])
        return values, gradients


def _some(names: list[str]) -> str:
    """The first few, and how many more."""
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(names[:4]) + more
