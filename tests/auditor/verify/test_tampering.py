"""Whatever is changed is found, and named."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoaudit.audit.result import AutoencoderInfo, NamedFile, Report
from geoaudit.model import artifact
from geoaudit.verify.files import check_autoencoder, check_model
from geoaudit.verify.maps import check_maps
from geoaudit.verify.numbers import check_numbers
from geoaudit.verify.order import check_order
from geoaudit.verify.stored import CHECKSUMS, GALLERY, MAPS, PAGE, REPORT
from geoaudit_reports import CHECKSUMS_NAME, HTML_NAME, JSON_NAME, MAPS_NAME
from geoaudit_reports.html.views.images import page_name

METHOD, IMAGE = "integrated-gradients", "picture01.png"
KEY = f"{IMAGE}/{METHOD}"


def _flip(path: Path, place: int, bit: int = 0) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1 << bit
    path.write_bytes(data)


def _row(data: dict[str, Any], image: str = IMAGE, method: str = METHOD) -> dict[str, Any]:
    return next(row for row in data["per_image"] if (row["image"], row["method"]) == (image, method))


def _method(data: dict[str, Any], name: str = METHOD) -> dict[str, Any]:
    return next(method for method in data["methods"] if method["id"] == name)


def _rewritten(case: Any, change: Callable[[dict[str, Any]], None]) -> None:
    """The maps changed, and their digest in the report with them."""
    path = case.report / "maps.npz"
    with np.load(path) as archive:
        arrays = dict(archive)
    change(arrays)
    with path.open("wb") as stream:
        np.savez(stream, **arrays)
    digest = sha256(path.read_bytes()).hexdigest()
    case.edit(lambda data: data["maps"].update(sha256=digest), sign=True)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_one_bit_of_the_model(share: float, case: Any, verify: Any) -> None:
    _flip(case.model, int(case.model.stat().st_size * share))
    found = verify(case, "--sample", "1")
    assert found.code == 1
    assert found.named == [("model.sha256", "small.onnx")]
    assert "another model" in found.found("SKIP")["rerun.completed", "re-run"]


def test_one_bit_of_the_models_external_data(audited: Any, report: Report, tmp_path: Path) -> None:
    path, weights = tmp_path / "small.onnx", tmp_path / "weights.bin"
    onnx.save(
        onnx.load(str(audited.model)), str(path), save_as_external_data=True, location=weights.name, size_threshold=0
    )
    digest = artifact.load(path).sha256
    info = report.model.model_copy(update={"sha256": digest, "external_data": [weights.name]})
    assert check_model(info, path).status == "PASS"
    unnamed = info.model_copy(update={"sha256": sha256(path.read_bytes()).hexdigest(), "external_data": []})
    assert "does not name" in check_model(unnamed, path).reason
    _flip(weights, 40)
    assert (check_model(info, path).status, check_model(info, path).subject) == ("FAIL", "small.onnx, weights.bin")
    weights.unlink()
    assert "weights.bin: cannot be read" in check_model(info, path).reason


def test_an_exchanged_autoencoder(report: Report, tmp_path: Path) -> None:
    files = (tmp_path / "encoder.onnx", tmp_path / "decoder.onnx")
    for file in files:
        file.write_bytes(file.name.encode())
    named = [NamedFile(file=file.name, sha256=sha256(file.name.encode()).hexdigest()) for file in files]
    told = AutoencoderInfo(encoder=named[0], decoder=named[1], code_shape=[3])
    model = report.model.model_copy(update={"autoencoder": told})
    assert [finding.status for finding in check_autoencoder(model, files)] == ["PASS", "PASS"]
    assert [finding.status for finding in check_autoencoder(model, None)] == ["SKIP"]
    _flip(files[1], 0)
    assert [f.subject for f in check_autoencoder(model, files) if f.status == "FAIL"] == ["decoder.onnx"]


@pytest.mark.parametrize("place", [-1, 30, 8])
def test_one_bit_of_a_picture(place: int, case: Any, verify: Any) -> None:
    _flip(case.images / IMAGE, place)
    assert verify(case).named == [("images.sha256", IMAGE)]


def test_the_other_pictures_are_computed_again(case: Any, verify: Any) -> None:
    _flip(case.images / IMAGE, 30)
    found = verify(case, "--sample", "5")
    assert found.named == [("images.sha256", IMAGE)]
    assert IMAGE not in found.data["sample"]["images"]
    assert len(found.data["sample"]["images"]) == 4
    assert "without expected-gradients" in found.found("PASS")["rerun.completed", "re-run"]


def test_a_removed_and_a_renamed_picture(case: Any, verify: Any) -> None:
    (case.images / "picture00.png").unlink()
    (case.images / "picture03.png").rename(case.images / "other.png")
    found = verify(case)
    assert found.named == [("images.sha256", "picture00.png"), ("images.sha256", "picture03.png")]
    assert "lie there as other.png" in found.found("FAIL")["images.sha256", "picture03.png"]
    shutil.rmtree(case.images)
    case.images.mkdir()
    gone = verify(case, "--sample", "1")
    assert len(gone.named) == 5
    assert "none of the pictures" in gone.found("SKIP")["rerun.completed", "re-run"]


def _places(path: Path) -> dict[str, int]:
    """Where in the archive what stands."""
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(f"{KEY}.npy")
        start, directory = info.header_offset, archive.start_dir
    name = path.read_bytes().index(f"{KEY}.npy".encode(), directory)
    return {
        "numbers": start + 30 + len(KEY) + 4 + 128 + 100,
        "array header": start + 30 + len(KEY) + 4 + 20,
        "local header": start + 14,
        "local name": start + 32,
        "directory name": name + 3,
        "directory digest": name - 30,
        "directory signature": directory,
        "end": path.stat().st_size - 22,
    }


@pytest.mark.parametrize(
    ("place", "named"),
    [
        ("numbers", KEY),
        ("array header", KEY),
        ("local header", None),
        ("local name", KEY),
        ("directory name", KEY),
        ("directory digest", KEY),
        ("directory signature", "maps.npz"),
        ("end", "maps.npz"),
    ],
)
def test_one_bit_of_the_maps(place: str, named: str | None, case: Any, verify: Any) -> None:
    path = case.report / "maps.npz"
    _flip(path, _places(path)[place])
    found = verify(case)
    assert found.code == 1
    assert {("report.checksums", "maps.npz"), ("maps.sha256", "maps.npz")} <= set(found.named)
    content = [subject for check, subject in found.named if check == "maps.content"]
    assert (named in content) if named is not None else content == []


@settings(max_examples=40, deadline=None)
@given(share=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_bit_of_the_maps_is_a_finding_and_no_crash(
    share: float, bit: int, audited: Any, report: Report, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("maps") / "maps.npz"
    data = bytearray((audited.report / "maps.npz").read_bytes())
    data[int(share * len(data))] ^= 1 << bit
    path.write_bytes(data)
    assert "FAIL" in {finding.status for finding in check_maps(path, report)}


def test_a_removed_map(case: Any, verify: Any) -> None:
    _rewritten(case, lambda arrays: arrays.pop(KEY))
    assert verify(case).named == [("maps.content", KEY)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda a: a.update({KEY: a[KEY] * np.nan}), "no finite number"),
        (lambda a: a.update({KEY: a[KEY].astype(np.float64)}), "larger"),
        (lambda a: a.update({KEY: a[KEY][:1]}), "no such array"),
        (lambda a: a.update({KEY: np.array([{}] * 9, dtype=object)}), "damaged"),
        (lambda a: a.update({"strange.png/map": a[KEY]}), "belongs to no picture"),
        (lambda a: a.pop(f"{IMAGE}/thumbnail"), "missing"),
    ],
    ids=["nan", "dtype", "shape", "pickle", "stranger", "thumbnail"],
)
def test_maps_that_are_no_maps(change: Any, reason: str, case: Any, verify: Any) -> None:
    path = case.report / "maps.npz"
    with np.load(path) as archive:
        arrays = dict(archive)
    change(arrays)
    with path.open("wb") as stream:
        np.savez(stream, **arrays)
    found = verify(case).found("FAIL")
    assert any(check == "maps.content" and reason in why for (check, _), why in found.items())


def test_another_map_signed_as_its_own(case: Any, verify: Any) -> None:
    """The forger draws a nicer map, and digests and pages follow: the scores and the walk do not."""
    _rewritten(case, lambda arrays: arrays.update({KEY: np.abs(arrays[KEY])}))
    found = verify(case)
    assert {check for check, _ in found.named} == {"maps.scores"}
    assert ("maps.scores", f"ncc-violation of {METHOD} on {IMAGE}") in found.named
    rerun = verify(case, "--sample", "5")
    assert ("rerun.maps", "maps") in rerun.named
    assert {(d["image"], d["method"]) for d in rerun.data["differences"] if d["metric"] == "map"} == {(IMAGE, METHOD)}


def test_an_edited_score(case: Any, verify: Any) -> None:
    def better(data: dict[str, Any]) -> None:
        _row(data)["scores"]["srg"] += 0.2

    case.edit(better)
    found = verify(case)
    named = set(found.named)
    assert {("report.checksums", "report.json"), ("report.pages", "report.html")} <= named
    assert ("numbers.summaries", f"srg of {METHOD}: mean") in named


def test_an_edited_score_signed_by_the_forger(case: Any, verify: Any) -> None:
    """Digests and pages are written again; the number still contradicts others, and does not come out again."""
    before = sha256((case.report / "report.json").read_bytes()).hexdigest()

    def better(data: dict[str, Any]) -> None:
        _row(data)["scores"]["srg"] += 0.2

    case.edit(better, sign=True)
    found = verify(case, "--sample", "5", "--expect", before)
    named = found.named
    assert ("report.expected", "report.json") in named
    assert not {check for check, _ in named} & {"report.checksums", "report.pages"}
    assert ("numbers.summaries", f"srg of {METHOD}: mean") in named
    (difference,) = found.data["differences"]
    assert (difference["image"], difference["method"], difference["metric"]) == (IMAGE, METHOD, "srg")
    assert difference["stored"] == pytest.approx(difference["found"] + 0.2)


def test_a_forger_who_keeps_the_sums_right_is_caught_by_the_rerun(case: Any, verify: Any) -> None:
    """Two images' sufficiencies exchanged: every summary stays the same."""

    def exchange(data: dict[str, Any]) -> None:
        one, other = (_row(data, image)["scores"] for image in ("picture00.png", IMAGE))
        one["sufficiency"], other["sufficiency"] = other["sufficiency"], one["sufficiency"]

    case.edit(exchange, sign=True)
    assert verify(case).code == 0
    found = verify(case, "--all")
    assert found.code == 1
    assert {(d["image"], d["metric"]) for d in found.data["differences"]} == {
        ("picture00.png", "sufficiency"), (IMAGE, "sufficiency"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda d: _method(d)["scores"]["srg"].update(mean=0.9), f"srg of {METHOD}: mean"),
        (lambda d: _method(d)["scores"]["srg"].update(ci_low=0.3), f"srg of {METHOD}: interval's lower end"),
        (lambda d: _method(d)["scores"]["deletion"].update(n=50), f"deletion of {METHOD}: number of scores"),
        (lambda d: _method(d)["scores"]["deletion"].update(median=None), f"deletion of {METHOD}: median"),
        (lambda d: _row(d)["scores"].update({"ncc-violation": 0.01}), f"ncc-violation of {METHOD} on {IMAGE}"),
        (lambda d: _row(d)["scores"].update({"completeness-error": 0.0}), f"completeness-error of {METHOD} on {IMAGE}"),
        (lambda d: _row(d)["walk"].update(magnitude=1.0), f"walk.magnitude of {METHOD} on {IMAGE}"),
        (lambda d: _method(d)["ncc_profile"][1].update(ncc_violation=0.0), f"NCC profile of {METHOD} at pixel"),
        (lambda d: d["data"].update(count=500), "data.count"),
        (lambda d: d["data"].update(manifest_sha256="0" * 64), "data.manifest_sha256"),
        (lambda d: d["data"]["calibration"].update(manifest_sha256="0" * 64), "data.calibration.manifest_sha256"),
        (lambda d: d["data"]["images"].pop(), "data.count"),
        (lambda d: d["per_image"].remove(_row(d)), f"{METHOD} on {IMAGE}"),
        (lambda d: d["per_image"].append(_row(d)), f"{METHOD} on {IMAGE}"),
        (lambda d: _row(d).update(image="strange.png"), f"{METHOD} on strange.png"),
        (lambda d: d["curves"][0]["mean"].__setitem__(3, 0.99), "srg of center: mean"),
        (lambda d: d["ranking"]["entries"][0].update(tier="recommended"), "tier of "),
        (lambda d: d["ranking"]["entries"].reverse(), "order of the methods"),
        (lambda d: d["ranking"]["entries"][0].update(position="7"), "position of "),
        (lambda d: [e.update(pareto=not e["pareto"]) for e in d["ranking"]["entries"]], "Pareto front of "),
        (lambda d: d["ranking"]["entries"][0]["faithfulness"].update(rank=9.0), "SRG rank of "),
        (lambda d: d["ranking"].update(status="ranked"), "status of the ranking"),
        (lambda d: d["ranking"]["tests"]["pairwise"][0].update(p_holm=1e-9), "test of "),
        (lambda d: next(h for h in d["metric_health"] if h["metric"] == "srg").update(status="ERROR"), "srg"),
    ],
)  # fmt: skip
def test_every_edited_number_is_named_without_a_rerun(change: Any, named: str, audited: Any, light: Any) -> None:
    data = audited.read()
    change(data)
    edited = Report.model_validate(data)
    with light():
        findings = [*check_numbers(edited), *check_order(edited), *check_maps(audited.report / "maps.npz", edited)]
    subjects = [finding.subject for finding in findings if finding.status == "FAIL"]
    assert any(subject == named or (named.endswith(" ") and subject.startswith(named)) for subject in subjects), (
        subjects
    )


