"""Each kind of rule: what meets it, what does not, and what it says."""

from __future__ import annotations

import datetime
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from geoaudit.audit.result import Sourced
from geoaudit.errors import UsageError
from geoaudit.gate import judge, judged, require_audit_rules
from geoaudit.gate.telling import explain, gate_lines
from geoaudit.gate_view import table

IN_USE = '[method]\nin_use = "guided-ig"\n'
STATUSES = ("PASS", "WARN", "FAIL", "ERROR", "SKIP", "INCONCLUSIVE")
EXCUSES = ("WARN", "INCONCLUSIVE", "SKIP", "ERROR")


def required(check: str = "stability", allow: str = "") -> str:
    return f'audit.allow = ["ERROR"]\n{IN_USE}[checks]\nrequired = ["{check}"]\nallow = [{allow}]\n'


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("allowed", [None, *EXCUSES])
@pytest.mark.parametrize("check", ["stability", "parity"])
def test_a_required_check_passes_or_is_excused_by_name(
    check: str, status: str, allowed: str | None, judged_as: Any, parts: Any
) -> None:
    subject = None if check == "parity" else "guided-ig"
    text = required(check, f'"{allowed}"' if allowed else "")
    _, found = judged_as(text, checks=[parts.finding(check, subject, status, estimate=0.25)])
    result = found[f"check:{check}" if subject is None else f"check:{check}:{subject}"]
    expected = "PASS" if status == "PASS" else "WARN" if status == allowed else "FAIL"
    assert (result.status, result.method, result.measured) == (expected, subject, 0.25)
    assert f"{status}: {check} says so." in result.found
    if expected == "FAIL":
        assert ("only be waived" if status == "FAIL" else f"{status} is not accepted") in result.reason


def test_an_allowance_of_one_check_is_not_one_of_another(judged_as: Any, parts: Any) -> None:
    text = required("completeness") + '[[check]]\nid = "stability"\nallow = ["WARN"]\n'
    checks = [parts.finding(name, "guided-ig", "WARN") for name in ("stability", "completeness")]
    _, found = judged_as(text, checks=checks)
    assert found["check:stability:guided-ig"].status == "WARN"
    assert found["check:completeness:guided-ig"].status == "FAIL"


@pytest.mark.parametrize(("allow", "expected"), [("", "FAIL"), ('"SKIP"', "WARN"), ('"INCONCLUSIVE"', "FAIL")])
def test_a_check_that_was_not_run_counts_as_skipped(allow: str, expected: str, judged_as: Any, parts: Any) -> None:
    elsewhere = [parts.finding("stability", "blur-ig"), parts.finding("completeness", "guided-ig")]
    gate, found = judged_as(required(allow=allow), checks=elsewhere)
    result = found["check:stability:guided-ig"]
    assert result.status == expected
    assert "not run" in result.reason
    assert gate.status == ("FAIL" if expected == "FAIL" else "PASS")


def test_the_worst_of_several_findings_decides(judged_as: Any, parts: Any) -> None:
    checks = [
        parts.finding("stability", "guided-ig", estimate=0.1),
        parts.finding("stability", "guided-ig", "WARN", estimate=0.4),
        parts.finding("stability", "guided-ig", "INCONCLUSIVE", estimate=0.2),
    ]
    _, found = judged_as(required(allow='"WARN"'), checks=checks)
    result = found["check:stability:guided-ig"]
    assert (result.status, result.measured) == ("FAIL", 0.2)
    assert result.reason == "INCONCLUSIVE is not accepted by the policy."
    _, found = judged_as(required(allow='"WARN", "INCONCLUSIVE"'), checks=checks)
    assert found["check:stability:guided-ig"].reason == "WARN and INCONCLUSIVE are accepted by the policy."


