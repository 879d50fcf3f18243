"""One method on one group of images: maps made within memory, and the contract checked."""

from __future__ import annotations

import numpy as np

from geoaudit.api import Attributions, Method, Probe, Problems, Quadrature
from geoaudit.errors import PluginError
from geoaudit.memory import ARRAYS

_FILLED = 4
"""Gradient batches are filled up to a power of two from this on, so that other parts of images waste evaluations."""


def attribute(method: Method, problems: Problems, probe: Probe, quadrature: Quadrature) -> Attributions:
    """The method's maps of `problems`, in as many parts as memory asks for.

    Methods declare how many arrays an image needs; all of them may take `probe.memory` bytes, `ARRAYS` where a
    probe says nothing of it.

    Raises:
        PluginError: the maps have the wrong shape or number of records or claims, or are not finite.
    """
    at_once = _at_once(method, problems, getattr(probe, "memory", ARRAYS), quadrature)
    if at_once < len(problems) and method.shares_line:
        probe.straight_line(problems)  # all lines together fill their batches; the parts below find them kept
    parts, claims = [], []
    for start in range(0, len(problems), at_once):
        part = problems.select(range(start, min(start + at_once, len(problems))))
        parts.append(_checked(method, method.attribute(part, probe), part))
        claims.append(part.delta_f if parts[-1].claims is None else parts[-1].claims)
    if len(parts) == 1:
        return parts[0]
    values = np.concatenate([part.values for part in parts])
    notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
    return Attributions(
        values,
        tuple(record for part in parts for record in part.records),
        notes,
        np.concatenate(claims) if any(part.claims is not None for part in parts) else None,
    )


def _at_once(method: Method, problems: Problems, memory: int, quadrature: Quadrature) -> int:
    """How many images the method gets at a time."""
    size = problems.x[0].nbytes * max(1, method.memory(quadrature))
    fitting = int(max(1, min(len(problems), memory // size)))
    return fitting if fitting in (1, len(problems)) or fitting < _FILLED else fitting // _FILLED * _FILLED


def _checked(method: Method, made: Attributions, problems: Problems) -> Attributions:
    wrong = None
    if made.values.shape != problems.x.shape:
        wrong = f"returned maps of shape {made.values.shape} for images of shape {problems.x.shape}"
    elif len(made.records) != len(problems):
        wrong = f"returned {len(made.records)} records for {len(problems)} images"
    elif made.claims is not None and made.claims.shape != (len(problems),):
        wrong = f"returned claims of shape {made.claims.shape} for {len(problems)} images"
    elif not np.isfinite(made.values).all():
        bad = [i for i, v in zip(problems.ids, made.values, strict=True) if not np.isfinite(v).all()]
        wrong = f"returned values that are not finite for {', '.join(bad[:3])}"
    if wrong is not None:
        raise PluginError(method.id, wrong, "Report it to the method's author, or leave it out with --skip.")
    return Attributions(made.values.astype(np.float32, copy=False), made.records, made.notes, made.claims)
