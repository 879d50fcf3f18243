"""A report that nobody touched verifies, to the last bit on the machine that wrote it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from geoaudit.errors import UsageError
from geoaudit.verify.stored import Wanted
from geoaudit.verify.verification import choose
from geoaudit_reports.schema import schema_file


def test_a_sample_comes_out_again_to_the_last_bit(audited: Any, verify: Any) -> None:
    found = verify(audited, "--sample", "2", "--sample-seed", "3")
    assert (found.code, found.data["status"], found.named) == (0, "PASS", [])
    assert found.data["worst"], "nothing was compared"
    assert {worst["size"] for worst in found.data["worst"]} == {0.0}
    kinds = {worst["metric"] for worst in found.data["worst"]}
    assert {"srg", "ncc-violation", "probability", "target", "map", "walk.magnitude", "delta_f"} <= kinds
    compared = {worst["metric"]: worst["compared"] for worst in found.data["worst"]}
    assert compared["target"] == 2
    assert compared["srg"] == 2 * sum(m["status"] == "ok" for m in audited.read()["methods"])


def test_the_sample_follows_from_its_seed() -> None:
    ids = [f"{i}.png" for i in range(50)]
    one, same, other = (choose(ids, 60, Wanted(sample=8, seed=seed, tolerance=0)) for seed in (3, 3, 4))
    assert one == same
    assert one.images != other.images
    assert (one.chosen, one.of, len(set(one.images))) == ("random", 60, 8)
    assert set(one.images) <= set(ids)
    assert choose(ids[:3], 3, Wanted(sample=8, seed=1, tolerance=0)).images == ids[:3]


def test_everything_comes_out_again(audited: Any, verify: Any) -> None:
    found = verify(audited, "--all")
    assert (found.code, found.named) == (0, [])
    assert ("rerun.results", "summaries, checks and ranking") in found.found("PASS")
    assert {worst["size"] for worst in found.data["worst"]} == {0.0}
    assert found.data["sample"]["images"] == [image["id"] for image in audited.read()["data"]["images"]]


def test_without_a_rerun_it_says_that_no_score_was_computed(audited: Any, verify: Any) -> None:
    found = verify(audited)
    assert found.code == 0
    assert "no score was computed again" in found.found("SKIP")["rerun.completed", "re-run"]
    assert (found.data["worst"], found.data["sample"]["chosen"]) == ([], "none")


def test_the_document_follows_its_schema(audited: Any, verify: Any) -> None:
    validator = jsonschema.Draft202012Validator(json.loads(schema_file("verification").read_text(encoding="utf-8")))
    data = verify(audited).data
    validator.validate(data)
    assert not validator.is_valid(data | {"status": "compliant"})


def test_a_report_without_checksums_is_said_to_have_none(case: Any, verify: Any) -> None:
    (case.report / "SHA256SUMS").unlink()
    found = verify(case)
    assert found.code == 0
    assert ("report.checksums", "SHA256SUMS") in found.found("SKIP")


def test_files_beside_the_report_are_none_of_its_business(case: Any, verify: Any) -> None:
    (case.report / "junit.xml").write_text("<testsuites/>", encoding="utf-8")
    assert verify(case).code == 0


def test_the_folders_may_move_and_the_picture_folder_may_be_a_link(case: Any, verify: Any, tmp_path: Path) -> None:
    for name in ("report", "images", "small.onnx"):
        shutil.move(case.folder / name, tmp_path / name)
        (case.folder / name).symlink_to(tmp_path / name)
    assert verify(case, "--sample", "1").code == 0


def test_additional_pictures_are_noted_and_change_nothing(case: Any, verify: Any, make_pictures: Any) -> None:
    make_pictures(case.images / "more", 2)
    found = verify(case, "--sample", "2")
    assert found.code == 0, found.named
    (subject,) = [subject for check, subject in found.found("SKIP") if check == "images.additional"]
    assert subject == "more/picture00.png, more/picture01.png"


def test_a_report_without_pictures(case: Any, verify: Any, run: Any) -> None:
    """Nor the maps that would show them."""
    shared = ("--budget", "quick", "--methods", "gradient-x-input", "--metrics", "deletion", "--checks", "parity", "-q")
    ended = run("audit", case.model, case.images, *shared, "--no-images", "-o", case.report)
    assert ended.exit_code == 0, ended.output
    found = verify(case, "--sample", "1")
    assert (found.code, found.named) == (0, [])


def test_a_method_may_be_left_out(audited: Any, verify: Any, run: Any) -> None:
    found = verify(audited, "--all", "--skip", "expected-gradients")
    assert found.code == 0, found.data["differences"]
    assert "without expected-gradients, as asked for" in found.found("PASS")["rerun.completed", "re-run"]
    assert ("rerun.results", "summaries, checks and ranking") in found.found("SKIP")
    wrong = run("verify", audited.report, audited.model, audited.images, "--skip", "expected")
    assert "is no method of the report" in wrong.exception.message


def test_another_batch_size_is_said_and_allowed_for(case: Any, verify: Any) -> None:
    """The report of another machine, or of other choices on this one: rounding differs, and stays within tolerance."""
    case.edit(lambda data: data["run"]["engine"].update(threads=64), sign=True)
    found = verify(case, "--sample", "1")
    assert found.code == 0
    assert "threads 64 then, 1 now" in found.found("SKIP")["rerun.engine", "engine"]


FILES = ("--labels", "labels.csv", "--baseline", "image:start.png", "--calibration", "learn")


@pytest.mark.parametrize(
    ("options", "brought"),
    [
        ((*FILES, "--explain-label"), FILES),
        (("--explain", "probability", "--target", "1", "--limit", "3", "--seed", "9", "--baseline", "noise"), ()),
        (("--gradient-free", "--methods", "occlusion,rise", "--mean", "120", "--crop-pct", "0.9"), ()),
    ],
    ids=["files", "numbers", "gradient-free"],
)
def test_options_of_the_audit_are_repeated(
    options: tuple[str, ...], brought: tuple[str, ...], case: Any, verify: Any, run: Any, make_pictures: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """From the report where it holds them; from the command line where it only names a file, which is asked for."""
    monkeypatch.chdir(case.folder)
    make_pictures(case.folder / "learn", 3)
    shutil.copy(case.images / "picture02.png", "start.png")
    Path("labels.csv").write_text("file,label\npicture00.png,2\npicture01.png,3\n", encoding="utf-8")
    methods = () if "--methods" in options else ("--methods", "integrated-gradients,expected-gradients")
    shared = ("--budget", "quick", "--checks", "completeness", "--metrics", "deletion", "--device", "cpu", "-q")
    ended = run("audit", case.model, case.images, *shared, *methods, *options, "-o", case.report)
    assert ended.exit_code == 0, ended.output
    found = verify(case, "--sample", "3", *brought)
    assert (found.code, found.named) == (0, []), found.data["differences"]
    assert {worst["size"] for worst in found.data["worst"]} == {0.0}
    if brought:
        lacking = run("verify", case.report, case.model, case.images)
        assert isinstance(lacking.exception, UsageError)
        assert all(option in lacking.exception.message for option in FILES[::2])
        assert verify(case).code == 0, "without a re-run nothing needs to be brought"
        Path("learn/picture01.png").unlink()
        assert verify(case, "--no-rerun", *brought).named == [("data.calibration", "learn")]
