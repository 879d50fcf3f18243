"""What the report says about its own limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from geoaudit.api import Finding, Status
from geoaudit.audit.calibration import THEMSELVES
from geoaudit.audit.plan import Plan
from geoaudit.audit.result import Conversion, Data
from geoaudit.audit.settings import Settings
from geoaudit.audit.tally import Tally
from geoaudit.model.head import Head
from geoaudit.scoring.contenders import ENOUGH

_STANDING = (
    "A faithful map is not yet a useful one: methods that are complete and linear can be no better than "
    "guessing at the question a person asks of them (Bilodeau et al., PNAS 2024).",
    "NCC alone is trivially gamed: spreading the output difference evenly over all inputs has no cancellation "
    "at all. It is read together with completeness and faithfulness.",
    "A method that shows real evidence against the class is penalised by NCC.",
    "Masked images lie outside what the model was trained on; how far the order of methods hangs on what stands in "
    "for the masked regions is shown by the imputers' agreement.",
)


_KINDS = {
    "binary": "The model gives one number for two classes: whatever speaks for one speaks against the other, and "
    "want of evidence cannot be told from evidence in balance.",
    "multi-label": "The model's classes do not exclude each other: only one class of each image is explained, and "
    "its probability does not compete with the others'.",
}


_WEIGHTS = "model-randomization"
_LEARNS = "needs-calibration-set"
_OWN_START = "own-baseline"


def limitations(
    settings: Settings,
    data: Data,
    tallies: Mapping[str, Tally],
    head: Head,
    conversion: Conversion,
    notes: tuple[str, ...],
    untested: str | None = None,
) -> list[str]:
    """Limits of this very run first, then those of every run.

    Args:
        settings: what was asked for.
        data: the audited images.
        tallies: the methods' results.
        head: how the model's output is read.
        conversion: how the file became differentiable.
        notes: about the model, in sentences.
        untested: which checks did not run, in a sentence; None if all did.
    """
    found = []
    if data.count < ENOUGH:
        images = "1 image" if data.count == 1 else f"{data.count} images"
        found.append(f"Only {images}: the ranking is indicative; {ENOUGH} or more decide it.")
    if data.skipped:
        files = "1 file was" if len(data.skipped) == 1 else f"{len(data.skipped)} files were"
        found.append(f"{files} left out; each is listed with its reason.")
    if data.detail is not None:
        found.append(
            f"{data.detail.listed:,} of {data.count:,} images are listed one by one, with their maps; summaries, "
            "intervals and the ranking rest on all of them. The files in scores/ hold the scores of all."
        )
    if data.labels.labelled == 0:
        found.append("No image has a true label: the predicted class is explained, right or wrong.")
    if settings.explain == "logit" and head.tail == "Probabilities":
        found.append("The model gives probabilities, no scores: their logarithm is explained.")
    elif settings.explain == "logit" and head.tail is not None:
        found.append(f"The model ends in {head.tail}; the scores before it are explained, not its probabilities.")
    found += _of_the_model(settings, head, conversion)
    late: dict[str, int] = {}
    for tally in tallies.values():
        count = sum(row.record is not None and not row.record.met for row in tally.rows)
        if count:
            late[tally.method.id] = count
    found += [
        f"{method}: on {count} of {data.count} images its gradients did not bring the error bar to its tolerance."
        for method, count in late.items()
    ]
    found += [f"{t.method.id} was given up: {t.error}" for t in tallies.values() if t.error is not None]
    found += [f"{t.method.id} is {t.skipped}" for t in tallies.values() if t.skipped is not None]
    found += [f"{t.method.id}, seeds: {t.repeats.error}" for t in tallies.values() if t.repeats and t.repeats.error]
    found += _of_the_methods(data, tallies)
    found += [untested] if untested is not None else []
    return [*found, *notes, *_STANDING]


def unchecked(plan: Plan, settings: Settings, findings: Sequence[Finding] = ()) -> str | None:
    """Which checks did not run, and why, in a sentence; None if every check ran.

    Args:
        plan: what ran.
        settings: what was asked for.
        findings: of the checks that ran; one that came to no verdict has tested as little as one that did not run.
    """
    idle = [check.id for check in plan.idle_checks]
    asked = settings.checks is not None
    groups = [
        (idle, "they need gradients" if len(idle) > 1 else "it needs gradients"),
        ([n for n in plan.left_out if n in settings.skip], "skipped"),
        (
            [n for n in plan.left_out if n not in settings.skip],
            "not asked for" if asked else f"not part of the {settings.budget} budget",
        ),
    ]
    told = "; ".join(f"{', '.join(names)} ({why})" for names, why in groups if names)
    parts = [f"Checks that did not run: {told}."] if told else []
    if _WEIGHTS in {*idle, *plan.left_out}:
        parts.append("Whether the maps depend on the model's weights was therefore not tested.")
    elif _no_verdict(plan, findings):
        parts.append(
            f"{_WEIGHTS} came to no verdict on any method: whether the maps depend on the model's weights is not known."
        )
    return " ".join(parts) or None


def _no_verdict(plan: Plan, findings: Sequence[Finding]) -> bool:
    """Whether the weights' check says nothing of any method; what it says of controls is no answer."""
    methods = {method.id for method in plan.methods if method.kind == "method"}
    found = {f.status for f in findings if f.check == _WEIGHTS and f.method in methods}
    return bool(found) and found <= {Status.SKIP, Status.ERROR, Status.INCONCLUSIVE}


def _of_the_methods(data: Data, tallies: Mapping[str, Tally]) -> list[str]:
    """What the methods' flags mean in this run."""
    ran = [t.method for t in tallies.values() if t.method.kind == "method" and not t.over]
    learned = ", ".join(sorted(m.id for m in ran if _LEARNS in m.flags))
    own = ", ".join(sorted(m.id for m in ran if _OWN_START in m.flags))
    found = []
    if learned and data.calibration is not None and data.calibration.audited:
        given = data.calibration
        if given.source == THEMSELVES:
            told = "learned from the audited images themselves; --calibration gives them others."
        else:
            told = f"learned from {given.count} pictures of which {given.audited} are audited images too."
        found.append(f"{learned}: {told}")
    if own:
        found.append(f"{own}: complete with respect to a start of its own, not the run's baseline.")
    return found


def _of_the_model(settings: Settings, head: Head, conversion: Conversion) -> list[str]:
    """What kind of model it is, and how its gradients came about."""
    found = [_KINDS[head.kind]] if head.kind in _KINDS else []
    if settings.gradient_free:
        found.append(
            "The audit is gradient-free: the model was not converted, methods that need gradients were not "
            "applicable, and NCC does not exist for maps that come from no walk."
        )
    if conversion.straight_through:
        found.append(
            "The model is quantised: rounding has no useful derivative, so gradients pass straight through it "
            f"(operators {', '.join(conversion.straight_through)}); gradient and path methods explain that "
            "surrogate, and what it misses of the model shows in their completeness error."
        )
    return found
