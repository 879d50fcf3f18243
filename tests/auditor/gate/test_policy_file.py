"""Reading policies: what is refused and with which words, digests, ids, and what a waiver may name."""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path

import jsonschema
import pytest

from geoaudit.errors import UsageError
from geoaudit.gate import load_policy, number_paths, parse_policy
from geoaudit.gate.policy import PolicyFile, Table
from geoaudit_reports.schema import schema_file

T = "version = 1\n[[threshold]]\n"
SRG = f"{T}metric = 'srg'\n"
PARITY = f"{T}check = 'parity'\n"
IN_USE = '[method]\nin_use = "guided-ig"\n'
WHOLE = f"""
version = 1
title = "Release"
owner = "Model risk"
audit.allow = ["ERROR"]

[model]
sha256 = ["{"AB" * 32}", "{"cd" * 32}"]

[images]
minimum = 20
maximum_skipped = 3
manifest_sha256 = "{"ef" * 32}"

[method]
in_use = "guided-ig"
tiers = ["recommended"]

[checks]
required = ["parity", "model-randomization"]
allow = ["WARN"]

[[check]]
id = "stability"
methods = ["in-use", "blur-ig"]
allow = ["INCONCLUSIVE"]

[[threshold]]
metric = "srg"
of = "mean"
minimum = 0.1
missing = 0.1
allow = ["INCONCLUSIVE"]

[[threshold]]
check = "model-randomization"
methods = "ranked"
maximum = 0.5

[[threshold]]
number = "parity.max_rel_diff"
maximum = 1e-5

[[waiver]]
rule = "check:stability:guided-ig"
reason = "Known"
owner = "A. Person"
expires = 2027-01-31

[compare]
tiers_may_not_worsen = true
"""