@pytest.mark.parametrize(
    ("methods", "subjects"),
    [
        ('"in-use"', ["guided-ig"]),
        ('"blur-ig"', ["blur-ig"]),
        ('["blur-ig", "in-use", "guided-ig"]', ["blur-ig", "guided-ig"]),
        ('"recommended"', ["guided-ig"]),
        ('"ranked"', ["guided-ig", "blur-ig"]),
        ('"all"', ["blur-ig", "guided-ig", "xrai"]),
        ('["recommended", "xrai"]', ["guided-ig", "xrai"]),
    ],
)
@pytest.mark.parametrize("kind", ["check", "metric"])
def test_methods_by_id_and_by_word(kind: str, methods: str, subjects: list[str], judged_as: Any, parts: Any) -> None:
    ran = [parts.method(name) for name in ("blur-ig", "guided-ig", "xrai")]
    ran.append(parts.method("random", kind="control"))
    rule = '[[check]]\nid = "stability"\n' if kind == "check" else '[[threshold]]\nmetric = "srg"\nminimum = 0\n'
    _, found = judged_as(f"{IN_USE}{rule}methods = {methods}", methods=ran)
    about = [r.method for name, r in found.items() if name.startswith(("check:", "threshold:"))]
    assert about == subjects


@pytest.mark.parametrize("word", ["recommended", "ranked", "all"])
def test_a_rule_about_nobody_fails(word: str, judged_as: Any) -> None:
    rules = f"""
    images.minimum = 1
    [[check]]
    id = "stability"
    methods = "{word}"
    allow = ["SKIP"]
    [[threshold]]
    metric = "srg"
    minimum = 0
    methods = "{word}"
    """
    gate, found = judged_as(rules, methods=[], entries=[])
    assert gate.status == "FAIL"
    for name in (f"check:stability:{word}", f"threshold:srg:{word}:minimum"):
        assert found[name].status == "FAIL"
        assert "nobody" in found[name].reason


@pytest.mark.parametrize(
    ("of", "side", "bound", "value"),
    [
        (None, "minimum", 0.2, 0.2),
        ("interval", "minimum", 0.2, 0.2),
        ("interval", "maximum", 0.4, 0.4),
        ("mean", "minimum", 0.3, 0.3),
        ("median", "maximum", 0.31, 0.31),
        ("ci_low", "maximum", 0.2, 0.2),
        ("ci_high", "minimum", 0.4, 0.4),
    ],
)
def test_a_threshold_holds_at_its_bound_and_not_beyond(
    of: str | None, side: str, bound: float, value: float, judged_as: Any, parts: Any
) -> None:
    exact = parts.score(0.3, 0.1, ci_low=0.2, ci_high=0.4, median=0.31)
    stated = f'of = "{of}"\n' if of else ""
    beyond = 1e-9 if side == "minimum" else -1e-9
    for limit, expected in ((bound, "PASS"), (bound + beyond, "FAIL")):
        text = f'{IN_USE}[[threshold]]\nmetric = "srg"\n{stated}{side} = {limit!r}'
        _, found = judged_as(text, methods=[parts.method("guided-ig", {"srg": exact})])
        result = found[f"threshold:srg:guided-ig:{side}"]
        assert (result.status, result.measured) == (expected, value)
        assert getattr(result, side) == limit
        assert getattr(result, "maximum" if side == "minimum" else "minimum") is None
        if expected == "FAIL":
            told = result.reason.split(" is ")[0]
            assert told != f"{limit:.15g}", "a number that fails must not look like its bound"


def test_both_bounds_of_one_threshold_are_two_results(judged_as: Any) -> None:
    text = f'{IN_USE}[[threshold]]\nmetric = "srg"\nof = "mean"\nminimum = 0.4\nmaximum = 0.5'
    _, found = judged_as(text)
    assert found["threshold:srg:guided-ig:minimum"].status == "FAIL"
    assert found["threshold:srg:guided-ig:maximum"].status == "PASS"


