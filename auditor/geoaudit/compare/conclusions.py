"""What a comparison found, in sentences made from its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from geoaudit.compare.metric_words import metric_told
from geoaudit.compare.result import CheckChange, Comparison, MethodChange
from geoaudit.compare.scores import FIRST
from geoaudit.compare.wording import number, some, span
from geoaudit.scoring.contenders import ENOUGH
from geoaudit.words import counted

_WHO = {
    "one model file twice": "The second audit",
    "float to quantised": "Quantisation",
    "quantised to float": "The return to float",
    "two model files": "The other model",
}


def conclusions(found: Comparison) -> list[str]:
    """The sentences, the most general first."""
    if found.pairing.n < 2:
        return [f"{_basis(found)} Nothing can be compared."]
    told = [
        _basis(found),
        *_settings(found),
        *_predictions(found),
        *_ranking(found),
        *_tiers(found),
        *(told for metric in FIRST for told in metric_told(found, metric)),
        *_maps(found),
        *_checks(found),
    ]
    if found.absent:
        told.append(f"Not compared: {some([m.id for m in found.absent])}.")
    return told


def _basis(found: Comparison) -> str:
    n = found.pairing.n
    text = f"{counted(n, 'image')} {'is' if n == 1 else 'are'} in both reports."
    alone = (("A", found.pairing.only_a), ("B", found.pairing.only_b))
    left = [f"{len(ids)} only in {side}" for side, ids in alone if ids]
    if left:
        text += f" Left out: {', '.join(left)}."
    sides = (("A", found.a, found.pairing.only_a), ("B", found.b, found.pairing.only_b))
    parts = [f"{n + len(i):,} of {side.images:,} in {name}" for name, side, i in sides if n + len(i) < side.images]
    if parts:
        text += f" Images that a report does not list are not compared; listed are {' and '.join(parts)}."
    if 2 <= n < ENOUGH:
        text += f" {counted(n, 'pair')} are fewer than {ENOUGH}: read the findings as an indication."
    return text


def _settings(found: Comparison) -> Iterator[str]:
    names = [setting.name for setting in found.settings if setting.matters]
    if names:
        yield f"Set differently: {some(names)}. A change may come from {'this' if len(names) == 1 else 'these'}."
    failed = [f"{source} ({report.parity.status})" for source, report in (("A", found.a), ("B", found.b))]
    if found.a.parity.status != found.b.parity.status:
        yield f"The converted models are not certified alike: parity of {' and '.join(failed)}."


def _predictions(found: Comparison) -> Iterator[str]:
    agreed = found.predictions.top1_agreement
    if agreed.mean is not None and agreed.ci_low is not None and agreed.ci_high is not None:
        same = round(agreed.mean * agreed.n)
        yield (
            f"Both name the same class for {same} of {counted(agreed.n, 'image')} "
            f"(95 % interval {100 * agreed.ci_low:.0f} to {100 * agreed.ci_high:.0f} %)."
        )
    others = [pair.image_a for pair in found.pairing.pairs if not pair.same_target]
    if others:
        their = "Its" if len(others) == 1 else "Their"
        left = f"{their} maps are not compared; {their.lower()} scores are."
        yield f"Another class is explained on {some(others)}. {left}"


def _ranking(found: Comparison) -> Iterator[str]:
    change, who = found.ranking, _WHO[found.subject]
    if change.verdict == "inconclusive":
        yield f"Whether the ranking changed cannot be said: {change.reason}."
        return
    if change.verdict == "changed":
        told = [f"{risen} rose against {fallen}" for risen, fallen in change.moved]
        yield f"{who} changed the order of the methods beyond chance, on {counted(change.n, 'pair')}: {some(told)}."
    else:
        pairs = counted(change.n, "pair")
        yield f"No change of the ranking is shown on {pairs} of images, which is not to say that there is none."
    if change.tau is not None and change.tau_chance is not None:
        yield (
            f"Kendall's tau between the two orders is {number(change.tau)} "
            f"{span(change.tau_low, change.tau_high)}; other images of the kind would leave A's own order at "
            f"{number(change.tau_chance)}."
        )
    yield _flips(found)
    ranks = [(m.id, m.rank) for m in found.methods if m.rank is not None and m.rank.difference is not None]
    if ranks:
        name, rank = max(ranks, key=lambda item: abs(item[1].difference or 0.0))
        difference = rank.difference or 0.0
        if difference:
            way = "drop" if difference > 0 else "rise"
            yield (
                f"The largest {way} is that of {name}: its mean rank goes from {number(rank.rank_a or 0.0, 1)} to "
                f"{number(rank.rank_b or 0.0, 1)}, by {number(difference, 1)} {span(rank.ci_low, rank.ci_high, 1)}."
            )


def _flips(found: Comparison) -> str:
    change, who = found.ranking, _WHO[found.subject]
    pairs = change.methods * (change.methods - 1) // 2
    apart = [f for f in change.flips if f.separated_a != "no"]
    stand = "stands" if len(change.flips) == 1 else "stand"
    text = f"{len(change.flips)} of {counted(pairs, 'pair')} of methods {stand} in the other order"
    if not change.flips:
        return f"{who} put no two methods in the other order."
    if not apart:
        return f"{text}, but none of them was set apart by tier or position in A."
    told = some([f"{f.first_a} and {f.first_b}" for f in apart])
    verb = "was" if len(apart) == 1 else "were"
    return f"{text}; {len(apart)} {verb} set apart by tier or position in A: {told}."


def _tiers(found: Comparison) -> Iterator[str]:
    told = [
        f"{m.id} from {m.a.tier} to {m.b.tier}"
        for m in found.methods
        if m.a and m.b and m.tier_change not in (None, "same")
    ]
    if told:
        yield f"Other tiers: {some(told)}."


def _maps(found: Comparison) -> Iterator[str]:
    methods = [m for m in found.methods if m.kind == "method" and m.maps is not None]
    known = [(m, m.maps.spearman.mean) for m in methods if m.maps and m.maps.spearman.mean is not None]
    if not known:
        reasons = sorted({m.maps.reason for m in methods if m.maps and m.maps.reason})
        if reasons:
            yield f"No maps were compared: {'; '.join(reasons)}."
        return
    if all(m.maps and m.maps.verdict == "identical" for m, _ in known):
        yield f"The maps of {counted(len(known), 'method')} are the same."
        return
    (low, least), (high, most) = (pick(known, key=lambda item: item[1]) for pick in (min, max))
    yield (
        f"The maps' rank correlation lies between {number(least)} ({low.id}) and {number(most)} ({high.id}), over "
        f"{counted(len(known), 'method')}; 1 is the same map."
    )
    gaps = [m.id for m in methods if m.maps and m.maps.missing]
    if gaps:
        yield f"A map is missing, constant or not finite on at least one pair for {some(gaps)}."
    seeded = [m for m, _ in known if m.maps and m.maps.seeds is not None]
    if seeded:
        yield _against_seeds(seeded)


def _against_seeds(seeded: Sequence[MethodChange]) -> str:
    names = {
        verdict: [m.id for m in seeded if m.maps and m.maps.verdict == verdict]
        for verdict in ("less alike than two seeds", "as alike as two seeds")
    }
    less, alike = names.values()
    told = [f"less alike for {len(less)} ({some(less)})"] if less else []
    if alike:
        told.append(f"no less alike, which is no change, for {len(alike)} ({some(alike)})")
    if rest := len(seeded) - len(less) - len(alike):
        told.append(f"undecided for {rest}")
    return f"Against the maps of two seeds of the same stochastic method: {'; '.join(told)}."


def _checks(found: Comparison) -> Iterator[str]:
    methods = {m.id for m in found.methods if m.kind == "method"}
    told = [c for c in found.checks if c.method is None or c.method in methods]
    for change, word in (("worse", "worse"), ("better", "better")):
        names = [_status(c) for c in told if c.change == change]
        if names:
            yield f"{counted(len(names), 'check')} came out {word}: {some(names)}."
    if told and all(c.change == "same" for c in told):
        yield f"No check has another status: {counted(len(told), 'finding')} compared."


def _status(check: CheckChange) -> str:
    return f"{check.id} of {check.method or 'the model'} ({check.status_a} to {check.status_b})"
