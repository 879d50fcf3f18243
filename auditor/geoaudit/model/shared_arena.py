"""One arena of memory for all of onnxruntime's sessions.

A session's own arena keeps what its largest batch took from all others, EfficientNet-Lite0's gradient 70 MiB, and an
audit has a session for the file, one for its gradients and two for every randomised model.  They compute one after the
other, so one arena serves them all: a further engine then takes 80 MiB in place of 190.  It grows by what is asked for,
not by powers of two.
"""

from __future__ import annotations

from functools import cache

import onnxruntime

_AS_REQUESTED = 1  # OrtArenaCfg's strategy of growth


def share(options: onnxruntime.SessionOptions) -> None:
    """Let the session that is made with these options, on a processor, use the common arena.

    Args:
        options: changed; they stay as they are where this onnxruntime has no common arena.
    """
    if _arena():
        options.add_session_config_entry("session.use_env_allocators", "1")


@cache
def _arena() -> bool:
    """Whether the process has a common arena; it is made at the first call."""
    try:
        place = onnxruntime.OrtMemoryInfo(
            "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
        )
        growth = onnxruntime.OrtArenaCfg(
            {"max_mem": 0, "arena_extend_strategy": _AS_REQUESTED, "initial_chunk_size_bytes": -1,
             "max_dead_bytes_per_chunk": -1}
        )  # fmt: skip
        onnxruntime.create_and_register_allocator(place, growth)
    except Exception:  # of onnxruntime, which has no common base class; somebody else's arena may be there already
        return False
    return True
