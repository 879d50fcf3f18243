"""Half-moons: the points, a small classifier of them as an ONNX file, and what geoaudit asks about them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from geoaudit.api import Calibration, InputSpace, Problems, Quadrature
from geoaudit.audit.probe import ModelProbe
from geoaudit.model import artifact as artifacts
from geoaudit.model import head as heads
from geoaudit.model.normalise import normalise
from geoaudit.model.runtime import Runtime
from geoaudit.model.twin import Twin

Array = npt.NDArray[np.float64]

BASELINE = (-0.5, -0.5)
QUADRATURE = Quadrature(tolerance=0.005, node_limit=512, scan=65, first_nodes=32)
"""Finer than an audit's: the numbers to be told apart are a hundredth of the output's difference."""
_BATCH, _RATE, _HELD_OUT = 32, 1e-3, 0.25


@dataclass(frozen=True)
class Moons:
    """A trained classifier and the questions about its held-out points.

    Attributes:
        accuracy: share of all held-out points that it gets right.
        problems: held-out points, each explained by the log-probability of its predicted class.
        labels: their true classes, shape (n,).
        probe: the model; its calibration set is the training points.
    """

    accuracy: float
    problems: Problems
    labels: npt.NDArray[np.int64]
    probe: ModelProbe

    @property
    def points(self) -> Array:
        """The explained points, shape (n, 2)."""
        return self.problems.x.reshape(-1, 2).astype(np.float64)


def make_moons(noise: float, seed: int, points: int, epochs: int, explained: int) -> Moons:
    """Draw the points, train, export and open.

    Args:
        noise: standard deviation of the points around the two half circles.
        seed: of the points, the weights and the order of training.
        points: drawn in all; a quarter of them is held out.
        epochs: of training.
        explained: held-out points that are explained, the first ones.
    """
    from sklearn.datasets import make_moons as draw
    from sklearn.model_selection import train_test_split

    drawn, labels = draw(n_samples=points, noise=noise, random_state=seed)
    split = train_test_split(drawn.astype(np.float32), labels, test_size=_HELD_OUT, random_state=seed)
    known, held_out, known_labels, held_out_labels = split
    network = _trained(known, known_labels, epochs, seed)
    runtime, twin, tail = _opened(network)
    predicted = runtime.logits(_pictures(held_out)).argmax(axis=1)
    low, high = float(drawn.min()) - 1, float(drawn.max()) + 1
    space = InputSpace("NCHW", (1, 1, 2), (low,), (high,))
    bank = _pictures(known)
    ids = tuple(f"training point {i}" for i in range(len(bank)))
    calibration = Calibration("the training points", ids, lambda indices: bank[list(indices)])
    probe = ModelProbe(runtime, twin, "log-probability", tail, QUADRATURE, seed, calibration)
    problems = _problems(_pictures(held_out[:explained]), predicted[:explained].astype(np.int64), space, probe)
    accuracy = float((predicted == held_out_labels).mean())
    return Moons(accuracy, problems, held_out_labels[:explained].astype(np.int64), probe)


def _pictures(points: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Points (n, 2) as pictures of one channel, one row and two columns."""
    return points.astype(np.float32).reshape(-1, 1, 1, 2)


def _problems(x: Any, targets: npt.NDArray[np.int64], space: InputSpace, probe: ModelProbe) -> Problems:
    baseline = np.broadcast_to(_pictures(np.array([BASELINE])), x.shape).copy()
    ids = tuple(f"point {i}" for i in range(len(x)))
    return Problems(ids, x, baseline, targets, probe.outputs(x, targets), probe.outputs(baseline, targets), space)


def _trained(points: npt.NDArray[Any], labels: npt.NDArray[Any], epochs: int, seed: int) -> Any:
    """2-10-10-2 with ReLU and log-softmax, by Adam on the negative log-likelihood."""
    import torch
    from torch import nn

    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = (nn.Linear(2, 10), nn.ReLU(), nn.Linear(10, 10), nn.ReLU(), nn.Linear(10, 2), nn.LogSoftmax(dim=1))
        network = nn.Sequential(*layers)
        x, y = torch.from_numpy(points), torch.from_numpy(labels.astype(np.int64))
        optimiser, loss = torch.optim.Adam(network.parameters(), lr=_RATE), nn.NLLLoss()
        for _ in range(epochs):
            for part in torch.randperm(len(x)).split(_BATCH):
                optimiser.zero_grad()
                loss(network(x[part]), y[part]).backward()
                optimiser.step()
    return network.eval()


def _opened(network: Any) -> tuple[Runtime, Twin, Any]:
    """The network through an ONNX file: onnxruntime, the twin, and the tail that follows the logits."""
    import torch

    with TemporaryDirectory(prefix="geoaudit-moons-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "moons.onnx"
        torch.onnx.export(
            network, (torch.zeros(1, 2),), str(path), opset_version=17, dynamo=False, input_names=["point"],
            output_names=["log_probabilities"], dynamic_axes={"point": {0: "N"}, "log_probabilities": {0: "N"}},
        )  # fmt: skip
        artifact = artifacts.load(path)
        head = heads.find(artifact)
        runtime = Runtime(artifact, head, "cpu", threads=1, batch_size=64)
    return runtime, Twin(normalise(artifact.proto, head), head, "cpu", threads=1, batch_size=64), head.tail
