"""What the terminal says of the checks."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from geoaudit.audit.result import CheckResult, Report
from geoaudit.terminal import console, summary


@pytest.fixture
def below(report: Report, sample: SimpleNamespace) -> object:
    """`below(*findings)`: the lines under the table of a report with these findings."""

    def told(*findings: tuple[object, ...]) -> list[str]:
        found = [CheckResult.model_validate(sample.MORE["finding"](*given)) for given in findings]
        return str(summary(report.model_copy(update={"checks": found})).caption).splitlines()

    return told


def test_statuses_are_counted_and_failures_named(below: object) -> None:
    lines = below(  # type: ignore[operator]
        ("model-randomization", "gradient", "FAIL"),
        ("model-randomization", "guided-ig", "PASS"),
        ("model-randomization", "edges", "FAIL"),
        ("stability", "gradient", "FAIL"),
        ("stability", "guided-ig", "ERROR"),
        ("label-randomization", None, "SKIP"),
    )
    assert lines == [
        "Checks: 1 PASS, 2 FAIL, 1 ERROR, 1 SKIP",
        "FAIL, rejects: model-randomization of gradient",
        "ERROR: stability of guided-ig",
        "FAIL: stability of gradient",
    ]


def test_no_check_is_no_pass(below: object) -> None:
    assert below() == ["Checks: none"]  # type: ignore[operator]
    assert below(("parity", None, "FAIL")) == ["Checks: 1 FAIL", "FAIL: parity of the model"]  # type: ignore[operator]


def test_many_failures_fit_80_columns(sample: SimpleNamespace) -> None:
    crowd = sample.crowded()
    for check in crowd.checks:
        check.status = "FAIL"
    out = io.StringIO()
    Console(file=out, width=80).print(summary(crowd))
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    assert "and 16 more" in text


def test_a_rejection_stands_out_and_the_rest_stays_quiet(
    below: object, report: Report, sample: SimpleNamespace
) -> None:
    given = [("model-randomization", "gradient", "FAIL"), ("stability", "gradient", "FAIL")]
    found = [CheckResult.model_validate(sample.MORE["finding"](*g)) for g in given]
    caption = summary(report.model_copy(update={"checks": found})).caption
    (loud,) = [s for s in caption.spans if "bold red" in str(s.style)]  # type: ignore[union-attr]
    assert str(caption)[loud.start : loud.end] == "FAIL, rejects: model-randomization of gradient"


def test_of_controls_only_a_broken_check_is_told(below: object) -> None:
    assert below(("model-randomization", "edges", "ERROR"), ("model-randomization", "center", "FAIL")) == [  # type: ignore[operator]
        "Checks: 1 ERROR",
        "ERROR: model-randomization of edges",
    ]


def test_a_gate_of_the_model_rejects_no_method(report: Report, sample: SimpleNamespace) -> None:
    failed = CheckResult.model_validate(sample.MORE["finding"]("parity", None, "FAIL", gate=True))
    told = str(summary(report.model_copy(update={"checks": [failed]})).caption)
    assert "FAIL: parity of the model" in told and "rejects" not in told


def test_names_and_reasons_are_no_markup(report: Report, capsys: pytest.CaptureFixture[str]) -> None:
    changed = report.model_copy(deep=True)
    changed.model.file = "net[v2] [/x].onnx"
    changed.methods[0].status, changed.methods[0].reason = "skipped", "reads [/layer] names"
    console().print(summary(changed))
    told = " ".join(capsys.readouterr().err.split())
    assert "net[v2] [/x].onnx" in told and "reads [/layer] names" in told
