"""Reports for the browser, made of the invented one: each public function renders one kind into a folder."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from geoaudit.audit.observer import Silent
from geoaudit.audit.result import Report
from geoaudit.compare import Side, compare
from geoaudit_reports import comparison as side_by_side
from geoaudit_reports import html, write_report
from geoaudit_reports.html.views import images
from geoaudit_reports.maps import MapStore

SAMPLE = runpy.run_path(str(Path(__file__).parents[1] / "reports" / "synthetic_report.py"))

MANY_IMAGES = 200
FULL_SIDE = 224
PAYLOADS = (
    "<script>window.__planted = 1</script>",
    "\"><img src=x onerror='window.__planted = 1'>",
    "' onmouseover='window.__planted = 1' onfocus='window.__planted = 1' autofocus='",
    '" onmouseover="window.__planted = 1" onfocus="window.__planted = 1" autofocus="',
    "</title></style></script><svg onload=window.__planted=1>",
    "javascript:window.__planted=1 {{ 7 * 7 }} url(http://127.0.0.1:9/x)",
    "--></textarea><iframe srcdoc='<script>parent.__planted = 1</script>'></iframe>",
)
_FREE_TEXT = {
    "title", "reason", "file", "target_name", "reading", "producer", "family", "reference", "note", "notes", "rule",
    "policy", "owner", "found", "limitations", "context", "source", "metadata", "cpu", "conclusions", "spending",
    "chart", "command", "passes", "extensions", "ops", "parameters", "plugin", "first_difference",
    "names_source", "tail_removed", "surrogate", "x_label", "y_label", "value", "case", "host",
}  # fmt: skip


def normal(folder: Path) -> None:
    """Five methods on nine photographs."""
    _render(folder, SAMPLE["build"](), side=48)


def crowded(folder: Path) -> None:
    """22 methods."""
    _render(folder, SAMPLE["crowded"]())


def gradient_free(folder: Path) -> None:
    """Only `occlusion` was applicable."""
    _render(folder, _undrawn(SAMPLE["gradient_free"]()))


def one(folder: Path) -> None:
    """One photograph."""
    _render(folder, _undrawn(SAMPLE["build"](1)))


def failed(folder: Path) -> None:
    """A policy that one rule fails, one nearly, and one by a waiver that has run out."""
    _render(folder, _undrawn(_judged(SAMPLE["build"]())))


def planted(folder: Path) -> None:
    """Markup and scripts in every text that a stranger may choose."""
    told = _judged(SAMPLE["build"]()).model_dump(mode="json", by_alias=True)
    for place, image in enumerate(told["data"]["images"]):
        new = f"{PAYLOADS[place % len(PAYLOADS)]} {place}.png"
        for row in told["per_image"]:
            row["image"] = new if row["image"] == image["id"] else row["image"]
        image["id"] = new
    counter = iter(range(10**6))
    told = _plant(told, lambda text: f"{text}{PAYLOADS[next(counter) % len(PAYLOADS)]}")
    _render(folder, Report.model_validate(told))


def many(folder: Path) -> None:
    """200 photographs and 22 methods; of the pages report.html alone, for nobody opens the 25 of the gallery."""
    told = SAMPLE["crowded"]().model_dump(mode="json", by_alias=True)
    shown, rows = told["data"]["images"], told["per_image"]
    by_image = [[row for row in rows if row["image"] == image["id"]] for image in shown]
    for number in range(len(shown), MANY_IMAGES):
        like = number % len(by_image)
        name = f"extra/{number:03d}.png"
        shown.append(shown[like] | {"id": name, "file": name, "sha256": f"{number:064x}"})
        rows += [row | {"image": name} for row in by_image[like]]
    told["data"]["count"] = len(shown)
    report = Report.model_validate(told)
    _large_maps(report, folder / "maps.npz")
    with MapStore(folder / "maps.npz") as maps:
        (folder / "report.html").write_text(html.render(report, maps), encoding="utf-8")


def comparison(folder: Path) -> None:
    """The invented report against a later one that lost a method and an image, and scores worse by one method."""
    earlier = SAMPLE["build"]()
    told = earlier.model_dump(mode="json", by_alias=True)
    gone = told["data"]["images"].pop()["id"]
    told["per_image"] = [row for row in told["per_image"] if row["image"] != gone]
    for row in told["per_image"]:
        if row["method"] == "integrated-gradients":
            row["scores"]["srg"] -= 0.1
    told["methods"] = [method for method in told["methods"] if method["id"] != "gradient"]
    for check in told["checks"]:
        check["status"] = {"PASS": "FAIL", "FAIL": "PASS"}.get(check["status"], check["status"])
    sides = Side(earlier, "a/report.json", "1" * 64), Side(Report.model_validate(told), "b/report.json", "2" * 64)
    side_by_side.write_comparison(compare(*sides, Silent()), folder)


def _render(folder: Path, report: Report, side: int = 16) -> None:
    SAMPLE["write_maps"](report, folder / "maps.npz", side=side)
    write_report(report, folder)


def _undrawn(report: Report) -> Report:
    """The same without the checks' lines, whose drawings take longest."""
    return report.model_copy(update={"checks": [c.model_copy(update={"curves": []}) for c in report.checks]})


