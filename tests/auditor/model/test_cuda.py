"""CUDA: the same numbers as the processor's, recorded work included.  Skipped where there is no GPU to use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from geoaudit.model import artifact, cuda_libraries, head
from geoaudit.model.normalise import normalise
from geoaudit.model.runtime import Runtime
from geoaudit.model.twin import Twin

needs_cuda = pytest.mark.skipif(
    not torch.cuda.is_available() or "CUDAExecutionProvider" not in onnxruntime.get_available_providers(),
    reason="needs a GPU that torch and onnxruntime can use",
)


def points(count: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal((count, 3, 16, 16)).astype(np.float32)


@needs_cuda
def test_scores_on_cuda_are_the_processors_and_stay_the_same_when_recorded(small_model: Path) -> None:
    file = artifact.load(small_model)
    cuda, cpu = (Runtime(file, head.find(file), device) for device in ("cuda", "cpu"))
    given = points(40)
    found = [cuda.logits(given) for _ in range(4)]
    assert all(np.array_equal(one, found[0]) for one in found) and cuda.notes == ()
    right = cpu.logits(given)
    assert np.abs(found[0] - right).max() <= 1e-4 * np.ptp(right)
    assert np.array_equal(cuda.logits(given[5:6]), found[0][5:6]), "an image's numbers are its own"


@needs_cuda
def test_gradients_on_cuda_are_the_processors_and_stay_the_same_when_recorded(small_model: Path) -> None:
    file = artifact.load(small_model)
    found = head.find(file)
    cuda, cpu = (Twin(normalise(file.proto, found), found, device) for device in ("cuda", "cpu"))
    for count in (8, 3):
        given, targets = points(count), np.arange(count) % found.classes
        several = [cuda.value_and_gradient(given, targets, "logit") for _ in range(9)]
        right = cpu.value_and_gradient(given, targets, "logit")
        for value, gradient in several:
            assert np.array_equal(gradient, several[0][1]) and np.array_equal(value, several[0][0])
            assert np.allclose(value, right[0], atol=1e-4) and np.abs(gradient - right[1]).max() <= 1e-4
    assert cuda.notes == () and cuda._torch._recorded["logit"]._recorded, "replayed, not only run"


@needs_cuda
def test_weights_that_are_laid_out_again_are_recorded_again(small_model: Path) -> None:
    file = artifact.load(small_model)
    found = head.find(file)
    engine = Twin(normalise(file.proto, found), found, "cuda")._torch
    given, targets = points(8), np.zeros(8, np.int64)
    first = [engine.evaluate(given, targets, "logit")[1] for _ in range(8)][-1]
    engine.lay_out(True)
    second = [engine.evaluate(given, targets, "logit")[1] for _ in range(8)][-1]
    assert np.abs(first - second).max() <= 1e-4


def test_without_a_driver_nothing_is_brought(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_libraries, "_DRIVER", "no-such-library.so.1")
    assert not cuda_libraries.driver() and not cuda_libraries.brought()


@pytest.mark.parametrize("usable", [False, True])
def test_a_gpu_that_onnxruntime_cannot_use_is_told(small_model: Path, usable: bool, monkeypatch: Any) -> None:
    monkeypatch.setattr(cuda_libraries, "driver", lambda: True)
    monkeypatch.setattr(cuda_libraries, "brought", lambda: usable)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(Runtime, "_probe", lambda *_: False)
    file = artifact.load(small_model)
    runtime = Runtime(file, head.find(file), "auto")
    assert runtime.device == "cpu"
    assert (cuda_libraries.WITHOUT in runtime.warnings) == usable
