"""Deletion and insertion as the package Xplique defines them, in torch.

Xplique itself runs on TensorFlow, which cannot evaluate this model, so its loop is written here after its published
definition, not run: the elements' importance is averaged over the channels, all pictures are perturbed a step further
at a time, and the predictions of a step are made in batches.  Deletion goes from the picture to the baseline, insertion
from the baseline to the picture, the most important pixels first.

Source: Fel et al., Xplique: A Deep Learning Explainability Toolbox, 2022, arXiv 2206.04394; Petsiuk et al., RISE, BMVC
2018, arXiv 1806.07421.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from geoaudit.api import Problems


def causal(
    problems: Problems,
    module: Any,
    maps: npt.NDArray[Any],
    steps: int,
    direction: Literal["deletion", "insertion"],
    batch: int = 64,
) -> npt.NDArray[Any]:
    """Probabilities of the targets after each step, shape (n, steps).

    Args:
        problems: the photographs, layout NCHW.
        module: the torch network.
        maps: one a photograph, shape (n, *shape).
        steps: masked images for each photograph.
        direction: which of the two.
        batch: pictures at a time.
    """
    import torch

    n, channels = problems.x.shape[:2]
    order = np.argsort(-maps.mean(axis=1).reshape(n, -1), axis=1)
    begin, end = (problems.x, problems.baseline) if direction == "deletion" else (problems.baseline, problems.x)
    points, goal = begin.reshape(n, channels, -1).copy(), end.reshape(n, channels, -1)
    rows, curves = np.arange(n)[:, None, None], np.empty((n, steps))
    ends = np.linspace(0, order.shape[1], steps + 1).astype(int)
    for step in range(steps):
        chosen = order[:, None, ends[step] : ends[step + 1]]
        every = np.arange(channels)[None, :, None]
        points[rows, every, chosen] = goal[rows, every, chosen]
        pictures = torch.from_numpy(points.reshape(problems.x.shape))
        with torch.no_grad():
            scores = torch.cat([module(pictures[i : i + batch]) for i in range(0, n, batch)])
        curves[:, step] = scores.softmax(dim=1).numpy()[np.arange(n), problems.targets]
    return curves
