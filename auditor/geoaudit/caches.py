"""Where things are kept between runs, apart from report folders."""

from __future__ import annotations

import os
from pathlib import Path


def memory_file() -> Path:
    """`geoaudit/engine.json` in the user's cache folder (XDG_CACHE_HOME, or ~/.cache): choices of gradient engines."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "geoaudit" / "engine.json"
