"""Problems, a group of images at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from geoaudit.api import Problems
from geoaudit.audit.inputs import GROUP, Inputs
from geoaudit.audit.probe import ModelProbe
from geoaudit.audit.settings import Settings
from geoaudit.images.baseline import make_baseline
from geoaudit.images.decoding import decode


def groups(inputs: Inputs, settings: Settings, probe: ModelProbe) -> Iterator[tuple[Problems, npt.NDArray[np.uint8]]]:
    """The audited images in groups, each with its thumbnails (n, h, w, 3) uint8 RGB.

    The pictures are decoded again rather than kept: that costs milliseconds, and memory does not grow with the
    number of images.
    """
    for start in range(0, len(inputs.files), GROUP):
        files = inputs.files[start : start + GROUP]
        targets = inputs.targets[start : start + GROUP]
        pairs = [inputs.preprocessing.apply(decode(file.path)) for file in files]
        x = np.stack([point for point, _ in pairs])
        thumbnails = np.stack([thumbnail for _, thumbnail in pairs])
        ids = tuple(file.id for file in files)
        baseline = make_baseline(settings.baseline, thumbnails, ids, inputs.preprocessing, settings.seed)
        baseline = baseline.astype(x.dtype, copy=False)
        problems = Problems(
            ids=ids,
            x=x,
            baseline=baseline,
            targets=targets,
            f_x=probe.outputs(x, targets),
            f_baseline=probe.outputs(baseline, targets),
            space=inputs.preprocessing.space,
        )
        yield problems, thumbnails
