"""What is refused before a cluster is asked for anything."""

from __future__ import annotations

import signal
import socket
import sys
from importlib import util
from types import SimpleNamespace
from typing import Any

import pytest

from geoaudit.audit.cluster import session
from geoaudit.audit.settings import Cluster
from geoaudit.cli import cli
from geoaudit.errors import GeoauditError, UsageError


def test_a_missing_extra_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "find_spec", lambda name: None if name == "ray" else util.find_spec(name))
    with pytest.raises(UsageError, match=r"not installed: ray") as told:
        session.require_ray(Cluster())
    assert "pip install 'geoaudit[ray]'" in told.value.way_out


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "find_spec", lambda name: object())


@pytest.mark.usefixtures("installed")
def test_an_address_without_an_answer() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(UsageError, match=f"--address {address}: nobody answers there"):
        session.require_ray(Cluster(address=address))


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("address", ["ray://head:10001", "head", "head:port", ":"])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(UsageError, match="neither auto nor HOST:PORT"):
        session.require_ray(Cluster(address=address))


def with_nodes(*resources: dict[str, float]) -> Any:
    return SimpleNamespace(nodes=lambda: [{"Alive": True, "Resources": has} for has in resources])


@pytest.mark.parametrize(
    ("cluster", "threads", "groups", "workers"),
    [
        (Cluster(), 1, 100, 6), (Cluster(), 2, 100, 3), (Cluster(), 1, 4, 4), (Cluster(workers=2), 1, 100, 2),
        (Cluster(workers=9), 1, 100, 6), (Cluster(gpus=0.5), 1, 100, 2), (Cluster(gpus=1), 1, 100, 1),
        (Cluster(), 4, 100, 1),
    ],
)  # fmt: skip
def test_workers_that_fit(cluster: Cluster, threads: int, groups: int, workers: int) -> None:
    there = with_nodes({"CPU": 4.0, "GPU": 1.0}, {"CPU": 2.0})
    assert session.worker_count(there, cluster, threads, groups) == workers


def test_no_room_for_a_worker() -> None:
    there = with_nodes({"CPU": 2.0}, {"CPU": 3.0})  # together they have enough, and a worker would wait for ever
    with pytest.raises(GeoauditError, match="room for a worker of 4 CPUs: at most one has 3 CPU, 0 GPU"):
        session.worker_count(there, Cluster(), 4, 10)


def test_nodes_that_are_gone_have_no_room() -> None:
    there = SimpleNamespace(nodes=lambda: [{"Alive": False, "Resources": {"CPU": 8.0}}])
    with pytest.raises(GeoauditError, match="no node has room"):
        session.worker_count(there, Cluster(), 1, 10)


class RayError(Exception):
    """As Ray's."""


@pytest.mark.parametrize("error", [RuntimeError(""), PermissionError(13, "Permission denied"), RayError("lost")])
@pytest.mark.parametrize("address", [None, "auto"])
def test_a_cluster_that_cannot_be_had_is_no_traceback(error: Exception, address: str | None) -> None:
    def refuse(**_: object) -> None:
        raise error

    ray = SimpleNamespace(init=refuse, exceptions=SimpleNamespace(RayError=RayError))
    told = "cannot be started here" if address is None else "--address auto: there is no connection"
    with pytest.raises(GeoauditError, match=told):
        session._connect(ray, Cluster(address=address), 1)


def test_what_ends_a_run_stays_what_it_was() -> None:
    def takes_over(**_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    before = signal.getsignal(signal.SIGTERM)
    ray = SimpleNamespace(init=takes_over, exceptions=SimpleNamespace(RayError=RayError))
    session._connect(ray, Cluster(), 1)
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--workers", "2"), "--workers: is of use with --engine ray only"),
        (("--address", "auto"), "--address: is of use with --engine ray only"),
        (("--worker-gpus", "1"), "--worker-gpus: is of use with --engine ray only"),
        (("--engine", "ray", "--adaptive"), "--adaptive: cannot be used with --engine ray"),
    ],
)
def test_options_that_contradict_each_other(arguments: tuple[str, ...], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        cli.main(["model.onnx", "images", *arguments], standalone_mode=False)


def test_what_ray_prints_is_no_data(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(is_initialized=lambda: True))
    with session.connected(Cluster(), 1):
        print("(raylet) A worker died")
    print("data")
    assert capsys.readouterr() == ("data\n", "(raylet) A worker died\n")
