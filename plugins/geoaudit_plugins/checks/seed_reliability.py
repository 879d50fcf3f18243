"""Seed reliability: how much of a stochastic method's map, and of its scores, is the seed's doing.

For methods that draw random numbers the run makes the maps of its first images again under other seeds and scores
them (the report's `methods[].seeds`); this check judges what is there, at no cost of its own:

- the map: Spearman's correlation of |A| between two seeds, the median over pairs of seeds and then over images.
  Where a map is what the model says plus noise of equal size under each seed, the correlation of two repeats is the
  share of the (ranked) variance that is not noise: classical test theory calls it reliability.  Below `unreliable`
  (0.5) more of the map is the seed's than the image's: FAIL.  Below `reliable` (0.75) WARN, else PASS.  The two
  limits are the usual ones for reliability coefficients: poor below 0.5, good from 0.75 on (Koo and Li 2016).
- the scores: the variance over seeds within an image, as a share of the variance over images under one seed, which
  contains it.  Where that share exceeds `seed_share` (0.5), images are told apart by chance more than by themselves:
  WARN.  Judged are the two scores that the ranking orders by, ncc-violation and srg, as soon as three images have
  them; all others are listed in the details.

A method without the flag "stochastic" is taken at its word under the quick budget (SKIP).  Otherwise (`verify`) its
map of the first image is made under two seeds, with a coarser quadrature than the run's: they must agree to
`tolerance` of the map's size (1e-3: what rounding explains), else FAIL, for a method that hides its randomness makes
every number without a seed's interval look better than it is.  Maps that are 0 under both seeds or not finite tell
neither: INCONCLUSIVE.  Parameters of the method are left as they are.

What it cannot show: whether a reliable map is right.  A method may give the same wrong map under every seed, and a
map of the image alone is as reliable as can be.  With the few seeds of a quick audit the spread is a rough estimate.

Cost: none for stochastic methods; two maps of one image for the others where `verify` is set.

Source: Koo and Li, A Guideline of Selecting and Reporting Intraclass Correlation Coefficients for Reliability
Research, J. Chiropractic Medicine 2016, doi 10.1016/j.jcm.2016.02.012; Tomsett et al., Sanity Checks for Saliency
Metrics, AAAI 2020, arXiv 1912.01451, on the reliability of scores.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from geoaudit.api import Check, Cost, Finding, Method, Parameters, Probe, Problems, Quadrature, Status, Subject
from geoaudit_plugins.sanity import maps as sanity

JUDGED = ("ncc-violation", "srg")
"""The scores that the ranking orders by."""
ENOUGH = 3
"""Images from which on a variance over images is compared with."""


class SeedReliabilityParameters(Parameters):
    """What is held to be reliable."""

    reliable: float = Field(0.75, gt=0, le=1, description="least similarity between seeds for PASS (Koo and Li: good)")
    unreliable: float = Field(0.5, gt=0, le=1, description="similarity between seeds below which it is FAIL (poor)")
    seed_share: float = Field(0.5, gt=0, description="largest share of a score's variance that may be the seed's")
    verify: bool = Field(True, description="make one map of methods that declare no randomness under two seeds")
    tolerance: float = Field(1e-3, gt=0, description="largest ||A' - A|| / ||A|| that rounding explains")
    nodes: int = Field(16, ge=2, description="first nodes of the integrator for the maps that are made to verify")

    @model_validator(mode="after")
    def _ordered(self) -> SeedReliabilityParameters:
        if self.unreliable > self.reliable:
            raise ValueError("unreliable must not exceed reliable")
        return self


class SeedReliability(Check):
    """A stochastic method says the same under every seed."""

    id: ClassVar[str] = "seed-reliability"
    title: ClassVar[str] = "Seed reliability"
    reference: ClassVar[str] = "Tomsett et al., AAAI 2020, arXiv 1912.01451; Koo and Li 2016"
    examines: ClassVar[Literal["model", "method"]] = "method"
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"quick": {"verify": False}}
    Parameters: ClassVar[type[Parameters]] = SeedReliabilityParameters
    parameters: SeedReliabilityParameters

    def examine(self, subject: Subject, problems: Problems, probe: Probe) -> list[Finding]:
        """One finding a method."""
        method = subject.method
        assert method is not None  # it examines methods
        if _stochastic(method):
            return [self._judge(method.id, subject)]
        if not self.parameters.verify:
            reason = "The method declares no randomness and was not asked twice, so nothing was measured."
            return [Finding(self.id, method.id, Status.SKIP, reason)]
        return [self._verified(method, sanity.first(problems, 1), probe)]

    def _judge(self, method: str, subject: Subject) -> Finding:
        """A stochastic method's repeats."""
        p, seeds = self.parameters, subject.seeds
        if seeds is None or seeds["map_similarity"] is None:
            why = (seeds or {}).get("reason") or "it was not repeated under another seed"
            reason = f"There is nothing to compare: {why.strip().rstrip('.')}."
            return Finding(self.id, method, Status.INCONCLUSIVE, reason, threshold=p.reliable)
        similarity, spread = float(seeds["map_similarity"]), _shares(seeds)
        scored = {m for m in JUDGED if sum(v is not None for v in subject.scores.get(m, ())) >= ENOUGH}
        loose = [m for m in sorted(scored) if (spread.get(m) or 0.0) > p.seed_share]
        status = Status.FAIL if similarity < p.unreliable else Status.PASS
        if status is Status.PASS and (similarity < p.reliable or loose):
            status = Status.WARN
        count, images = len(seeds["seeds"]), seeds["images"]
        over = f"between {count} seeds on {_count(images)}"
        reason = f"Maps agree to {similarity:.2f} (rank correlation) {over}."
        if similarity < p.unreliable:
            reason = f"More of the map is the seed's than the image's: rank correlation {similarity:.2f} {over}."
        if loose:
            reason += f" More than {100 * p.seed_share:.0f} % of the variance of {' and '.join(loose)} is the seed's."
        if why := (seeds["reason"] or "").strip().rstrip("."):
            reason += f" Left out: {why}."
        details = {"images": images, "seed_share": spread, "seeds": list(seeds["seeds"])}
        return Finding(self.id, method, status, reason, similarity, threshold=p.reliable, details=details)

    def _verified(self, method: Method, problems: Problems, probe: Probe) -> Finding:
        """Whether a method that declares no randomness has none."""
        p = self.parameters
        first = sanity.original(method, problems, probe, p.nodes).values[0].astype(np.float64)
        other = probe.reseeded(int(probe.rng(self.id, method.id).integers(2**31)))
        second = sanity.maps(method, problems, other, p.nodes).values[0].astype(np.float64)
        with np.errstate(invalid="ignore"):  # infinities less infinities: told below
            size, miss = float(np.sqrt((first**2).sum())), float(np.sqrt(((second - first) ** 2).sum()))
        if not math.isfinite(miss) or size == miss == 0:
            what = "0 everywhere under two seeds" if size == 0 else "not finite under one of two seeds"
            reason = f"The map of {problems.ids[0]} is {what}, so that nothing can be told of randomness."
            silent = {"difference": None, "image": problems.ids[0]}
            return Finding(self.id, method.id, Status.INCONCLUSIVE, reason, threshold=p.tolerance, details=silent)
        share = miss / size if size > 0 else None
        details = {"difference": share, "image": problems.ids[0]}
        if share is not None and share <= p.tolerance:
            same = "the same map" if share == 0 else f"maps that differ by {share:.0e} of their size"
            reason = f"No randomness is declared, and none was found: two seeds give {same} of {problems.ids[0]}."
            return Finding(self.id, method.id, Status.PASS, reason, share, threshold=p.tolerance, details=details)
        by = "" if share is None else f", apart by {100 * share:.2g} % of their size"
        reason = f"No randomness is declared, yet two seeds give two maps of {problems.ids[0]}{by}."
        return Finding(self.id, method.id, Status.FAIL, reason, share, threshold=p.tolerance, details=details)

    def cost(self, method: Method | None, quadrature: Quadrature, images: int, calibration: int) -> Cost:
        """Two maps of one image, for methods that declare no randomness; what they prepare is prepared again."""
        if method is None or _stochastic(method) or not self.parameters.verify:
            return Cost()
        limits = sanity.coarse(quadrature, self.parameters.nodes)
        return method.cost(limits) * 2 + method.preparation(limits, calibration)

    def scope(self, images: int) -> str:
        """What is compared."""
        return "the repeats of stochastic methods" + (", others twice on 1 image" if self.parameters.verify else "")


def _stochastic(method: Method) -> bool:
    return "stochastic" in method.flags


def _shares(seeds: Mapping[str, Any]) -> dict[str, float | None]:
    """For each metric the seed's share of the variance over images; None where there is no spread to compare."""
    found: dict[str, float | None] = {}
    for row in sorted(seeds["spread"], key=lambda row: str(row["metric"])):
        known = row["seed_sd"] is not None and bool(row["image_sd"])
        found[row["metric"]] = float((row["seed_sd"] / row["image_sd"]) ** 2) if known else None
    return found


def _count(images: int) -> str:
    return "1 image" if images == 1 else f"{images} images"
