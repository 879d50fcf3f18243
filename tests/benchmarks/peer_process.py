"""captum and saliency in a process of their own, so that nothing geoaudit sets in its process helps or harms them.

geoaudit keeps freed memory, chooses threads and registers converters in the process that it runs in; a peer's user has
none of that.  The two processes take turns: the one waits while the other computes.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bare import converted
from peer_captum import CaptumLine, Rule
from peer_saliency import guided_maps
from peer_timing import Timed, timed

from geoaudit.api import Problems
from geoaudit.demo import network

NETWORKS = ("original network", "stock conversion")
"""What peers explain: the network that the file was exported from, and onnx2torch's conversion of the file."""


@dataclass
class _Side:
    """What the peers' process holds."""

    networks: dict[str, Any]
    problems: Problems
    batches: tuple[int, ...]
    lines: dict[str, CaptumLine]


_side: _Side | None = None


class Peers:
    """The peers' process, seen from ours.

    Args:
        pool: one process that `_opened` has run in.
    """

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def line_trials(self) -> dict[str, tuple[float, int]]:
        """By network captum's seconds for a gradient and the `internal_batch_size` that takes them."""
        return self._pool.submit(_line_trials).result()

    def line(self, name: str, nodes: int, rule: Rule, part: slice = slice(None)) -> Timed:
        """captum's maps of these photographs; seconds as the peers' process counts them."""
        return self._pool.submit(_line, name, nodes, rule, part).result()

    def guided(self, name: str, steps: int, fraction: float, part: slice = slice(None)) -> Timed:
        """saliency's maps of these photographs, likewise."""
        return self._pool.submit(_guided, name, steps, fraction, part).result()


@contextmanager
def peers_aside(model: Path, problems: Problems, batches: tuple[int, ...]) -> Iterator[Peers]:
    """Start the process.

    Args:
        model: the file.
        problems: the photographs.
        batches: of `internal_batch_size`, to try.
    """
    spawning = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawning, _opened, (model, problems, batches)) as pool:
        yield Peers(pool)


def _opened(model: Path, problems: Problems, batches: tuple[int, ...]) -> None:
    global _side
    networks = dict(zip(NETWORKS, (network(), converted(model)), strict=True))
    _side = _Side(networks, problems, batches, {})


def _the_side() -> _Side:
    assert _side is not None  # the pool has opened it
    return _side


def _line_trials() -> dict[str, tuple[float, int]]:
    side = _the_side()
    side.lines = {name: CaptumLine(module, side.problems, side.batches) for name, module in side.networks.items()}
    return {name: (line.seconds, line.batch) for name, line in side.lines.items()}


def _line(name: str, nodes: int, rule: Rule, part: slice) -> Timed:
    captum = _the_side().lines[name]
    return timed(lambda: captum.maps(nodes, rule, part))


def _guided(name: str, steps: int, fraction: float, part: slice) -> Timed:
    side = _the_side()
    problems = side.problems.select(range(len(side.problems))[part])
    return timed(lambda: guided_maps(problems, side.networks[name], steps, fraction))
