"""The quick audit's scores as the peers have them: Quantus' pixel flipping and sensitivity-n, captum's infidelity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from peer_methods import Ask, Maps
from peer_quantus import flip

BASELINES = ("black", "mean")
"""What stands for removed elements.  Quantus' blur would blur the whole picture at every step; its mean is cheap."""


def scored(part: str, ask: Ask, maps: Maps, counts: Mapping[str, Any]) -> None:
    """One score of maps of the photographs; what comes out is not needed.

    Args:
        part: "sweep", "infidelity" or "sensitivity-n".
        ask: the network and the photographs.
        maps: one a photograph.
        counts: how many masked images of each.
    """
    {"sweep": swept, "infidelity": infidelity, "sensitivity-n": sensitivity}[part](ask, maps, counts)


def swept(ask: Ask, maps: Maps, counts: Mapping[str, Any]) -> npt.NDArray[Any]:
    """Pixel flipping, most and least relevant first, by every baseline; shape (baselines, 2, n, steps)."""
    size = np.abs(maps)
    curves = [
        [
            flip(ask.module, ask.x, ask.targets, order, counts["sweep_steps"], baseline)
            for order in (size, size.max() - size)
        ]
        for baseline in BASELINES[: counts["imputers"]]
    ]
    return np.asarray(curves)


def infidelity(ask: Ask, maps: Maps, counts: Mapping[str, Any]) -> npt.NDArray[Any]:
    """captum's infidelity by square removal, shape (n,)."""
    import torch
    from captum.metrics import infidelity as captum_infidelity

    x, baseline, targets = ask.tensors()
    draws = counts["infidelity"]

    def remove(pictures: Any, baselines: Any) -> Any:
        masks = torch.zeros(len(pictures), 1, *pictures.shape[2:])
        side = pictures.shape[2] // 4
        for mask in masks:
            top, left = torch.randint(0, pictures.shape[2] - side, (2,)).tolist()
            mask[:, top : top + side, left : left + side] = 1.0
        gone = masks * (pictures - baselines)
        return masks.expand_as(pictures), pictures - gone

    with torch.no_grad():
        made = captum_infidelity(
            ask.module, remove, x, torch.from_numpy(maps.astype(np.float32)), baselines=baseline, target=targets,
            n_perturb_samples=draws, max_examples_per_batch=max(ask.forward_batch, len(x)), normalize=True,
        )  # fmt: skip
    return np.asarray(made.numpy())


def sensitivity(ask: Ask, maps: Maps, counts: Mapping[str, Any]) -> Any:
    """Quantus' sensitivity-n with as many masked images a photograph."""
    from quantus import SensitivityN

    share = 0.8
    elements = -(-int(share * maps[0].size) // counts["sensitivity_n"])

    class Stepwise(SensitivityN):
        """Any number of steps."""

        def custom_preprocess(self, *args: Any, **kwargs: Any) -> None:
            """Nothing is checked."""

        def custom_postprocess(self, *args: Any, **kwargs: Any) -> None:
            """The package correlates over photographs, which takes two of them; the masked images are made by now."""
            if len(ask.x) > 1:
                super().custom_postprocess(*args, **kwargs)

    metric = Stepwise(features_in_step=elements, n_max_percentage=share, return_aggregate=False, disable_warnings=True)
    return metric(
        model=ask.module, x_batch=ask.x.copy(), y_batch=ask.targets, a_batch=maps.copy(), device="cpu", softmax=True
    )
