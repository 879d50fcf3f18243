"""What was tried, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from geoaudit.model.engine import ADVANTAGE, Setting
from geoaudit.model.engines.agreement import Agreement
from geoaudit.model.engines.base import ENGINES, EngineName, Trial
from geoaudit.model.engines.contest import Contest, Kind
from geoaudit.model.engines.room import WORTHWHILE, has_amx

T = TypeVar("T")
NOT_COMPILED = (
    "not tried: compiling takes a minute, and then it was slower where it was measured; ask for it by name to try it"
)
NO_AMX = "not tried: this processor has no AMX, without which bfloat16 gains nothing"


def trial(
    setting: Setting, threads: int, reason: str, *, chosen: bool = False, seconds: float | None = None,
    agreement: Agreement | None = None, memory: int | None = None,
) -> Trial:  # fmt: skip
    """The record of one setting that ran.

    Args:
        setting: how it ran.
        threads: processor threads.
        reason: why it was chosen, or was not.
        chosen: whether it was.
        seconds: an image; None where it was not timed.
        agreement: with the plain engine; None where it was not compared.
        memory: bytes an image; None where that is not known.
    """
    return Trial(
        engine=setting.engine,
        memory_layout=None if setting.engine == "onnxruntime" else setting.layout,
        batch_size=setting.batch_size,
        threads=threads,
        milliseconds=None if seconds is None else round(1e3 * seconds, 3),
        difference=None if agreement is None else float(f"{agreement.difference:.3g}"),
        allowed=None if agreement is None else float(f"{agreement.allowed:.3g}"),
        stable=None if agreement is None else agreement.stable,
        memory_bytes=None if memory is None else memory * setting.batch_size,
        chosen=chosen,
        reason=reason,
    )


def untried(engine: EngineName, reason: str) -> Trial:
    """The record of an engine that did not run."""
    return Trial(engine, None, None, None, None, None, None, None, None, False, reason)


def small_trials(setting: Setting, threads: int, memory: int | None, operations: int) -> list[Trial]:
    """The trials of a model that is too small for a contest."""
    why = (
        f"{operations:,} multiply-adds an image: below {WORTHWHILE:,} nothing is measured, and torch, which needs no "
        "session, is taken"
    )
    others = [name for name in ENGINES if name != "torch"]
    few = "not tried: the model is too small for it to matter"
    return [trial(setting, threads, why, chosen=True, memory=memory), *(untried(name, few) for name in others)]


def pinned_trials(setting: Setting, threads: int, refused: tuple[EngineName, str] | None) -> list[Trial]:
    """The trials where everything was fixed.

    Args:
        setting: what is used.
        threads: processor threads.
        refused: the engine that was asked for and cannot serve, and why; None where it can.
    """
    if refused is None:
        return [trial(setting, threads, "asked for: nothing was measured", chosen=True)]
    why = f"{refused[0]} was asked for and cannot be used"
    return [trial(setting, threads, why, chosen=True), untried(*refused)]


def trials(
    contest: Contest, chosen: Setting, wanted: EngineName | None, threads: int, memory: int | None
) -> list[Trial]:
    """What a contest tried, the chosen setting first, then as it was tried.

    Args:
        contest: after `hold`.
        chosen: its winner.
        wanted: the only engine that was asked for; None where all were.
        threads: processor threads.
        memory: bytes that one image needs; None where that is not known.
    """
    out_of_it = contest.outgrown | {setting for setting in contest.seconds if _of(setting, contest.refused)}
    standing = {setting: took for setting, took in contest.seconds.items() if setting not in out_of_it}
    rows = []
    for setting in dict.fromkeys([chosen, *contest.seconds]):
        if setting in contest.outgrown:
            why = "its numbers do not hold in a batch of this size"
        else:
            why = _of(setting, contest.refused) or _why(setting, chosen, standing)
        rows.append(
            trial(
                setting, threads, why, chosen=setting == chosen, seconds=contest.seconds.get(setting),
                agreement=_of(setting, contest.agreements), memory=memory,
            )
        )  # fmt: skip
    ran = {(row.engine, row.batch_size) for row in rows}
    out = [kind for kind in contest.refused if (kind.engine, kind.first.batch_size) not in ran]
    return [*rows, *(_refused(kind, contest, threads) for kind in out), *(_untried(wanted, rows, out))]


def _of(setting: Setting, found: Mapping[Kind, T]) -> T | None:
    """What was found of the setting's kind; a kind with batches of one is another than the one with several."""
    for kind, value in found.items():
        if setting in (kind.first, *(kind.at(size) for size in kind.sizes)):
            return value
    return None


def _refused(kind: Kind, contest: Contest, threads: int) -> Trial:
    """A kind that is out before it was timed."""
    why, found = contest.refused[kind], contest.agreements.get(kind)
    return untried(kind.engine, why) if found is None else trial(kind.first, threads, why, agreement=found)


def _why(setting: Setting, chosen: Setting, seconds: Mapping[Setting, float]) -> str:
    """Why a setting that nothing speaks against was chosen, or was not."""
    if chosen not in seconds:
        return "the only one left" if setting == chosen else "compared only on a small batch"
    least = min(seconds.values())
    if setting == chosen:
        return (
            "the fastest"
            if seconds[chosen] <= least
            else f"the favourite: the fastest takes {_less(least, seconds[chosen])}"
        )
    ratio = seconds[setting] / seconds[chosen]
    if ratio >= 1:
        return f"takes {ratio:.2f} times as long"
    return f"takes {_less(seconds[setting], seconds[chosen])}"


def _less(less: float, more: float) -> str:
    return (
        f"{100 * (1 - less / more):.0f} % less time, and a rival needs {100 * (1 - ADVANTAGE):.0f} % less, so that "
        "chance decides nothing"
    )


def _untried(wanted: EngineName | None, rows: list[Trial], out: list[Kind]) -> Iterator[Trial]:
    seen = {row.engine for row in rows} | {kind.engine for kind in out}
    for name in ENGINES:
        if name in seen:
            continue
        if wanted is not None:
            yield untried(name, f"not tried: {wanted} was asked for")
        elif name == "torch-compiled":
            yield untried(name, NOT_COMPILED)
        elif name == "torch-bfloat16" and not has_amx():
            yield untried(name, NO_AMX)
        else:
            yield untried(name, "not tried: the time for measuring was spent")
