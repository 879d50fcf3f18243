"""Remembers which gradient engine was chosen for a model on this machine.

Two runs then make the same choice, so their numbers agree to the last bit, and the second saves the
measurement.  The file is a convenience: where it cannot be read or written, the engine measures again.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from pydantic import TypeAdapter, ValidationError

from geoaudit import __version__
from geoaudit.caches import memory_file
from geoaudit.model.engine import Setting
from geoaudit.model.engines.base import Trial
from geoaudit.model.engines.choice import Wanted
from geoaudit.model.explain import Space

_KEPT = 200  # models remembered; the oldest go first


@dataclass(frozen=True)
class Kept:
    """A choice, and what was tried for it."""

    setting: Setting
    trials: Sequence[Trial]


def machine_key(model: str, device: str, threads: int, wanted: Wanted, space: Space, memory: int) -> str:
    """What a choice is valid for; versions of geoaudit, torch and onnxruntime and the processor are part of it.

    Args:
        model: the model's sha256.
        device: where it runs.
        threads: processor threads.
        wanted: what the user fixed.
        space: the explained scalar.
        memory: bytes that a batch may take.
    """
    import onnxruntime
    import torch

    parts = (model, device, threads, wanted, space, memory, __version__, torch.__version__, onnxruntime.__version__)
    machine = (torch.backends.cpu.get_cpu_capability(), platform.machine(), platform.processor())
    return sha256(repr((*parts, *machine)).encode()).hexdigest()[:32]


def recall(key: str) -> Kept | None:
    """The choice kept under `key`, if any."""
    entry = _read().get(key)
    try:
        return _ENTRY.validate_python(entry) if entry else None
    except ValidationError:
        return None


def remember(key: str, kept: Kept) -> None:
    """Keep the choice under `key`."""
    entries = _read()
    entries.pop(key, None)
    entries[key] = _ENTRY.dump_python(kept, mode="json")
    last = dict(list(entries.items())[-_KEPT:])
    with suppress(OSError, RuntimeError):  # the latter where there is no home folder
        path = memory_file()
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            part.write_text(json.dumps(last), encoding="utf-8")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)  # what a full disk has cut off


_ENTRY = TypeAdapter(Kept)


def _read() -> dict[str, Any]:
    try:
        found = json.loads(memory_file().read_text(encoding="utf-8"))
    except (OSError, ValueError, RuntimeError):
        return {}
    return found if isinstance(found, dict) else {}
