"""Makes the units on a Ray cluster, and hands them out in the order in which one process would make them."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Generator, Iterator
from contextlib import closing
from functools import partial
from types import ModuleType
from typing import Any

from geoaudit.api import Problems
from geoaudit.audit.cluster.luggage import Luggage, content
from geoaudit.audit.cluster.session import connected, worker_count
from geoaudit.audit.cluster.worker import Order, Worker
from geoaudit.audit.executor import Pictures, Wanted
from geoaudit.audit.groups import count_groups, read_group
from geoaudit.audit.inputs import GROUP, Inputs
from geoaudit.audit.make import Bench
from geoaudit.audit.observer import Observer
from geoaudit.audit.settings import Cluster
from geoaudit.audit.unit import Unit
from geoaudit.errors import GeoauditError
from geoaudit.words import counted

_RETRIES = 8
"""How often a group or a worker may be begun again because a process or node was lost; what always dies ends so."""


class RayExecutor:
    """An executor whose units are made by workers of a Ray cluster, each of which opens the model once.

    Groups are handed out by Ray Data, in order, to a pool of actors.  A worker or node that is lost costs the groups
    that it was working on; they are made again elsewhere.

    Args:
        cluster: where, and how many workers.
        luggage: the run as the workers need it.
        bench: of this process, for the first group.
        inputs: the images.
        tell: told what the workers have to say.
    """

    def __init__(self, cluster: Cluster, luggage: Luggage, bench: Bench, inputs: Inputs, tell: Observer) -> None:
        self._cluster = cluster
        self._luggage = luggage
        self._bench = bench
        self._inputs = inputs
        self._tell = tell
        self._first: Problems | None = None

    def pieces(self, wanted: Wanted) -> Generator[Pictures | Unit, None, None]:
        """As `Executor.pieces`; asks for all units before the first one is made.

        Raises:
            GeoauditError: a worker could not do its work, or was lost too often.
        """
        threads = self._luggage.settings.threads or 1
        with connected(self._cluster, threads) as ray:
            workers = worker_count(ray, self._cluster, threads, count_groups(self._inputs))
            self._tell.say(f"{counted(workers, 'worker')} of {counted(threads, 'thread')} on Ray {ray.__version__}")
            with closing(_rows(ray, self._dataset(ray, workers, threads, wanted))) as rows:
                for kind, content in rows:
                    if kind == "fault":
                        raise content
                    if kind == "note":
                        self._tell.warn(content)
                    else:
                        yield content

    def first(self) -> Problems:
        """As `Executor.first`."""
        if self._first is None:
            decoded = read_group(self._inputs, self._bench.settings, 0)
            self._first = decoded.problems(self._inputs, self._bench.probe)
        return self._first

    def _dataset(self, ray: ModuleType, workers: int, threads: int, wanted: Wanted) -> Any:
        import ray.data as data

        context = data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        context.execution_options.preserve_order = True
        orders = [{"order": pickle.dumps(order)} for order in self._orders(wanted)]
        stored = {str(p.path): partial(ray.get, ray.put(content(p))) for p in self._luggage.files}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # how an actor's options are given is about to change
            return data.from_items(orders, override_num_blocks=len(orders)).map_batches(
                Worker,
                fn_constructor_args=(self._luggage, stored),
                batch_size=1,
                compute=data.ActorPoolStrategy(min_size=workers, max_size=workers, max_tasks_in_flight_per_actor=2),
                # half, so that what a lost node was doing finds room on the others at once
                num_cpus=threads / 2,
                num_gpus=self._cluster.gpus or None,
                ray_remote_args_fn=partial(
                    dict, max_restarts=_RETRIES, max_task_retries=_RETRIES, scheduling_strategy="SPREAD"
                ),
            )

    def _orders(self, wanted: Wanted) -> Iterator[Order]:
        inputs = self._inputs
        for group in range(count_groups(inputs)):
            part = slice(group * GROUP, (group + 1) * GROUP)
            methods = frozenset(m.id for m in self._bench.plan.methods if wanted(group, m.id))
            yield Order(group, inputs.files[part], inputs.infos[part], methods)


def _rows(ray: ModuleType, dataset: Any) -> Generator[tuple[str, Any], None, None]:
    """What the workers give, in order.

    Raises:
        GeoauditError: Ray gave up.
    """
    try:
        for batch in dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=1):
            for row in range(batch.num_rows):
                yield batch["kind"][row].as_py(), pickle.loads(batch["content"][row].as_py())
    except ray.exceptions.RayError as error:
        told = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
        raise GeoauditError(
            "--engine ray", f"the cluster could not do the work ({told[-1][:300]})",
            "geoaudit must be installed on every node, and each needs memory for a worker; Ray's own logs say more.",
        ) from error  # fmt: skip
