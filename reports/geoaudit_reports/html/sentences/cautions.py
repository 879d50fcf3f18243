"""What stands between the numbers and a conclusion."""

from __future__ import annotations

from geoaudit.api import Status
from geoaudit.audit.result import Report
from geoaudit_reports.html.check_words import CHECKS
from geoaudit_reports.html.formats import decimal, listing, share
from geoaudit_reports.html.sentences.words import find, first_of, sentence, several
from geoaudit_reports.html.words import METRICS

_WEIGHTS = "model-randomization"


def ncc_alone(report: Report) -> str:
    """Why NCC is never read by itself."""
    control = find(report, "uniform-complete")
    value = control.scores["ncc-violation"].mean if control and "ncc-violation" in control.scores else None
    scored = f"scores {share(value)} here" if value is not None else "scores 0 by construction"
    return (
        "NCC alone is trivially gamed: the control uniform-complete spreads Δf evenly over all pixels, "
        f"{scored}, and says nothing about the image. NCC counts only together with faithfulness."
    )


def centre_bias(report: Report) -> str | None:
    """What the centre control says about the data set; None if it was not scored."""
    control = find(report, "center")
    value = control.scores["srg"].mean if control and "srg" in control.scores else None
    if value is None:
        return None
    below = [
        m.title for m in report.methods
        if m.kind == "method" and "srg" in m.scores and (m.scores["srg"].mean or 0.0) < value
        and m.scores["srg"].mean is not None
    ]  # fmt: skip
    told = f" Scoring below it: {first_of(below)}." if below else " Every method scores above it."
    return (
        f"The control center, a blob in the middle that knows neither model nor image, reaches SRG "
        f"{decimal(value)}. "
        f"That is the data set's habit of centring its subjects, and it rejects no method.{told}"
    )


def surrogate(report: Report) -> str | None:
    """Whether gradients explain a stand-in of the model; None if they do not."""
    if not report.model.conversion.straight_through:
        return None
    return (
        "The model is quantised. Rounding has no useful derivative, so gradients pass straight through it: "
        "gradient and path methods explain that stand-in of the model."
    )


def unhealthy(report: Report) -> str | None:
    """Which metrics failed their health test; None if all are healthy.  The ranking's rule says what it rests on."""
    bad = sorted({h.metric for h in report.metric_health if h.status.value in {"FAIL", "ERROR"}})
    if not bad:
        return None
    named = listing([METRICS.get(metric, metric) for metric in bad])
    them = "it" if len(bad) == 1 else "them"
    return f"Failed the health test on this model, so nothing here rests on {them}: {named}."


def untested(report: Report) -> str | None:
    """That nobody knows whether the maps depend on the model's weights; None if some method has a verdict."""
    methods = {m.id for m in report.methods if m.kind == "method"}
    found = {c.status for c in report.checks if c.id == _WEIGHTS and c.method in methods}
    if found & {Status.PASS, Status.WARN, Status.FAIL}:
        return None
    how = "came to no verdict" if found else "was not run"
    return (
        f"The check “{CHECKS[_WEIGHTS].title}” {how}: whether any map depends on what the model has learned is not "
        "known, and no method was rejected for it."
    )


def uncertified(report: Report) -> str | None:
    """That the certificate of the converted copy is no plain PASS; None if it is."""
    found = report.parity
    if found.status is Status.PASS:
        return None
    if found.status is Status.SKIP:
        return (
            f"No gradient of this file was taken ({found.reason or 'no reason was recorded'}): only methods that read "
            "outputs were audited."
        )
    told = sentence(found.reason or "no reason was recorded", capital=False)
    return f"Parity of the converted copy that gives gradients is {found.status}: {told}"


def no_conclusion(report: Report) -> str:
    """What does not follow from this report, however well it reads; goes on from "Do not conclude"."""
    images = report.data.count
    mean = "every score comes from 1 image" if images == 1 else f"every score is a mean over {several(images, 'image')}"
    those = "this one" if images == 1 else "these"
    return (
        f"that a single map is right ({mean}); that the model decides rightly; that people decide better with these "
        f"maps; or that anything here holds for pictures unlike {those}, or for another version of the file."
    )
