"""Implementation invariance: two graphs of one function must get the same map.

A map explains what a model computes, not how it is written down.  Two other graphs of the same function are made:

    exported    the file by another graph: as exported, where the graph in use went through onnxruntime's graph
                optimisation (batch normalisation merged into the convolution before it, constants folded); after all
                of that optimisation, where it had left the file as it is
    split       every linear layer (Conv, ConvTranspose, Gemm, and MatMul with a weight) as the sum of two, each with a
                random share of every weight: W x + b = (U x + b) + (W - U) x.  This always changes something

The gradient of a function does not depend on how it is computed, so gradients and everything made of gradients and
outputs (all path methods) pass up to rounding.  Methods that read the graph need not: a pattern, or a rule for each
kind of layer, is assigned to a layer that the other graph does not have.  Such a failure is a caution and no verdict
on the maps: it says that they explain this way to write the model down.

Verdict: for each of the two graphs the thresholds of `geoaudit_plugins.checks.agreement` (maps differ by at most 5 % of
their size, rank correlation at least 0.95, on every image); the worse of the two counts.  The finding says where the
other graph is the same graph after all, and where one of the two could not be made; where neither is another graph,
a pass would say nothing, and the verdict is INCONCLUSIVE.  That the split graph computes the same function is measured
on the examined images: 1e-3 of the largest output or of 1, and what the parity certificate allows the converted graph
where that is more.  Methods that ask the model for
outputs alone cannot see the graph: they pass without being run.

What it cannot show.  Two graphs are not all graphs.  The split halves have weights of the same signs as the whole:
rules that look at signs alone may pass.  Measured on a small convolutional network with split layers: methods that
compute with gradients differ by at most 5e-7 of their size, pattern-attribution and pattern-guided-ig by 14 and 13 %
(the order stays: WARN), and IG2 has no single last layer any more whose inputs it could take as features (WARN).

Cost: three maps of each image, those of the graph in use shared with other checks that use as many nodes; gradients
of the split graph take twice as long.

Source: Sundararajan, Taly, Yan, Axiomatic Attribution for Deep Networks, ICML 2017, arXiv 1703.01365, section 2.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from geoaudit.api import (
    BudgetName,
    Check,
    Cost,
    Finding,
    Floats,
    Method,
    Need,
    Parameters,
    Probe,
    Problems,
    Quadrature,
    Status,
    Subject,
)
from geoaudit.errors import NotApplicable
from geoaudit_plugins.checks.agreement import Agreement, AgreementParameters, Verdict, agreement, rounded, verdict
from geoaudit_plugins.sanity import maps as sanity

_SAME = 1e-3  # difference of outputs, as a share of the largest (at least 1), that rounding makes
_ROUNDING = 8.0  # units in the last place of the input range, for what a whole network rounds
_SEVERITY = (Status.PASS, Status.INCONCLUSIVE, Status.WARN, Status.FAIL)


@dataclass(frozen=True)
class Other:
    """Another graph of the same function, or why there is none.

    Attributes:
        name: "exported" or "split".
        probe: over it; None where there is none.
        changed: whether it differs from the graph in use.
        description: how, or why there is none, in a sentence.
    """

    name: str
    probe: Probe | None
    changed: bool
    description: str


class ImplementationInvariance(Check):
    """Two graphs of one function get the same map."""

    id: ClassVar[str] = "implementation-invariance"
    title: ClassVar[str] = "Implementation invariance"
    reference: ClassVar[str] = "Sundararajan et al., ICML 2017, arXiv 1703.01365, section 2.2"
    examines: ClassVar[Literal["model", "method"]] = "method"
    needs: ClassVar[frozenset[Need]] = frozenset({"gradients", "layers"})
    from_budget: ClassVar[BudgetName] = "standard"
    budgets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"thorough": {"images": 4}}
    Parameters: ClassVar[type[Parameters]] = AgreementParameters
    parameters: AgreementParameters

    def examine(self, subject: Subject, problems: Problems, probe: Probe) -> list[Finding]:
        """One finding a method."""
        method, p = subject.method, self.parameters
        assert method is not None  # it examines methods
        if not needs(method):
            reason = "The method asks for outputs alone and never sees how they are computed."
            return [Finding(self.id, method.id, Status.PASS, reason)]
        chosen = sanity.first(problems, p.images)
        others = [exported(probe), split(probe, self.id)]
        own = sanity.original(method, chosen, probe, p.nodes).values
        allowed = max(_SAME, subject.parity.get("tolerance") or 0.0)
        told = [(o, *self._compare(method, chosen, probe, o, own, allowed)) for o in others if o.probe is not None]
        if not told:
            raise NotApplicable(self.id, " ".join(other.description for other in others))
        return [self._finding(method, told, [other for other in others if other.probe is None])]

    def _compare(
        self, method: Method, problems: Problems, probe: Probe, other: Other, own: Floats, allowed: float
    ) -> tuple[Verdict, list[Agreement]]:
        """The maps under the other graph beside the method's own."""
        p = self.parameters
        assert other.probe is not None
        asked = sanity.posed(problems, other.probe)
        if (strange := _difference(problems, asked, allowed)) is not None:
            return Verdict(Status.INCONCLUSIVE, strange, None), []
        try:
            made = sanity.maps(method, asked, other.probe, p.nodes).values
        except NotApplicable as told:
            return Verdict(Status.WARN, f"cannot be compared, for only one can be made ({told.reason})", None), []
        rows = [agreement(image, own[i], made[i]) for i, image in enumerate(problems.ids)]
        late = [i for i, row in enumerate(rows) if any(row.misses(p))]
        if late:
            near = self._rounded(problems.select(late), probe)
            again = sanity.maps(method, sanity.posed(near, probe), probe, p.nodes).values
            for place, i in enumerate(late):
                rows[i] = rows[i].beside(agreement(rows[i].image, own[i], again[place]))
        return verdict(rows, p), rows

    def _rounded(self, problems: Problems, probe: Probe) -> Problems:
        space = problems.space
        width = np.abs(space.per_channel(space.high) - space.per_channel(space.low))
        unit = _ROUNDING * np.finfo(problems.x.dtype).eps * width
        return rounded(problems, unit, [probe.rng(self.id, "rounding", image) for image in problems.ids])

    def _finding(
        self, method: Method, told: Sequence[tuple[Other, Verdict, list[Agreement]]], missing: Sequence[Other]
    ) -> Finding:
        status = max((v.status for _, v, _ in told), key=_SEVERITY.index)
        sentences = [_sentence(other, v) for other, v, _ in told]
        sentences += [f"No comparison with the {other.name} graph: {_lowered(other.description)}" for other in missing]
        if status is Status.FAIL:
            sentences.append("The map depends on how the model is written down.")
        elif status is Status.PASS and not any(other.changed for other, _, _ in told):
            status = Status.INCONCLUSIVE
            sentences.append("No other graph of the function was found to compare with.")
        worst = [v.worst for _, v, _ in told if v.worst is not None]
        details = {
            other.name: {
                "changed": other.changed,
                "description": other.description,
                "images": [row.entry for row in rows],
                "status": str(v.status),
            }
            for other, v, rows in sorted(told, key=lambda entry: entry[0].name)
        }
        return Finding(
            self.id, method.id, status, " ".join(sentences), max(worst, default=None),
            threshold=self.parameters.same, details=details,
        )  # fmt: skip

    def cost(self, method: Method | None, quadrature: Quadrature, images: int, calibration: int) -> Cost:
        """Three maps of each image, the other graphs' outputs at its ends, and what the method prepares for them."""
        assert method is not None
        if not needs(method):
            return Cost()
        n = min(images, self.parameters.images)
        made = sanity.cost(method, quadrature, self.parameters.nodes, n)
        return made * 3 + (method.preparation(quadrature, calibration) + Cost(forwards=2 * n)) * 2

    def scope(self, images: int) -> str:
        """How many images and graphs."""
        n = min(images, self.parameters.images)
        return f"{n} image{'' if n == 1 else 's'}, 2 other graphs"


