"""What of the ranking depends on the choice of metric or imputer, in numbers and in sentences.

Only orders are compared here.  Whether a difference is more than chance, the ranking's positions say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

import numpy as np

from geoaudit.audit.result import Agreement, LeaveOneOut, Robustness
from geoaudit.scoring.consensus import Panel, imputer_means, leave_one_out, panel, surviving
from geoaudit.scoring.contenders import Contender, Scale
from geoaudit.scoring.statistics import Array, tau


def robustness(
    methods: Sequence[Contender], scales: Sequence[Scale], failed: Iterable[str], leaders: Sequence[str]
) -> Robustness:
    """Agreement of metrics and imputers, the consensus, and what survives leaving one out.

    Args:
        methods: the scored methods, aligned on the images.
        scales: the metrics that judge maps.
        failed: ids of metrics that failed their health test: they do not take part.
        leaders: the methods that share the ranking's first position.
    """
    broken = sorted({s.metric for s in scales} & set(failed))
    usable = [s for s in scales if s.metric not in broken]
    voters = panel(methods, usable)
    rows = leave_one_out(voters)
    metrics = _agreements({s.metric: scores for s, scores in zip(voters.scales, voters.scored, strict=True)})
    imputers = _agreements(imputer_means(methods))
    pairs = surviving(voters, rows)
    silent = sorted({s.metric for s in usable} - {s.metric for s in voters.scales})
    conclusions = [
        *_consensus(voters, rows, len(pairs), leaders),
        *_disagreement("metrics", metrics), *_disagreement("imputers", imputers),
        *_absent(broken, silent if voters.scales else []),
    ]  # fmt: skip
    return Robustness(
        consensus=voters.order() if voters.scales else [], metrics=metrics, imputers=imputers,
        leave_one_out=rows, surviving=pairs, conclusions=conclusions,
    )  # fmt: skip


def _agreements(readings: Mapping[str, Array]) -> list[Agreement]:
    """Kendall's tau-b of every two readings, on the methods that both score."""
    found = []
    for a, b in combinations(sorted(readings), 2):
        both = np.isfinite(readings[a]) & np.isfinite(readings[b])
        found.append(Agreement(a=a, b=b, tau=tau(readings[a], readings[b]), methods=int(both.sum())))
    return found


def _consensus(voters: Panel, rows: Sequence[LeaveOneOut], survivors: int, leaders: Sequence[str]) -> list[str]:
    if not voters.scales:
        return ["No metric scores two methods on half of the images, so there is no order to test."]
    first = voters.first(voters.mean_ranks)
    return [_basis(voters), _first(first, rows), *_kept(voters, rows, survivors), *_beside(voters, first, leaders)]


def _basis(voters: Panel) -> str:
    votes = "; ".join(
        name if metrics == [name] else f"{name} ({', '.join(metrics)})" for name, metrics in voters.sources.items()
    )
    if len(voters.sources) == 1:
        return f"Only one source of evidence could be used: {votes}. Nothing else confirms the order that it gives."
    many, sources = len(voters.scales), len(voters.sources)
    return f"The consensus is the mean rank by {many} metrics, one vote for each of {sources} sources: {votes}."


def _first(first: Sequence[str], rows: Sequence[LeaveOneOut]) -> str:
    who = f"{listed(first)} {'comes first' if len(first) == 1 else 'share the first place'} by the consensus"
    if not rows:
        return f"{who}; no metric could be left out to test that."
    lost = [row for row in rows if not row.same_first]
    if not lost:
        return f"{who}, whichever metric or source is left out."
    told = "; ".join(f"without {row.without} first is {listed(row.first)}" for row in lost)
    return f"{who}, but not whichever metric or source is left out: {told}."


def _kept(voters: Panel, rows: Sequence[LeaveOneOut], survivors: int) -> list[str]:
    k = len(voters.methods)
    if not rows:
        return []
    return [
        f"{survivors} of {k * (k - 1) // 2} pairs of methods keep their order whichever metric or source is left out."
    ]


def _beside(voters: Panel, first: Sequence[str], leaders: Sequence[str]) -> list[str]:
    """How the ranking's own first methods stand in the consensus."""
    if not leaders:
        return []
    if set(first) & set(leaders):
        return []
    order = voters.order()
    places = ", ".join(f"{name} is {order.index(name) + 1} of {len(order)}" for name in leaders)
    return [f"The ranking's own first is another: by the consensus {places}."]


def _disagreement(kind: str, found: Sequence[Agreement]) -> list[str]:
    known = [(a.tau, a.a, a.b) for a in found if a.tau is not None]
    if not known:
        return []
    low, a, b = min(known)
    if len(known) == 1:
        return [f"The {kind} {a} and {b} order the methods with Kendall's tau {low:.2f} (1: alike, -1: reversed)."]
    middle = float(np.median([t for t, _, _ in known]))
    least = f"least alike are {a} and {b} ({low:.2f})"
    return [f"Two {kind} order the methods with a median Kendall's tau of {middle:.2f} (1: alike); {least}."]


def _absent(broken: Sequence[str], silent: Sequence[str]) -> list[str]:
    found = []
    if broken:
        found.append(f"Left out, for they failed their own test on this model: {', '.join(broken)}.")
    if silent:
        found.append(f"Left out, for they score fewer than two methods on half of the images: {', '.join(silent)}.")
    return found


def listed(names: Sequence[str]) -> str:
    """Names in a sentence."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