def test_thresholds_on_one_metric_are_told_apart_by_name(judged_as: Any) -> None:
    text = f"""{IN_USE}
    [[threshold]]
    metric = "srg"
    minimum = 0.1
    [[threshold]]
    metric = "srg"
    name = "goal"
    of = "mean"
    minimum = 0.5
    """
    _, found = judged_as(text)
    assert found["threshold:srg:guided-ig:minimum"].status == "PASS"
    assert found["threshold:goal:guided-ig:minimum"].status == "FAIL"


BOUND = '[[threshold]]\nmetric = "srg"\nminimum = -1\n'


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"scores": {}}, "was not measured"),
        ({"scores": {"srg": {"mean": None, "n": 0, "missing": 20, "status": "INCONCLUSIVE", "reason": "flat (20)"}}},
         "flat (20)"),
        ({"scores": {"srg": {"half": None, "n": 1}}}, "no interval"),
        ({"scores": {"srg": {"status": "ERROR", "reason": "broke down", "missing": 0}}}, "broke down"),
        ({"scores": {"srg": {"status": "SKIP"}}}, "SKIP"),
        ({"status": "error", "reason": "out of memory"}, "out of memory"),
        ({"status": "skipped", "reason": "needs gradients"}, "needs gradients"),
    ],
)  # fmt: skip
def test_a_number_that_is_not_there_meets_no_threshold(
    facts: dict[str, Any], words: str, judged_as: Any, parts: Any
) -> None:
    more = dict(facts)
    scores = {m: parts.score(**s) for m, s in more.pop("scores", {"srg": {}}).items()}
    _, found = judged_as(
        f'audit.allow = ["ERROR"]\n{IN_USE}{BOUND}', methods=[parts.method("guided-ig", scores, **more)]
    )
    result = found["threshold:srg:guided-ig:minimum"]
    assert result.status == "FAIL"
    assert words in result.reason


def test_a_method_outside_the_report_meets_no_threshold(judged_as: Any) -> None:
    _, found = judged_as(f'{IN_USE}{BOUND}methods = "xrai"')
    assert found["threshold:srg:xrai:minimum"].reason == "xrai is not part of this report."


@pytest.mark.parametrize(
    ("stated", "missing", "expected"),
    [("", 0, "PASS"), ("", 1, "FAIL"), ("missing = 0.1", 2, "WARN"), ("missing = 0.1", 3, "FAIL"),
     ("missing = 0.99", 19, "WARN")],
)  # fmt: skip
def test_images_without_a_score_are_accepted_only_by_share(
    stated: str, missing: int, expected: str, judged_as: Any, parts: Any
) -> None:
    status = "WARN" if missing else "PASS"
    scores = {"srg": parts.score(n=20 - missing, missing=missing, status=status, reason="Δf too small")}
    _, found = judged_as(f"{IN_USE}{BOUND}{stated}", methods=[parts.method("guided-ig", scores)])
    result = found["threshold:srg:guided-ig:minimum"]
    assert result.status == expected
    if missing:
        assert f"{missing} image" in result.reason
        assert f"of 20 {'has' if missing == 1 else 'have'} no score" in result.reason


@pytest.mark.parametrize("missing", range(1, 100))
def test_a_share_that_is_met_exactly_is_met(missing: int, judged_as: Any, parts: Any) -> None:
    scores = {"srg": parts.score(n=100 - missing, missing=missing)}
    _, found = judged_as(f"{IN_USE}{BOUND}missing = {missing / 100!r}", methods=[parts.method("guided-ig", scores)])
    assert found["threshold:srg:guided-ig:minimum"].status == "WARN"


