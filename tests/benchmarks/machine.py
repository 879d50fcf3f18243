"""The machine and the packages that a measurement was made with."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "onnxruntime-gpu", "onnxruntime", "onnx2torch", "numpy", "captum", "saliency", "quantus")


def machine() -> dict[str, Any]:
    """Processor, usable cores, memory, system, date and versions; what is not known is left out."""
    return {
        "cpu": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "date": datetime.now(UTC).date().isoformat(),
        "load_before": round(os.getloadavg()[0], 2),
        "packages": _versions(),
    }


def _processor() -> str:
    """Model and highest instruction set of the processor."""
    place = Path("/proc/cpuinfo")
    lines = place.read_text(encoding="utf-8").splitlines() if place.is_file() else []
    found = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    named = found.get("model name") or platform.processor() or platform.machine()
    flags = set(found.get("flags", "").split())
    best = next((known for known in ("amx_tile", "avx512f", "avx2") if known in flags), None)
    return f"{named} ({best.split('_')[0].upper()})" if best else named


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