def test_what_only_a_whole_rerun_can_tell(case: Any, verify: Any) -> None:
    def forge(data: dict[str, Any]) -> None:
        data["checks"][0].update(status="WARN", estimate=0.5)
        data["parity"].update(max_abs_diff=0.5)
        data["ranking"]["entries"][0]["ncc"].update(rank_low=0.01)
        _method(data)["parameters"].update(extra=3)
        data["model"].update(producer="someone else")
        data["limitations"].pop(0)

    case.edit(forge, sign=True)
    assert verify(case).code == 0
    found = verify(case, "--all")
    assert {difference["metric"] for difference in found.data["differences"]} == {
        "checks[completeness].status", "checks[completeness].estimate", "parity.max_abs_diff", "model.producer",
        "ranking.entries.ncc.rank_low", "methods.parameters.extra", "limitations",
    }  # fmt: skip
    assert {check for check, _ in found.named} == {"rerun.scores", "rerun.results"}


def test_an_edited_class(case: Any, verify: Any) -> None:
    case.edit(lambda data: data["data"]["images"][1].update(target=3, probability=0.99), sign=True)
    found = verify(case, "--sample", "5")
    named = {(d["image"], d["metric"]) for d in found.data["differences"]}
    assert {(IMAGE, "target"), (IMAGE, "probability")} <= named