@pytest.mark.parametrize("health", [None, *STATUSES])
@pytest.mark.parametrize("allowed", [None, "FAIL", "INCONCLUSIVE", "SKIP"])
def test_a_metric_that_failed_its_own_test_meets_no_threshold_unless_allowed(
    health: str | None, allowed: str | None, judged_as: Any
) -> None:
    stated = f'allow = ["{allowed}"]' if allowed else ""
    _, found = judged_as(f"{IN_USE}{BOUND}{stated}", health={} if health is None else {"srg": health})
    excused = allowed == "FAIL" or (allowed is not None and allowed == health)
    expected = "PASS" if health in (None, "PASS") else "WARN" if excused else "FAIL"
    assert found["threshold:srg:guided-ig:minimum"].status == expected


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("allowed", [None, *EXCUSES])
@pytest.mark.parametrize("globally", [True, False])
def test_an_estimate_counts_as_far_as_its_check_does(
    status: str, allowed: str | None, globally: bool, judged_as: Any, parts: Any
) -> None:
    allow = f'allow = ["{allowed}"]\n' if allowed else ""
    text = f'audit.allow = ["ERROR"]\n{IN_USE}[checks]\n{allow if globally else ""}'
    text += f'[[threshold]]\ncheck = "stability"\nmaximum = 0.5\n{"" if globally else allow}'
    _, found = judged_as(text, checks=[parts.finding("stability", "guided-ig", status, estimate=0.25)])
    expected = "PASS" if status == "PASS" else "WARN" if status == allowed else "FAIL"
    assert found["threshold:stability:guided-ig:maximum"].status == expected


@pytest.mark.parametrize(
    ("of", "more", "expected"),
    [
        ("estimate", {"estimate": 0.5}, "PASS"),
        ("estimate", {"estimate": 0.51}, "FAIL"),
        ("estimate", {}, "FAIL"),
        ("interval", {"estimate": 0.1}, "FAIL"),
        ("interval", {"estimate": 0.1, "ci_low": 0.0, "ci_high": 0.6}, "FAIL"),
        ("interval", {"estimate": 0.1, "ci_low": 0.0, "ci_high": 0.5}, "PASS"),
        ("ci_low", {"estimate": 0.1, "ci_low": 0.0, "ci_high": 0.6}, "PASS"),
    ],
)
def test_thresholds_on_checks(of: str, more: dict[str, float], expected: str, judged_as: Any, parts: Any) -> None:
    text = f'{IN_USE}[[threshold]]\ncheck = "stability"\nmaximum = 0.5\nof = "{of}"'
    _, found = judged_as(text, checks=[parts.finding("stability", "guided-ig", **more)])
    assert found["threshold:stability:guided-ig:maximum"].status == expected
    _, found = judged_as(text)
    assert "not run" in found["threshold:stability:guided-ig:maximum"].reason


@pytest.mark.parametrize(("side", "expected"), [("minimum", 0.2), ("maximum", 0.4)])
def test_of_several_estimates_the_one_against_you_counts(
    side: str, expected: float, judged_as: Any, parts: Any
) -> None:
    checks = [parts.finding("stability", "guided-ig", estimate=value) for value in (0.3, 0.2, 0.4)]
    _, found = judged_as(f'{IN_USE}[[threshold]]\ncheck = "stability"\n{side} = 0.3', checks=checks)
    result = found[f"threshold:stability:guided-ig:{side}"]
    assert (result.status, result.measured) == ("FAIL", expected)


@pytest.mark.parametrize(
    ("path", "bound", "expected"),
    [
        ("parity.max_rel_diff", "maximum = 1e-6", "PASS"),
        ("parity.max_rel_diff", "maximum = 1e-7", "FAIL"),
        ("data.count", "minimum = 20", "PASS"),
        ("data.labels.top1_accuracy", "minimum = 0.0", "FAIL"),
        ("run.engine.batch_size", "maximum = 16", "PASS"),
        ("run.engine.channels_last", "maximum = 16", "FAIL"),
        ("data.preprocess.mean.value", "maximum = 1000", "FAIL"),
        ("data.preprocess.absent.value", "maximum = 1000", "FAIL"),
    ],
)
def test_thresholds_on_other_numbers(path: str, bound: str, expected: str, judged_as: Any) -> None:
    _, found = judged_as(f'[[threshold]]\nnumber = "{path}"\n{bound}')
    assert found[f"threshold:{path}:{bound.split()[0]}"].status == expected


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400, -(10**400)])
@pytest.mark.parametrize("side", ["minimum", "maximum"])
def test_a_number_that_is_not_finite_is_no_number(
    value: float, side: str, make_report: Any, make_policy: Any, parts: Any
) -> None:
    report = make_report()
    preprocess = {**report.data.preprocess, "size": Sourced(value=value, source="given")}
    report = report.model_copy(update={"data": report.data.model_copy(update={"preprocess": preprocess})})
    gate = judge(report, make_policy(f'[[threshold]]\nnumber = "data.preprocess.size.value"\n{side} = 1'), parts.today)
    assert gate.results[-1].status == "FAIL"
    assert gate.results[-1].reason == "The report has no number there."


