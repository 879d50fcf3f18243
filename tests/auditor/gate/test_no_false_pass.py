"""Properties of the verdict over all combinations of statuses, numbers, allowances and waivers.

What a policy asks is stated here a second time, on plain values, so that a mistake in the judge cannot hide.
"""

from __future__ import annotations

import datetime
import math
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from geoaudit.audit.result import CheckResult, Gate, MethodResult, MetricHealth, RankingEntry, Report
from geoaudit.gate import Policy, judge, judged

QUICK = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
LONGER = settings(QUICK, max_examples=100)
TODAY = datetime.date(2027, 1, 31)
STATUSES = ("PASS", "WARN", "FAIL", "ERROR", "SKIP", "INCONCLUSIVE")
METHODS = ("guided-ig", "blur-ig")
CHECKS = ("stability", "completeness", "parity")
PINNED, OTHER = "ab" * 32, "cd" * 32

numbers = st.sampled_from([-0.5, 0.0, 0.2, 0.5, 0.9])
perhaps = st.none() | numbers


@st.composite
def often(draw: st.DrawFn, value: Any, rest: st.SearchStrategy[Any]) -> Any:
    """Mostly `value`: worlds in which everything is wrong would show little."""
    return draw(rest) if draw(st.integers(0, 5)) == 5 else value


@st.composite
def findings(draw: st.DrawFn) -> list[dict[str, Any]]:
    """None, one or two findings of one check about one subject."""
    status = often("PASS", st.sampled_from(STATUSES))
    value = numbers | numbers | st.none()
    one = st.fixed_dictionaries({"status": status, "estimate": value, "ci_low": value, "ci_high": value})
    return draw(st.lists(one, min_size=draw(often(1, st.just(0))), max_size=2))


@st.composite
def scores(draw: st.DrawFn) -> dict[str, Any] | None:
    """A metric's summary, or none at all."""
    mean = draw(often(0.5, perhaps))
    missing = draw(often(0, st.integers(0, 20)))
    summary = {
        "mean": mean,
        "median": mean,
        "ci_low": None if mean is None else draw(often(0.2, perhaps)),
        "ci_high": None if mean is None else draw(often(0.5, perhaps)),
        "n": 20 - missing,
        "missing": missing,
        "status": draw(often("PASS", st.sampled_from(STATUSES))),
    }
    return draw(often(summary, st.none()))


worlds = st.fixed_dictionaries(
    {
        "findings": st.fixed_dictionaries(
            {
                (check, subject): findings()
                for check in CHECKS
                for subject in ((None,) if check == "parity" else METHODS)
            }
        ),
        "methods": st.fixed_dictionaries(
            {
                name: st.fixed_dictionaries(
                    {"status": often("ok", st.sampled_from(["ok", "error", "skipped", "absent"])), "srg": scores()}
                )
                for name in METHODS
            }
        ),
        "tiers": st.fixed_dictionaries(
            dict.fromkeys(METHODS, st.sampled_from(["recommended", "recommended", "caution", "rejected", None]))
        ),
        "health": st.none() | st.sampled_from(STATUSES),
        "images": st.sampled_from([5, 20]),
        "skipped": st.sampled_from([0, 2]),
        "exit_code": often(0, st.sampled_from([0, 1, 3])),
        "sha256": often(PINNED, st.just(OTHER)),
    }
)
excuses = st.lists(st.sampled_from(["WARN", "INCONCLUSIVE", "SKIP", "ERROR"]), unique=True, max_size=4)
subjects = st.sampled_from(["in-use", "blur-ig", "recommended", "ranked", "all", ["blur-ig", "in-use"]])
bounds = st.sampled_from([{"minimum": 0.2}, {"maximum": 0.5}, {"minimum": -0.5, "maximum": 0.9}])