def _large_maps(report: Report, path: Path) -> None:
    """Noise in full size for the images that report.html embeds, in small for the rest, turned from map to map."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, (3, FULL_SIDE, FULL_SIDE)).astype(np.float32)
    photo = rng.integers(0, 255, (FULL_SIDE, FULL_SIDE, 3), dtype=np.uint8)
    embedded = {image.id for image in images.choose(images.gather(report), 8)}
    ran = [m.id for m in report.methods if m.status == "ok" and not m.id.startswith("inverted:")]
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    for place, image in enumerate(report.data.images):
        step = 1 if image.id in embedded else 28
        arrays[f"{image.id}/thumbnail"] = photo[::step, ::step]
        for number, method in enumerate(ran):
            arrays[f"{image.id}/{method}"] = np.roll(noise[:, ::step, ::step], 31 * place + 7 * number, 1)
    np.savez(path, **arrays)


def _judged(report: Report) -> Report:
    waiver = {"rule": "check/stability/gradient", "owner": "R. Viewer", "expires": "2026-02-01"}
    waiver["reason"] = "Accepted until the next release, see the minutes of the model board."
    results = [
        _result("images", "at least 20 images", None, "FAIL", "9 images", measured=9, minimum=20),
        _result("srg/guided-ig", "SRG of guided-ig", "guided-ig", "PASS", "0.36", measured=0.36, minimum=0.2),
        _result("parity", "parity must pass", None, "PASS", "PASS"),
        _result("check/completeness", "completeness", "guided-ig", "WARN", "WARN", measured=0.087, maximum=0.05),
        _result("check/stability/gradient", "stability must pass", "gradient", "FAIL", "FAIL", waiver=waiver),
    ]
    gate = {
        "configured": True, "status": "FAIL", "policy": "policy.toml", "title": "Radiology, release gate",
        "owner": "Model board", "sha256": "12" * 32, "in_use": "guided-ig", "results": results,
    }  # fmt: skip
    told = report.model_dump(mode="json", by_alias=True) | {"gate": gate, "exit_code": 1}
    told["run"]["judged"] = "2026-03-01"
    told["context"] = "Sorts photographs for a museum's catalogue. A curator sees the map beside each proposal."
    told["maps"] = {"file": "maps.npz", "sha256": "34" * 32}
    return Report.model_validate(told)


def _result(identity: str, rule: str, method: str | None, status: str, found: str, **more: Any) -> dict[str, Any]:
    reason = f"The report says {found}."
    return {
        "id": identity, "rule": rule, "method": method, "status": status, "found": found, "reason": reason, **more,
    }  # fmt: skip


def _plant(told: Any, planter: Callable[[str], str], free: bool = False) -> Any:
    """`told` with `planter` applied to each free text; what names something else keeps its name."""
    if isinstance(told, dict):
        return {key: _plant(value, planter, free or key in _FREE_TEXT) for key, value in told.items()}
    if isinstance(told, list):
        return [_plant(item, planter, free) for item in told]
    return planter(told) if free and isinstance(told, str) else told
