"""comparison.html and comparison.json: safe, self-contained, complete, deterministic, and as the schema says."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html import unescape
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest

from geoaudit.audit.observer import Silent
from geoaudit.audit.result import Report
from geoaudit.compare import Comparison, Side, compare
from geoaudit.scoring import statistics
from geoaudit_reports.comparison import dumps, render
from geoaudit_reports.comparison.page import SECTIONS
from geoaudit_reports.schema import generate, schema_file


class Attributes(HTMLParser):
    """The names of all attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names |= {name for name, _ in attrs}


@pytest.fixture(scope="module")
def comparison(report: Report) -> Comparison:
    """The synthetic report against a later one: another model, other scores, one image and one method fewer."""
    told = report.model_dump(mode="json", by_alias=True)
    told["model"]["sha256"] = "c" * 64
    told["model"]["metadata"] = {}
    gone = told["data"]["images"].pop()["id"]
    told["per_image"] = [row for row in told["per_image"] if row["image"] != gone]
    for number, row in enumerate(told["per_image"]):
        if row["method"] == "integrated-gradients":
            row["scores"]["srg"] -= 0.1 + 0.01 * (number % 3)
    told["methods"] = [m for m in told["methods"] if m["id"] != "gradient"]
    told["data"]["images"][0]["target"] += 1
    told["data"]["images"][0]["target_name"] = '"><script>alert(3)</script>'
    for check in told["checks"]:
        check["status"] = {"PASS": "FAIL", "FAIL": "PASS"}.get(check["status"], check["status"])
    later = Report.model_validate(told)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statistics, "RESAMPLES", 499)
        return compare(Side(report, "a/<b>.json", "1" * 64), Side(later, "b/report.json", "2" * 64), Silent())


@pytest.fixture(scope="module")
def text(comparison: Comparison) -> str:
    return render(comparison)


def test_hostile_names_stay_text(text: str, sample: SimpleNamespace) -> None:
    assert "<script>alert" not in text and "<img src=x" not in text
    shown = unescape(text)
    assert sample.HOSTILE_FILE in shown and '"><script>alert(3)</script>' in shown and "a/<b>.json" in shown


def test_nothing_is_loaded_and_the_policy_matches(text: str) -> None:
    assert not re.search(r"""(?:src|href)=["']?(?:https?:|//)""", text) and "@import" not in text
    policy = unescape(re.findall(r'Content-Security-Policy" content="([^"]*)"', text)[0])
    assert policy.startswith("default-src 'none'")
    blocks = re.findall(r"<(style|script)>(.*?)</\1>", text, re.DOTALL)
    assert {kind for kind, _ in blocks} == {"style", "script"}
    for kind, block in blocks:
        digest = base64.b64encode(hashlib.sha256(block.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in re.findall(rf"{kind}-src ([^;]*)", policy)[0]
    assert not any(name == "style" or name.startswith("on") for name in Attributes(text).names)


def test_every_section_is_there_and_linked(text: str, comparison: Comparison) -> None:
    for section in SECTIONS:
        assert f'<section id="{section.id}"' in text and f'href="#{section.id}"' in text
    shown = unescape(text)
    assert all(sentence in shown for sentence in comparison.conclusions)
    assert {"chart-places", "chart-srg"} <= set(re.findall(r'id="(chart-[a-z-]+?)-title"', text))
    identities = re.findall(r'\sid="([^"]+)"', text)
    assert len(identities) == len(set(identities))


def test_numbers_of_the_comparison_are_shown(text: str, comparison: Comparison) -> None:
    shown = unescape(text).replace("\u2212", "-")
    method = next(m for m in comparison.methods if m.id == "integrated-gradients")
    change = next(c for c in method.metrics if c.metric == "srg")
    assert change.n == 8 and change.difference == pytest.approx(-0.11, abs=0.01) and change.verdict == "worse"
    assert f"{change.difference:.3f}" in shown and f"{change.ci_low:.3f}" in shown
    assert "not in B" in shown and "Not gated" in shown and "compliant" not in shown.lower()


def test_the_same_comparison_gives_the_same_page(comparison: Comparison, text: str) -> None:
    assert render(comparison) == text
    assert render(Comparison.model_validate_json(dumps(comparison))) == text


def test_nothing_in_common_is_a_page_too(comparison: Comparison) -> None:
    empty = comparison.model_dump(mode="json", by_alias=True)
    empty |= {"methods": [], "checks": [], "conclusions": ["0 images are in both reports. Nothing can be compared."]}
    empty["pairing"] = {"n": 0, "same_target": 0, "pairs": [], "only_a": ["x"], "only_b": []}
    page = render(Comparison.model_validate(empty))
    assert "Nothing can be compared." in page and "No method is in both reports." in page


def test_json_follows_the_published_schema(comparison: Comparison) -> None:
    schema: Any = json.loads(schema_file("comparison").read_text(encoding="utf-8"))
    assert generate("comparison") == schema_file("comparison").read_text(encoding="utf-8")
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(json.loads(dumps(comparison)))
    broken = json.loads(dumps(comparison)) | {"surprise": 1}
    assert not validator.is_valid(broken)
