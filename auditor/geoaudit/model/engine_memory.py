"""Remembers the measured engine setting of a model on this machine.

Two runs then make the same choice, so their numbers agree to the last bit, and the second saves the
measurement.  The file is a convenience: where it cannot be read or written, the engine measures again.
"""

from __future__ import annotations

import json
import os
import platform
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from geoaudit.model.engine import Setting

_KEPT = 500  # models remembered; the oldest go first


def memory_file() -> Path:
    """`geoaudit/engine.json` in the user's cache folder (XDG_CACHE_HOME, or ~/.cache)."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "geoaudit" / "engine.json"


def machine_key(model: str, device: str, threads: int, wanted: tuple[bool | None, int | None]) -> str:
    """What a measurement is valid for.

    Args:
        model: the model's sha256.
        device: where it runs.
        threads: processor threads.
        wanted: layout and batch size where the user fixed them.
    """
    import torch

    parts = (model, device, threads, *wanted, torch.__version__, torch.backends.cpu.get_cpu_capability())
    return sha256(repr((*parts, platform.machine(), platform.processor())).encode()).hexdigest()[:32]


def recall(key: str) -> Setting | None:
    """The setting measured under `key`, if any."""
    entry = _read().get(key)
    try:
        return Setting(bool(entry["channels_last"]), int(entry["batch_size"])) if entry else None
    except (TypeError, KeyError, ValueError):
        return None


def remember(key: str, setting: Setting) -> None:
    """Keep `setting` under `key`."""
    entries = _read()
    entries.pop(key, None)
    entries[key] = {"channels_last": setting.channels_last, "batch_size": setting.batch_size}
    kept = dict(list(entries.items())[-_KEPT:])
    path = memory_file()
    part = path.with_name(f"{path.name}.{os.getpid()}")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(kept), encoding="utf-8")
        part.replace(path)


def _read() -> dict[str, Any]:
    try:
        found = json.loads(memory_file().read_text(encoding="utf-8"))
    except (OSError, ValueError, RuntimeError):
        return {}
    return found if isinstance(found, dict) else {}
