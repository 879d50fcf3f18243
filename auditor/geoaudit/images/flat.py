"""Layout, size and channels of a flat input, [N, numbers]."""

from __future__ import annotations

from geoaudit.errors import PreprocessingError
from geoaudit.images.fields import Stated
from geoaudit.images.graph_preprocess import GraphFacts


def settle_flat(chosen: dict[str, Stated], facts: GraphFacts, asked_channels: Stated | None, model: str) -> None:
    """Fill in, in place, what the number of numbers tells.

    The order is the one of `layout`, NCHW unless it is stated.  A size that is stated must fit the number with one or
    three channels; without one, the number must be that of one square picture, grey or in colour.  Where neither
    tells, size stays open, and the caller asks for it.

    Args:
        chosen: the fields as stated so far; changed.
        facts: what the graph says.
        asked_channels: channels where the user named them outright, not by a preset.
        model: the file's name for messages.

    Raises:
        PreprocessingError: size or channels do not fit the number of numbers.
    """
    chosen.setdefault("layout", Stated("NCHW", "default for a flat input"))
    if facts.numbers is None:
        chosen.setdefault("channels", Stated("RGB", "default"))
        return
    stated = chosen.get("size")
    if stated is not None and stated.refused is None:
        height, width = stated.value
        count, rest = divmod(facts.numbers, height * width)
        if rest or count not in (1, 3):
            reason = f"{height}x{width}, but the model's input has {facts.numbers} numbers: neither grey nor colour"
            raise PreprocessingError(f"{model}, {stated.source}", reason, "Give another --size.")
    else:
        square = facts.square()
        if square is None:
            shape = f"its flat input has {facts.numbers} numbers, which is no square picture"
            way_out = "Give --size HxW; with one channel it is grey, with three in colour (--channels)."
            raise PreprocessingError(model, shape, way_out)
        count, side = square
        chosen["size"] = Stated((side, side), "graph: numbers of the flat input")
    _settle_channels(chosen, count, asked_channels, model)


def _settle_channels(chosen: dict[str, Stated], count: int, asked: Stated | None, model: str) -> None:
    if asked is not None and (asked.value == "grey") != (count == 1):
        reason = f"{asked.value}, but the model's flat input has the numbers of {count} channel(s)"
        raise PreprocessingError(f"{model}, {asked.source}", reason, "Leave out --channels.")
    source = "graph: numbers of the flat input"
    if count == 1:
        chosen["channels"] = Stated("grey", source)
    elif chosen.get("channels", Stated("grey", "")).value == "grey":
        chosen["channels"] = Stated("RGB", "default")
