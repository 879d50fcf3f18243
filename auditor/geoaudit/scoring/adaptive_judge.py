"""The tests of an adaptive audit, which hold however the images' number came about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from geoaudit.audit.result import AdaptiveMethod, AdaptivePair, AdaptiveRanking, PairTest
from geoaudit.scoring import tiers
from geoaudit.scoring.adaptive_decisions import REFERENCES, TIE, Against, Bools, Decisions, Order, Pair, Scores
from geoaudit.scoring.contenders import ENOUGH, Contender
from geoaudit.scoring.statistics import Array
from geoaudit.words import counted


class Sequential:
    """Evidence that stays valid whenever one stops, from the same images that the audit stopped by.

    Args:
        contenders: all of them, with the images in the order of the audit, and sorted by id.
    """

    def __init__(self, contenders: Sequence[Contender]) -> None:
        methods = [c for c in contenders if c.kind == "method" and c.status == "ok"]
        self._contenders = contenders
        self._scores = scores_of(methods, contenders)
        self._decisions = Decisions([m.id for m in methods])
        self._decisions.add(self._scores)
        self._on = np.ones(len(methods), dtype=np.bool_)
        pairs = self._decisions.pairs(self._on, self._scores)
        self._pairs: Mapping[tuple[str, str], Pair] = {(pair.first, pair.second): pair for pair in pairs}

    def against(self, methods: Sequence[Contender], control: Contender | None) -> Mapping[str, tiers.Against]:
        """As `tiers.against`, by evidence that stays valid."""
        if control is None or control.status == "error":
            return {}
        found = dict(
            zip(self._decisions.methods, self._decisions.against(control.id, self._on, self._scores), strict=True)
        )
        return {method.id: self._told(method, control, found[method.id]) for method in methods}

    @staticmethod
    def _told(method: Contender, control: Contender, found: Against) -> tiers.Against:
        n = int((~np.isnan(method.srg - control.srg)).sum())
        test = tiers.pair_test(method, control, n, found.above)
        if found.above is None:
            return tiers.Against("not tested", test, None)
        open_: tiers.Outcome = "too few images" if n < ENOUGH else "undecided"
        return tiers.Against(found.outcome or open_, test, found.below)

    def apart(self, methods: Sequence[Contender], parts: Array) -> Bools:
        """Those of which the better placed one is shown to be preferred."""
        told = np.zeros((len(methods), len(methods)), dtype=np.bool_)
        for i, better in enumerate(methods):
            for j, worse in enumerate(methods[i + 1 :], i + 1):
                told[i, j] = told[j, i] = self._preferred(better.id, worse.id)
        return told

    def _preferred(self, better: str, worse: str) -> bool:
        if (better, worse) in self._pairs:
            return self._pairs[better, worse].outcome == "first"
        return (worse, better) in self._pairs and self._pairs[worse, better].outcome == "second"

    def pairwise(self, methods: Sequence[Contender]) -> Sequence[PairTest]:
        """Effect sizes without p: a test of a number of images that was fixed beforehand does not apply."""
        pairs = [(a, b) for i, a in enumerate(methods) for b in methods[i + 1 :]]
        return [tiers.pair_test(a, b, int((~np.isnan(a.srg - b.srg)).sum()), None) for a, b in pairs]

    def tied(self, srg: Array) -> str:
        """Whether not a single comparison of two methods has an order."""
        if len(self._decisions.methods) < 2 or any(p.outcome in ("first", "second") for p in self._pairs.values()):
            return ""
        return "no two of them have a settled order"

    def friedman(self, scores: Array) -> tuple[float | None, float | None, int]:
        """The number of images; the test itself needs one that was fixed beforehand."""
        return None, None, int((~np.isnan(scores).any(axis=1)).sum())

    def told(self) -> AdaptiveRanking | None:
        """How many images each contender was read on, and what is settled."""
        n = len(self._scores.srg)
        rows = [
            AdaptiveMethod(method=c.id, images=int(c.read_on.sum()))
            for c in self._contenders if c.status == "ok" and not c.id.startswith(_INVERTED)
        ]  # fmt: skip
        return AdaptiveRanking(
            reason=_sentence(rows, n),
            tie=TIE,
            methods=rows,
            pairs=[
                AdaptivePair(
                    a=pair.first, b=pair.second, n=pair.n, preference=pair.preference, p_holm=pair.p,
                    outcome=_WORDS[pair.outcome],
                )
                for pair in self._pairs.values()
            ],
        )  # fmt: skip


_INVERTED = "inverted:"
"""How the ids of controls begin that are read with their methods, at no cost."""
NOT_PURSUED = (
    f"What matters less was not pursued: a gain in SRG below {tiers.MATTERS} over a control, and a preference for one "
    f"of two methods on fewer than {50 + 50 * TIE:.0f} % of the images. The order holds whenever the tests stopped; a "
    "mean's 95 % interval is that of a number of images fixed beforehand, and held the mean in 93 to 95 % of simulated "
    "runs that stopped early."
)
"""What an adaptive audit leaves open, and what its intervals are worth (simulated by tests/benchmarks/adaptive.py)."""
_WORDS: Mapping[Order | None, Literal["a", "b", "tie", "open"]] = {
    "first": "a", "second": "b", "tie": "tie", None: "open",
}  # fmt: skip


def scores_of(methods: Sequence[Contender], contenders: Sequence[Contender]) -> Scores:
    """What decisions are made from; the references are those of `contenders` that were scored."""
    n = len(contenders[0].srg) if contenders else 0
    controls = {c.id: c for c in contenders if c.kind == "control" and c.status == "ok" and c.id in REFERENCES}
    return Scores(
        ncc=_stacked([m.earned for m in methods], n),
        srg=_stacked([m.srg for m in methods], n),
        references={name: control.srg for name, control in controls.items()},
        read=_stacked([m.read_on for m in methods], n).astype(np.bool_),
        references_read={name: control.read_on for name, control in controls.items()},
    )


def _stacked(columns: Sequence[npt.NDArray[Any]], n: int) -> npt.NDArray[Any]:
    return np.stack(columns, axis=1) if columns else np.empty((n, 0))


def _images(contender: Contender) -> int:
    return int(contender.read_on.sum())


def _sentence(rows: Sequence[AdaptiveMethod], n: int) -> str:
    """How many images were read, and why not all of them."""
    early = [row.images for row in rows if row.images < n]
    if not early:
        return f"Adaptive: nothing was settled before the last of {counted(n, 'image')}, so all were read."
    low, high = min(early), max(early)
    span = f"{low}" if low == high else f"{low} to {high}"
    rest = "; the others were read on all" if len(early) < len(rows) else ""
    return (
        f"Adaptive: masked images of {len(early)} of {len(rows)} methods and controls were evaluated on the first "
        f"{span} of {n} images in random order, until everything that their places hang on was settled{rest}."
    )
