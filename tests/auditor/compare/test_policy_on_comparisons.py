"""The `[compare]` table of a policy: what it asks is met only where the reports show it."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from geoaudit import registry
from geoaudit.errors import UsageError
from geoaudit.gate import parse_policy
from geoaudit.gate.comparing import judge_comparison, judged_comparison, require_compare_rules

TODAY = datetime.date(2026, 6, 1)
IN_USE = '[method]\nin_use = "gradient"\n'


def _policy(rules: str, head: str = IN_USE) -> Any:
    return parse_policy(f"version = 1\n{head}[compare]\n{rules}\n".encode(), "policy.toml", ())


def _gate(comparison: Any, rules: str, head: str = IN_USE) -> Any:
    return judge_comparison(comparison, _policy(rules, head), TODAY)


def _statuses(gate: Any) -> dict[str, str]:
    return {result.id.removeprefix("compare:"): result.status for result in gate.results}


CHECK = {
    "id": "stability", "method": "gradient", "status": "PASS", "estimate": None, "ci_low": None, "ci_high": None,
    "threshold": None, "reason": "", "details": {},
}  # fmt: skip


@pytest.fixture(scope="module")
def scores(plain: Any) -> Any:
    return {"gradient": plain["best"], "occlusion": plain["worst"]}


@pytest.fixture(scope="module")
def still(made: Any, compared: Any, scores: Any) -> Any:
    """Nothing changed."""
    return compared(made(scores, checks=[CHECK]), made(scores, checks=[CHECK], model_sha="b" * 64))


@pytest.fixture(scope="module")
def fallen(made: Any, compared: Any, scores: Any) -> Any:
    """gradient lost its SRG, its place and a check; occlusion did not run."""
    later = {"gradient": {"srg": [v - 0.3 for v in scores["gradient"]["srg"]]}, "rise": scores["occlusion"]}
    later["gradient"]["ncc-violation"] = scores["gradient"]["ncc-violation"]
    failed = CHECK | {"status": "FAIL"}
    return compared(made(scores, checks=[CHECK]), made(later, checks=[failed], seed=4, model_sha="b" * 64))


RULES = {
    "rank_drop_at_most = 0.5": "rank:gradient",
    "checks_may_not_worsen = true": "check:stability:gradient",
    "tiers_may_not_worsen = true": "tier:gradient",
    "top1_agreement_at_least = 0.9": "top1-agreement",
    "same_images = true": "images",
    '[[compare.threshold]]\nmetric = "srg"\nworse_by_at_most = 0.05': "metric:srg:gradient",
    '[[compare.threshold]]\nmetric = "srg"\nworse_by_at_most = 0.05\nof = "mean"': "metric:srg:gradient",
}


@pytest.mark.parametrize(("rule", "name"), RULES.items())
def test_what_did_not_change_passes(still: Any, rule: str, name: str) -> None:
    gate = _gate(still, rule)
    assert gate.status == "PASS" and set(_statuses(gate)) == {"pairs", "settings", name}
    assert gate.in_use == "gradient" and gate.policy == "policy.toml"
    assert judged_comparison(still, _policy(rule), TODAY).exit_code == 0


@pytest.mark.parametrize("rule", [r for r in RULES if "metric" in r or "checks" in r])
def test_what_fell_fails(fallen: Any, rule: str) -> None:
    told = judged_comparison(fallen, _policy(f"same_settings = false\n{rule}"), TODAY)
    assert told.gate.status == "FAIL" and told.exit_code == 1 and told.judged == "2026-06-01"
    assert _statuses(told.gate)[RULES[rule]] == "FAIL"


def test_the_bound_against_you_counts_and_not_the_mean(made: Any, compared: Any, scores: Any, draws: Any) -> None:
    noise = draws(-0.02, 7, spread=0.1)
    later = {"gradient": {"srg": [v + e for v, e in zip(scores["gradient"]["srg"], noise, strict=True)]}}
    found = compared(made({"gradient": {"srg": scores["gradient"]["srg"]}}), made(later))
    change = found.methods[0].metrics[0]
    limit = (-change.difference - change.ci_low) / 2  # between the mean's loss and the bound's
    rule = f'[[compare.threshold]]\nmetric = "srg"\nworse_by_at_most = {limit}\nof = '
    assert _gate(found, rule + '"mean"').status == "PASS"
    assert _gate(found, rule + '"interval"').status == "FAIL"


def test_other_settings_fail_unless_they_may_differ(fallen: Any) -> None:
    assert _statuses(_gate(fallen, "same_images = true"))["settings"] == "FAIL"
    assert "settings" not in _statuses(_gate(fallen, "same_images = true\nsame_settings = false"))


def test_a_method_that_is_not_in_both_reports_never_passes(fallen: Any) -> None:
    rules = 'methods = "all"\nsame_settings = false\nmap_similarity_at_least = -1.0\ntiers_may_not_worsen = true\n'
    told = _statuses(_gate(fallen, f'{rules}[[compare.threshold]]\nmetric = "srg"\nworse_by_at_most = 9.0'))
    for name in ("occlusion", "rise"):
        assert {told[f"{rule}:{name}"] for rule in ("maps", "tier", "metric:srg")} == {"FAIL"}
    assert told["metric:srg:gradient"] == "PASS"


def test_no_rule_is_met_for_want_of_anything_to_judge(made: Any, compared: Any, scores: Any) -> None:
    few = {name: {m: v[:4] for m, v in metrics.items()} for name, metrics in scores.items()}
    found = compared(made(few), made(few))
    rules = (
        "rank_drop_at_most = 9.0\nmap_similarity_at_least = -1.0\nchecks_may_not_worsen = true\npairs_at_least = 5\n"
    )
    told = _statuses(_gate(found, f'{rules}[[compare.threshold]]\nmetric = "srg"\nworse_by_at_most = 9.0'))
    assert told.pop("settings") == "PASS"
    assert set(told.values()) == {"FAIL"} and "checks" in told and "pairs" in told
    nobody = compared(made({"gradient": few["gradient"]}, status={"gradient": "error"}), made({}))
    assert _statuses(_gate(nobody, 'methods = "all"\ntiers_may_not_worsen = true', ""))["tier:all"] == "FAIL"


def test_missing_values_need_an_allowance(made: Any, compared: Any, scores: Any) -> None:
    gaps = {"gradient": {"srg": [None, *scores["gradient"]["srg"][1:]]}}
    found = compared(made({"gradient": {"srg": scores["gradient"]["srg"]}}), made(gaps))
    rule = '[[compare.threshold]]\nmetric = "srg"\nworse_by_at_most = 0.05'
    assert _gate(found, rule).status == "FAIL"
    assert _gate(found, f"{rule}\nmissing = 0.05").status == "PASS"


@pytest.mark.parametrize(("expires", "status"), [("2026-06-01", "WAIVED"), ("2026-05-31", "FAIL")])
def test_a_waiver_holds_to_its_last_day(fallen: Any, expires: str, status: str) -> None:
    waiver = (
        '[[waiver]]\nrule = "compare:check:stability:gradient"\nreason = "known"\nowner = "A. Person"\n'
        f"expires = {expires}\n"
        '[[waiver]]\nrule = "compare:maps:gradient"\nreason = "r"\nowner = "o"\nexpires = 2030-01-01'
    )
    gate = _gate(fallen, f"same_settings = false\nchecks_may_not_worsen = true\n{waiver}")
    told = {result.id: result for result in gate.results}
    assert told["compare:check:stability:gradient"].status == status
    assert told["waiver:compare:maps:gradient"].status == "WARN"
    assert gate.status == ("PASS" if status == "WAIVED" else "FAIL")


@pytest.mark.parametrize(
    ("rules", "head", "told"),
    [
        ("", IN_USE, "asks for nothing"),
        ("checks_may_not_worsen = false", IN_USE, "asks for nothing"),
        ("rank_drops_at_most = 1.0", IN_USE, "rank_drop_at_most"),
        ("rank_drop_at_most = -1.0", IN_USE, "greater than or equal to 0"),
        ("rank_drop_at_most = 1.0\nmethods = []", IN_USE, "selects nobody"),
        ("rank_drop_at_most = 1.0", "", "does not name"),
        ('rank_drop_at_most = 1.0\nmethods = ["gradeint"]', IN_USE, "Did you mean gradient?"),
        ('[[compare.threshold]]\nmetric = "srgg"\nworse_by_at_most = 0.1', IN_USE, "Did you mean srg?"),
    ],
)
def test_mistakes_are_refused_in_one_message(rules: str, head: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        require_compare_rules(_policy(rules, head), registry.load(()))
    assert told in caught.value.message


def test_a_policy_without_rules_for_comparisons_is_refused() -> None:
    policy = parse_policy(b"version = 1\n[images]\nminimum = 2\n", "policy.toml", ())
    with pytest.raises(UsageError, match="no rules for comparisons"):
        require_compare_rules(policy, registry.load(()))
