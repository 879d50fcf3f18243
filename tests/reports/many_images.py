"""Reports of many images, and maps that are as heavy as maps can be; loaded by the tests that need them."""

from __future__ import annotations

import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from geoaudit.audit.result import Report


def grown(sample: SimpleNamespace, base: Report, names: list[str]) -> Report:
    """`base` with as many images as there are `names`; the results of its own images are dealt out in turn."""
    told = base.model_dump(mode="json", by_alias=True)
    own = [image["id"] for image in told["data"]["images"]]
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in own}
    for row in told["per_image"]:
        results[row["image"]].append(row)
    told["data"] = sample.build(len(names)).model_dump(mode="json", by_alias=True)["data"]
    for image, name in zip(told["data"]["images"], names, strict=True):
        image |= {"id": name, "file": name}
    told["per_image"] = [
        row | {"image": name, "scores": row["scores"] | {"srg": row["scores"]["srg"] + 1e-4 * place}}
        for place, name in enumerate(names)
        for row in results[own[place % len(own)]]
    ]
    return Report.model_validate(told)


def light(report: Report) -> Report:
    """The report without what is drawn as charts, which takes longest and is no matter here."""
    methods = [m.model_copy(update={"scores": {}, "ncc_profile": []}) for m in report.methods]
    return report.model_copy(update={"methods": methods, "curves": [], "checks": []})


def noise_maps(report: Report, path: Path, side: int, copies: int = 16) -> None:
    """maps.npz of white noise, the worst that a tile can show; a few arrays serve all, for speed."""
    rng = np.random.default_rng(0)
    stored = [rng.uniform(-1, 1, (1, side, side)).astype(np.float32) for _ in range(copies)]
    photo = rng.integers(0, 255, (side, side, 3), dtype=np.uint8)
    place = 0
    with zipfile.ZipFile(path, "w") as archive:
        for image in report.data.images:
            arrays = {"thumbnail": photo}
            for method in report.methods:
                if method.status == "ok" and not method.id.startswith("inverted:"):
                    place += 1
                    arrays[method.id] = stored[place % copies]
            for name, array in arrays.items():
                with archive.open(f"{image.id}/{name}.npy", "w") as stream:
                    np.lib.format.write_array(stream, array)
