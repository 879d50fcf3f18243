"""XRAI: a map gathered into regions of the picture.

What it does.  A pixel's attribution is noisy and a person looks at things: XRAI takes a base map, cuts the picture
into segments at several scales, and grows the explained area segment by segment, the densest first:

    gain(m) = mean of the base map over the pixels of segment m that are not covered yet

The segment with the highest gain is added, its new pixels get its gain, and so on; a segment that would add fewer
than 50 pixels is dropped.  Pixels that no segment covered in the end get their own mean.

Segments.  Felzenszwalb's graph-based segmentation (scikit-image) of the picture, its channels mapped to [-1, 1], at
scales 50, 100, 150, 250, 500 and 1200 with sigma 0.8 and at least 150 pixels a segment, each segment grown by 5
pixels, so that outlines belong to the things they outline.  These numbers are the published code's, for a picture of
224 x 224 pixels.  It stretches the range that each picture happens to have to [-1, 1] and squeezes all pictures into
that square; here black is always -1 and white 1, and proportions are kept.  A larger picture is cut on a copy reduced
to that area, and the segments are enlarged again.  A smaller one is cut as it is, with the numbers of pixels in
proportion to its area, widths to its side, and scales to its side too: enlarging a picture makes it softer by as much
as its side grows while its segments grow with the area, so segments stay the same where the scale, which is set
against their product, grows with the side.

From regions back to a map.  A pixel's value is spread evenly over its channels.  Replacing the disjoint parts by
their means changes no sum: XRAI over a complete map is complete, and adds up to exactly what its base adds up to.
The published code takes the largest channel of the base map at each pixel before it starts, which is not; here it is
the channels' sum.

Base map.  Integrated gradients from the run's baseline by default (`baselines` "run"): it shares the straight line
that other methods have paid for, costs no gradient of its own, and answers the question that the other methods
answer.  A black baseline sees nothing in black things, so the published method averages two lines, from the smallest
and the largest value of the picture: "black-white" is this average, from black and from white pictures, of which a
run with a black or a white baseline has paid for one; its claim is f(x) - (f(black) + f(white)) / 2.  Any method that
builds on no other can be the base; its flags are then XRAI's.  Not its NCC: see next.

What the record says.  The walk is the base method's, with the errors and extents measured on it; the sums are this
map's.  Averaging over a region lets what cancels within it disappear, so S = sum|A| falls: the same map, looked at
in coarser grains, not a walk with less cancellation.  The value at half the nodes is not known either, for the base
keeps no such map, and so the NCC of regions over a walk is never judged (magnitude_half and sum_half are nan).  Over
a base without walks there is no record, and their NCC is that of coarser grains than the base's.

Greedy steps.  Each segment's sum and count over uncovered pixels are kept and lowered as pixels are covered, once for
every pixel and segment, instead of being added up anew for every segment in every step.

What it cannot show.  Nothing smaller than a segment, and no outline but the picture's own: half of what makes the
map convincing comes from the segmentation, which has never seen the model.  Which of two overlapping segments gets
their common pixels depends on which is denser.

Source: Kapishnikov, Bolukbasi, Viegas, Terry, XRAI: Better Attributions Through Regions, ICCV 2019, arXiv
1906.02825, algorithm 1; parameters of the authors' released code.  Segmentation: Felzenszwalb, Huttenlocher,
Efficient Graph-Based Image Segmentation, IJCV 2004.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from geoaudit.api import (
    Attributions,
    Cost,
    Flag,
    Floats,
    Method,
    Parameters,
    Probe,
    Problems,
    Quadrature,
    WalkRecord,
)
from geoaudit.api.problems import smallest_difference
from geoaudit.errors import PluginError
from geoaudit.threads import each
from geoaudit_plugins.methods.integrated_gradients import IntegratedGradients
from geoaudit_plugins.methods.regions import Pixels, gathered, segments, smallest_addition

KEPT = 8
"""Pictures whose segments are kept."""
_EXTENTS = ("total_variation", "length", "absolute_integral", "conformal_length")
_MISSES = ("quadrature_error", "method_error", "absolute_misses")
NOTE = (
    "Its map is level within each region, where nothing can cancel any more: its NCC would be that of coarser grains "
    "than the other methods', and is not judged."
)


class XraiParameters(Parameters):
    """What is gathered into regions."""

    base: str = Field("integrated-gradients", description="method whose map is gathered into regions (paper)")
    baselines: Literal["run", "black-white"] = Field(
        "run", description="where the base map starts: the run's baseline, or the mean of black and white (paper)"
    )


class Xrai(Method):
    """A base map's means over segments of the picture, the densest segments first."""

    id: ClassVar[str] = "xrai"
    title: ClassVar[str] = "XRAI"
    family: ClassVar[str] = "region"
    reference: ClassVar[str] = "Kapishnikov et al., ICCV 2019, arXiv 1906.02825"
    base_parameter: ClassVar[str | None] = "base"
    Parameters: ClassVar[type[Parameters]] = XraiParameters
    parameters: XraiParameters
    base: Method

    def __init__(self, parameters: XraiParameters | None = None, base: Method | None = None) -> None:
        super().__init__(parameters, base or IntegratedGradients())
        if self.base.id != self.parameters.base:
            raise PluginError(
                self.id, f"was given {self.base.id} to build on where its parameters name {self.parameters.base}",
                "Make it through geoaudit.registry.create.",
            )  # fmt: skip
        self._cut: dict[str, list[Pixels]] = {}
        self.shares_line = self.base.shares_line and self.parameters.baselines == "run"
        own: frozenset[Flag] = frozenset({"own-baseline"}) if self.parameters.baselines != "run" else frozenset()
        self.flags = self.base.flags | own  # type: ignore[misc]  # what its base claims, its regions claim

    def attribute(self, problems: Problems, probe: Probe) -> Attributions:
        """The base method's maps, gathered into regions."""
        made = self._base_maps(problems, probe)
        space = problems.space
        values = np.empty_like(problems.x)
        for i, cut in enumerate(self._segments(problems)):
            density = made.values[i].sum(axis=space.channel_axis, dtype=np.float64)
            level = gathered(density.ravel(), cut, smallest_addition(space.size))
            values[i] = np.expand_dims(level.reshape(space.size) / space.channels, space.channel_axis)
        records = tuple(_of_regions(r, v) for r, v in zip(made.records, values, strict=True))
        notes = (*made.notes, NOTE) if any(record is not None for record in records) else made.notes
        return Attributions(values, records, notes, made.claims)

    def _segments(self, problems: Problems) -> list[list[Pixels]]:
        """Each picture's segments.  The last `KEPT` are kept: checks ask about the same pictures again and again."""
        keys = [f"{problems.space!r} {blake2b(np.ascontiguousarray(x).data).hexdigest()}" for x in problems.x]
        missing = {key: x for key, x in zip(keys, problems.x, strict=True) if key not in self._cut}
        made = each(lambda x: segments(x, problems.space), missing.values(), problems.x[0].size)
        self._cut |= zip(missing, made, strict=True)
        found = [self._cut[key] for key in keys]
        for key in list(self._cut)[:-KEPT]:
            del self._cut[key]
        return found

    def _base_maps(self, problems: Problems, probe: Probe) -> Attributions:
        """The base method's maps, or the mean of two of them."""
        if self.parameters.baselines == "run":
            return self.base.attribute(problems, probe)
        black, white = (_from_colour(problems, probe, c) for c in (problems.space.low, problems.space.high))
        made = [
            self.base.attribute(posed, probe if posed is problems else probe.with_quadrature(probe.quadrature))
            for posed in (black, white)
        ]
        ends = [smallest_difference(posed.f_x, posed.f_baseline) for posed in (black, white)]
        records = [
            _mean(*walks) for walks in zip(made[0].records, made[1].records, 0.5 * (ends[0] + ends[1]), strict=True)
        ]
        notes = dict.fromkeys(note for maps in made for note in maps.notes)
        claims = [
            posed.delta_f if maps.claims is None else maps.claims
            for posed, maps in zip((black, white), made, strict=True)
        ]
        values = 0.5 * (made[0].values + made[1].values)
        return Attributions(values, tuple(records), tuple(notes), 0.5 * (claims[0] + claims[1]))

    def cost(self, quadrature: Quadrature) -> Cost:
        """The base method's, for each baseline."""
        times = 2 if self.parameters.baselines == "black-white" else 1
        return self.base.cost(quadrature) * times

    def preparation(self, quadrature: Quadrature, calibration: int) -> Cost:
        """The base method's."""
        return self.base.preparation(quadrature, calibration)

    def memory(self, quadrature: Quadrature) -> int:
        """What the base method holds, two maps of it, and one picture's segments."""
        return self.base.memory(quadrature) + 32


