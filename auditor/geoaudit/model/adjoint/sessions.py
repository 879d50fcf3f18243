"""onnxruntime sessions for the adjoint graph."""

from __future__ import annotations

import tempfile

import onnx
import onnxruntime
from onnx import ModelProto

from geoaudit.memory import trim
from geoaudit.model import graph, sessions
from geoaudit.model.adjoint.blocked import keep_blocked
from geoaudit.model.adjoint.reverse import Adjoint
from geoaudit.model.pad_fusion import wrong_optimisers
from geoaudit.model.sessions import Session
from geoaudit.model.shared_arena import share

_Level = onnxruntime.GraphOptimizationLevel


def start(adjoint: Adjoint, threads: int) -> Session:
    """A session, with more of the graph in onnxruntime's blocked layout than it keeps there itself.

    Where a graph cannot be written so, for another onnxruntime may write its layout otherwise, it is left as it is.

    Args:
        adjoint: the graph.
        threads: processor threads.

    Raises:
        Exception: onnxruntime cannot load the graph (it has no common base class for its errors).
    """
    proto, output = adjoint.proto, adjoint.proto.graph.output[0].name
    if not graph.fits_one_message(proto):
        return sessions.on(proto, [sessions.CPU], threads)
    with tempfile.TemporaryDirectory(prefix="geoaudit-") as folder:
        written = f"{folder}/optimised.onnx"
        options = _options(threads)
        options.optimized_model_filepath = written
        plain = _create(proto, options, wrong_optimisers(proto))
        optimised = onnx.load_model(written)
    options = _options(threads)
    options.graph_optimization_level = _Level.ORT_DISABLE_ALL
    try:
        kept = keep_blocked(optimised, proto, adjoint.moves)
        if kept is optimised:
            return Session(plain, output)
        del plain, optimised  # each holds the weights
        return Session(_create(kept, options, []), output)
    except Exception:  # onnxruntime has no common base class for its errors, and its layout is no public format
        return Session(_create(proto, _options(threads), wrong_optimisers(proto)), output)
    finally:
        trim()


def _options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.use_deterministic_compute = True
    # waiting threads would take the cores from torch and numpy, which run in between
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_mem_pattern = False  # one block for a whole batch would take half as much again
    options.log_severity_level = 4
    share(options)
    return options


def _create(proto: ModelProto, options: onnxruntime.SessionOptions, off: list[str]) -> onnxruntime.InferenceSession:
    model = proto.SerializeToString()
    return onnxruntime.InferenceSession(model, options, providers=[sessions.CPU], disabled_optimizers=off)