def needs(method: Method) -> frozenset[Need]:
    """What the method needs besides outputs, itself or by the method that it builds upon."""
    return method.needs | (needs(method.base) if method.base is not None else frozenset())


def exported(probe: Probe) -> Other:
    """The file by another graph."""
    try:
        found = probe.equivalent()
    except NotApplicable as told:
        return Other("exported", None, False, _as_sentence(told.reason))
    return Other("exported", found.probe, found.changed, found.description)


def split(probe: Probe, key: str) -> Other:
    """The graph in use with every linear layer in two; made once a run.

    Args:
        probe: the model.
        key: of the check, for what is kept and for the random numbers.
    """

    def make() -> Other:
        from geoaudit_plugins.checks import split_layers

        module, rng = probe.layers().module, probe.rng(key, "shares")
        count = split_layers.split(module, rng.random)
        if not count:
            return Other("split", None, False, "The model has no layer that multiplies the picture by weights.")
        other, description = probe.with_layers(module), f"{count} linear layers are sums of two."
        return Other("split", other, True, description.replace("1 linear layers are sums", "1 linear layer is a sum"))

    return probe.once(f"{key}/split", make)


def _difference(problems: Problems, asked: Problems, allowed: float) -> str | None:
    """Why the other graph is not the same function after all; None where it is."""
    here, there = (np.concatenate([p.f_x, p.f_baseline]) for p in (problems, asked))
    worst = int(np.abs(here - there).argmax())
    if np.abs(here - there)[worst] <= allowed * max(1.0, float(np.abs(here).max())):
        return None
    return f"it computes something else ({there[worst]:.4g} instead of {here[worst]:.4g})"


def _sentence(other: Other, found: Verdict) -> str:
    graph = "the exported graph" if other.name == "exported" else "the graph with split layers"
    if found.status is Status.INCONCLUSIVE:
        return f"The comparison with {graph} says nothing: {found.reason}."
    text = f"Maps of {graph} and of the graph in use {found.reason}."
    return text if other.changed else f"{text[:-1]}, but it is the same graph."


def _as_sentence(text: str) -> str:
    text = text.strip().rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]
