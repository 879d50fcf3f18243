"""What is signed, what to ask before signing, and the lines to sign on."""

from __future__ import annotations

from dataclasses import dataclass

from geoaudit.api import Status
from geoaudit.audit.result import Report
from geoaudit.scoring.contenders import ENOUGH
from geoaudit_reports import JSON_NAME
from geoaudit_reports.html import sentences
from geoaudit_reports.html.cells import RULINGS, Cell, Fact, code, text
from geoaudit_reports.html.formats import DASH, day, listing, share
from geoaudit_reports.html.views.provenance import digest

DECISIONS = (
    "The maps of this method may be relied on for:",
    "The maps of this method may be relied on under these conditions:",
    "The maps may not be relied on, because:",
)


@dataclass(frozen=True)
class Question:
    """Something to answer before signing; `link` leads to what the report says of it."""

    text: str
    link: str


@dataclass(frozen=True)
class SignOff:
    """What the section shows."""

    signed: tuple[Fact, ...]
    questions: tuple[Question, ...]
    decisions: tuple[str, ...]
    lines: tuple[Fact, ...]


def build(report: Report) -> SignOff:
    """The sign-off of `report`."""
    return SignOff(_signed(report), tuple(questions(report)), DECISIONS, _lines(report))


def _signed(report: Report) -> tuple[Fact, ...]:
    """The statement: which report, about which model and images, with which verdict."""
    gate = report.gate
    verdict = text(gate.status, "no policy was given") if not gate.configured else text("")
    if gate.configured:
        mark = RULINGS["PASS" if gate.status == "PASS" else "FAIL"]
        judged = f"judged on {day(report.run.judged)}" if report.run.judged else ""
        verdict = Cell("", ", ".join(p for p in (gate.title or gate.policy, judged) if p), badges=(mark,))
    whole = code(digest(report)) if report.maps else Cell(DASH, "see under Provenance")
    return (
        Fact("Report", whole),
        Fact("Model", code(report.model.sha256, report.model.file)),
        Fact("Images", code(report.data.manifest_sha256, sentences.several(report.data.count, "image"))),
        Fact("Policy", verdict),
        Fact("Finding", text(sentences.headline(report))),
    )


def questions(report: Report) -> list[Question]:
    """What nobody but a person can answer, asked with this report's numbers."""
    return [*_about_use(report), *_about_images(report), *_about_model(report), *_about_findings(report)]


def _about_use(report: Report) -> list[Question]:
    asked = "No intended use was stated: what is the model for, and who reads its maps?"
    if report.context:
        asked = "Is the stated use the one that is decided about, and do its readers know what a map does not show?"
    found = [Question(asked, "#model")]
    method = sentences.find(report, report.gate.in_use) if report.gate.in_use else None
    if method is not None:
        found.append(Question(f"Are the maps that people see those of {method.title}, with these parameters?",
                              f"#method-{method.id}"))  # fmt: skip
    elif not report.gate.in_use:
        found.append(Question("No policy names the method in use: whose maps do people see, and with which parameters?",
                              "#methods"))  # fmt: skip
    return found


def _about_images(report: Report) -> list[Question]:
    data, number = report.data, sentences.several(report.data.count, "image")
    are = "is it" if data.count == 1 else "are they"
    found = [Question(f"{number}: {are} like those in production, rare and difficult ones included?", "#images")]
    if report.ranking.status == "inconclusive":
        found.append(Question("The ranking is inconclusive: can this be decided without it?", "#ranking"))
    elif report.ranking.status == "indicative":
        needed = f"are {ENOUGH} or more needed" if data.count < ENOUGH else "must more images have every score"
        found.append(Question(f"Is an indication from {number} enough for this decision, or {needed}?", "#ranking"))
    if data.skipped:
        left = sentences.several(len(data.skipped), "file")
        was = "was" if len(data.skipped) == 1 else "were"
        found.append(Question(f"{left} {was} skipped: does that change what the images stand for?", "#left-out"))
    labels = data.labels
    if labels.top1_accuracy is None:
        found.append(Question("The model's accuracy was not measured here: is it known to be good enough?", "#images"))
    else:
        found.append(Question(f"The model is right on a share of {share(labels.top1_accuracy)} of the labelled images: "
                              "is that good enough?", "#images"))  # fmt: skip
    if data.calibration is not None and data.calibration.audited:
        found.append(Question("Some methods learned from audited images: are their scores trusted all the same?",
                              "#images"))  # fmt: skip
    return found


def _about_model(report: Report) -> list[Question]:
    found = [
        Question("Is the model's digest that of the file in production?", "#provenance"),
        Question("Is the preprocessing the one used in production, field by field?", "#input"),
        Question(f"Does the baseline “{report.baseline.kind}” stand for “nothing there” in this use?", "#input"),
    ]
    if report.parity.status is not Status.PASS:
        found.append(Question(f"Parity is {report.parity.status}: is that understood and accepted?", "#model"))
    if report.model.conversion.straight_through:
        found.append(Question("The model is quantised and its gradients explain a stand-in: is that accepted?",
                              "#model"))  # fmt: skip
    return found


def _about_findings(report: Report) -> list[Question]:
    found = []
    failing = [c for c in report.checks if c.status in (Status.FAIL, Status.ERROR) and _of_a_method(report, c.method)]
    if failing:
        told = sentences.several(len(failing), "finding")
        found.append(Question(f"{told} of checks {'is' if len(failing) == 1 else 'are'} FAIL or ERROR: is each "
                              "understood?", "#checks"))  # fmt: skip
    waived = [r for r in report.gate.results if r.status == "WAIVED" and r.waiver]
    if waived:
        days = listing(sorted({day(r.waiver.expires) for r in waived if r.waiver}))
        told, holds = sentences.several(len(waived), "rule"), "is" if len(waived) == 1 else "are"
        found.append(Question(f"{told} {holds} waived until {days}: do the reasons still hold?", "#gate"))
    found.append(Question("Have the maps themselves been looked at, the least faithful ones first?", "#gallery"))
    found.append(Question(f"Has somebody else measured again from {JSON_NAME}, with geoaudit verify?", "#provenance"))
    return found


def _of_a_method(report: Report, method: str | None) -> bool:
    return method is None or any(m.id == method and m.kind == "method" for m in report.methods)


def _lines(report: Report) -> tuple[Fact, ...]:
    """Empty lines to be filled in by hand."""
    s = report.sign_off
    lines = (("Name", s.name), ("Role", s.role), ("Organisation", ""), ("Date", s.date), ("Signature", s.signature))
    return tuple(Fact(name, text(value)) for name, value in lines)
