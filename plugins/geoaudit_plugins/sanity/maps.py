"""A method's maps under a changed model, beside those under the unchanged one.

A check compares maps with maps, so both are made alike: by the same method with the same parameters, the same
random numbers and the same quadrature.  The quadrature may be coarser than the run's, for an order of importance
needs fewer nodes than a sum that must be complete: `nodes` first nodes, a short look along the curve, and no
refinement, which would stop elsewhere on every model.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import numpy as np

from geoaudit.api import Attributions, Cost, Floats, Method, Probe, Problems, Quadrature
from geoaudit.errors import PluginError

MEMORY = 2**29
"""Bytes that a method's working arrays may take; as many images at a time as fit."""
_NEVER = 1e30  # a tolerance that is always met


def first(problems: Problems, n: int) -> Problems:
    """The first n problems, all where there are fewer."""
    return problems.select(range(min(n, len(problems))))


def posed(problems: Problems, probe: Probe) -> Problems:
    """The same questions put to this probe's model: f(x) and f(baseline) are evaluated anew; two forwards an image."""
    n = len(problems)
    points = np.concatenate([problems.x, problems.baseline])
    values = probe.outputs(points, np.concatenate([problems.targets, problems.targets]))
    return replace(problems, f_x=values[:n], f_baseline=values[n:])


def coarse(quadrature: Quadrature, nodes: int | None) -> Quadrature:
    """The quadrature with `nodes` first nodes, a scan of four points a node, and no refinement.

    A walk that was recorded on the way may still have each of its pieces halved, up to `nodes` of them.

    Args:
        quadrature: the run's.
        nodes: at least 2; None: the run's own quadrature.
    """
    if nodes is None:
        return quadrature
    scan = min(quadrature.scan, 4 * nodes + 1)
    return Quadrature(tolerance=_NEVER, node_limit=nodes + 1, scan=scan, first_nodes=nodes)


def cost(method: Method, quadrature: Quadrature, nodes: int | None, images: int) -> Cost:
    """Expected evaluations of `maps` for so many images, without what the method prepares once a model.

    Args:
        method: the method.
        quadrature: the run's.
        nodes: see `coarse`.
        images: number of images.
    """
    return method.cost(coarse(quadrature, nodes)) * images


def maps(method: Method, problems: Problems, probe: Probe, nodes: int | None) -> Attributions:
    """The method's maps under this probe.

    Args:
        method: with its own parameters.
        problems: posed to this probe's model (`posed`).
        probe: over the unchanged or a changed model.
        nodes: see `coarse`.

    Returns:
        Maps in float32, shape (n, *shape).  An image's map depends on no other image.

    Raises:
        NotApplicable: the method cannot say anything about this model.
        PluginError: the maps have another shape than the images.
    """
    probe = probe if nodes is None else probe.with_quadrature(coarse(probe.quadrature, nodes))
    size = problems.x[0].nbytes * max(1, method.memory(probe.quadrature))
    at_once = int(max(1, min(len(problems), MEMORY // size)))
    parts = []
    for start in range(0, len(problems), at_once):
        part = problems.select(range(start, min(start + at_once, len(problems))))
        parts.append(method.attribute(part, probe))
        if parts[-1].values.shape != part.x.shape:
            raise PluginError(method.id, f"returned maps of shape {parts[-1].values.shape}", "Report it to its author.")
    return Attributions(
        np.concatenate([part.values.astype(np.float32, copy=False) for part in parts]),
        tuple(record for part in parts for record in part.records),
        tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )


def original(method: Method, problems: Problems, probe: Probe, nodes: int | None) -> Attributions:
    """The method's maps under the run's own model, kept until another method is examined.

    Checks that ask for the same images with the same nodes share them, image by image.

    Args:
        method: with its own parameters.
        problems: the audited images, as a check is given them.
        probe: the run's probe, as a check is given it.
        nodes: see `coarse`.

    Raises:
        NotApplicable, PluginError: as for `maps`.
    """
    kept = probe.once("sanity:original-maps", lambda: _Kept("", {}))
    owner = f"{method.id} {method.parameters!r}"
    if kept.owner != owner:
        kept.owner = owner
        kept.rows.clear()
    limits = coarse(probe.quadrature, nodes)
    keys = [f"{limits!r} {_digest(problems, i)}" for i in range(len(problems))]
    missing = [i for i, key in enumerate(keys) if key not in kept.rows]
    if missing:
        made = maps(method, problems.select(missing), probe, nodes)
        kept.rows.update({keys[i]: made.select([place]) for place, i in enumerate(missing)})
    rows = [kept.rows[key] for key in keys]
    return Attributions(
        np.concatenate([row.values for row in rows]),
        tuple(row.records[0] for row in rows),
        tuple(dict.fromkeys(note for row in rows for note in row.notes)),
    )


class _Kept:
    """The maps of the method that is examined now."""

    def __init__(self, owner: str, rows: dict[str, Attributions]) -> None:
        self.owner = owner
        self.rows = rows


def _digest(problems: Problems, i: int) -> str:
    """What tells one question from another."""
    parts: tuple[Floats, ...] = (problems.x[i], problems.baseline[i])
    seen = sha256(f"{problems.ids[i]}\x1f{problems.targets[i]}\x1f{problems.f_x[i]}".encode())
    for part in parts:
        seen.update(np.ascontiguousarray(part).tobytes())
    return seen.hexdigest()
