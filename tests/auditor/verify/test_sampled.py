"""A report that lists a part of its images: what of it is verified, what is skipped, and what is found altered."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from geoaudit.audit.observer import Silent
from geoaudit.compare.side import Side, compare
from geoaudit.gate.compare_facts import about_both
from geoaudit.gate.compare_rules import CompareRules
from geoaudit_reports import json_report

pytest.importorskip("pyarrow", reason="needs the extra `parquet`")


@pytest.fixture(scope="module")
def sampled(audited: Any, run: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Of five pictures three are listed."""
    case = replace(audited, folder=tmp_path_factory.mktemp("sampled"))
    shutil.copy(audited.model, case.model)
    shutil.copytree(audited.images, case.images)
    quick = ("--budget", "quick", "--methods", "gradient", "--checks", "parity", "--device", "cpu", "-q")
    ended = run("audit", case.model, case.images, *quick, "--detail", "3", "-o", case.report)
    assert ended.exit_code == 0, ended.output
    return case


@pytest.fixture
def case(sampled: Any, tmp_path: Path) -> Iterator[Any]:
    """A copy of it that may be tampered with."""
    shutil.copytree(sampled.folder, tmp_path / "case")
    yield replace(sampled, folder=tmp_path / "case")


def test_an_untouched_one_is_reproduced_as_far_as_it_is_listed(sampled: Any, verify: Any) -> None:
    found = verify(sampled, "--sample", "2")
    assert (found.code, found.named) == (0, [])
    skipped = found.found("SKIP")
    assert "rests on 5 pictures, of which the report lists 3" in skipped["numbers.summaries", "scores over images"]
    assert "report.scores" in {name for name, _ in found.found("PASS")}


def test_one_bit_of_the_scores(case: Any, verify: Any) -> None:
    path = case.report / "scores" / "part-00000.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert ("report.scores", "scores/part-00000.parquet") in verify(case).named


def test_a_part_without_the_scores_of_all(case: Any, verify: Any) -> None:
    case.edit(lambda data: data["data"]["detail"].update(files=[]), sign=True)
    assert ("report.scores", "data.detail.files") in verify(case).named


def test_a_picture_that_is_not_listed(case: Any, verify: Any) -> None:
    listed = {image["id"] for image in case.read()["data"]["images"]}
    other = next(path for path in sorted(case.images.iterdir()) if path.name not in listed)
    other.write_bytes((case.images / min(listed)).read_bytes())
    assert verify(case).named[-1][0] == "images.additional"


def test_a_comparison_says_what_it_does_not_rest_on(sampled: Any) -> None:
    report = json_report.load(sampled.report / "report.json")
    found = compare(Side(report, "a", "0" * 64), Side(report, "b", "1" * 64), Silent())
    assert "listed are 3 of 5 in A and 3 of 5 in B" in found.conclusions[0]


def test_other_images_are_other_images_also_where_they_are_not_listed(sampled: Any) -> None:
    report = json_report.load(sampled.report / "report.json")
    more = report.model_copy(update={"data": report.data.model_copy(update={"count": 6})})
    found = compare(Side(report, "a", "0" * 64), Side(more, "b", "1" * 64), Silent())
    results = {result.id.split(":")[-1]: result for result in about_both(found, CompareRules(same_images=True))}
    assert results["images"].status == "FAIL"
