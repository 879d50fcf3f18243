"""The audited images, a group at a time; the next group is read while the present one is worked on."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geoaudit.api import Floats, Problems
from geoaudit.audit.inputs import GROUP, Inputs
from geoaudit.audit.probe import ModelProbe
from geoaudit.audit.settings import Settings
from geoaudit.images.baseline import make_baseline
from geoaudit.images.decoding import decode


@dataclass(frozen=True)
class Decoded:
    """One group of images, before the model has seen it.

    Attributes:
        ids: one an image.
        x: the images as model input, shape (n, *shape).
        baseline: where their walks begin, same shape and dtype.
        thumbnails: the preprocessed pictures, uint8 RGB, shape (n, h, w, 3).
        targets: explained classes, int64, shape (n,).
    """

    ids: tuple[str, ...]
    x: Floats
    baseline: Floats
    thumbnails: npt.NDArray[np.uint8]
    targets: npt.NDArray[np.int64]

    def problems(self, inputs: Inputs, probe: ModelProbe) -> Problems:
        """With the explained output at both ends; 2 n forwards."""
        return Problems(
            ids=self.ids,
            x=self.x,
            baseline=self.baseline,
            targets=self.targets,
            f_x=probe.outputs(self.x, self.targets),
            f_baseline=probe.outputs(self.baseline, self.targets),
            space=inputs.preprocessing.space,
        )


def count_groups(inputs: Inputs) -> int:
    """How many groups the images make."""
    return -(-len(inputs.files) // GROUP)


def read_group(inputs: Inputs, settings: Settings, number: int) -> Decoded:
    """Decode one group, counted from 0.

    Raises:
        DecodeError: a picture has changed since it was found.
    """
    part = slice(number * GROUP, (number + 1) * GROUP)
    files = inputs.files[part]
    pairs = [inputs.preprocessing.apply(decode(file.path, file.sha256)) for file in files]
    x = np.stack([point for point, _ in pairs])
    thumbnails = np.stack([thumbnail for _, thumbnail in pairs])
    ids = tuple(file.id for file in files)
    baseline = make_baseline(settings.baseline, thumbnails, ids, inputs.preprocessing, settings.seed)
    return Decoded(ids, x, baseline.astype(x.dtype, copy=False), thumbnails, inputs.targets[part])


def read_ahead(inputs: Inputs, settings: Settings) -> Iterator[Decoded]:
    """All groups in order.  At most one is decoded ahead, in a thread of its own; what fails there is raised here.

    The pictures are decoded again rather than kept: that costs milliseconds, and memory does not grow with the
    number of images.
    """
    with ThreadPoolExecutor(1, "geoaudit-reader") as reader:
        groups = count_groups(inputs)
        coming = reader.submit(read_group, inputs, settings, 0)
        for number in range(groups):
            here = coming.result()
            if number + 1 < groups:
                coming = reader.submit(read_group, inputs, settings, number + 1)
            yield here


def groups(inputs: Inputs, settings: Settings, probe: ModelProbe) -> Iterator[tuple[Problems, npt.NDArray[np.uint8]]]:
    """The problems of every group, each with its thumbnails (n, h, w, 3) uint8 RGB."""
    for decoded in read_ahead(inputs, settings):
        yield decoded.problems(inputs, probe), decoded.thumbnails