def _of_regions(record: WalkRecord | None, values: Floats) -> WalkRecord | None:
    """The base's record with this map's sums."""
    if record is None:
        return None
    total = float(values.sum(dtype=np.float64))
    share = 1.0 / abs(record.delta_f) if np.isfinite(record.completeness_error) else np.nan
    return replace(
        record,
        attribution_sum=total,
        magnitude=float(np.abs(values).sum(dtype=np.float64)),
        magnitude_half=np.nan,
        sum_half=np.nan,
        completeness_error=abs(total - record.delta_f) * share,
    )


def _from_colour(problems: Problems, probe: Probe, colour: Sequence[float]) -> Problems:
    """The problems from pictures of one colour; themselves where that is the run's baseline already."""
    start = np.broadcast_to(problems.space.per_channel(colour), problems.x.shape).astype(problems.x.dtype)
    if np.allclose(start, problems.baseline, rtol=1e-5, atol=1e-5):
        return problems
    return problems.starting_at(start, probe.outputs(start, problems.targets))


def _mean(first: WalkRecord | None, second: WalkRecord | None, smallest: float) -> WalkRecord | None:
    """The record of the mean of two maps.

    Extents and misses are averaged, error bars as squares; `smallest` is the smallest claim that can be divided by.
    """
    if first is None or second is None:
        return None
    claim, total = (0.5 * (getattr(first, f) + getattr(second, f)) for f in ("delta_f", "attribution_sum"))
    share = 1.0 / abs(claim) if abs(claim) >= smallest else np.nan
    means = {field: 0.5 * (getattr(first, field) + getattr(second, field)) for field in _EXTENTS}
    misses = {field: share * 0.5 * (_absolute(first, field) + _absolute(second, field)) for field in _MISSES}
    variation = means["total_variation"]
    return replace(
        first,
        **means,
        **misses,
        delta_f=claim,
        nodes=first.nodes + second.nodes,
        gradients=first.gradients + second.gradients,
        forwards=first.forwards + second.forwards,
        attribution_sum=total,
        completeness_error=abs(total - claim) * share,
        error_bar=share * 0.5 * float(np.hypot(_absolute(first, "error_bar"), _absolute(second, "error_bar"))),
        path_cancellation=max(0.0, 1.0 - abs(claim) / variation) if variation > 0 else 0.0,
        met=first.met and second.met,
    )


def _absolute(record: WalkRecord, field: str) -> float:
    """An error in output units, which records hold as a share of the claim; a walk that stands still makes none."""
    return float(getattr(record, field)) * abs(record.delta_f) if record.nodes else 0.0
