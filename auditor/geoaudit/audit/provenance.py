"""Who ran what on which machine."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = (
    *("geoaudit", "numpy", "onnx", "onnx2torch", "onnxruntime", "onnxruntime-gpu", "pillow", "scikit-image"),
    *("scikit-learn", "scipy", "torch", "torchvision"),
)


def now() -> str:
    """The present time, UTC, ISO 8601 to the second."""
    return datetime.now(UTC).replace(microsecond=0).isoformat()


def host() -> dict[str, str]:
    """The machine, without its name."""
    return {
        "cores": str(os.cpu_count() or 1),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
    }


def packages(providers: set[str]) -> dict[str, str]:
    """Versions of the packages that the numbers depend on, and of the plugins' distributions."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    found |= dict(provider.rsplit(" ", 1) for provider in providers if " " in provider)
    return dict(sorted(found.items()))