@pytest.mark.parametrize(("status", "expected"), [("ranked", "PASS"), ("indicative", "PASS"), ("inconclusive", "WARN")])
def test_a_tier_in_an_inconclusive_ranking_is_met_with_a_caution(
    status: str, expected: str, make_report: Any, make_policy: Any, parts: Any
) -> None:
    report = make_report()
    report = report.model_copy(update={"ranking": report.ranking.model_copy(update={"status": status})})
    result = judge(report, make_policy(IN_USE), parts.today).results[-1]
    assert (result.id, result.status) == ("method:tier:guided-ig", expected)
    assert ("inconclusive" in result.reason) == (expected == "WARN")


@pytest.mark.parametrize("tier", ["recommended", "caution", "rejected", None])
@pytest.mark.parametrize("tiers", [["recommended"], ["caution"], ["recommended", "caution"], None])
def test_the_tier_of_the_method_in_use(tier: str | None, tiers: list[str] | None, judged_as: Any, parts: Any) -> None:
    stated = "" if tiers is None else f"tiers = {tiers!r}".replace("'", '"')
    entries = [] if tier is None else [parts.entry("guided-ig", tier)]
    gate, found = judged_as(f"{IN_USE}{stated}", entries=entries)
    held = tier in (tiers or ["recommended", "caution"])
    expected = "FAIL" if not held else "WARN" if tier == "caution" else "PASS"
    assert found["method:tier:guided-ig"].status == expected
    assert gate.in_use == "guided-ig"


@pytest.mark.parametrize("status", ["error", "skipped"])
def test_a_method_in_use_without_results_fails_whatever_its_place(status: str, judged_as: Any, parts: Any) -> None:
    _, found = judged_as(IN_USE, methods=[parts.method("guided-ig", status=status, reason="x")])
    assert found["method:tier:guided-ig"].status == "FAIL"


@pytest.mark.parametrize(
    ("pinned", "expected"),
    [(f'"{"ab" * 32}"', "PASS"), (f'"{"AB" * 32}"', "PASS"), (f'["{"cd" * 32}"]', "FAIL"),
     (f'["{"cd" * 32}", "{"ab" * 32}"]', "PASS")],
)  # fmt: skip
def test_the_pinned_model(pinned: str, expected: str, judged_as: Any) -> None:
    gate, found = judged_as(f"model.sha256 = {pinned}")
    assert found["model:sha256"].status == expected
    assert gate.status == expected


@pytest.mark.parametrize(
    ("rule", "name", "expected"),
    [
        ("minimum = 20", "images:minimum", "PASS"),
        ("minimum = 21", "images:minimum", "FAIL"),
        ("maximum_skipped = 2", "images:maximum_skipped", "PASS"),
        ("maximum_skipped = 1", "images:maximum_skipped", "FAIL"),
        (f'manifest_sha256 = "{"cd" * 32}"', "images:manifest_sha256", "PASS"),
        (f'manifest_sha256 = "{"ab" * 32}"', "images:manifest_sha256", "FAIL"),
    ],
)
def test_the_images(rule: str, name: str, expected: str, judged_as: Any) -> None:
    _, found = judged_as(f"[images]\n{rule}", skipped=2)
    assert found[name].status == expected


