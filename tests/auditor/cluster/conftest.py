"""A cluster of two nodes on this machine, and audits that are spread over it or not."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from geoaudit.audit import execute
from geoaudit.audit.execute import run_audit
from geoaudit.audit.maps import MapWriter
from geoaudit.audit.observer import Silent
from geoaudit.audit.settings import Settings
from geoaudit.selftest import closed_form

METHODS = ("integrated-gradients", "smoothgrad")
_QUICK_TO_NOTICE = {
    "health_check_initial_delay_ms": 500,
    "health_check_period_ms": 300,
    "health_check_failure_threshold": 3,
    "health_check_timeout_ms": 500,
}


class Counting(Silent):
    """An observer that calls `then` after so many units."""

    def __init__(self, units: int, then: Callable[[], None]) -> None:
        self.left, self.then = units, then

    def advance(self, amount: float) -> None:
        self.left -= 1
        if self.left == 0:
            self.then()


@dataclass(frozen=True)
class Result:
    """What an audit left, without what two equal runs differ in."""

    report: dict[str, Any]
    maps: bytes
    folder: Path


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _lasting(inner) for name, inner in value.items() if name not in ("run", "seconds")}
    return [_lasting(inner) for inner in value] if isinstance(value, list) else value


Audit = Callable[..., Result]


@pytest.fixture(scope="session")
def spread(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Audit:
    """`spread(images, **settings)`: a quick audit in one thread, spread or not."""

    def run(images: Any, tell: Any = None, **settings: Any) -> Result:
        folder = tmp_path_factory.mktemp("spread")
        given = Settings(
            **{
                "model": small_model, "images": images, "budget": "quick", "methods": METHODS, "checks": ("parity",),
                "skip": ("edges", "center", "smooth-random"), "batch_size": 4, "channels_last": False,
                "device": "cpu", "seed": 5, "threads": 1,
            } | settings
        )  # fmt: skip
        with MapWriter(folder) as maps, pytest.MonkeyPatch.context() as patch:
            patch.setattr(execute, "run_selftest", lambda quick, gradients, seed: closed_form(quick))
            report = run_audit(given, maps, tell or Silent())
            maps.keep()
        return Result(_lasting(json.loads(report.model_dump_json())), (folder / "maps.npz").read_bytes(), folder)

    return run


@pytest.fixture
def counting() -> type[Counting]:
    return Counting


@pytest.fixture(scope="module")
def nodes(_own_cache: None) -> Iterator[Any]:
    """Two nodes with one processor each; `nodes.address`."""
    pytest.importorskip("ray", reason="needs the extra `ray`")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
        patch.setenv("RAY_BACKEND_LOG_LEVEL", "fatal")
        patch.setenv("RAY_DATA_LOG_LEVEL", "ERROR")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        import ray

        store = {"object_store_memory": 100 * 2**20, "num_cpus": 1}
        head = {**store, "include_dashboard": False, "_system_config": _QUICK_TO_NOTICE}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        try:
            cluster.add_node(**store)
            ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
            yield cluster
        finally:
            ray.shutdown()
            cluster.shutdown()
