"""Resident memory: how much this process holds, and how a run's budget is shared out.

Imports no library, so that the command line can read a size without loading one.
"""

from __future__ import annotations

import ctypes
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from geoaudit.errors import UsageError

MIB = 2**20
GRADIENTS = 512 * MIB
"""Without a budget: what the activations of one gradient batch may take."""
ARRAYS = 512 * MIB
"""Without a budget: what one method's working arrays may take."""
LEAST_ARRAYS = 192 * MIB
"""With a budget: what has to be left for methods, checks and the report once the model runs."""
MOST_GRADIENTS = 2048 * MIB
"""Larger batches are no quicker."""
_STEP = 64 * MIB  # shares are rounded down to it: two runs then share out alike although they measure unlike bytes
_ENGINES = 2  # that are compared and hold a batch at a time, torch and onnxruntime
_COPIES = 2  # of the weights that converting makes: torch's own, and one while their memory layout changes
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # of glibc's malloc.h
_KEPT = 1024 * MIB
_UNITS = {"b": 1, "": 1}
_UNITS |= {f"{letter}{ending}": 1024**power for power, letter in enumerate("kmgt", 1) for ending in ("ib", "i", "")}
_UNITS |= {f"{letter}b": 1000**power for power, letter in enumerate("kmgt", 1)}


def parse_size(text: str) -> int | None:
    """Bytes from "1.5GiB", "800 MiB", "2GB" or plain bytes; None for "auto".

    Raises:
        UsageError: it is no size.
    """
    written = str(text).strip().lower()
    if written == "auto":
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", written)
    if found is None or found[2] not in _UNITS or float(found[1]) <= 0:
        raise UsageError(f"--memory {text}", "is neither auto nor a size", "For example: --memory 1.5GiB")
    return int(float(found[1]) * _UNITS[found[2]])


def shown(size: int) -> str:
    """A size as people write it: "1.5 GiB", "640 MiB"."""
    return f"{size / 2**30:.3g} GiB" if size >= 1000 * MIB else f"{-(-size // MIB)} MiB"


def resident() -> int:
    """Bytes that this process holds in memory now; 0 where the system does not tell."""
    return _status("VmRSS")


def peak() -> int:
    """The most bytes that this process has held in memory; 0 where the system does not tell."""
    found = _status("VmHWM")
    if found or sys.platform == "win32":
        return found
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def keep_freed() -> None:
    """Let glibc keep what is freed for the next use, in place of returning blocks of 32 MiB and more each time.

    Activations are freed and taken again with every batch.  The kernel clears each page that it hands out anew, which
    took as long as the computation itself: on two cores, torch's gradients of EfficientNet-Lite0 in batches of 8 took
    26 ms an image, 13 with this.

    All threads share one heap: with one each, what one thread has freed another cannot have, and a quick audit of eight
    photographs held 2.7 GB in place of 2.1, in the same time.  Elsewhere than on glibc nothing happens.
    """
    if sys.platform == "linux":
        option = getattr(ctypes.CDLL(None), "mallopt", None)
        if option is not None:
            option(_M_MMAP_THRESHOLD, _KEPT)
            option(_M_TRIM_THRESHOLD, _KEPT)
            option(_M_ARENA_MAX, 1)


def trim() -> None:
    """Give memory that was freed back to the system; glibc keeps it otherwise.  Elsewhere nothing happens."""
    if sys.platform == "linux":
        give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if give_back is not None:
            give_back(0)


def _status(name: str) -> int:
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), 0)


@dataclass(frozen=True)
class Memory:
    """A run's budget.

    Attributes:
        total: bytes that the whole process may hold; None for what the model takes by itself and the shares
            `GRADIENTS` and `ARRAYS` on top.
    """

    total: int | None = None

    def gradients(self, weights: int) -> int:
        """Bytes for the activations of one gradient batch.

        Args:
            weights: bytes of the model's weights.  Asked when the file is open and not converted yet.

        Raises:
            UsageError: the budget cannot hold the libraries and the model.
        """
        trim()
        if self.total is None:
            return GRADIENTS
        fixed = resident() + _COPIES * weights
        left = self.total - fixed - LEAST_ARRAYS
        if left < _STEP:
            raise self._too_small(fixed + LEAST_ARRAYS + 2 * _STEP)
        return min(max(left // _ENGINES // _STEP, 1) * _STEP, MOST_GRADIENTS)

    def arrays(self) -> int:
        """Bytes for one method's working arrays.  Asked when every engine has run a full batch.

        Raises:
            UsageError: the model left too little.
        """
        if self.total is None:
            return ARRAYS
        taken = peak()
        left = self.total - taken
        if left < LEAST_ARRAYS - _STEP:
            raise self._too_small(taken + LEAST_ARRAYS)
        return max(left // _STEP * _STEP, _STEP)

    def _too_small(self, least: int) -> UsageError:
        assert self.total is not None  # only a stated budget can be too small
        least = -(-least // _STEP) * _STEP
        return UsageError(
            f"--memory {shown(self.total)}",
            f"is too little for this model: libraries, weights and one batch need about {shown(least)}",
            f"Give at least {shown(least)}, or leave the option out.",
        )