@st.composite
def policies(draw: st.DrawFn) -> dict[str, Any]:
    """A policy's content, as TOML would give it."""
    asked = draw(st.lists(st.sampled_from(CHECKS), unique=True))
    split = draw(st.integers(0, len(asked)))
    rules: list[dict[str, Any]] = []
    for name in asked[split:]:
        rule: dict[str, Any] = {"id": name, "allow": draw(excuses)}
        rules.append(rule if name == "parity" else rule | draw(st.sampled_from([{}, {"methods": draw(subjects)}])))
    thresholds: list[dict[str, Any]] = []
    for number, kind in enumerate(
        draw(st.lists(st.sampled_from(["metric", "metric", "check", "model", "number"]), min_size=1, max_size=3))
    ):
        more: dict[str, Any] = {"name": f"t{number}", **draw(bounds)}
        if kind == "metric":
            more |= {
                "metric": "srg",
                "methods": draw(subjects),
                "allow": draw(st.sampled_from([[], ["FAIL"], ["SKIP"]])),
            }
            more |= {
                "of": draw(st.sampled_from(["interval", "mean", "ci_high"])),
                "missing": draw(st.sampled_from([0.0, 0.5])),
            }
        elif kind == "number":
            more |= {"number": "data.count"}
        else:
            more |= {"check": "parity"} if kind == "model" else {"check": "stability", "methods": draw(subjects)}
            more |= {"of": draw(st.sampled_from(["estimate", "interval"])), "allow": draw(excuses)}
        thresholds.append(more)
    content = {
        "version": 1,
        "audit": {"allow": draw(st.sampled_from([[], ["ERROR"]]))},
        "model": draw(st.none() | st.just({"sha256": [PINNED]})),
        "images": draw(st.none() | st.just({"minimum": 10, "maximum_skipped": 1})),
        "method": {
            "in_use": "guided-ig",
            "tiers": draw(st.sampled_from([["recommended"], ["recommended", "caution"]])),
        },
        "checks": {"required": asked[:split], "allow": draw(excuses), "methods": draw(subjects)},
        "check": rules,
        "threshold": thresholds,
    }
    return {key: value for key, value in content.items() if value is not None}


@pytest.fixture(scope="module")
def base(make_report: Any) -> Report:
    """What all reports of these tests have in common."""
    report: Report = make_report(skipped=1)
    return report


def policy_of(content: dict[str, Any], waivers: dict[str, int] | None = None) -> Policy:
    """The policy; waivers by result id to the days from today to their last day."""
    waived = [
        {"rule": name, "reason": "r", "owner": "o", "expires": TODAY + datetime.timedelta(days=days)}
        for name, days in (waivers or {}).items()
    ]
    return Policy.model_validate(
        {**content, "waiver": waived, "file": "p.toml", "sha256": OTHER, "model_checks": frozenset({"parity"})}
    )


def report_of(world: dict[str, Any], base: Report, parts: Any) -> Report:
    """The report of a world."""
    methods = [
        parts.method(
            name,
            {} if told["srg"] is None else {"srg": {**told["srg"], "higher_is_better": True, "reason": None}},
            status=told["status"],
        )
        for name, told in world["methods"].items()
        if told["status"] != "absent"
    ]
    checks = [
        parts.finding(check, subject, **told) for (check, subject), each in world["findings"].items() for told in each
    ]
    entries = [parts.entry(name, tier) for name, tier in world["tiers"].items() if tier is not None]
    health = [] if world["health"] is None else [{"metric": "srg", "status": world["health"], "reason": "r"}]
    return base.model_copy(
        update={
            "methods": [MethodResult.model_validate(m) for m in methods],
            "checks": [CheckResult.model_validate(c) for c in checks],
            "ranking": base.ranking.model_copy(update={"entries": [RankingEntry.model_validate(e) for e in entries]}),
            "metric_health": [MetricHealth.model_validate(h) for h in health],
            "exit_code": world["exit_code"],
            "model": base.model.model_copy(update={"sha256": world["sha256"]}),
            "data": base.data.model_copy(
                update={"count": world["images"], "skipped": [base.data.skipped[0]] * world["skipped"]}
            ),
        }
    )


def restated(world: dict[str, Any], policy: dict[str, Any]) -> dict[str, bool]:
    """Every rule of the policy by result id, and whether it holds in this world, waivers apart."""
    told = {"audit:complete": unbroken(world) or bool(policy["audit"]["allow"])}
    if "model" in policy:
        told["model:sha256"] = world["sha256"] == PINNED
    if "images" in policy:
        told["images:minimum"] = world["images"] >= 10
        told["images:maximum_skipped"] = world["skipped"] <= 1
    ran = world["methods"]["guided-ig"]["status"] == "ok"
    told["method:tier:guided-ig"] = ran and world["tiers"]["guided-ig"] in policy["method"]["tiers"]
    general = policy["checks"]
    asked = [{"id": name} for name in general["required"]] + policy["check"]
    for rule in asked:
        accepted = {"PASS", *general["allow"], *rule.get("allow", [])}
        whom = rule.get("methods", general["methods"])
        for subject in [None] if rule["id"] == "parity" else selected(world, whom):
            name = f"check:{rule['id']}" + ("" if subject is None else f":{subject}")
            got = world["findings"].get((rule["id"], subject))
            told[name] = (
                got is not None and all(f["status"] in accepted for f in got) and (bool(got) or "SKIP" in accepted)
            )
    for rule in policy["threshold"]:
        model = rule.get("check") == "parity" or "number" in rule
        for subject in [None] if model else selected(world, rule["methods"]):
            for side in ("minimum", "maximum"):
                if side in rule:
                    name = ":".join(["threshold", rule["name"], *([] if subject is None else [subject]), side])
                    told[name] = meets(world, policy, rule, subject, side)
    return told


