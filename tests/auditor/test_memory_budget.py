"""The budget of resident memory: how it is read, shared out and refused, and that a whole audit stays within it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from geoaudit import memory
from geoaudit.analytic import AnalyticProbe
from geoaudit.api import Attributions, InputSpace, Method, Problems, Quadrature
from geoaudit.audit.attribute import attribute
from geoaudit.errors import ExitCode, UsageError
from geoaudit.memory import ARRAYS, GRADIENTS, LEAST_ARRAYS, MIB, MOST_GRADIENTS, Memory, parse_size

GIB = 1024 * MIB


@pytest.mark.parametrize(
    ("text", "size"),
    [("auto", None), ("1.5GiB", 3 * GIB // 2), ("800MiB", 800 * MIB), ("2 gb", 2 * 10**9), ("512m", 512 * MIB),
     ("1048576", MIB), ("2G", 2 * GIB), ("64 KiB", 64 * 1024)],
)  # fmt: skip
def test_sizes_are_read_as_people_write_them(text: str, size: int | None) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "1.5 GiBs", "-1GiB", "0", "GiB", "1e9", "1,5GiB", "nan"])
def test_what_is_no_size_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="is neither auto nor a size") as told:
        parse_size(text)
    assert told.value.exit_code == ExitCode.USAGE and "1.5GiB" in told.value.way_out


def test_sizes_are_shown_short_and_read_back() -> None:
    assert [memory.shown(size) for size in (640 * MIB, 3 * GIB // 2, 1)] == ["640 MiB", "1.5 GiB", "1 MiB"]
    assert parse_size(memory.shown(1280 * MIB)) == 1280 * MIB


def test_the_system_tells_what_is_held() -> None:
    assert 10 * MIB < memory.resident() <= memory.peak()
    memory.trim()


def held(monkeypatch: pytest.MonkeyPatch, now: int, most: int = 0) -> None:
    monkeypatch.setattr(memory, "resident", lambda: now)
    monkeypatch.setattr(memory, "peak", lambda: most)


def test_without_a_budget_the_shares_are_fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    held(monkeypatch, 900 * GIB, 900 * GIB)
    assert Memory().gradients(500 * GIB) == GRADIENTS and Memory().arrays() == ARRAYS


def test_a_budget_pays_for_libraries_and_weights_first(monkeypatch: pytest.MonkeyPatch) -> None:
    held(monkeypatch, 700 * MIB, 1200 * MIB)
    weights, total = 20 * MIB, 1536 * MIB
    share = Memory(total).gradients(weights)
    assert 0 < share <= total - 700 * MIB - 2 * weights - LEAST_ARRAYS
    assert Memory(total).arrays() <= total - 1200 * MIB
    assert Memory(4 * total).gradients(weights) == MOST_GRADIENTS
    assert Memory(2 * total).arrays() > Memory(total).arrays()


def test_a_little_more_or_less_in_use_changes_no_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs measure unlike bytes, and have to choose the same batch size."""
    shares = set()
    for more in range(0, 20 * MIB, MIB):
        held(monkeypatch, 700 * MIB + more)
        shares.add(Memory(1500 * MIB).gradients(20 * MIB))
    assert len(shares) == 1


@pytest.mark.parametrize("total", [1, 300 * MIB, 1000 * MIB])
def test_too_small_a_budget_names_one_that_would_do(total: int, monkeypatch: pytest.MonkeyPatch) -> None:
    held(monkeypatch, 800 * MIB, 1100 * MIB)
    for ask in (lambda m: m.gradients(100 * MIB), lambda m: m.arrays()):
        with pytest.raises(UsageError, match="is too little for this model") as told:
            ask(Memory(total))
        least = parse_size(told.value.way_out.removeprefix("Give at least ").split(",")[0])
        assert least is not None and ask(Memory(least)) > 0
        assert told.value.exit_code == ExitCode.USAGE


class Counting(Method):
    """Remembers how many images it was given at a time."""

    id, title, reference, family = "outside/counting", "Counting", "a test", "gradient"

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[int] = []

    def attribute(self, problems: Any, probe: Any) -> Attributions:
        self.parts.append(len(problems))
        return Attributions(problems.x.copy(), (None,) * len(problems))

    def memory(self, quadrature: Quadrature) -> int:
        return 10


@pytest.mark.parametrize(
    ("images", "parts"), [(8, [8]), (7, [4, 4]), (5, [4, 4]), (4, [4, 4]), (3, [3, 3, 2]), (0.5, [1] * 8)]
)
def test_methods_get_as_many_images_as_fit_in_parts_that_fill_batches(images: float, parts: list[int]) -> None:
    x, zeros, targets = np.ones((8, 1, 2, 2)), np.zeros((8, 1, 2, 2)), np.zeros(8, np.int64)
    probe: Any = AnalyticProbe(lambda x: x.sum(axis=1), np.ones_like)
    f = probe.outputs(x, targets)
    space = InputSpace("NCHW", (1, 2, 2), (0.0,), (1.0,))
    problems = Problems(tuple("abcdefgh"), x, zeros, targets, f, f, space)
    probe.memory = int(images * 10 * x[0].nbytes)
    method, asked = Counting(), []
    method.shares_line = True
    probe.straight_line = lambda problems: asked.append(len(problems))
    attribute(method, problems, probe, Quadrature())
    assert method.parts == parts
    assert asked == ([] if parts == [8] else [8]), "lines that all parts use are integrated together"


