"""What the tests of the whole audit share: a tiny classifier whose maps mean something, and pictures for it."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper
from PIL import Image

ROOT = Path(__file__).parents[1]
PREPROCESSING = {
    "geoaudit.range": "0-255",
    "geoaudit.mean": "127",
    "geoaudit.std": "128",
    "geoaudit.channels": "RGB",
    "geoaudit.resize": "warp",
    "geoaudit.crop_pct": "1.0",
    "geoaudit.interpolation": "bilinear",
}
CLASSES = 4


def pytest_configure(config: pytest.Config) -> None:
    """Workers share the cores out: programs that each start a thread for every core wait for each other."""
    several, machine = config.getoption("numprocesses", None), os.cpu_count() or 1
    if several:  # a number, "auto" or "logical"; libraries read it when they are loaded, after this
        shared = machine if isinstance(several, str) else several
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, machine // shared)))
    worker, workers = os.environ.get("PYTEST_XDIST_WORKER"), int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if worker is None or workers == 1 or not hasattr(os, "sched_setaffinity"):
        return
    cores = sorted(os.sched_getaffinity(0))
    own = cores[int(worker.removeprefix("gw")) :: workers]
    if own:
        os.sched_setaffinity(0, own)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests first, so that no worker is left alone with one at the end."""
    items.sort(key=lambda item: not any(item.get_closest_marker(name) for name in ("real", "browser", "slow")))


def small_proto(
    side: int = 16,
    metadata: dict[str, str] | None = None,
    *,
    inputs: Sequence[str] = ("image",),
    output: str = "logits",
) -> ModelProto:
    """Conv 3x3 to 6 maps, Relu, average over the picture, Gemm to 4 classes; input (rgb - 127) / 128.

    The first map answers to brightness and feeds class 0, so that maps of it have a right answer.

    Args:
        side: height and width of the input.
        metadata: the file's metadata; by default it states the preprocessing.
        inputs: names of the image inputs; more than one are added up.
        output: the output's name.
    """
    rng = np.random.default_rng(11)
    weights = {
        "kernel": rng.standard_normal((6, 3, 3, 3)) * 0.2,
        "bias": rng.standard_normal(6) * 0.2,
        "matrix": rng.standard_normal((6, CLASSES)) * 0.5,
        "offset": np.array([-1.0, 0.0, 0.1, -0.1]),
    }
    weights["kernel"][0], weights["bias"][0], weights["matrix"][0, 0] = 1 / 27, 0.4, 40.0
    joined = [helper.make_node("Add", list(inputs), ["joined"])] if len(inputs) == 2 else []
    nodes = [
        *joined,
        helper.make_node("Conv", ["joined" if joined else inputs[0], "kernel", "bias"], ["conv"], pads=[1] * 4),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("GlobalAveragePool", ["relu"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "matrix", "offset"], [output]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3, side, side]) for name in inputs],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", CLASSES])],
        [numpy_helper.from_array(a.astype(np.float32), k) for k, a in weights.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="tests")
    helper.set_model_props(proto, PREPROCESSING if metadata is None else metadata)
    return proto


def save_pictures(folder: Path, count: int, side: int = 16) -> Path:
    """`count` PNG pictures of a bright blob each, on noise; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rows, columns = np.mgrid[:side, :side] / side
    for i in range(count):
        rng = np.random.default_rng(100 + i)
        y, x = rng.uniform(0.25, 0.75, 2)
        blob = np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 0.03)[..., None] * rng.uniform(60, 200, 3)
        pixels = np.clip(blob + rng.uniform(0, 50, (side, side, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"picture{i:02d}.png")
    return folder


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny classifier's file, 3x16x16, 4 classes."""
    path = tmp_path_factory.mktemp("model") / "small.onnx"
    onnx.save(small_proto(), str(path))
    return path


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of five pictures for it."""
    return save_pictures(tmp_path_factory.mktemp("data") / "images", 5)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What geoaudit remembers between runs stays among the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def environment(_own_cache: None) -> dict[str, str]:
    """This process's environment with the source roots, and no variable that speaks to geoaudit or to terminals."""
    silent = ("GEOAUDIT", "_GEOAUDIT", "NO_COLOR", "FORCE_COLOR", "TERM")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(silent)}
    roots = os.pathsep.join(str(ROOT / name) for name in ("auditor", "plugins", "reports"))
    return {**kept, "PYTHONPATH": roots, "COLUMNS": "200"}


def _leaves(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """The command, or those below it, by the words that call it: "gate", "policy init"."""
    if not isinstance(command, click.Group):
        yield name, command
        return
    for word, below in command.commands.items():
        yield from _leaves(below, f"{name} {word}".strip())


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """`parsed(line)`: the words of the command that a line would run; the line is parsed and nothing runs.

    A line that ends before a command is reached gives its first word: "--help".
    """
    from geoaudit.cli import cli

    reached: list[str] = []
    for name, command in _leaves(cli, ""):
        monkeypatch.setattr(command, "callback", lambda name=name, **_: reached.append(name))

    def parse(line: str) -> str:
        words = shlex.split(line)[1:]
        cli.main(words, prog_name="geoaudit", standalone_mode=False)
        return reached.pop() if reached else words[0]

    return parse


@pytest.fixture(scope="session")
def make_model() -> Callable[..., ModelProto]:
    """`make_model(**changes)`: see `small_proto`."""
    return small_proto


@pytest.fixture(scope="session")
def make_pictures() -> Callable[..., Path]:
    """`make_pictures(folder, count, side=16)`: see `save_pictures`."""
    return save_pictures


@pytest.fixture(scope="session")
def read_report() -> Callable[[Path], dict[str, Any]]:
    """`read_report(folder)`: the folder's report.json."""

    def read(folder: Path) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        return found

    return read


@pytest.fixture(scope="session")
def stored_maps() -> Callable[[Path], dict[str, Any]]:
    """`stored_maps(folder)`: the arrays of the folder's maps.npz by key."""

    def read(folder: Path) -> dict[str, Any]:
        with np.load(folder / "maps.npz") as archive:
            return dict(archive)

    return read
