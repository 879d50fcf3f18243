"""onnxruntime's Pad_Fusion, and where it computes something else than the file says.

The optimisation moves a Pad into the operator behind it.  A MaxPool pads with minus infinity, so that a padding with
zeros must not be moved into one: on a ResNetV2 with the stem of BiT it changes scores by 0.2 to 1.5 % of their range.
It belongs to onnxruntime's level BASIC, which is on by default (seen in onnxruntime 1.31).
"""

from __future__ import annotations

from onnx import ModelProto, NodeProto

NAME = "Pad_Fusion"


def wrong_optimisers(proto: ModelProto) -> list[str]:
    """Names of onnxruntime's optimisers that must be switched off for `proto`; usually none."""
    padded = {node.output[0] for node in proto.graph.node if node.op_type == "Pad" and _constant(node)}
    pools = (node for node in proto.graph.node if node.op_type == "MaxPool")
    return [NAME] if any(node.input[0] in padded for node in pools) else []


def _constant(node: NodeProto) -> bool:
    """Whether a Pad fills with a number; which one does not matter, no file names minus infinity."""
    return not any(a.name == "mode" and a.s not in (b"", b"constant") for a in node.attribute)


def note(difference: float) -> str:
    """The sentence for the report.

    Args:
        difference: of the first images' scores with and without the optimisation, as a share of their range.
    """
    return (
        f"onnxruntime's optimisation {NAME}, on by default, would turn this model's zero padding before a MaxPool into "
        f"padding with minus infinity, against the ONNX specification. It is switched off here. With it, as in a "
        f"production that runs onnxruntime's defaults, the first images' scores differ by up to {difference:.1%} of "
        "their range."
    )