BROKEN: dict[str, dict[str, Any]] = {
    "exit code": {"exit_code": 3},
    "a method": {"methods": ["error"]},
    "a control": {"methods": ["control"]},
    "a score": {"methods": ["score"]},
    "a check": {"checks": True},
}


@pytest.mark.parametrize("broken", list(BROKEN))
def test_an_audit_in_which_something_broke_never_passes_unless_that_is_accepted(
    broken: str, judged_as: Any, make_policy: Any, make_report: Any, parts: Any
) -> None:
    facts = dict(BROKEN[broken])
    if "methods" in facts:
        kind = facts["methods"][0]
        extra = {
            "error": parts.method("xrai", {}, status="error", reason="crash"),
            "control": parts.method("edges", {}, kind="control", status="error", reason="crash"),
            "score": parts.method("xrai", {"srg": parts.score(status="ERROR", reason="crash")}),
        }[kind]
        facts["methods"] = [parts.method("guided-ig"), extra]
    if facts.get("checks"):
        facts["checks"] = [parts.finding("stability", "xrai", "ERROR")]
    for allow, status, code in (("", "FAIL", 3), ('audit.allow = ["ERROR"]\n', "PASS", 0)):
        gate, found = judged_as(f"{allow}images.minimum = 1", **facts)
        assert gate.status == status
        assert found["audit:complete"].status == ("FAIL" if status == "FAIL" else "WARN")
        policy = make_policy(f"{allow}images.minimum = 1")
        assert judged(make_report(**facts), policy, parts.today).exit_code == code


def waiver(rule: str, expires: str = "2027-01-31") -> str:
    return f'[[waiver]]\nrule = "{rule}"\nreason = "Known"\nowner = "A. Person"\nexpires = {expires}\n'


@pytest.mark.parametrize(
    ("day", "expected"),
    [("2020-01-01", "WAIVED"), ("2027-01-30", "WAIVED"), ("2027-01-31", "WAIVED"), ("2027-02-01", "FAIL"),
     ("2030-01-01", "FAIL")],
)  # fmt: skip
def test_a_waiver_holds_on_its_last_day_and_not_on_the_next(day: str, expected: str, judged_as: Any) -> None:
    text = f"images.minimum = 21\n{waiver('images:minimum')}"
    gate, found = judged_as(text, datetime.date.fromisoformat(day))
    result = found["images:minimum"]
    assert result.status == expected
    assert gate.status == ("PASS" if expected == "WAIVED" else "FAIL")
    assert result.waiver is not None
    assert result.waiver.expires == "2027-01-31"
    assert "too few images" in result.reason
    assert ("Waived by A. Person until 2027-01-31: Known." if expected == "WAIVED" else "expired") in result.reason


def test_a_waiver_waives_its_own_rule_only(judged_as: Any) -> None:
    text = f"images.minimum = 21\nimages.maximum_skipped = 0\n{waiver('images:minimum')}"
    gate, found = judged_as(text, skipped=1)
    assert (found["images:minimum"].status, found["images:maximum_skipped"].status) == ("WAIVED", "FAIL")
    assert gate.status == "FAIL"


@pytest.mark.parametrize("expires", ["2027-01-31", "2020-01-01"])
def test_a_waiver_that_is_not_needed_is_noted(expires: str, judged_as: Any) -> None:
    _, found = judged_as(f"images.minimum = 1\n{waiver('images:minimum', expires)}")
    result = found["images:minimum"]
    assert result.status == "PASS"
    assert result.waiver is not None
    assert "does not need it" in result.reason