def test_an_edited_page(case: Any, verify: Any) -> None:
    page = case.report / "report.html"
    text = page.read_text(encoding="utf-8")
    page.write_text(text.replace("caution", "recommended"), encoding="utf-8")
    found = verify(case)
    assert found.named == [("report.checksums", "report.html"), ("report.pages", "report.html")]
    sums = case.report / "SHA256SUMS"
    lines = [line for line in sums.read_text(encoding="utf-8").splitlines() if "report.html" not in line]
    digest = sha256(page.read_bytes()).hexdigest()
    sums.write_text("\n".join([*lines, f"{digest}  report.html"]) + "\n", encoding="utf-8")
    assert verify(case).named == [("report.pages", "report.html")]
    page.unlink()
    assert set(verify(case).named) == {("report.checksums", "report.html"), ("report.pages", "report.html")}
    page.write_text(text, encoding="utf-8")
    (case.report / "gallery" / "page-1.html").write_text("<p>other pictures", encoding="utf-8")
    assert ("report.pages", "gallery/page-1.html") in verify(case).named


def test_a_page_that_does_not_belong_there(case: Any, verify: Any) -> None:
    (case.report / "summary.html").write_text("<p>All is well", encoding="utf-8")
    noted = verify(case)
    assert (noted.code, noted.found("SKIP")["report.pages", "summary.html"]) == (0, "is not part of the report")
    (case.report / GALLERY / "more.html").write_text("<p>All is well", encoding="utf-8")
    assert verify(case).named == [("report.checksums", "gallery/more.html"), ("report.pages", "gallery/more.html")]


