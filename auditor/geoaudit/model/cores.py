"""How many processor cores this process may really use."""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUP_2 = Path("/sys/fs/cgroup/cpu.max")
_CGROUP_1 = Path("/sys/fs/cgroup/cpu")


def _quota() -> float | None:
    """The container's share of processors, None where there is no limit (Linux cgroups, version 2 then 1)."""
    try:
        if _CGROUP_2.exists():
            limit, period = _CGROUP_2.read_text().split()[:2]
            return None if limit == "max" else int(limit) / int(period)
        limit_us = int((_CGROUP_1 / "cpu.cfs_quota_us").read_text())
        period_us = int((_CGROUP_1 / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError, ZeroDivisionError):
        return None
    return limit_us / period_us if limit_us > 0 and period_us > 0 else None


def usable_cores() -> int:
    """Cores in this process's affinity mask, bounded by the container's quota; at least 1.

    `os.cpu_count()` counts the machine's cores: in a container of two cores on a machine of 64 it would start
    32 times too many threads.
    """
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    quota = _quota()
    return max(1, count if quota is None else min(count, math.ceil(quota)))
