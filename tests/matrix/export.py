"""Writes one architecture as ONNX files by several exporters, with the original's outputs and gradients beside them.

    python tests/matrix/export.py NAME FOLDER [EXPORTER ...]

One process an architecture: exporters leave global state and memory behind.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

EXPORTERS = ("legacy-13", "legacy-17", "dynamo-20", "dynamo-23")
"""Exporter and operator set."""
_BATCH = 4


def build(name: str) -> tuple[torch.nn.Module, int]:
    """The network with random weights in evaluation mode, and its input's side.

    Every gain, bias and running statistic is moved off its initial value: residual branches that start at zero
    would hide whatever goes wrong inside them.
    """
    torch.manual_seed(0)
    if name.startswith("tv_"):
        import torchvision

        quirks = {"init_weights": False, "aux_logits": False} if name == "tv_googlenet" else {}
        network, side = torchvision.models.get_model(name[3:], weights=None, **quirks), 224
    else:
        import timm

        timm.layers.set_fused_attn(True)
        network = timm.create_model(name, pretrained=False, exportable=True)
        side = network.default_cfg["input_size"][-1]
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim <= 1:
                parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
        for key, buffer in network.named_buffers():
            if key.endswith("running_mean"):
                buffer += 0.1 * torch.randn(buffer.shape, generator=generator)
            elif key.endswith("running_var"):
                buffer *= 0.8 + 0.4 * torch.rand(buffer.shape, generator=generator)
    return network.eval(), int(side)


def reference(network: torch.nn.Module, x: torch.Tensor) -> dict[str, Any]:
    """Outputs of `network` and the gradients of each image's best score, in float32 and in float64."""
    found: dict[str, Any] = {"x": x.numpy()}
    targets = None
    for suffix, dtype in (("", torch.float32), ("64", torch.float64)):
        points = x.to(dtype).requires_grad_()
        outputs = network.to(dtype)(points)
        targets = outputs.argmax(dim=1) if targets is None else targets
        (gradient,) = torch.autograd.grad(outputs[torch.arange(len(x)), targets].sum(), points)
        found |= {f"outputs{suffix}": outputs.detach().numpy(), f"gradient{suffix}": gradient.numpy()}
    network.to(torch.float32)
    return found | {"targets": targets.numpy()}


def export(network: torch.nn.Module, x: torch.Tensor, exporter: str, path: Path) -> None:
    """Write `path` with a dynamic batch axis."""
    kind, opset = exporter.split("-")
    if kind == "legacy":
        axes = {"image": {0: "batch"}, "scores": {0: "batch"}}
        torch.onnx.export(
            network, (x,), str(path), opset_version=int(opset), dynamo=False,
            input_names=["image"], output_names=["scores"], dynamic_axes=axes,
        )  # fmt: skip
    else:
        torch.onnx.export(
            network, (x,), str(path), opset_version=int(opset), dynamo=True, external_data=False, verbose=False,
            input_names=["image"], output_names=["scores"], dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
        )  # fmt: skip


def main(name: str, folder: Path, exporters: list[str]) -> None:
    """Write the files, and `NAME.json` with the reason of each export that failed."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    network, side = build(name)
    x = torch.randn(_BATCH, 3, side, side, generator=torch.Generator().manual_seed(2))
    np.savez(folder / f"{name}.npz", **reference(network, x))
    failures = {}
    for exporter in exporters:
        try:
            with torch.no_grad():
                export(network, x[:2], exporter, folder / f"{name}__{exporter}.onnx")
        except Exception as error:  # an exporter's limits are a result, not an error
            failures[exporter] = f"{type(error).__name__}: {str(error).strip().splitlines()[0][:200]}"
    (folder / f"{name}.json").write_text(json.dumps(failures))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:] or list(EXPORTERS))