def unbroken(world: dict[str, Any]) -> bool:
    checks = any(f["status"] == "ERROR" for each in world["findings"].values() for f in each)
    present = [m for m in world["methods"].values() if m["status"] != "absent"]
    scored = any(m["srg"] is not None and m["srg"]["status"] == "ERROR" for m in present)
    return world["exit_code"] != 3 and not checks and not scored and all(m["status"] != "error" for m in present)


def selected(world: dict[str, Any], whom: str | list[str]) -> list[str]:
    """Method ids; the word itself where it selects nobody, which nothing is known of."""
    found: list[str] = []
    for word in [whom] if isinstance(whom, str) else whom:
        groups = {
            "in-use": ["guided-ig"],
            "recommended": [m for m in METHODS if world["tiers"][m] == "recommended"],
            "ranked": [m for m in METHODS if world["tiers"][m] is not None],
            "all": [m for m in METHODS if world["methods"][m]["status"] != "absent"],
        }
        found += groups.get(word, [word]) or [word]
    return list(dict.fromkeys(found))


def meets(world: dict[str, Any], policy: dict[str, Any], rule: dict[str, Any], subject: str | None, side: str) -> bool:
    of = rule.get("of")
    if of == "interval":
        of = "ci_low" if side == "minimum" else "ci_high"
    if "number" in rule:
        values = [world["images"]]
    elif "check" in rule:
        got = world["findings"].get((rule["check"], subject), [])
        accepted = {"PASS", *policy["checks"]["allow"], *rule["allow"]}
        if not got or any(f["status"] not in accepted for f in got):
            return False
        values = [f[of] for f in got]
    else:
        method = world["methods"].get(subject)
        if method is None or method["status"] != "ok" or method["srg"] is None:
            return False
        srg = method["srg"]
        if srg["status"] not in ("PASS", "WARN") or srg["n"] == 0 or srg["missing"] / 20 > rule["missing"]:
            return False
        if world["health"] not in (None, "PASS", *rule["allow"]) and "FAIL" not in rule["allow"]:
            return False
        values = [srg[of]]
    if any(value is None for value in values):
        return False
    return all(value >= rule[side] if side == "minimum" else value <= rule[side] for value in values)


def statuses(gate: Gate) -> dict[str, str]:
    return {result.id: result.status for result in gate.results}


@LONGER
@given(world=worlds, content=policies(), data=st.data())
def test_the_verdict_is_pass_exactly_when_every_rule_holds_or_is_waived(
    world: Any, content: Any, data: Any, base: Report, parts: Any
) -> None:
    told = restated(world, content)
    failing = sorted(name for name, held in told.items() if not held)
    days = st.sampled_from([-1, 0, 1])
    waived = data.draw(st.just({}) | st.fixed_dictionaries(dict.fromkeys(failing, days)))
    some = data.draw(st.sampled_from(sorted(told)))
    waivers = {**waived, some: data.draw(days)} if data.draw(st.booleans()) else waived
    report = report_of(world, base, parts)
    final = judged(report, policy_of(content, waivers), TODAY)
    got = statuses(final.gate)
    assert set(got) == set(told)
    for name, held in told.items():
        in_force = waivers.get(name, -1) >= 0
        assert (got[name] in ("PASS", "WARN")) == held, name
        assert (got[name] == "WAIVED") == (not held and in_force), name
    passes = all(held or waivers.get(name, -1) >= 0 for name, held in told.items())
    assert final.gate.status == ("PASS" if passes else "FAIL")
    incomplete = not told["audit:complete"] and waivers.get("audit:complete", -1) < 0
    assert final.exit_code == (3 if incomplete else 0 if passes else 1)


@QUICK
@given(world=worlds, content=policies())
def test_a_result_without_reservation_is_a_pass_and_every_allowance_shows(
    world: Any, content: Any, base: Report, parts: Any
) -> None:
    """PASS means that nothing was excused: take all allowances away, and such a result still passes."""
    report = report_of(world, base, parts)
    before = statuses(judge(report, policy_of(content), TODAY))
    strict = {**content, "audit": {"allow": []}, "checks": {**content["checks"], "allow": []}}
    strict["check"] = [{**rule, "allow": []} for rule in content["check"]]
    strict["threshold"] = [
        {**rule, **({} if "number" in rule else {"allow": []}), **({"missing": 0.0} if "metric" in rule else {})}
        for rule in content["threshold"]
    ]
    strict["method"] = {**content["method"], "tiers": ["recommended"]}
    after = statuses(judge(report, policy_of(strict), TODAY))
    assert {name for name, status in before.items() if status == "PASS"} == {
        name for name, status in after.items() if status == "PASS"
    }