def refused(text: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        parse_policy(text.encode(), "p.toml", ())
    assert caught.value.exit_code == 2
    assert caught.value.thing.startswith("p.toml")
    return caught.value


def test_a_whole_policy_is_read_and_follows_the_published_schema(tmp_path: Path) -> None:
    path = tmp_path / "release.toml"
    path.write_text(WHOLE, encoding="utf-8")
    policy = load_policy(path, ())
    assert (policy.file, policy.title, policy.owner) == ("release.toml", "Release", "Model risk")
    assert policy.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert policy.model is not None
    assert policy.model.digests == ["ab" * 32, "cd" * 32]
    assert [rule.id for rule in policy.asked_checks] == ["parity", "model-randomization", "stability"]
    assert policy.asked_checks[2].allow == ["WARN", "INCONCLUSIVE"]
    assert {"parity", "gradient-parity"} <= policy.model_checks
    assert "stability" not in policy.model_checks
    assert policy.compare is not None
    schema = json.loads(schema_file("policy").read_text(encoding="utf-8"))
    content = json.loads(json.dumps(tomllib.loads(WHOLE), default=str))
    jsonschema.Draft202012Validator(schema).validate(content)
    content["method"]["tiers"] = ["rejected"]
    assert not jsonschema.Draft202012Validator(schema).is_valid(content)


def test_a_byte_order_mark_is_no_error() -> None:
    assert parse_policy(b"\xef\xbb\xbfversion = 1\nimages.minimum = 2", "p.toml", ()).images is not None


@pytest.mark.parametrize("what", ["missing", "folder", "zero byte", "latin-1", "no TOML"])
def test_what_cannot_be_read_is_named_with_the_reason(what: str, tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    if what == "folder":
        path.mkdir()
    elif what == "zero byte":
        path = tmp_path / "p\0.toml"
    elif what != "missing":
        path.write_bytes("title = 'ä'".encode("latin-1") if what == "latin-1" else b"version = = 1")
    with pytest.raises(UsageError) as caught:
        load_policy(path, ())
    assert str(path) in caught.value.thing
    assert ("cannot be read" if what in ("missing", "folder", "zero byte") else "is not TOML") in caught.value.reason
    assert caught.value.way_out


@pytest.mark.parametrize("text", ["version = 1", "version = 1\n[images]\n[checks]\nallow = ['WARN']"])
def test_a_policy_that_asks_for_nothing_is_refused(text: str) -> None:
    assert refused(text).reason == "asks for nothing"


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("images.minimum = 1", "version", "is missing"),
        ("version = 2\nimages.minimum = 1", "version", "must be 1"),
        ("version = 1\nimagse.minimum = 1", "imagse", "Did you mean images?"),
        ("version = 1\nimages.minimun = 1", "images.minimun", "Did you mean minimum?"),
        ("version = 1\nzzz = 1", "zzz", "Known here: version, title"),
        ("version = 1\nimages = 1", "images", "must be a table\nWrite [images] and"),
        ("version = 1\n[[images]]\nminimum = 1", "images", "must be a table"),
        ("version = 1\n[threshold]\nmetric = 'srg'", "threshold", "must be a list of tables\nWrite [[threshold]] and"),
        (f"{SRG}minimum = 1{'0' * 400}", "threshold[1].minimum", "000…"),
        ('version = 1\nimages.minimum = "20"', "images.minimum", "must be a valid integer, not '20'"),
        ("version = 1\nimages.minimum = 2.0", "images.minimum", "must be a valid integer"),
        ("version = 1\nimages.minimum = true", "images.minimum", "must be a valid integer"),
        ("version = 1\nimages.minimum = 0", "images.minimum", "greater than or equal to 1"),
        ("version = 1\nmodel.sha256 = 'abc'", "model.sha256", "64 hexadecimal digits"),
        (f"version = 1\nmodel.sha256 = ['{'xy' * 32}']", "model.sha256[1]", "64 hexadecimal digits"),
        ("version = 1\nmodel.sha256 = []", "model", "pins no digest"),
        ("version = 1\nmethod.in_use = ''", "method.in_use", "at least 1 character"),
        (f"version = 1\n{IN_USE}tiers = ['rejected']", "method.tiers[1]", "must be 'recommended' or 'caution'"),
        (f"version = 1\n{IN_USE}tiers = []", "method.tiers", "must not be empty\nCorrect"),
        ("version = 1\nchecks.required = 'parity'", "checks.required", "must be a valid list"),
        ("version = 1\nchecks.allow = ['FAIL']", "checks.allow[1]", "must be 'WARN'"),
        ("version = 1\n[[check]]\nid = 'parity'\nallows = []", "check[1].allows", "Did you mean allow?"),
        ("version = 1\n[[check]]\nallow = []", "check[1].id", "is missing"),
        ("version = 1\n[[check]]\nid = 'stability'\nmethods = []", "check[1].methods", "selects nobody"),
        ("version = 1\n[[check]]\nid = 'stability'\nmethods = 3", "check[1].methods", "must be"),
        (f"{T}minimum = 1", "threshold[1]", "exactly one of metric, check and number"),
        (f"{SRG}check = 'parity'\nminimum = 1", "threshold[1]", "exactly one"),
        (f"{T}metric = 'srg'", "threshold[1]", "a minimum or a maximum"),
        (f"{SRG}minimum = nan", "threshold[1].minimum", "must be a finite number"),
        (f"{SRG}maximum = inf", "threshold[1].maximum", "must be a finite number"),
        (f"{SRG}minimum = 2\nmaximum = 1", "threshold[1]", "above its maximum"),
        (f"{SRG}minimum = 1\nmissing = 1.0", "threshold[1].missing", "less than 1"),
        (f"{SRG}minimum = 1\nof = 'estimate'", "threshold[1]", "estimate"),
        (f"{SRG}minimum = 1\nallow = ['ERROR']", "threshold[1]", "health test"),
        (f"{PARITY}minimum = 1\nof = 'mean'", "threshold[1]", "estimate"),
        (f"{PARITY}minimum = 1\nallow = ['FAIL']", "threshold[1]", "only be waived"),
        (f"{PARITY}minimum = 1\nmissing = 0.1", "threshold[1]", "only with a metric"),
        (f"{T}number = 'data.count'\nminimum = 1\nof = 'mean'", "threshold[1]", "neither"),
        ("version = 1\n[[waiver]]\nrule = 'x'\nreason = 'r'\nowner = 'o'", "waiver[1].expires", "is missing"),
        ("version = 1\n[[waiver]]\nrule = 'x'\nreason = ' '\nowner = 'o'\nexpires = 2027-01-31", "waiver[1].reason",
         "at least 1 character"),
        ("version = 1\n[[waiver]]\nrule = 'x'\nreason = 'r'\nowner = 'o'\nexpires = '2027-01-31'", "waiver[1].expires",
         "without quotes"),
        ("version = 1\n[[waiver]]\nrule = 'x'\nreason = 'r'\nowner = 'o'\nexpires = 20270131", "waiver[1].expires",
         "without quotes"),
        ("version = 1\n[[waiver]]\nrule = 'x'\nreason = 'r'\nowner = 'o'\nexpires = 2027-01-31T10:00:00Z",
         "waiver[1].expires", "not 2027-01-31T10:00:00+00:00\nWrite it without quotes and without a time"),
        ("version = 1\n[compare]\ntiers_may_not_worse = true", "compare.tiers_may_not_worse",
         "Did you mean tiers_may_not_worsen?"),
    ],
)  # fmt: skip
def test_a_wrong_key_or_value_is_named_with_its_place(text: str, place: str, words: str) -> None:
    error = refused(text)
    assert error.thing == f"p.toml, {place}"
    assert words in error.message
    assert "Input should" not in error.message
    assert "Value error" not in error.message
    assert "Rules" not in error.message
    assert len(error.message) < 250


