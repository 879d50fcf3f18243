"""A walk integrated, and its nodes kept."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from geoaudit.api import Attributions, Bundle, Floats, Probe, Problems, Quadrature, Recorded, Walk
from geoaudit.errors import NotApplicable
from geoaudit.paths.integrator import integrate
from geoaudit.paths.strand import Strand


def integrate_recorded(
    walk: Walk, problems: Problems, probe: Probe, quadrature: Quadrature | None = None
) -> tuple[Attributions, Recorded]:
    """Integrate the gradient along each problem's walk, as `integrate` does, and keep the nodes.

    Returns:
        The maps; and the nodes with their explained outputs and gradients, both ends included.  A problem whose
        image equals its baseline has no nodes.

    Raises:
        NotApplicable: the walk is a bundle, whose nodes have no order.
    """
    if isinstance(walk, Bundle):
        raise NotApplicable("the base method", "walks several ways to one image", "Name one that walks one way.")
    vertices: list[Floats] = []
    gradients: list[Floats] = []
    values: list[npt.NDArray[np.float64]] = []
    none = np.empty((0, *problems.space.shape), dtype=problems.x.dtype)

    def keep(i: int, strand: Strand) -> None:
        nodes = strand.nodes if strand.moving else strand.nodes[:0]
        vertices.append(strand.track.at(nodes) if len(nodes) else none)
        gradients.append(np.stack([strand.gradients[t] for t in nodes]) if len(nodes) else none)
        values.append(np.array([strand.outputs[t] for t in nodes], dtype=np.float64))

    made = integrate(walk, problems, probe, quadrature, keep)
    return made, Recorded(vertices, gradients, values)
