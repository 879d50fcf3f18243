"""What does `--adaptive` save, and do its claims hold?  Simulated scores whose truth is known, and real digits.

    python tests/benchmarks/adaptive.py [--full] [--json FILE]

Simulated: 8 methods, 2 references and 4 other controls on 50, 200 and 1000 images.  Mean SRG of the methods is spread
like that of real ones (.05 to .35 above the random control) or all equal; the differences of two methods scatter by
.15 between images, normally or skewed.  Every setting is audited with the very stopping policy and ranking of the
audit.  Printed are

- saved: share of the masked forwards that were not spent, and of those on methods alone;
- wrong claim: how often any method is said to be preferred to one that is as good or better in truth, and how often
  any is said to be above the random control though it is not (at most 5 %, each);
- held: how often the interval of a mean holds the truth, over the contenders that stopped early; and how often that of
  all images would have, for the same contenders;
- first in common: how often the first position is shared with the audit of all images; positions that are told apart.

Real: a small network on scikit-learn's digits, audited with and without; the share of forwards that was saved.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from geoaudit.audit.tally import Row, Tally
from geoaudit.scoring.adaptive_stopping import Settling
from geoaudit.scoring.contenders import Contender
from geoaudit.scoring.ranking import rank
from geoaudit.scoring.statistics import bootstrap_mean

Array = npt.NDArray[np.float64]

GROUP = 8
SPREAD = 0.15
DIFFICULTY = 0.2
METHODS = tuple(f"m{i}" for i in range(8))
CONTROLS = ("random", "edges", "center", "smooth-random", "uniform-complete", "input-difference")
REAL = np.array([0.35, 0.32, 0.25, 0.24, 0.19, 0.18, 0.12, 0.05])
"""Mean SRG above the random control's."""
FIELDS = {"real": REAL, "equal": np.full(8, 0.2), "no better than random": np.zeros(8)}


class _Stub:
    """As much of a method as the policy reads."""

    flags: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, name: str) -> None:
        self.id = name
        self.kind = "control" if name in CONTROLS else "method"


@dataclass(frozen=True)
class Field:
    """Scores of all contenders on n images, shape (n,) each by id, and the true means."""

    srg: dict[str, Array]
    ncc: dict[str, Array]
    truth: dict[str, float]


def field(rng: np.random.Generator, gains: Array, n: int, skewed: bool) -> Field:
    """Methods whose SRG is above the random control's by `gains`; NCC violation falls with them, loosely."""

    def noise(k: int) -> Array:
        own = (rng.gamma(1.5, 1.0, (n, k)) - 1.5) / np.sqrt(1.5) if skewed else rng.normal(0.0, 1.0, (n, k))
        return np.asarray(SPREAD / np.sqrt(2.0) * own, dtype=np.float64)

    shared = rng.normal(0.0, DIFFICULTY, (n, 1))
    above = np.concatenate([gains, [0.0, 0.1, 0.25, 0.0, 0.1, 0.1]])
    srg = shared * (above > 0) + above + noise(len(above))
    if not gains.any():  # methods that are as random as the control share its distribution
        srg[:, :8] = noise(8)
    ncc = 0.9 - 0.3 * gains + noise(len(gains)) / 2
    names = (*METHODS, *CONTROLS)
    return Field(
        {name: srg[:, i] for i, name in enumerate(names)}, {name: ncc[:, i] for i, name in enumerate(METHODS)},
        {name: float(above[i]) for i, name in enumerate(names)},
    )  # fmt: skip


def stops(scores: Field, n: int) -> dict[str, int]:
    """Images after which each contender stops, by the audit's policy; n where it does not."""
    tallies = {name: Tally(_Stub(name)) for name in scores.srg}  # type: ignore[arg-type]
    policy = Settling(tallies, METHODS)
    for start in range(0, n, GROUP):
        for name, tally in tallies.items():
            on = policy.spends(name, start)
            for i in range(start, min(n, start + GROUP)):
                found = {"srg": float(scores.srg[name][i]) if on else np.nan}
                if name in scores.ncc:
                    found["ncc-violation"] = float(scores.ncc[name][i])
                tally.rows.append(Row(str(i), 1.0, found, {}, None))
        policy.look(tallies)
    return {name: policy.stops.get(name, n) for name in scores.srg}


def contenders(scores: Field, n: int, stopped: dict[str, int] | None) -> list[Contender]:
    """What is ranked."""
    found = []
    for name, srg in scores.srg.items():
        read = np.arange(n) < (n if stopped is None else stopped[name])
        found.append(
            Contender(
                name, "method" if name in METHODS else "control", frozenset(), "ok", None,
                scores.ncc.get(name, np.full(n, np.nan)), np.where(read, srg, np.nan), np.empty((n, 0)),
                read=None if stopped is None else read,
            )
        )  # fmt: skip
    return found