def test_nesting_without_end_is_refused() -> None:
    assert "nested too deep to" in refused(f"a = {'[' * 3000}{']' * 3000}").reason


def test_the_number_of_further_mistakes_is_told() -> None:
    assert "(and 1 more)" in refused("version = 1\nimages.minimum = 0\nimages.maximum_skipped = -1").reason


@pytest.mark.parametrize(
    ("rule", "place", "words"),
    [
        ("method.in_use = 'guided-igg'", "method.in_use", "Did you mean guided-ig?"),
        ("method.in_use = 'random'", "method.in_use", "is a control"),
        ("method.in_use = 'other/map'", "method.in_use", "Is the package other installed?"),
        ("checks.required = ['stabilty']", "checks.required", "Did you mean stability?"),
        ("[[check]]\nid = 'paritty'", "check[1]", "Did you mean parity?"),
        ("[[check]]\nid = 'stability'\nmethods = ['guided-ig', 'xray']", "check[1]", "Did you mean xrai?"),
        ("[[check]]\nid = 'parity'\nmethods = 'all'", "check[1].methods", "examines the model and no method"),
        ("[[threshold]]\nmetric = 'srgg'\nminimum = 1", "threshold[1]", "Did you mean srg?"),
        ("[[threshold]]\nmetric = 'srg'\nminimum = 1\nmethods = 'guided'", "threshold[1]", "is unknown"),
        ("[[threshold]]\ncheck = 'srg'\nminimum = 1", "threshold[1]", "is unknown"),
        ("[[threshold]]\ncheck = 'parity'\nminimum = 1\nmethods = 'all'", "threshold[1].methods", "no method"),
        ("[[threshold]]\nnumber = 'parity.max_rel_dif'\nminimum = 1", "threshold[1].number", "max_rel_diff"),
        ("[[threshold]]\nnumber = 'parity.status'\nminimum = 1", "threshold[1].number", "is no number"),
        ("[[threshold]]\nnumber = 'methods.0.id'\nminimum = 1", "threshold[1].number", "is a list"),
        ("[[threshold]]\nnumber = 'data.count.x'\nminimum = 1", "threshold[1].number", "is no table"),
        ("[[threshold]]\nmetric = 'srg'\nminimum = 1\nmethods = 'rankd'", "threshold[1]", "Did you mean ranked?"),
        ("[[threshold]]\nmetric = 'srg'\nminimum = 1\nmethods = 'in_use'", "threshold[1]", "Did you mean in-use?"),
        ("checks.required = ['stability']", "checks.required", "does not name"),
        ("[[threshold]]\nmetric = 'srg'\nminimum = 1", "threshold[1]", "does not name"),
    ],
)
def test_what_does_not_exist_is_refused_with_a_suggestion(rule: str, place: str, words: str) -> None:
    error = refused(f"version = 1\nimages.minimum = 1\n{rule}")
    assert error.thing.startswith(f"p.toml, {place}")
    assert words in error.message


