"""Converts exported files and compares them with onnxruntime and with the original network.

    python tests/matrix/check.py architecture NAME FOLDER     the files that export.py wrote
    python tests/matrix/check.py special NAME                 one graph of special_graphs.py

Prints one JSON row a file.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto

from geoaudit.errors import GeoauditError
from geoaudit.model import artifact as artifacts
from geoaudit.model import head as heads
from geoaudit.model.convert import convert
from geoaudit.model.normalise import Normalised, normalise
from geoaudit.model.normalise.precision import retype
from geoaudit.model.parity import certify
from geoaudit.model.runtime import Runtime
from geoaudit.model.twin import Twin

OUTPUT_LIMIT = 1e-3
SMOOTH_LIMIT, KINKED_LIMIT, DOUBLE_LIMIT = 1e-3, 5e-2, 1e-3
"""Relative L2 errors of the gradient: smooth activations; rectifiers and the like in float32, whose original's
float32 gradient is 0.02 to 0.03 away from its own float64 gradient; and anything in float64.

Half of the images must meet the limit (all of them, in float32, where activations are smooth); the worst one's error
is in the table's JSON too.  A wrong operator shows on every image, a flipped rectifier on single ones: exporters round
the weights that they fuse, by 6e-8, and where that flips one, the image's gradient jumps by 1e-3 to 1e-1.  The
original networks do the same when their weights are moved by 6e-8 (EfficientNet-Lite0 in float64: 4e-3 on one image of
four, 4e-7 on two) or when float32 replaces float64 (visformer_tiny: 0.14 on one image of four, 1e-4 on another)."""
KINKED = {
    "Relu", "LeakyRelu", "PRelu", "Clip", "MaxPool", "GlobalMaxPool", "HardSwish", "HardSigmoid", "Max", "Min", "Abs",
    "ReduceMax", "ReduceMin", "ThresholdedRelu",
}  # fmt: skip
Row = dict[str, Any]


def check_architecture(folder: Path, name: str) -> list[Row]:
    """One row for every exporter, those that could not export included."""
    rows: list[Row] = []
    failures = json.loads((folder / f"{name}.json").read_text())
    for exporter, reason in failures.items():
        rows.append({"model": name, "exporter": exporter, "status": "not exported", "reason": reason})
    reference = dict(np.load(folder / f"{name}.npz"))
    for path in sorted(folder.glob(f"{name}__*.onnx")):
        exporter = path.stem.split("__")[1]
        if exporter not in failures:
            rows.append(_row(name, exporter, lambda row, path=path: _compare(row, path, reference)))
    return rows


def check_special(name: str) -> Row:
    """One hand-written graph, judged by the parity certificate and at batch 1 and 4."""
    from special_graphs import SPECIAL

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.onnx"
        onnx.save(SPECIAL[name](), path)
        return _row(name, "by hand", lambda row: _certify(row, path))


def _row(model: str, exporter: str, judge: Any) -> Row:
    row: Row = {"model": model, "exporter": exporter}
    start = time.perf_counter()
    try:
        judge(row)
    except GeoauditError as error:
        row |= {"status": "refused", "reason": error.message.splitlines()[0]}
    except Exception as error:  # a crash is what this table is there to find
        row |= {"status": "crashed", "reason": f"{type(error).__name__}: {str(error)[:300]}"}
    return row | {"seconds": round(time.perf_counter() - start, 1)}


def _compare(row: Row, path: Path, reference: dict[str, Any]) -> None:
    artifact = artifacts.load(path)
    head = heads.find(artifact)
    normalised = normalise(artifact.proto, head)
    converted = convert(normalised.proto, path.name)
    x, targets = torch.from_numpy(reference["x"]), torch.from_numpy(reference["targets"])
    exact = Runtime(artifact, head, "cpu", batch_size=4).logits(reference["x"])
    row |= {
        "nodes": len(artifact.proto.graph.node), "cleaned": len(normalised.proto.graph.node),
        "passes": list(normalised.passes), "smooth": not KINKED & set(converted.ops),
        "onnxruntime_original": _relative(exact, reference["outputs"]),
    }  # fmt: skip
    with torch.no_grad():
        for size in (1, 4):
            found = converted.module(x[:size]).reshape(size, -1).numpy()
            row[f"original_batch_{size}"] = _relative(found, reference["outputs"][:size])
            row[f"onnxruntime_batch_{size}"] = _relative(found, exact[:size])
    row |= _errors("gradient", _gradient(converted.module, x, targets), reference["gradient"])
    del converted
    double = convert(retype(normalised.proto, {TensorProto.FLOAT: TensorProto.DOUBLE}), path.name)
    row |= _errors("gradient64", _gradient(double.module, x.double(), targets), reference["gradient64"])
    _judge(row)


def _judge(row: Row) -> None:
    outputs = max(row[f"{against}_batch_{n}"] for against in ("original", "onnxruntime") for n in (1, 4))
    wrong = []
    if not outputs <= OUTPUT_LIMIT:
        wrong.append(f"outputs {outputs:.2g}, allowed {OUTPUT_LIMIT:.0e}")
    limits = {"gradient_worst": SMOOTH_LIMIT} if row["smooth"] else {"gradient": KINKED_LIMIT}
    limits["gradient64"] = DOUBLE_LIMIT
    wrong += [f"{key} {row[key]:.2g}, allowed {limit:.0e}" for key, limit in limits.items() if not row[key] <= limit]
    row |= {"status": "wrong" if wrong else "pass", "reason": "; ".join(wrong)}


def _gradient(module: torch.nn.Module, x: torch.Tensor, targets: torch.Tensor) -> Any:
    points = x.clone().requires_grad_()
    outputs = module(points).reshape(len(x), -1)
    (gradient,) = torch.autograd.grad(outputs[torch.arange(len(x)), targets].sum(), points)
    return gradient.numpy()


def _certify(row: Row, path: Path) -> None:
    artifact = artifacts.load(path)
    head = heads.find(artifact)
    random = np.random.default_rng(5)
    shape = [d if isinstance(d, int) else 4 for d in artifact.inputs[0].shape][1:]
    points = random.standard_normal((4, *shape)).astype(np.float32)
    if artifact.inputs[0].dtype == "uint8":
        points = random.integers(0, 256, (4, *shape)).astype(np.float32)
    runtime = Runtime(artifact, head, "cpu")
    head = runtime.confirm(points)
    normalised: Normalised = normalise(artifact.proto, head)
    twin = Twin(normalised, head, "cpu", thing=path.name, channels_last=False)
    exact = runtime.logits(points)
    row |= {"nodes": len(artifact.proto.graph.node), "passes": list(normalised.passes)}
    for size in (1, 4):
        row[f"onnxruntime_batch_{size}"] = _relative(twin.logits(points[:size]), exact[:size])
    parity = certify(runtime, twin, points, exact.argmax(axis=1), "logit", random)
    row |= {"gradient": parity.gradient.median_rel_error, "status": str(parity.status).lower(), "reason": parity.reason}


def _relative(found: Any, expected: Any) -> float:
    """Largest difference as a share of the rows' range."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    scale = np.maximum(np.ptp(expected, axis=1), 1e-12)
    return float(np.nan_to_num((np.abs(found - expected).max(axis=1) / scale).max(), nan=1e30))


def _errors(key: str, found: Any, expected: Any) -> Row:
    """Relative L2 distances of the images' gradients: the largest of the better half, and the worst."""
    found, expected = (np.asarray(v, np.float64).reshape(len(v), -1) for v in (found, expected))
    ratio = np.linalg.norm(found - expected, axis=1) / np.maximum(np.linalg.norm(expected, axis=1), 1e-30)
    ordered = sorted(np.nan_to_num(ratio, nan=1e30).tolist())
    return {key: ordered[(len(ordered) - 1) // 2], f"{key}_worst": ordered[-1]}


def main() -> None:
    """Print the rows."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    kind, name = sys.argv[1:3]
    rows = check_architecture(Path(sys.argv[3]), name) if kind == "architecture" else [check_special(name)]
    print("\n".join(json.dumps(row) for row in rows))


if __name__ == "__main__":
    main()