def simulate(name: str, n: int, simulations: int, *, skewed: bool = False, seed: int = 0) -> dict[str, float]:
    """The figures of one setting."""
    rng = np.random.default_rng([seed, n, *name.encode()])
    rows = []
    for _ in range(simulations):
        scores = field(rng, FIELDS[name], n, skewed)
        stopped = stops(scores, n)
        made = rank(contenders(scores, n, stopped), [], 0, adaptive=True)
        full = rank(contenders(scores, n, None), [], 0)
        held = {c: _holds(scores.srg[c][: stopped[c]], scores.truth[c]) for c in scores.srg}
        early = [c for c in scores.srg if stopped[c] < n]
        rows.append(
            {
                "saved": 1 - np.mean([stopped[c] for c in scores.srg]) / n,
                "saved on methods": 1 - np.mean([stopped[c] for c in METHODS]) / n,
                "wrong claim": _wrong(made, scores),
                "above random": any(_above(made, m) and scores.truth[m] <= 0 for m in METHODS),
                "held": np.mean([held[c] for c in early]) if early else np.nan,
                "held by all images": (
                    np.mean([_holds(scores.srg[c], scores.truth[c]) for c in early]) if early else np.nan
                ),
                "first in common": bool(_first(made) & _first(full)),
                "positions": len({e.position for e in made.entries}),
                "of all images": len({e.position for e in full.entries}),
            }
        )  # fmt: skip
    return {key: float(np.nanmean([row[key] for row in rows])) if rows else np.nan for key in rows[0]}


def _holds(values: Array, truth: float) -> bool:
    found = bootstrap_mean(values, 0)
    assert found.low is not None and found.high is not None
    return found.low <= truth <= found.high


def _wrong(made: Any, scores: Field) -> bool:
    """Whether any method is said to be preferred to one that is as good or better in truth."""
    claims = [(p.a, p.b) if p.outcome == "a" else (p.b, p.a) for p in made.adaptive.pairs if p.outcome in ("a", "b")]
    return any(scores.truth[better] <= scores.truth[worse] for better, worse in claims)


def _above(made: Any, method: str) -> bool:
    return any(t.a == method and t.b == "random" and (t.p_holm or 1) < 0.05 and (t.median_difference or 0) > 0
               for t in made.tests.pairwise)  # fmt: skip


def _first(made: Any) -> set[str]:
    return {e.method for e in made.entries if e.position == made.entries[0].position}


def table(settings: Sequence[tuple[str, int, bool]], simulations: int) -> list[dict[str, Any]]:
    """Every setting's figures, printed as they come."""
    found = []
    for name, n, skewed in settings:
        figures = simulate(name, n, simulations, skewed=skewed)
        row = {"field": name, "images": n, "skewed": skewed, "simulations": simulations, **figures}
        print("  ".join(f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()), flush=True)
        found.append(row)
    return found


def real(count: int) -> dict[str, float]:
    """The digits audited with and without: forwards, and the share that was saved; `count` pictures."""
    import tempfile

    from adaptive_digits import write_model, write_pictures

    from geoaudit.api import Cost
    from geoaudit.audit.execute import run_audit
    from geoaudit.audit.maps import MapWriter
    from geoaudit.audit.observer import Silent
    from geoaudit.audit.settings import Settings

    class Meter(Silent):
        def meter(self, read: Callable[[], Cost]) -> None:
            self.read = read

    forwards, first = [], []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        model, pictures = write_model(folder / "digits.onnx"), write_pictures(folder / "pictures", count)
        for adaptive in (True, False):
            settings = Settings(
                model=model, images=pictures, budget="quick", adaptive=adaptive, device="cpu", checks=(),
                metrics=("srg",), methods=("gradient", "gradient-x-input", "integrated-gradients", "idgi"),
            )  # fmt: skip
            tell = Meter()
            with MapWriter(folder / str(adaptive)) as maps:
                made = run_audit(settings, maps, tell)
            forwards.append(tell.read().forwards)
            first.append(_first(made.ranking))
    return {
        "images": count, "forwards, adaptive": forwards[0], "forwards, all": forwards[1],
        "saved": 1 - forwards[0] / forwards[1], "first in common": float(bool(first[0] & first[1])),
    }  # fmt: skip


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=6)
    parser.add_argument("--full", action="store_true", help="200 simulations and skewed scores; about half an hour")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    shapes = (False, True) if options.full else (False,)
    settings = [(name, n, skewed) for skewed in shapes for name in FIELDS for n in (50, 200, 1000)]
    digits = real(600 if options.full else 120)
    print("digits:", "  ".join(f"{name} {value:g}" for name, value in digits.items()), flush=True)
    found = [{"field": "digits", **digits}, *table(settings, 200 if options.full else options.simulations)]
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