def test_checks_of_the_model_need_no_method_in_use() -> None:
    policy = parse_policy(b"version = 1\nchecks.required = ['parity']", "p.toml", ())
    assert policy.method is None


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ("checks.required = ['parity', 'parity']", "required twice"),
        ("checks.required = ['parity']\n[[check]]\nid = 'parity'", "required twice"),
        ("[[check]]\nid = 'parity'\n[[check]]\nid = 'parity'", "required twice"),
        ("[[threshold]]\nnumber = 'data.count'\nminimum = 1\n" * 2, "name of its own"),
        ("threshold = [{number = 'data.count', minimum = 1}, {check = 'parity', name = 'data.count', maximum = 1}]",
         "name of its own"),
        ("[[waiver]]\nrule = 'images:minimum'\nreason = 'r'\nowner = 'o'\nexpires = 2027-01-31\n" * 2, "two of them"),
    ],
)  # fmt: skip
def test_two_rules_never_share_a_result(rules: str, words: str) -> None:
    assert words in refused(f"version = 1\nimages.minimum = 1\n{rules}").message


RULES = f"""
version = 1
images.minimum = 1
{IN_USE}
[checks]
required = ["parity", "stability"]
[[threshold]]
metric = "srg"
minimum = 0
methods = ["recommended", "random"]
"""


@pytest.mark.parametrize(
    ("rule", "suggestion"),
    [
        ("audit:complete", None),
        ("images:minimum", None),
        ("method:tier:guided-ig", None),
        ("check:parity", None),
        ("check:stability:guided-ig", None),
        ("threshold:srg:random:minimum", None),
        ("threshold:srg:recommended:minimum", None),
        ("threshold:srg:xrai:minimum", None),
        ("compare:whatever", "`geoaudit policy check` lists the rules."),
        ("images:minimun", "images:minimum"),
        ("images:maximum_skipped", "images:minimum"),
        ("check:stability", "check:stability:guided-ig"),
        ("check:stability:blur-ig", "check:stability:guided-ig"),
        ("threshold:srg:xrai:maximum", "threshold:srg:xrai:minimum"),
        ("zzzzzzzzzz", "`geoaudit policy check` lists the rules."),
    ],
)
def test_a_waiver_names_a_result_that_the_policy_can_have(rule: str, suggestion: str | None) -> None:
    text = f'{RULES}[[waiver]]\nrule = "{rule}"\nreason = "r"\nowner = "o"\nexpires = 2027-01-31'
    if suggestion is None:
        assert parse_policy(text.encode(), "p.toml", ()).waiver[0].rule == rule
    else:
        error = refused(text)
        assert error.thing == "p.toml, waiver[1].rule"
        assert suggestion in error.way_out


def test_only_two_reports_tell_what_a_waiver_of_a_comparison_can_name() -> None:
    asked = f"{IN_USE}[compare]\ntiers_may_not_worsen = true\n"
    waiver = '[[waiver]]\nrule = "compare:whatever"\nreason = "r"\nowner = "o"\nexpires = 2027-01-31\n'
    policy = parse_policy(f"version = 1\n{asked}{waiver}".encode(), "p.toml", ())
    assert policy.waiver[0].rule == "compare:whatever"


@pytest.mark.parametrize(
    "path", ["parity.gradient.max_rel_error", "run.seconds", "ranking.reliability", "run.engine.x.y"]
)
def test_numbers_that_a_report_can_hold(path: str) -> None:
    assert number_paths.problem(path) is None


def test_every_key_is_described() -> None:
    tables = [table for table in Table.__subclasses__() if table is not PolicyFile]
    assert len(tables) == 8
    keys = {f"{table.__name__}.{key}": field for table in tables for key, field in table.model_fields.items()}
    assert [name for name, field in keys.items() if not field.description] == []
    assert all(table.__doc__ and table.__doc__.startswith("`[") for table in tables)
