"""An audit of a planted model, by the parts of which every audit is made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from geoaudit.audit.assemble import Facts
from geoaudit.audit.examine import Examination
from geoaudit.audit.executor import LocalExecutor
from geoaudit.audit.inputs import Inputs, gather
from geoaudit.audit.make import Bench
from geoaudit.audit.maps import MapWriter
from geoaudit.audit.observer import Silent
from geoaudit.audit.opening import Engines, uncertified
from geoaudit.audit.plan import Plan, make_plan
from geoaudit.audit.probe import ModelProbe
from geoaudit.audit.result import Parity
from geoaudit.audit.settings import IMPUTERS, Settings
from geoaudit.audit.speed import Speed
from geoaudit.audit.work import Work
from geoaudit.errors import GeoauditError
from geoaudit.images.preprocess import PreprocessOptions, resolve
from geoaudit.model import artifact as artifacts
from geoaudit.model import head as heads
from geoaudit.model.normalise import normalise
from geoaudit.model.parity import certify
from geoaudit.model.runtime import Runtime
from geoaudit.model.twin import Twin
from geoaudit.registry import Registry
from geoaudit.scoring.sweep import Sweep
from geoaudit.selftest.planted.files import HIGH, LOW, write
from geoaudit.selftest.planted.subjects import Conditions, Outcome, Subject

SWEEP = Sweep(imputers=IMPUTERS, steps=13)
"""Every 14 of 196 regions, so that both ends of the masking curves have points with a part of the evidence left."""
_BUDGET, _BATCH = "quick", 64
_IDLE = Speed(0.0, 0.0)  # nobody watches the progress


def audit(subject: Subject, conditions: Conditions) -> Outcome:
    """Audit a planted model in a temporary folder, of which nothing remains.

    Torch's threads are as before when it ends; everything runs on one processor thread, so that no number depends
    on the machine's cores.

    Raises:
        GeoauditError: the audit broke off; one message names the model and the reason.
    """
    try:
        with TemporaryDirectory(prefix="geoaudit-") as folder, _threads_kept():
            return _audit(subject, conditions, Path(folder))
    except OSError as error:
        raise GeoauditError(
            "calibration", f"the temporary folder cannot be used ({error.strerror or error})",
            "Make room there, or name another folder in the environment variable TMPDIR.",
        ) from error  # fmt: skip
    except Exception as error:
        why = error.message if isinstance(error, GeoauditError) else f"{type(error).__name__}: {error}"
        raise GeoauditError(
            "calibration", f"the {subject.name}, whose answers are known, could not be audited: {why}",
            "This is a defect of geoaudit, of a plugin or of a numerical library: no audit can be believed here.",
        ) from error  # fmt: skip


@contextmanager
def _threads_kept() -> Iterator[None]:
    """Torch's threads are the process'; a twin sets them."""
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _audit(subject: Subject, conditions: Conditions, folder: Path) -> Outcome:
    path, images = write(folder, subject.model, subject.pictures)
    settings = _settings(subject, conditions, path, images)
    plan = _plan(subject, settings, conditions.registry)
    engines, inputs = _open(settings)
    probe = ModelProbe(
        engines.runtime, engines.twin, settings.explain, engines.head.tail, subject.quadrature, settings.seed,
        inputs.calibration,
    )  # fmt: skip
    parity = _certificate(engines, inputs, settings)
    with MapWriter(folder / "maps") as writer:
        executor = LocalExecutor(Bench(settings, plan, probe, pictures=True), inputs)
        work = Work(settings, plan, inputs, executor, writer, Silent(), _IDLE, thumbnails=True)
        sample = work.run()
        with np.load(writer.keep()) as archive:
            arrays = {name: archive[name] for name in archive.files}
    shown = Examination(plan, inputs, parity, engines.head.classes, sample, probe, _IDLE, Silent())
    examined = shown.run(work.tallies)
    facts = Facts(
        settings=settings, plan=plan, engines=engines, inputs=inputs, parity=parity, calibration=(),
        tallies=work.tallies, examined=examined, estimate=0.0, spending=(),
    )  # fmt: skip
    keys = {name: [f"{info.id}/{name}" for info in inputs.infos] for name in work.tallies}
    maps = {name: np.stack([arrays[k] for k in wanted]) for name, wanted in keys.items() if set(wanted) <= set(arrays)}
    return Outcome(facts, maps)


def _settings(subject: Subject, conditions: Conditions, path: Path, images: Path) -> Settings:
    height, width = subject.pictures.shape[1:3]
    span = HIGH - LOW
    return Settings(
        model=path,
        images=images,
        methods=subject.methods,
        checks=subject.checks,
        metrics=subject.metrics,
        budget=_BUDGET,
        seed=conditions.seed,
        device="cpu",
        gradient_free=not conditions.gradients,
        preprocess=PreprocessOptions(
            layout=subject.layout, size=(height, width), range=(0.0, 1.0), mean=-LOW / span, std=1.0 / span
        ),
    )


def _plan(subject: Subject, settings: Settings, registry: Registry) -> Plan:
    plan = make_plan(settings, registry)
    wanted = subject.least
    methods = (*(m for m in plan.methods if not wanted or m.id in wanted), *subject.planted)
    return replace(
        plan,
        methods=tuple(sorted(methods, key=lambda method: method.id)),
        metrics=tuple(m for m in plan.metrics if m.id in subject.metrics),
        providers={**plan.providers, **{method.id: "planted" for method in subject.planted}},
        budget=replace(plan.budget, quadrature=subject.quadrature, sweep=SWEEP, readings=(), seeds=1),
    )


def _open(settings: Settings) -> tuple[Engines, Inputs]:
    """As an audit opens its model, but on one thread, with a fixed batch, and nothing kept for later runs."""
    artifact = artifacts.load(settings.model)
    preprocessing = resolve(settings.preprocess, {}, artifact.proto, artifact.path)
    runtime = Runtime(artifact, heads.find(artifact), settings.device, threads=1)
    inputs = gather(settings, artifact, runtime, preprocessing, Silent())
    if settings.gradient_free:
        return Engines(artifact, runtime, None), inputs
    twin = Twin(
        normalise(artifact.proto, runtime.head), runtime.head, settings.device, threads=1, batch_size=_BATCH,
        channels_last=False, thing=artifact.path.name,
    )  # fmt: skip
    return Engines(artifact, runtime, twin), inputs


def _certificate(engines: Engines, inputs: Inputs, settings: Settings) -> Parity:
    if engines.twin is None:
        return uncertified()
    rng = np.random.default_rng([settings.seed, 1])
    return certify(engines.runtime, engines.twin, inputs.first, inputs.targets, settings.explain, rng)
