"""Do the statistics keep their promises?  Simulated scores whose truth is known.

    python tests/benchmarks/statistics_power.py [--simulations N] [--json FILE]

Printed, for 8, 20 and 50 images:

- how often the 95 % interval of a mean holds the true mean, for scores that are normal, skewed, bounded, and bounded
  with many at the bounds; and how often it leaves the bounds (never);
- how often equal methods all share the first position, and how often a planted best method stands alone on it, for 3
  and 8 methods; by how much it is better in SRG, where the difference of two methods scatters by .15 between images;
- how often any of some random maps is said to be more faithful than the random control, and how often a method that is
  more faithful is found, left open, or rejected for want of evidence;
- how often Krippendorff's alpha of methods that differ by chance alone is called more than chance, and how often its
  interval holds the true alpha.

Takes about five minutes on one processor core.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from geoaudit.scoring.contenders import Contender
from geoaudit.scoring.entries import positions
from geoaudit.scoring.reliability import krippendorff, reliability
from geoaudit.scoring.separation import apart
from geoaudit.scoring.standings import standings
from geoaudit.scoring.statistics import bootstrap_mean
from geoaudit.scoring.tiers import against

Array = npt.NDArray[np.float64]
Rng = np.random.Generator

IMAGES = (8, 20, 50)
SPREAD = 0.15  # standard deviation of the SRG difference of two methods, as measured on photographs
DIFFICULTY = 0.2  # of the images, shared by all methods


def _piled(rng: Rng, n: int) -> Array:
    """30 % at 0, 10 % at 1, the rest in between."""
    place = rng.random(n)
    return np.where(place < 0.3, 0.0, np.where(place > 0.9, 1.0, rng.beta(2, 2, n)))


def _half_full(rng: Rng, n: int) -> Array:
    """Half at 1, the rest below."""
    return np.where(rng.random(n) < 0.5, 1.0, rng.beta(2, 2, n))


SCORES: dict[str, tuple[Callable[[Rng, int], Array], float, tuple[float, float]]] = {
    "normal": (lambda rng, n: rng.normal(0.2, 0.15, n), 0.2, (-np.inf, np.inf)),
    "gamma(2)": (lambda rng, n: rng.gamma(2.0, 0.5, n), 1.0, (0.0, np.inf)),
    "gamma(4)": (lambda rng, n: rng.gamma(4.0, 0.25, n), 1.0, (0.0, np.inf)),
    "exponential": (lambda rng, n: rng.exponential(1.0, n), 1.0, (0.0, np.inf)),
    "beta(2, 5)": (lambda rng, n: rng.beta(2, 5, n), 2 / 7, (0.0, 1.0)),
    "beta(8, 1)": (lambda rng, n: rng.beta(8, 1, n), 8 / 9, (0.0, 1.0)),
    "beta(.5, .5)": (lambda rng, n: rng.beta(0.5, 0.5, n), 0.5, (0.0, 1.0)),
    "30 % at 0, 10 % at 1": (_piled, 0.4, (0.0, 1.0)),
    "50 % at 1": (_half_full, 0.75, (0.0, 1.0)),
}
"""Per-image scores by name: how they are drawn, their mean and their bounds."""


def coverage(name: str, n: int, simulations: int, seed: int = 0) -> dict[str, float]:
    """How often the interval of a mean holds the truth, lies above or below it, and leaves the score's bounds."""
    draw, truth, (lowest, highest) = SCORES[name]
    rng = np.random.default_rng([seed, n, *name.encode()])
    ends = []
    for _ in range(simulations):
        found = bootstrap_mean(draw(rng, n), seed)
        assert found.low is not None and found.high is not None
        ends.append((found.low, found.high))
    low, high = np.array(ends).T
    return {
        "holds": float(((low <= truth) & (truth <= high)).mean()),
        "above": float((low > truth).mean()),
        "below": float((high < truth).mean()),
        "outside": float(((low < lowest) | (high > highest)).mean()),
    }


def field(rng: Rng, k: int, n: int, gain: float = 0.0, skewed: bool = False) -> Array:
    """SRG of k methods on n images, the first better by `gain` in the mean, the others equal; shape (n, k)."""
    own = rng.gamma(1.5, 1.0, (n, k)) / np.sqrt(1.5) if skewed else rng.normal(0.0, 1.0, (n, k))
    scores = rng.normal(0.3, DIFFICULTY, (n, 1)) + SPREAD / np.sqrt(2.0) * own
    scores[:, 0] += gain
    return np.asarray(scores, dtype=np.float64)


