"""What a run was asked for: resolved options, and what each budget means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from geoaudit.api import Quadrature
from geoaudit.audit.result import Sourced
from geoaudit.images.fields import Stated
from geoaudit.images.preprocess import PreprocessOptions
from geoaudit.images.sources import Place
from geoaudit.scoring.sweep import Sweep

Explain = Literal["logit", "probability", "log-probability", "margin"]
GradientEngine = Literal["onnxruntime", "torch", "torch-bfloat16", "torch-compiled"]
IMPUTERS = ("baseline", "blur")


@dataclass(frozen=True)
class Budget:
    """How much a run may spend on one image.

    Attributes:
        quadrature: tolerance and node limit of the integrator.
        sweep: the headline sweep.
        readings: second readings of the same maps: other region sizes, and signed ordering.
        seeds: seeds that a stochastic method runs with, the run's own included.
        seed_images: on how many images, the first ones; at most one group.
    """

    quadrature: Quadrature
    sweep: Sweep
    readings: tuple[Sweep, ...]
    seeds: int
    seed_images: int

    def reading_with(self, imputers: tuple[str, ...] | None) -> Budget:
        """This budget with the sweeps' imputers replaced; None leaves them."""
        if imputers is None:
            return self
        sweep, *others = (replace(s, imputers=imputers) for s in (self.sweep, *self.readings))
        return replace(self, sweep=sweep, readings=tuple(others))


def _readings(steps: int, sizes: tuple[int, ...]) -> tuple[Sweep, ...]:
    signed = Sweep(order="signed", imputers=IMPUTERS, steps=steps)
    return (signed, *(Sweep(region_px=size, imputers=IMPUTERS, steps=steps) for size in sizes))


BUDGETS: Mapping[str, Budget] = {
    "quick": Budget(Quadrature(node_limit=96, scan=65), Sweep(imputers=IMPUTERS, steps=7), (), seeds=2, seed_images=2),
    "standard": Budget(
        Quadrature(node_limit=256),
        Sweep(imputers=IMPUTERS, steps=14),
        _readings(6, (4, 8, 32)),
        seeds=3,
        seed_images=2,
    ),
    "thorough": Budget(
        Quadrature(tolerance=0.01, node_limit=1024, scan=257),
        Sweep(imputers=IMPUTERS, steps=28),
        _readings(14, (4, 8, 32)),
        seeds=5,
        seed_images=8,
    ),
}
"""The budgets by name; methods declare what a budget means for their own parameters."""


DETAIL = 1000
"""Images that a report lists one by one, at most, unless it is asked for others."""


@dataclass(frozen=True)
class Cluster:
    """Where and how a run is spread.

    Attributes:
        address: of a running Ray cluster, "HOST:PORT" or "auto"; None starts one on this machine for the run.
        workers: processes that hold the model, at most; None for as many as the cluster has processors for.
        gpus: GPUs of one worker; may be a share of one.
    """

    address: str | None = None
    workers: int | None = None
    gpus: float = 0.0


@dataclass(frozen=True)
class Settings:
    """A run's resolved options.

    Attributes:
        model: the ONNX file.
        images: a folder or one picture, on this machine or behind a URI.
        command: the command line as typed.
        methods: ids of the methods to audit, "default", "all", or "package/*"; None for those that run by default.
        skip: ids left out.
        checks: ids of the checks, "default" or "all"; None for those of the budget.
        metrics: ids of the metrics, "default" or "all"; None for those of the budget.  NCC and SRG, on which the
            ranking rests, always run.
        imputers: ids of the imputers that the sweep reads with; None for the budget's.
        parameters: plugin parameters set by the user: plugin id, then name, then value.
        plugins: third-party distributions that may load; None for all installed.
        budget: a key of `BUDGETS`.
        limit: largest number of images; None for all.
        seed: of everything random.
        preprocess: preprocessing options.
        preprocess_config: the table [preprocess] of the configuration files.
        labels: file with class names or labels.
        baseline: kind or picture.
        explain: which scalar is explained.
        target: class index explained on every image; None for the predicted one.
        explain_label: explain the true label where there is one.
        device: "auto", "cpu" or "cuda".
        batch_size: images a gradient batch; None to measure.
        gradient_free: audit without converting the model: only what needs no gradients runs.
        output: the graph output, or tensor, that holds the scores; None to find it.
        custom_ops: shared library with custom operators for onnxruntime; None to load none.
        calibration: a folder of pictures for methods that learn from data; None: they learn from the audited ones.
        autoencoder: ONNX files of an encoder and a decoder of model inputs; None: there is none.
        context: what the model is for and who reads its maps, in the user's words; None where nothing was said.
        sample: ids of the only images to work on, in order; the others still are read, classified and learned from.
            None for all.
        channels_last: memory layout of the gradients; None to measure.
        gradient_engine: what computes gradients, one of `geoaudit.model.engines.base.ENGINES`; None to measure.
        threads: processor threads of one process; None for all usable cores.
        memory: bytes that the process may hold; None for what the model takes and a fixed allowance, see `Memory`.
        cluster: makes the units on a Ray cluster; None: in this process.
        detail: largest number of images that the report lists one by one; of more it lists a sample.
        adaptive: stop evaluating a method's masked images, and drawing seeds, once what hangs on them is settled.
        stops: images after which each contender's masked images are not evaluated, by id, as in an earlier adaptive
            audit; None to decide.
        sources: every option's value and where it came from, for the report.
    """

    model: Path
    images: Place
    command: tuple[str, ...] = ()
    methods: tuple[str, ...] | None = None
    skip: tuple[str, ...] = ()
    checks: tuple[str, ...] | None = None
    metrics: tuple[str, ...] | None = None
    imputers: tuple[str, ...] | None = None
    parameters: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    plugins: tuple[str, ...] | None = None
    budget: str = "standard"
    limit: int | None = None
    seed: int = 0
    preprocess: PreprocessOptions = field(default_factory=PreprocessOptions)
    preprocess_config: Mapping[str, Stated] = field(default_factory=dict)
    labels: Path | None = None
    baseline: str = "black"
    explain: Explain = "logit"
    target: int | None = None
    explain_label: bool = False
    device: str = "auto"
    batch_size: int | None = None
    gradient_free: bool = False
    output: str | None = None
    custom_ops: Path | None = None
    calibration: Path | None = None
    autoencoder: tuple[Path, Path] | None = None
    context: str | None = None
    sample: tuple[str, ...] | None = None
    channels_last: bool | None = None
    gradient_engine: GradientEngine | None = None
    threads: int | None = None
    memory: int | None = None
    cluster: Cluster | None = None
    detail: int = DETAIL
    adaptive: bool = False
    stops: Mapping[str, int] | None = None
    sources: Mapping[str, Sourced] = field(default_factory=dict)
