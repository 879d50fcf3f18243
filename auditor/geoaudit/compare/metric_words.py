"""What became of a metric, in sentences that say what could not have been seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from geoaudit.compare.result import Comparison, MetricChange
from geoaudit.compare.wording import number, sentence, some
from geoaudit.words import counted

_CHANCE = 0.05


def metric_told(found: Comparison, metric: str) -> Iterator[str]:
    """How a metric changed over the methods; nothing where no method has it."""
    changes = [(m.id, c) for m in found.methods if m.kind == "method" for c in m.metrics if c.metric == metric]
    judged = [(name, c) for name, c in changes if c.verdict != "inconclusive"]
    if not judged:
        if changes:
            yield f"{metric}: nothing can be said. {sentence(changes[0][1].reason or 'too few values')}"
        return
    if all(c.difference == 0 and c.smallest == 0 for _, c in judged):
        yield f"{metric} is the same on every image, for {counted(len(judged), 'method')}."
        return
    worse, better = ([name for name, c in judged if c.verdict == verdict] for verdict in ("worse", "better"))
    if len(judged) == 1:
        yield _alone(metric, *judged[0])
        return
    total = f"of {len(judged)} methods"
    if not worse and not better:
        yield f"{metric}: no difference shown for any {total}. {_reach(judged)}"
        return
    counts = (("worse", worse), ("better", better))
    parts = [f"{word} for {len(names)} ({some(names)})" for word, names in counts if names]
    yield (
        f"{metric}: {', '.join(parts)} {total}, each by its own 95 % interval; by chance about "
        f"{number(_CHANCE * len(judged), 1)} would be. {_kept(judged)} {_reach(judged)}"
    )


def _alone(metric: str, name: str, change: MetricChange) -> str:
    if change.verdict == "no difference shown":
        return f"{metric}: no difference shown for {name}. {_reach([(name, change)])}"
    return f"{metric}: {change.verdict} for {name}, by its 95 % interval. {_reach([(name, change)])}"


def _kept(judged: Sequence[tuple[str, MetricChange]]) -> str:
    """How many differences remain after correction, and whether any could."""
    tests = counted(len(judged), "test")
    kept = [name for name, c in judged if c.p_holm is not None and c.p_holm < _CHANCE]
    if kept:
        return f"After correction for {tests} there {'remains' if len(kept) == 1 else 'remain'} {some(kept)}."
    if all(2.0 ** (1 - c.n) * len(judged) >= _CHANCE for _, c in judged):
        return f"After correction for {tests} none remains, nor could any with so few pairs."
    return f"After correction for {tests} none remains."


def _reach(judged: Sequence[tuple[str, MetricChange]]) -> str:
    """The smallest difference that would have been shown, best and worst method."""
    known = sorted(c.smallest for _, c in judged if c.smallest is not None)
    if not known:
        return ""
    low, high = f"{known[0]:.2g}", f"{known[-1]:.2g}"
    between = low if low == high else f"{low} to {high}"
    which = " (by method)" if len(known) > 1 else ""
    return f"Differences below {between}{which} would mostly have been missed."