def places(k: int, n: int, gain: float, skewed: bool, rng: Rng) -> tuple[list[str], bool]:
    """The positions of the methods, best first, and whether the first is the planted one."""
    srg = field(rng, k, n, gain, skewed)
    ncc = -field(rng, k, n, gain, skewed)
    table = standings(ncc, srg, 0)
    order = np.argsort(table.combined, kind="stable")
    return positions(apart(table.parts[:, order], 0), 0), bool(order[0] == 0)


def first_places(
    k: int, n: int, gain: float, simulations: int, skewed: bool = False, seed: int = 0
) -> dict[str, float]:
    """How often all share position 1=, and how often the planted method stands alone on position 1."""
    rng = np.random.default_rng([seed, k, n, int(1000 * gain)])
    found = [places(k, n, gain, skewed, rng) for _ in range(simulations)]
    return {
        "all share": float(np.mean([set(p) == {"1="} for p, _ in found])),
        "alone": float(np.mean([first and p[0] == "1" for p, first in found])),
        "wrong alone": float(np.mean([not first and p[0] == "1" for p, first in found])),
    }


def _contender(name: str, srg: Array) -> Contender:
    empty = np.full(len(srg), np.nan)
    return Contender(name, "method", frozenset(), "ok", None, empty, srg, np.empty((len(srg), 0)))


def evidence(k: int, n: int, gain: float, simulations: int, seed: int = 0) -> dict[str, float]:
    """What is said of k methods that are better than the random control by `gain`.

    Returns:
        "any above": how often at least one is said to be above it; and the share of the methods that are above, that
        are left open for want of images or evidence, and that would be rejected.
    """
    rng = np.random.default_rng([seed, k, n, int(1000 * gain)])
    outcomes = []
    for _ in range(simulations):
        scores = field(rng, k + 1, n)
        methods = [_contender(f"m{i}", scores[:, i] + gain) for i in range(k)]
        found = against(methods, _contender("random", scores[:, k]))
        outcomes.append([found[m.id].outcome for m in methods])
    told = np.array(outcomes)
    return {
        "any above": float((told == "above").any(axis=1).mean()),
        "above": float((told == "above").mean()),
        "left open": float(np.isin(told, ["too few images", "undecided"]).mean()),
        "rejected": float(np.isin(told, ["not above", "below"]).mean()),
    }


def agreement(k: int, n: int, step: float, simulations: int, seed: int = 0) -> dict[str, float]:
    """Alpha of methods that differ by `step` each: its mean, how often it is above chance, holds the truth."""
    rng = np.random.default_rng([seed, k, n, int(1000 * step)])
    levels = step * np.arange(k)
    many = krippendorff(stats.rankdata(field(rng, k, 4000) + levels, axis=1))
    assert many is not None
    found = [reliability(field(rng, k, n) + levels, 0) for _ in range(simulations)]
    ends = np.array([(f.low, f.high, f.estimate) for f in found], dtype=np.float64)
    return {
        "true alpha": many,
        "mean": float(ends[:, 2].mean()),
        "above chance": float((ends[:, 0] > 0).mean()),
        "holds": float(((ends[:, 0] <= many) & (many <= ends[:, 1])).mean()),
    }


def studies(simulations: int) -> Iterator[tuple[str, dict[str, Any], dict[str, float]]]:
    """Every study's name, setting and figures."""
    for name in SCORES:
        for n in IMAGES:
            yield "interval of a mean", {"scores": name, "images": n}, coverage(name, n, simulations)
    for skewed in (False, True):
        for k in (3, 8):
            for n in IMAGES:
                for gain in (0.0, 0.05, 0.1, 0.15, 0.2) if not skewed else (0.0,):
                    setting = {"methods": k, "images": n, "gain": gain, "skewed": skewed}
                    yield "first place", setting, first_places(k, n, gain, simulations, skewed)
    for k in (1, 3, 8):
        for n in IMAGES:
            for gain in (0.0, 0.05, 0.1, 0.15, 0.2):
                setting = {"methods": k, "images": n, "gain": gain}
                yield "above the random control", setting, evidence(k, n, gain, simulations // 2)
    for k in (3, 8):
        for n in IMAGES:
            for step in (0.0, 0.05, 0.1):
                setting = {"methods": k, "images": n, "step": step}
                yield "Krippendorff's alpha", setting, agreement(k, n, step, simulations // 2)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found, last = [], ""
    for study, setting, figures in studies(options.simulations):
        if study != last:
            print(f"\n{study}\n  " + "  ".join(f"{name:>12}" for name in (*setting, *figures)))
            last = study
        numbers = (f"{value:12.3f}" for value in figures.values())
        print("  " + "  ".join((*(f"{value!s:>12}" for value in setting.values()), *numbers)), flush=True)
        found.append({"study": study, **setting, **figures})
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