def test_no_text_of_a_policy_steers_the_terminal_or_breaks_a_line(
    make_report: Any, make_policy: Any, parts: Any
) -> None:
    given = 'reason = """a\nb\\u001b[2J"""\nowner = "A\\u001b]0;t\\u0007"'
    text = f'title = "T\\u001b[31m\\nU"\nimages.minimum = 21\n[[waiver]]\nrule = "images:minimum"\n{given}\n'
    policy = make_policy(f"{text}expires = 2020-01-31")
    report = judged(make_report(), policy, parts.today)
    drawn = StringIO()
    for part in table(report):
        Console(file=drawn, width=80).print(part)
    demands = [demand for _, demand in explain(policy)]
    for line in (*gate_lines(report), *demands, *drawn.getvalue().splitlines()):
        assert line.isprintable()
    assert "Policy policy.toml: T [31m U" in drawn.getvalue()


def test_a_waiver_of_what_this_report_does_not_have_is_a_caution(judged_as: Any) -> None:
    text = f'{IN_USE}[[threshold]]\nmetric = "srg"\nminimum = 0\nmethods = "all"\n'
    gate, found = judged_as(text + waiver("threshold:srg:xrai:minimum"))
    assert found["waiver:threshold:srg:xrai:minimum"].status == "WARN"
    assert gate.status == "PASS"


def test_a_waived_breakdown_is_no_incomplete_audit(make_report: Any, make_policy: Any, parts: Any) -> None:
    policy = make_policy(f"images.minimum = 1\n{waiver('audit:complete')}")
    told = judged(make_report(exit_code=3), policy, parts.today)
    assert (told.gate.status, told.exit_code) == ("PASS", 0)
    later = judged(make_report(exit_code=3), policy, parts.today + datetime.timedelta(days=1))
    assert (later.gate.status, later.exit_code) == ("FAIL", 3)


def test_judging_fills_in_gate_day_and_exit_code_and_changes_nothing_else(
    make_report: Any, make_policy: Any, parts: Any
) -> None:
    report = make_report()
    before = report.model_dump()
    policy = make_policy('title = "T"\nowner = "O"\nimages.minimum = 21')
    told = judged(report, policy, parts.today)
    assert report.model_dump() == before
    assert told.gate == judge(report, policy, parts.today)
    assert (told.gate.configured, told.gate.policy, told.gate.title, told.gate.owner) == (True, "policy.toml", "T", "O")
    assert told.gate.sha256 == policy.sha256
    assert (told.run.judged, told.exit_code) == ("2027-01-31", 1)
    restored = told.model_copy(update={"gate": report.gate, "run": report.run, "exit_code": report.exit_code})
    assert restored == report
    again = judged(told, make_policy("images.minimum = 20"), parts.today)
    assert (again.gate.status, again.exit_code) == ("PASS", 0), "an earlier verdict has no say in a new one"


def test_results_stand_in_the_policys_order(judged_as: Any) -> None:
    text = f"""
    model.sha256 = "{"ab" * 32}"
    images = {{ minimum = 1, maximum_skipped = 5 }}
    method.in_use = "guided-ig"
    checks.required = ["stability", "parity"]
    check = [{{ id = "completeness" }}]
    threshold = [{{ number = "data.count", minimum = 1 }}, {{ metric = "srg", minimum = 0 }}]
    """
    gate, _ = judged_as(text)
    assert [result.id for result in gate.results] == [
        "audit:complete", "model:sha256", "images:minimum", "images:maximum_skipped", "method:tier:guided-ig",
        "check:stability:guided-ig", "check:parity", "check:completeness:guided-ig", "threshold:data.count:minimum",
        "threshold:srg:guided-ig:minimum",
    ]  # fmt: skip


def test_a_policy_about_comparisons_alone_judges_no_audit(make_report: Any, make_policy: Any, parts: Any) -> None:
    policy = make_policy("compare.tiers_may_not_worsen = true")
    assert judge(make_report(), policy, parts.today).status == "FAIL"
    with pytest.raises(UsageError, match="comparisons only"):
        require_audit_rules(policy)
    with pytest.raises(UsageError, match="comparisons only"):
        judged(make_report(), policy, parts.today)
