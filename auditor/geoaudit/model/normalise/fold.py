"""What does not depend on the image is computed once, by onnxruntime's own offline optimisation."""

from __future__ import annotations

import tempfile
from pathlib import Path

import onnx
from onnx import ModelProto

from geoaudit.model.graph import fits_one_message
from geoaudit.model.normalise.skipped import PassSkipped
from geoaudit.model.pad_fusion import wrong_optimisers
from geoaudit.model.wording import brief

_NOT_WANTED = ["TransposeOptimizer", "SliceConcatToSpaceToDepthFusion", "MatMulAddFusion"]
"""They rearrange more than they simplify: Transposes and Reshapes are added for onnxruntime's favourite layouts."""


def fold_constants(proto: ModelProto) -> ModelProto:
    """The graph after onnxruntime's BASIC (semantics-preserving, hardware-independent) optimisations.

    Constant subgraphs, dead branches of constant Ifs, paddings and batch normalisations merge into their
    neighbours; EfficientNet-Lite0 goes from 456 nodes to 94 and its gradient is up to twice as fast.
    Source: onnxruntime documentation, "Graph Optimizations in ONNX Runtime", offline mode.

    Raises:
        PassSkipped: the model is too large for one message, onnxruntime refuses it, or the result would need
            operators of a domain that the model does not have.
    """
    import onnxruntime

    if not fits_one_message(proto):
        raise PassSkipped("the model is larger than one protobuf message")
    before = {node.domain for node in proto.graph.node}
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "folded.onnx"
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(target)
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        options.add_session_config_entry("session.disable_prepacking", "1")  # nothing will be run
        # Float weights of quantised models would be quantised once more, to other numbers.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        try:
            onnxruntime.InferenceSession(
                proto.SerializeToString(),
                options,
                providers=["CPUExecutionProvider"],
                disabled_optimizers=[*_NOT_WANTED, *wrong_optimisers(proto)],
            )
            folded = onnx.load(str(target))
        except Exception as error:  # onnxruntime has no common base class for its errors
            raise PassSkipped(f"onnxruntime could not optimise the graph ({brief(error)})") from error
    if extra := {node.domain for node in folded.graph.node} - before:
        raise PassSkipped(f"the optimised graph needs operators of {', '.join(sorted(extra))}")
    if _same(folded, proto) or len(folded.graph.node) > len(proto.graph.node):
        return proto  # operators without a kernel, such as HardSwish, are written out: longer, and slower in torch
    return _with_opsets_of(proto, folded)


def _same(folded: ModelProto, proto: ModelProto) -> bool:
    """Whether nothing was folded: the same nodes joined in the same way."""

    def outline(model: ModelProto) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
        return sorted((n.op_type, tuple(n.input), tuple(n.output)) for n in model.graph.node)

    return outline(folded) == outline(proto)


def _with_opsets_of(proto: ModelProto, folded: ModelProto) -> ModelProto:
    """`folded` with the operator sets of `proto`: onnxruntime adds all the domains that it knows."""
    del folded.opset_import[:]
    folded.opset_import.extend(proto.opset_import)
    return folded
