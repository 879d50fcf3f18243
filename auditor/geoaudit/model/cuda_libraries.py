"""CUDA's libraries, found for onnxruntime where torch brought them."""

from __future__ import annotations

import ctypes
import sys

_DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
WITHOUT = (
    "torch can use CUDA here, but onnxruntime could not start on it, so scores are computed by the processor. "
    "Install the onnxruntime-gpu whose CUDA version is torch's, or say --device cpu to compute everything there."
)


def driver() -> bool:
    """Whether NVIDIA's driver is installed."""
    try:
        ctypes.CDLL(_DRIVER)
    except OSError:
        return False
    return True


def brought() -> bool:
    """Load CUDA's libraries into this process by importing torch; whether there is a device that torch can use.

    onnxruntime's packages come without these libraries and look for them on the system's paths only; once torch's own
    are loaded, it takes those.  Without a driver nothing is imported.
    """
    if not driver():
        return False
    import torch

    return torch.cuda.is_available()
