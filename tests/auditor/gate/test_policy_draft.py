"""Drafting: a policy that loads, says honestly what it comes to, and asks for what it says it asks for."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from geoaudit.audit.result import Report
from geoaudit.errors import UsageError
from geoaudit.gate import Policy, judge, parse_policy
from geoaudit.gate.draft import drafted
from geoaudit.gate.telling import explain, gate_lines, verdict_line


def read(text: str) -> Policy:
    return parse_policy(text.encode(), "draft.toml", ())


@pytest.fixture(scope="module")
def reports(synthetic: Any, make_report: Any, parts: Any) -> dict[str, tuple[Report, str | None]]:
    """Reports of many kinds, each with the method to draft for."""
    hostile = parts.finding("stability", "guided-ig", "WARN", reason='\x00\x1b"]\n[[check]]\x85\u2028 # <b>\x7f')
    scores = {
        "srg": parts.score(0.3, 0.1, missing=2, n=18, status="WARN", reason='a "reason" (2)'),
        "ncc-violation": parts.score(0.99, 0.0, higher_is_better=False),
        "completeness-error": parts.score(0.3, None, n=1),
        "deletion": parts.score(0.3, 0.1, higher_is_better=False),
        "complexity": parts.score(0.3, 0.1, higher_is_better=None),
        "road": parts.score(status="ERROR", reason="broke"),
        "pic-sic": parts.score(),
    }
    fine = [parts.finding(name, None) for name in ("parity", "gradient-parity")]
    return {
        "synthetic": (synthetic.build(), None),
        "synthetic, crashed method": (synthetic.build(), "smoothgrad"),
        "crowded": (synthetic.crowded(), "agi"),
        "gradient-free": (synthetic.gradient_free(), None),
        "clean": (make_report(checks=fine), None),
        "one image": (make_report(images=1, checks=fine), None),
        "hostile": (
            make_report(
                methods=[parts.method("guided-ig", scores)], checks=[hostile], health={"pic-sic": "FAIL"}, exit_code=3
            ),
            None,
        ),
        "second method": (make_report(checks=fine), "blur-ig"),
        "unranked": (make_report(entries=[]), "guided-ig"),
    }


KINDS = (
    "synthetic", "synthetic, crashed method", "crowded", "gradient-free", "clean", "one image", "hostile",
    "second method", "unranked",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_draft_comes_to_what_its_head_says(kind: str, reports: Any, parts: Any) -> None:
    report, method = reports[kind]
    text = drafted(report, method, parts.today, ())
    gate = judge(report, read(text), parts.today)
    assert f"Held against that very report on 2027-01-31 (UTC) it comes to {gate.status}.\n" in text
    failing = [result.id for result in gate.results if result.status == "FAIL"]
    head = text.partition("version = 1")[0]
    assert [line.split(":", 1)[0] for line in head.splitlines() if line.startswith("#   FAIL ")] == [
        f"#   FAIL {name.split(':')[0]}" for name in failing
    ]
    assert all(f'# rule = "{name}"' in text for name in failing)
    assert (gate.status == "PASS") == (not failing)


def test_clean_reports_give_drafts_that_pass_and_others_do_not(reports: Any, parts: Any) -> None:
    passing = {
        kind for kind, (report, method) in reports.items() if "to PASS." in drafted(report, method, parts.today, ())
    }
    assert {"clean", "one image", "second method"} <= passing
    assert not passing & {"synthetic", "synthetic, crashed method", "unranked", "hostile"}


@pytest.mark.parametrize("kind", ["synthetic", "hostile"])
def test_the_suggested_waivers_would_do(kind: str, reports: Any, parts: Any) -> None:
    report, method = reports[kind]
    text = drafted(report, method, parts.today, ())
    body, _, waivers = text.partition("It would be written so:\n")
    lines = [line.removeprefix("#").strip() for line in waivers.splitlines()]
    assert judge(report, read(body + "\n" + "\n".join(lines)), parts.today).status == "PASS"


def test_thresholds_lie_beyond_todays_interval_by_the_stated_margin(reports: Any, parts: Any) -> None:
    policy = read(drafted(reports["hostile"][0], None, parts.today, ()))
    asked = {rule.metric: rule for rule in policy.threshold}
    assert set(asked) == {"srg", "ncc-violation"}
    assert asked["srg"].minimum == pytest.approx(0.15, abs=0.005)
    assert asked["srg"].minimum <= 0.15
    assert asked["srg"].missing == 0.1
    assert asked["ncc-violation"].maximum == pytest.approx(1.089, abs=0.01)


def test_what_is_not_asked_for_is_named_with_the_reason(reports: Any, parts: Any) -> None:
    text = " ".join(drafted(reports["hostile"][0], None, parts.today, ()).replace("\n# ", " ").split())
    assert "Not asked for: completeness-error, since it has no interval today (1 image with a score)." in text
    assert "Not asked for: complexity, since neither higher nor lower is better." in text
    assert "Not asked for: road, since it broke (broke)." in text
    assert "Not asked for: pic-sic, since its own test on this model is FAIL (as tested)." in text
    assert "Not asked for, since the ranking does not rest on it: deletion is 0.3 today" in text


def test_every_check_that_was_run_stands_in_the_draft(reports: Any, parts: Any) -> None:
    report, _ = reports["crowded"]
    text = drafted(report, None, parts.today, ())
    assert all(check.id in text for check in report.checks)
    content = tomllib.loads(text)
    assert content["model"]["sha256"] == report.model.sha256
    statuses = {c.id: c.status for c in report.checks if c.method in (None, content["method"]["in_use"])}
    for name in content["checks"]["required"]:
        assert statuses[name] in ("PASS", "FAIL", "ERROR")
        assert f'"{name}",  # {statuses[name]}' in text
    for rule in content.get("check", []):
        assert rule["allow"] in (["WARN"], ["INCONCLUSIVE"])


@pytest.mark.parametrize(("images", "minimum"), [(1, 1), (19, 19), (20, 20), (200, 20)])
def test_the_images_minimum(images: int, minimum: int, make_report: Any, parts: Any) -> None:
    policy = read(drafted(make_report(images=images), None, parts.today, ()))
    assert policy.images is not None
    assert policy.images.minimum == minimum


def test_the_method_in_use(make_report: Any, parts: Any) -> None:
    def in_use(report: Report, method: str | None = None) -> str:
        policy = read(drafted(report, method, parts.today, ()))
        assert policy.method is not None
        return policy.method.in_use

    assert in_use(make_report()) == "guided-ig"
    assert in_use(make_report(), "blur-ig") == "blur-ig"
    gated = make_report()
    gate = gated.gate.model_copy(update={"in_use": "blur-ig"})
    assert in_use(gated.model_copy(update={"gate": gate})) == "blur-ig"
    with pytest.raises(UsageError, match="Did you mean guided-ig"):
        in_use(make_report(), "guided-gi")
    with pytest.raises(UsageError, match="ranks no method"):
        in_use(make_report(entries=[]))


def test_a_policy_is_explained_line_by_line_under_the_ids_of_its_results(make_report: Any, parts: Any) -> None:
    digests = f"model.sha256 = '{'ab' * 32}'\nimages.manifest_sha256 = '{'cd' * 32}'"
    text = """
    version = 1
    images.minimum = 1
    images.maximum_skipped = 0
    method.in_use = "guided-ig"
    checks = { required = ["parity"], allow = ["WARN", "SKIP"] }
    check = [{ id = "stability" }, { id = "completeness", methods = "ranked" }]
    threshold = [
      { metric = "srg", minimum = 0.1, maximum = 1, missing = 0.1, allow = ["SKIP"] },
      { check = "stability", maximum = 2 }, { number = "data.count", minimum = 1 },
    ]
    """
    policy = read(f"{digests}\n{text}")
    told = dict(explain(policy))
    judged = {result.id for result in judge(make_report(), policy, parts.today).results}
    assert set(told) - judged == {"check:completeness:ranked"}
    assert judged - set(told) == {"check:completeness:guided-ig", "check:completeness:blur-ig"}
    assert told["check:parity"] == "the check parity passes (WARN and SKIP are accepted too)"
    assert "every method that is meant by 'ranked'" in told["check:completeness:ranked"]
    assert told["threshold:srg:guided-ig:minimum"] == (
        "the lower end of the 95 % interval of srg for guided-ig is at least 0.1 "
        "(10 % of the images may lack a score; the metric's own test may be SKIP)"
    )
    assert told["images:maximum_skipped"] == "at most 0 inputs left out"


def test_failures_and_the_verdict_in_lines(make_report: Any, make_policy: Any, parts: Any) -> None:
    from geoaudit.gate import judged

    policy = make_policy('images.minimum = 21\n[method]\nin_use = "blur-ig"')
    told = judged(make_report(), policy, parts.today)
    (line,) = gate_lines(told)
    assert line == "FAIL images:minimum: at least 21 images. There are too few images. Found: 20 images"
    assert verdict_line(told.gate) == "Verdict: FAIL. Of 3 rules: 1 not met, 1 met with a caution, 1 met."
    assert gate_lines(make_report()) == []


@pytest.mark.parametrize("mean", [0.0, 5e-324, 1e-310, 1e-17, 1e17])
def test_limits_of_very_small_and_very_large_scores(mean: float, make_report: Any, parts: Any) -> None:
    half = mean / 3
    scores = {"completeness-error": parts.score(mean, half, higher_is_better=False)}
    report = make_report(methods=[parts.method("guided-ig", scores)])
    policy = parse_policy(drafted(report, None, parts.today).encode(), "draft.toml", ())
    result = next(r for r in judge(report, policy, parts.today).results if r.id.startswith("threshold:"))
    assert result.status == "PASS"