@QUICK
@given(world=worlds, content=policies(), data=st.data())
def test_nothing_that_gets_worse_turns_fail_into_pass(
    world: Any, content: Any, data: Any, base: Report, parts: Any
) -> None:
    """Whom a rule is about stays the same: a worse tier takes a method out of "recommended", as it should."""
    report = report_of(world, base, parts)
    before = statuses(judge(report, policy_of(content), TODAY))
    worse, what = _worsened(world, data)
    after = statuses(judge(report_of(worse, base, parts), policy_of(content), TODAY))
    if what == "tier":
        assume(set(before) == set(after))
    assert set(before) == set(after)
    for name, status in before.items():
        lowered = what in ("srg", "images") and name.endswith(":maximum")  # less is better there
        if status == "FAIL" and not lowered:
            assert after[name] == "FAIL", (what, name)


def _worsened(world: dict[str, Any], data: Any) -> tuple[dict[str, Any], str]:
    """The world with one thing worse, and which."""
    what = data.draw(
        st.sampled_from(["finding", "method", "tier", "srg", "missing", "health", "images", "exit", "sha"])
    )
    changed = {
        **world,
        "findings": dict(world["findings"]),
        "methods": dict(world["methods"]),
        "tiers": dict(world["tiers"]),
    }
    name = data.draw(st.sampled_from(METHODS))
    method = world["methods"][name]
    if what == "finding":
        key = data.draw(st.sampled_from(sorted(world["findings"], key=str)))
        # a check that broke stays so: one that failed at least came to an end
        changed["findings"][key] = [
            f if f["status"] == "ERROR" else {**f, "status": "FAIL"} for f in world["findings"][key]
        ]
    elif what == "method" and method["status"] == "ok":
        changed["methods"][name] = {**method, "status": data.draw(st.sampled_from(["error", "skipped"]))}
    elif what == "tier" and world["tiers"][name] is not None:
        changed["tiers"][name] = "rejected"
    elif what in ("srg", "missing") and method["srg"] is not None:
        lower = {
            k: None if method["srg"][k] is None else method["srg"][k] - 0.3
            for k in ("mean", "median", "ci_low", "ci_high")
        }
        fewer = {"missing": 20, "n": 0}
        changed["methods"][name] = {**method, "srg": {**method["srg"], **(lower if what == "srg" else fewer)}}
    elif what == "health":
        changed["health"] = "FAIL"
    elif what == "images":
        changed |= {"images": 1, "skipped": 2}
    elif what == "exit":
        changed["exit_code"] = 3
    elif what == "sha":
        changed["sha256"] = OTHER
    return changed, what


@QUICK
@given(world=worlds, content=policies(), seed=st.integers(0, 10))
def test_the_order_of_rules_and_of_the_report_does_not_matter(
    world: Any, content: Any, seed: int, base: Report, parts: Any
) -> None:
    report = report_of(world, base, parts)
    before = judge(report, policy_of(content), TODAY)
    rng = random.Random(seed)
    turned = {**content, "checks": {**content["checks"], "required": shuffled(rng, content["checks"]["required"])}}
    turned |= {key: shuffled(rng, content[key]) for key in ("check", "threshold")}
    moved = report.model_copy(
        update={
            "checks": shuffled(rng, report.checks),
            "methods": shuffled(rng, report.methods),
            "ranking": report.ranking.model_copy(update={"entries": shuffled(rng, report.ranking.entries)}),
        }
    )
    after = judge(moved, policy_of(turned), TODAY)
    assert statuses(before) == statuses(after)
    assert before.status == after.status


@QUICK
@given(world=worlds, content=policies())
def test_every_result_is_said_in_words_and_finite_numbers(world: Any, content: Any, base: Report, parts: Any) -> None:
    gate = judge(report_of(world, base, parts), policy_of(content), TODAY)
    for result in gate.results:
        assert result.rule and result.found and result.reason.endswith((".", ")"))
        assert "None" not in result.rule + result.found + result.reason
        assert all(n is None or math.isfinite(n) for n in (result.measured, result.minimum, result.maximum))
    Gate.model_validate(gate.model_dump())


def shuffled(rng: random.Random, items: list[Any]) -> list[Any]:
    return rng.sample(items, len(items))
