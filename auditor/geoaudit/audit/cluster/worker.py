"""A worker: it opens the model once and makes the units of the groups that it is sent."""

from __future__ import annotations

import pickle
import platform
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from geoaudit import threads
from geoaudit.api import Floats
from geoaudit.audit import provenance
from geoaudit.audit.cluster.luggage import Luggage, unpacked
from geoaudit.audit.executor import LocalExecutor, Pictures
from geoaudit.audit.groups import count_groups
from geoaudit.audit.inputs import Inputs
from geoaudit.audit.make import Bench
from geoaudit.audit.opening import Engines, converted
from geoaudit.audit.plan import Plan, make_plan
from geoaudit.audit.probe import ModelProbe
from geoaudit.audit.result import ImageInfo
from geoaudit.audit.settings import Settings
from geoaudit.audit.unit import Unit
from geoaudit.errors import GeoauditError, PluginError
from geoaudit.images.decoding import DecodeError
from geoaudit.images.discovery import ImageFile
from geoaudit.model import artifact as artifacts
from geoaudit.model.optimised import Rewriting
from geoaudit.model.parity import OUTPUT_TOLERANCE
from geoaudit.model.runtime import Runtime
from geoaudit.registry import load

Kind = Literal["piece", "fault", "note"]


@dataclass(frozen=True)
class Order:
    """A group to work on.

    Attributes:
        group: its number, from 0.
        files: its images.
        infos: what the report says of them.
        methods: ids of the methods whose units are wanted.
    """

    group: int
    files: tuple[ImageFile, ...]
    infos: tuple[ImageInfo, ...]
    methods: frozenset[str]


class Worker:
    """Takes orders, one a batch, and gives the pieces of each group in the order of `Executor.pieces`.

    What goes wrong is given as a piece too, so that its message arrives in one piece.  Orders and pieces cross the
    cluster pickled, as Ray carries everything.

    Args:
        luggage: the run.
        contents: for every packed file its bytes, by path; called only where they are needed.
    """

    def __init__(self, luggage: Luggage, contents: Mapping[str, Callable[[], Any]]) -> None:
        self._notes: list[str] = []
        self._fault: GeoauditError | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="geoaudit-")
        try:
            self._open(luggage, contents)
        except GeoauditError as error:
            self._fault = error
        except OSError as error:
            told = f"cannot open the run ({error.strerror or error})"
            self._fault = GeoauditError(f"worker on {platform.node()}", told, "Make room in its temporary folder.")

    def __call__(self, batch: Mapping[str, Any]) -> Iterator[dict[str, list[Any]]]:
        """The pieces of the orders in `batch["order"]`, one row each: kind, and the pickled piece."""
        for order in batch["order"]:
            if self._fault is not None:
                yield _row("fault", self._fault)
                return
            yield from (_row("note", note) for note in self._notes)
            self._notes.clear()
            try:
                with threads.plain_algebra():
                    yield from (_row("piece", piece) for piece in self._pieces(pickle.loads(order)))
            except GeoauditError as error:
                yield _row("fault", error)
                return

    def _open(self, luggage: Luggage, contents: Mapping[str, Callable[[], Any]]) -> None:
        _require_packages(luggage.packages, provenance.packages(set()))
        settings = unpacked(luggage, contents, Path(self._folder.name))
        self._inputs = luggage.inputs
        self._settings = settings
        plan = _plan(settings, luggage.providers)
        engines = _engines(settings, luggage)
        probe = ModelProbe(
            engines.runtime, engines.twin, settings.explain, engines.head.tail, plan.budget.quadrature, settings.seed,
            self._inputs.calibration, engines.autoencoder,
            None if engines.twin is None else Rewriting(engines.artifact, engines.twin, settings.custom_ops),
        )  # fmt: skip
        probe.memory = luggage.memory
        self._bench = Bench(settings, plan, probe, luggage.pictures, luggage.shown)
        self._compare(engines, luggage)

    def _pieces(self, order: Order) -> Iterator[Pictures | Unit]:
        inputs: Inputs = replace(self._inputs, files=order.files, infos=order.infos)
        assert count_groups(inputs) == 1
        local = LocalExecutor(self._bench, inputs, start=order.group)
        try:
            yield from local.pieces(lambda _, method: method in order.methods)
        except DecodeError as error:
            raise GeoauditError(
                f"worker on {platform.node()}", f"{error.thing}: {error.reason}",
                "Give a folder that all nodes see under the same path, or a URI such as s3://bucket/folder.",
            ) from None  # fmt: skip

    def _compare(self, engines: Engines, luggage: Luggage) -> None:
        """This machine's numbers of the first image with those of the machine that started the run.

        Raises:
            GeoauditError: they differ by more than the parity certificate allows.
        """
        first, witness = self._inputs.first, luggage.witness
        pairs = [("scores", witness.scores, engines.runtime.logits(first))]
        allowed = OUTPUT_TOLERANCE["float32"]
        if engines.twin is not None and witness.gradient is not None:
            allowed = OUTPUT_TOLERANCE[engines.twin.normalised.precision]
            made = engines.twin.value_and_gradient(first, self._inputs.targets, self._settings.explain)[1]
            pairs.append(("gradient", witness.gradient, made))
        for name, theirs, ours in pairs:
            difference = _difference(theirs, ours)
            told = f"computes the first image's {name} otherwise, by up to {difference:.1g} of their range"
            if not difference <= allowed:
                raise GeoauditError(
                    f"worker on {platform.node()}", told,
                    "Use nodes with processors and packages like those of the machine that starts the run.",
                )  # fmt: skip
            if difference > 0:
                self._notes.append(f"the worker on {platform.node()} {told}: the last digits depend on the machine")