WIDE, DEEP = 24, 6
"""Maps of the deep model, and how often they pass a tanh: 4.8 MB each time at 224 x 224, and hardly any work."""
_LAUNCHER = """
import os, sys
pid = os.posix_spawn(sys.executable, [sys.executable, "-m", "geoaudit", *sys.argv[1:]], os.environ)
_, status, usage = os.wait4(pid, 0)
print(usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""Small itself: a child's peak begins with what its parent held when it was started."""


def deep_model(path: Path, metadata: Any) -> Path:
    """One convolution and six hyperbolic tangents: what a batch keeps outweighs the libraries' noise."""
    rng = np.random.default_rng(4)
    weights = {"kernel": 0.5 * rng.standard_normal((WIDE, 3, 1, 1)), "matrix": rng.standard_normal((WIDE, 4))}
    nodes = [helper.make_node("Conv", ["image", "kernel"], ["maps0"])]
    nodes += [helper.make_node("Tanh", [f"maps{k}"], [f"maps{k + 1}"]) for k in range(DEEP)]
    nodes += [helper.make_node("GlobalAveragePool", [f"maps{DEEP}"], ["pooled"]),
              helper.make_node("Flatten", ["pooled"], ["flat"]),
              helper.make_node("MatMul", ["flat", "matrix"], ["logits"])]  # fmt: skip
    shape, out = ["N", 3, 224, 224], ["N", 4]
    graph = helper.make_graph(
        nodes, "deep", [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, out)],
        [numpy_helper.from_array(a.astype(np.float32), name) for name, a in weights.items()],
    )  # fmt: skip
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    proto.metadata_props.extend(metadata)
    onnx.save(proto, str(path))
    return path


def audited(model: Path, images: Path, folder: Path, size: str, environment: dict[str, str], *more: str) -> Any:
    command = [str(model), str(images), "-o", str(folder), "--memory", size, "--budget", "quick", "--device", "cpu",
               "--checks", "parity", "-q", *more]  # fmt: skip
    # a cache of its own: what one budget chose must not serve another
    environment = {**environment, "XDG_CACHE_HOME": str(folder) + "-cache"}
    return subprocess.run(
        [sys.executable, "-c", _LAUNCHER, *command], env=environment, capture_output=True, text=True, check=False
    )


CONTROLS = "center,edges,smooth-random,input-difference,uniform-complete,random"


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="measures by os.wait4")
def test_audits_stay_within_their_budgets(
    tmp_path: Path, make_model: Callable[..., Any], make_pictures: Any, environment: dict[str, str], read_report: Any
) -> None:
    model = deep_model(tmp_path / "deep.onnx", make_model().metadata_props)
    images = make_pictures(tmp_path / "images", 1, 224)
    few = ("--methods", "gradient", "--skip", CONTROLS)
    refused = audited(model, images, tmp_path / "none", "64MiB", environment, *few)
    assert refused.returncode == ExitCode.USAGE, refused.stderr
    assert "--memory 64 MiB: is too little for this model" in refused.stderr and "Traceback" not in refused.stderr
    peaks = {}
    for size in ("1200MiB", "3GiB"):
        ended = audited(model, images, tmp_path / size, size, environment, *few)
        assert ended.returncode == ExitCode.OK, ended.stderr
        peaks[size] = int(ended.stdout.split()[-1])
        allowed = parse_size(size)
        assert allowed is not None and peaks[size] <= 1.1 * allowed
        report = read_report(tmp_path / size)
        assert report["config"]["memory"]["value"] == size and report["run"]["engine"]["batch_size"]
    assert peaks["1200MiB"] < peaks["3GiB"], peaks


@pytest.mark.real
@pytest.mark.skipif(not hasattr(os, "wait4"), reason="measures by os.wait4")
def test_the_real_model_stays_within_its_budget(tmp_path: Path, environment: dict[str, str]) -> None:
    pytest.importorskip("efficientnet_lite_pytorch")
    from geoaudit.demo import make_demo

    model, images = make_demo(tmp_path / "demo")
    more = ("--methods", "integrated-gradients", "--limit", "2", "--skip", CONTROLS)
    peaks = {}
    for size in ("1600MiB", "3GiB"):
        ended = audited(model, images, tmp_path / size, size, environment, *more)
        assert ended.returncode == ExitCode.OK, ended.stderr
        peaks[size] = int(ended.stdout.split()[-1])
        allowed = parse_size(size)
        assert allowed is not None and peaks[size] <= 1.1 * allowed
    assert peaks["1600MiB"] < peaks["3GiB"], peaks
