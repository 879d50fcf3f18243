"""New values for learned tensors, and the orders in which a model's layers lose theirs.

By default a tensor's own elements are shuffled: what was learned is their arrangement, and that is gone, while the
histogram stays, and with it scale, signs and the positivity of variances.  So activations keep a sane size in
networks whose normalisation was folded into the weights, which fresh initial weights would let explode or vanish.
"normal" draws from the normal distribution of the tensor's mean and deviation instead; where no element was
negative, none gets smaller than the least one was, for a variance must stay one.

Every tensor draws by its own name and the seed: two layers of equal shape get different weights, a cascade's later
steps keep what its earlier ones drew, and all methods of a run meet the same models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any, Literal

import numpy as np

from geoaudit.api import Probe
from geoaudit_plugins.sanity.weights import LearnedLayer, Numbers, changed

Draw = Literal["permute", "normal"]
Order = Literal["all", "top", "bottom", "independent"]


@dataclass(frozen=True)
class Step:
    """Which weights are randomised together.

    Attributes:
        order: all at once, cascading from the top (the scores) or the bottom (the picture), or a part alone.
        tensors: names of the randomised tensors.
        share: randomised in per cent of the elements in all layers, in (0, 100].
        depth: middle of the randomised layers in per cent of the way from the picture to the scores.
        seed: counts the draws from 0.
    """

    order: Order
    tensors: frozenset[str]
    share: float
    depth: float
    seed: int


def steps(
    layers: Sequence[LearnedLayer], seeds: int, top: int, bottom: int, independent: int, cascade_seeds: int
) -> list[Step]:
    """The randomised models of a check: everything with every seed first, then the orders' parts.

    The last step of a cascade is the full randomisation, which is not repeated.  Parts are evenly spread over the
    layers; there are fewer where the model has fewer layers.

    Args:
        layers: input first, at least one.
        seeds: draws of the full randomisation.
        top, bottom: steps of each cascade, the full one included; 1 for none.
        independent: parts that are randomised alone; 0 for none.
        cascade_seeds: draws of the partial ones.
    """
    count = len(layers)
    found = [_step("all", layers, 0, count, seed) for seed in range(seeds)]
    for seed in range(cascade_seeds):
        found += [_step("top", layers, count - n, count, seed) for n in _sizes(count, top)]
        found += [_step("bottom", layers, 0, n, seed) for n in _sizes(count, bottom)]
        edges = [0, *_sizes(count, independent), count]
        if len(edges) > 2:
            found += [_step("independent", layers, a, b, seed) for a, b in pairwise(edges)]
    return found


def _sizes(count: int, levels: int) -> list[int]:
    """How many layers the partial steps take, ascending."""
    return sorted({-(-k * count // levels) for k in range(1, levels)} - {0, count})


def _step(order: Order, layers: Sequence[LearnedLayer], start: int, stop: int, seed: int) -> Step:
    chosen = layers[start:stop]
    share = 100.0 * sum(layer.elements for layer in chosen) / sum(layer.elements for layer in layers)
    names = frozenset(tensor.name for tensor in chain.from_iterable(layer.tensors for layer in chosen))
    return Step(order, names, share, 50.0 * (start + stop) / len(layers), seed)


KEPT = 2**28
"""Bytes of randomised weights that are kept for the next method; the models beyond are made anew for each."""


def randomised(probe: Probe, step: Step, draw: Draw, owner: str, layers: Sequence[LearnedLayer]) -> Any:
    """A copy of the converted graph with the step's tensors drawn anew, for `Probe.with_layers`; not to be changed.

    The first models of a run are kept until it ends, as far as `KEPT` reaches.

    Args:
        probe: over the unchanged model.
        step: what is randomised.
        draw: see the module.
        owner: the check's id; part of what seeds the draws.
        layers: all that hold learned weights.
    """

    def drawn(name: str, values: Numbers) -> Numbers:
        rng = probe.rng(owner, str(step.seed), name)
        return shuffled(values, rng) if draw == "permute" else normal(values, rng)

    models: dict[tuple[Step, Draw], Any] = probe.once(f"{owner}:models", dict)
    found = models.get((step, draw))
    if found is None:
        found = changed(probe.layers(), drawn, step.tensors, layers)
        size = sum(t.numel() * t.element_size() for t in (*found.parameters(), *found.buffers()))
        if (len(models) + 1) * size <= KEPT:
            models[step, draw] = found
    return found


def under(probe: Probe, step: Step, draw: Draw, owner: str, layers: Sequence[LearnedLayer]) -> Probe:
    """A probe over the randomised model, see `randomised`; models that are kept have faster engines."""
    module = randomised(probe, step, draw, owner, layers)
    models: dict[tuple[Step, Draw], Any] = probe.once(f"{owner}:models", dict)
    return probe.with_layers(module, lasting=models.get((step, draw)) is module)


def shuffled(values: Numbers, rng: np.random.Generator) -> Numbers:
    """The same elements in another arrangement, shape and dtype kept; never the old one unless all are equal."""
    flat = values.ravel()
    if flat.size < 2 or (flat == flat[0]).all():
        return values.copy()
    found = rng.permutation(flat)
    while (found == flat).all():
        found = rng.permutation(flat)
    return found.reshape(values.shape)


def normal(values: Numbers, rng: np.random.Generator) -> Numbers:
    """Draws of the normal distribution with the tensor's mean and deviation; float64, shape kept."""
    drawn: Numbers = rng.normal(values.mean(dtype=np.float64), values.std(dtype=np.float64), values.shape)
    least = float(values.min())
    return np.maximum(drawn, least) if least >= 0 else drawn