def _row(kind: Kind, content: object) -> dict[str, list[Any]]:
    return {"kind": [kind], "content": [pickle.dumps(content, protocol=pickle.HIGHEST_PROTOCOL)]}


def _engines(settings: Settings, luggage: Luggage) -> Engines:
    artifact = artifacts.load(settings.model)
    threads.allow(settings.threads)
    runtime = Runtime(artifact, luggage.head, settings.device, settings.threads, custom_ops=settings.custom_ops)
    inputs = luggage.inputs
    runtime.logits(inputs.first)  # finds out about batches on the image on which the first process found out
    if settings.gradient_free:
        return Engines(artifact, runtime, None)
    return converted(settings, artifact, runtime, inputs.preprocessing.space, inputs.first)


def _plan(settings: Settings, providers: Mapping[str, str]) -> Plan:
    """The same plan as where the run was started.

    Raises:
        PluginError: plugins are missing here, or come from other versions.
    """
    try:
        plan = make_plan(settings, load(settings.plugins))
    except GeoauditError as error:
        raise _other_plugins(error.message.splitlines()[0]) from None
    unlike = sorted(name for name, provider in providers.items() if plan.providers.get(name) != provider)
    if unlike:
        name = unlike[0]
        raise _other_plugins(f"{name} of {providers[name]} is {plan.providers.get(name) or 'not installed'} there")
    return plan


def _other_plugins(told: str) -> PluginError:
    return PluginError(f"worker on {platform.node()}", f"does not have the run's plugins ({told})",
                       "Install the same packages on every node.")  # fmt: skip


def _require_packages(theirs: Mapping[str, str], ours: Mapping[str, str]) -> None:
    """Refuse versions that could change numbers.

    Raises:
        GeoauditError: a package is another one here.
    """
    unlike = [f"{n} {ours.get(n, 'missing')} instead of {v}" for n, v in sorted(theirs.items()) if ours.get(n) != v]
    if unlike:
        raise GeoauditError(
            f"worker on {platform.node()}", f"has other packages ({', '.join(unlike)})",
            "Install the same packages on every node.",
        )  # fmt: skip


def _difference(theirs: Floats, ours: Floats) -> float:
    """The largest difference as a share of the range of `theirs`; 0 only where every bit agrees."""
    if theirs.shape != ours.shape:
        return float("inf")
    if np.array_equal(theirs, ours, equal_nan=True):
        return 0.0
    return float(np.abs(theirs - ours).max() / max(float(np.ptp(theirs)), 1e-12))
