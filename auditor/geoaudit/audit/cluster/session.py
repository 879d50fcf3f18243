"""The connection to a Ray cluster, or a cluster of this machine's own for one run."""

from __future__ import annotations

import logging
import math
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from geoaudit.audit.settings import Cluster
from geoaudit.errors import GeoauditError, UsageError
from geoaudit.model.cores import usable_cores

_NEEDED = ("ray", "pyarrow", "pandas")
_ANSWER_SECONDS = 5.0
_OWN_STORE = 2**30  # bytes of shared memory: groups of maps pass through it, and it spills to disk
_QUIET = {
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DATA_LOG_LEVEL": "CRITICAL",
    "RAY_USAGE_STATS_ENABLED": "0",
}


def require_ray(cluster: Cluster) -> None:
    """Refuse what cannot work before anything slow happens; imports nothing heavy.

    Raises:
        UsageError: Ray is not installed, or nobody answers at the address.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise UsageError(
            "--engine ray", f"needs packages that are not installed: {', '.join(missing)}",
            "pip install 'geoaudit[ray]', here and on every node of the cluster.",
        )  # fmt: skip
    if cluster.address not in (None, "auto"):
        _require_answer(str(cluster.address))


def _require_answer(address: str) -> None:
    host, colon, port = address.rpartition(":")
    if not colon or "/" in host or not port.isdigit():
        raise UsageError(f"--address {address}", "is neither auto nor HOST:PORT", "`ray status` shows the address.")
    try:
        socket.create_connection((host, int(port)), _ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        told = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"--address {address}", f"nobody answers there ({told})",
            "Start the cluster with `ray start --head`, or leave --address out to use this machine alone.",
        ) from None  # fmt: skip


@contextmanager
def connected(cluster: Cluster, threads: int) -> Iterator[ModuleType]:
    """Within this context the module `ray` is connected; a cluster that was started here ends with it.

    Args:
        cluster: where to connect to.
        threads: processor threads of one worker.

    Raises:
        UsageError: there is no such cluster.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    import ray

    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # it logs a traceback of what it raises
    mine = not ray.is_initialized()
    try:
        if mine:
            _connect(ray, cluster, threads)
        with redirect_stdout(sys.stderr):  # Ray's threads print there that a worker died, and stdout is data
            yield ray
    finally:
        if mine:
            ray.shutdown()


def _connect(ray: ModuleType, cluster: Cluster, threads: int) -> None:
    terminated = signal.getsignal(signal.SIGTERM)
    common = {"log_to_driver": False, "logging_level": logging.ERROR, "ignore_reinit_error": True}
    try:
        if cluster.address is None:
            cpus = (cluster.workers or max(1, usable_cores() // threads)) * threads
            with _same_imports(), _unheard():
                ray.init(
                    address="local", num_cpus=cpus, include_dashboard=False, object_store_memory=_OWN_STORE, **common
                )
        else:
            with _unheard():
                ray.init(address=cluster.address, **common)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        told = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        if cluster.address is None:
            raise GeoauditError(
                "--engine ray",
                f"Ray cannot be started here ({told})",
                "Give it memory and room in its temporary folder.",
            ) from None
        raise UsageError(
            f"--address {cluster.address}", f"there is no connection to a Ray cluster ({told})",
            "Run geoaudit on a node of the cluster; `ray status` says whether one runs here.",
        ) from None  # fmt: skip
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, terminated)  # Ray takes it over


@contextmanager
def _same_imports() -> Iterator[None]:
    """Processes that are started within import what this one can import."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


@contextmanager
def _unheard() -> Iterator[None]:
    """Ray announces its settings on the terminal, past Python; what goes wrong it raises."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def worker_count(ray: ModuleType, cluster: Cluster, threads: int, groups: int) -> int:
    """How many workers to ask for: no more than asked for, than fit on the cluster, and than there are groups.

    Raises:
        GeoauditError: the cluster has no room for a single one.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    fit = sum(_fitting(node, cluster, threads) for node in nodes)
    if fit < 1:
        wanted = counted_cpus(threads) + (f" and {cluster.gpus:g} GPU" if cluster.gpus else "")
        most = ", ".join(f"{max((n.get(name, 0.0) for n in nodes), default=0.0):g} {name}" for name in ("CPU", "GPU"))
        raise GeoauditError("--engine ray", f"no node has room for a worker of {wanted}: at most one has {most}",
                            "Ask for less with --threads or --worker-gpus, or add nodes.")  # fmt: skip
    return int(max(1, min(cluster.workers or fit, fit, groups)))


def _fitting(node: Mapping[str, float], cluster: Cluster, threads: int) -> int:
    """Workers for which a node has processors and GPUs."""
    fit = node.get("CPU", 0.0) / threads
    return math.floor(min(fit, node.get("GPU", 0.0) / cluster.gpus) if cluster.gpus else fit)


def counted_cpus(threads: int) -> str:
    """The processors of one worker, in words."""
    return "1 CPU" if threads == 1 else f"{threads} CPUs"
