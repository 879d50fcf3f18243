"""The audit's settings again, from its report: what is to be run once more, and what must be brought for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from geoaudit.audit.calibration import THEMSELVES
from geoaudit.audit.result import Report
from geoaudit.audit.settings import BUDGETS, GradientEngine, Settings
from geoaudit.images.fields import PARSERS
from geoaudit.images.preprocess import PreprocessOptions
from geoaudit.model.cores import usable_cores
from geoaudit.verify.stored import Given

_PICTURE = "image:"
_CALIBRATED = "needs-calibration-set"


def lacking(report: Report, given: Given) -> list[str]:
    """The options that a re-run needs, for the report says that its audit had such files, and that are not given."""
    learned = report.data.calibration
    wanted = {
        "--labels FILE": (_option(report, "labels"), given.labels),
        f"--baseline {report.baseline.kind}": (report.baseline.kind.startswith(_PICTURE), given.baseline),
        "--calibration DIR": (learned is not None and learned.source != THEMSELVES, given.calibration),
        "--autoencoder ENCODER DECODER": (report.model.autoencoder is not None, given.autoencoder),
        "--custom-ops FILE": (_option(report, "custom-ops"), given.custom_ops),
    }
    return [option for option, (used, brought) in wanted.items() if used and brought is None]


def rebuilt(
    report: Report, given: Given, images: Path, sample: tuple[str, ...] | None, *, complete: bool = True
) -> Settings:
    """Settings of a re-run that can agree with the report to the last bit.

    What an adaptive audit decided is done again, not decided again; on a sample all scores are computed.

    Preprocessing is given field by field, as it was resolved then; engine, batch size and memory layout are those that
    were chosen then.  Everything is named that ran then, so that what a budget or a policy added runs too.

    Args:
        report: the stored report.
        given: the model, and the files that the report only names.
        images: a folder with the report's pictures under their ids, and no others.
        sample: ids of the pictures to work on, without the sanity checks; None for all, with them.
        complete: whether all pictures of the report are there; without some of them, methods that learn from the
            audited pictures are left out.

    Raises:
        ValueError, KeyError, TypeError: the report does not say what was asked for.
    """
    if report.run.budget not in BUDGETS or report.run.seed < 0:
        raise ValueError(f"no budget {report.run.budget!r}, or no seed {report.run.seed}")
    gradient_free = bool(_option(report, "gradient-free"))
    left = left_out(report, given, complete)
    methods = [
        m.id
        for m in report.methods
        if m.kind == "method" and not (gradient_free and m.status == "skipped") and m.id not in left
    ]
    metrics = sorted({metric for m in report.methods for metric in m.scores})
    checks = () if sample is not None else tuple(sorted({check.id for check in report.checks}))
    dropped = {m.id for m in report.methods if m.kind == "method"} - set(methods)
    if sample is not None:
        dropped |= {check.id for check in report.checks} - {m.id for m in report.methods} - set(metrics)
    return Settings(
        model=given.model,
        images=images,
        methods=tuple(methods),
        skip=_names(report, "skip") or (),
        checks=checks,
        metrics=tuple(metrics),
        imputers=_names(report, "imputers"),
        parameters={plugin: values for plugin, values in given.parameters.items() if plugin not in dropped},
        plugins=given.plugins,
        budget=report.run.budget,
        seed=report.run.seed,
        preprocess=_preprocess(report),
        labels=given.labels,
        baseline=given.baseline or report.baseline.kind.split(" ")[0],
        explain=report.model.explained_output.space,
        target=_option(report, "target"),
        explain_label=bool(_option(report, "explain-label")),
        device=given.device or _option(report, "device") or "auto",
        gradient_free=gradient_free,
        output=_option(report, "output"),
        custom_ops=given.custom_ops,
        calibration=given.calibration,
        autoencoder=given.autoencoder,
        sample=sample,
        detail=max(1, len(report.data.images)),
        adaptive=sample is None and report.ranking.adaptive is not None,
        stops=None if report.ranking.adaptive is None or sample is not None else _stops(report),
        **_engine(report),
    )


def _stops(report: Report) -> dict[str, int]:
    """Images after which an adaptive audit did not evaluate masked images any more, by method or control."""
    assert report.ranking.adaptive is not None
    read = {row.method: row.images for row in report.ranking.adaptive.methods}
    return {name: images for name, images in read.items() if images < report.data.count}


def left_out(report: Report, given: Given, complete: bool) -> set[str]:
    """Ids of the methods that are not computed again: as asked for, and those that would learn from other pictures."""
    learning = {m.id for m in report.methods if m.kind == "method" and _CALIBRATED in m.flags}
    return set(given.skip) | (set() if complete else learning)


def _option(report: Report, name: str) -> Any:
    """An option's value in the audit; None where the report does not hold it."""
    stated = report.config.get(name)
    return None if stated is None else stated.value


def _names(report: Report, name: str) -> tuple[str, ...] | None:
    value = _option(report, name)
    return None if value is None else tuple(str(part) for part in value)


def _preprocess(report: Report) -> PreprocessOptions:
    stated = {name: sourced for name, sourced in report.data.preprocess.items() if name in PARSERS}
    return PreprocessOptions(
        **{name: sourced.value for name, sourced in stated.items()},
        sources={name: sourced.source for name, sourced in stated.items()},
    )


def _engine(report: Report) -> Mapping[str, Any]:
    """Engine, batch size, memory layout, and threads where there are as many.

    They are empty where the report, or an audit without gradients, has none.

    Reports of versions that had torch alone do not name the engine.
    """
    layout, size = report.run.engine.get("memory_layout"), report.run.engine.get("batch_size")
    name, threads = report.run.engine.get("gradients", "torch"), report.run.engine.get("threads")
    return {
        "gradient_engine": name if layout is not None and name in get_args(GradientEngine) else None,
        "channels_last": None if layout is None else layout == "channels-last",
        "batch_size": size if isinstance(size, int) and size > 0 else None,
        "threads": threads if isinstance(threads, int) and 0 < threads <= usable_cores() else None,
    }