def test_the_files_of_a_report_are_called_as_its_writer_calls_them() -> None:
    assert (JSON_NAME, MAPS_NAME, CHECKSUMS_NAME, HTML_NAME) == (REPORT, MAPS, CHECKSUMS, PAGE)
    assert page_name(1).startswith(f"{GALLERY}/")


def test_checksums_that_are_none(case: Any, verify: Any) -> None:
    sums = case.report / "SHA256SUMS"
    text = sums.read_text(encoding="utf-8")
    sums.write_text(text + "not a line\n", encoding="utf-8")
    assert "line 5" in verify(case).found("FAIL")["report.checksums", "SHA256SUMS"]
    sums.write_text(text + f"{'0' * 64}  ../small.onnx\n{'0' * 64}  gone.html\n", encoding="utf-8")
    assert verify(case).named == [("report.checksums", "../small.onnx"), ("report.checksums", "gone.html")]


def test_a_report_that_is_none(case: Any, verify: Any) -> None:
    path = case.report / "report.json"
    path.write_text(path.read_text(encoding="utf-8")[:-20], encoding="utf-8")
    found = verify(case, "--sample", "1")
    assert found.code == 1
    assert found.named == [("report.schema", "report.json"), ("report.checksums", "report.json")]
    assert "no valid JSON" in found.found("FAIL")["report.schema", "report.json"]


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["data"]["images"][0].update(id="../../small.onnx"),
        lambda d: d["data"]["images"][0].update(id="/etc/passwd"),
        lambda d: d["model"].update(external_data=["../weights"]),
        lambda d: d["data"].update(preprocess={}),
        lambda d: d["data"]["preprocess"]["size"].update(value=[10**9, 10**9]),
        lambda d: d["data"].update(images=[], count=0),
        lambda d: d["run"].update(budget="endless", seed=-1),
        lambda d: d.update(per_image=[], methods=[]),
        lambda d: [c["fractions"].pop() for c in d["curves"]],
        lambda d: d["config"].update({"limit": {"value": "many", "source": ""}, "set": {"value": 3, "source": ""}}),
    ],
)  # fmt: skip
def test_a_hostile_report_is_a_finding_and_no_crash(change: Any, case: Any, verify: Any) -> None:
    case.edit(change)
    found = verify(case, "--sample", "1")
    assert found.code == 1
