"""Pictures keep their three axes everywhere in geoaudit; models that want them flat get them so here."""

from __future__ import annotations

from collections.abc import Sequence


def own_shape(picture: Sequence[int], rank: int) -> tuple[int, ...]:
    """One picture's shape as the model declares it.

    Args:
        picture: (C, H, W) or (H, W, C); whichever it is, a flat model reads the numbers in that order.
        rank: of the model's input, the batch axis included: 4 leaves the shape as it is, 3 drops the one grey
            channel, 2 flattens.

    Raises:
        ValueError: rank 3 and more than one channel.
    """
    if rank == 2:
        size = 1
        for side in picture:
            size *= side
        return (size,)
    if rank != 3:
        return tuple(picture)
    if picture[0] != 1 and picture[-1] != 1:
        raise ValueError(f"a picture of shape {tuple(picture)} has more than one channel")
    return tuple(picture[1:] if picture[0] == 1 else picture[:-1])


def blank_shape(declared: Sequence[int | str]) -> tuple[int, ...] | None:
    """A shape to try the model with: what it declares, 1 for the batch and 224 for open sides.

    Returns:
        None if an open size cannot be guessed, as that of a flat input.
    """
    guess: tuple[int, ...]
    if len(declared) == 4:
        guess = (1, 224, 224, 3) if declared[3] in (1, 3) and declared[1] not in (1, 3) else (1, 3, 224, 224)
    elif len(declared) == 3:
        guess = (1, 28, 28)
    else:
        guess = (1, *(0 for _ in declared[1:]))
    shape = tuple(d if isinstance(d, int) and d > 0 else g for d, g in zip(declared, guess, strict=True))
    return shape if all(shape) else None
