from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from geoaudit.errors import ExitCode, ModelError, PreprocessingError
from geoaudit.images.fields import Stated
from geoaudit.images.preprocess import Preprocessing, PreprocessOptions, resolve

Build = Callable[..., onnx.ModelProto]
FULL = PreprocessOptions(range="0-255", mean="127", std="128")
VIT: dict[str, Any] = {
    "image_processor_type": "ViTImageProcessor",
    "do_resize": True,
    "size": {"height": 8, "width": 8},
    "resample": 2,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.25, 0.5],
}
TIMM = {
    "architecture": "resnet18",
    "pretrained_cfg": {
        "input_size": [3, 8, 8],
        "interpolation": "bicubic",
        "crop_pct": 0.95,
        "crop_mode": "center",
        "mean": [0.4, 0.5, 0.6],
        "std": [0.2, 0.2, 0.2],
    },
}
ULTRALYTICS = {"task": "classify", "imgsz": "[8, 8]", "stride": "1", "names": "{0: 'a', 1: 'b'}"}


def resolved(
    folder: Path, model: onnx.ModelProto, options: PreprocessOptions | None = None, **config: Any
) -> Preprocessing:
    table = {name: Stated(value, "geoaudit.toml [preprocess]") for name, value in config.items()}
    return resolve(options or PreprocessOptions(), table, model, folder / "model.onnx")


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


# --------------------------------------------------------------------------------------- nothing is guessed


def test_a_model_that_says_nothing_gets_an_error_that_lists_the_flags(tmp_path: Path, make_model: Build) -> None:
    with pytest.raises(PreprocessingError, match="range/mean/std missing") as caught:
        resolved(tmp_path, make_model())
    assert "--range --mean --std" in caught.value.way_out
    assert "--preset" in caught.value.way_out
    assert "--size" not in caught.value.way_out
    assert caught.value.exit_code == ExitCode.USAGE


def test_a_dynamic_input_asks_for_layout_and_size_too(tmp_path: Path, make_model: Build) -> None:
    with pytest.raises(PreprocessingError) as caught:
        resolved(tmp_path, make_model(("N", "a", "b", "c")), FULL)
    assert "--layout --size" in caught.value.way_out
    assert "--mean" not in caught.value.way_out
    assert "--preset" not in caught.value.way_out


def test_only_what_is_missing_is_asked_for(tmp_path: Path, make_model: Build) -> None:
    with pytest.raises(PreprocessingError, match=": mean/std missing") as caught:
        resolved(tmp_path, make_model(), PreprocessOptions(range="0-1"))
    assert caught.value.way_out.startswith("Add --mean --std,")


# ---------------------------------------------------------------------------------------------- precedence


def test_each_source_ranks_below_the_one_before_it(tmp_path: Path, make_model: Build) -> None:
    folder = tmp_path / "onnx"
    folder.mkdir()
    named = {"geoaudit.mean": "0.3", "geoaudit.range": "0-1", "geoaudit.std": "1"}
    full = make_model(metadata={**ULTRALYTICS, **named, "Image.BitmapPixelFormat": "Bgr8"})
    less = make_model(metadata={**ULTRALYTICS, "Image.BitmapPixelFormat": "Bgr8"})
    config = {"mean": 0.2, "range": [0, 1], "std": 1}
    write(folder / "preprocessor_config.json", VIT)
    write(folder / "config.json", TIMM)

    def mean_source(model: onnx.ModelProto, options: PreprocessOptions | None = None, **table: Any) -> Any:
        entry = resolved(folder, model, options, **table).sourced()["mean"]
        return entry.value[0], entry.source

    options = PreprocessOptions(mean="0.1", std="1", range="0-1")
    assert mean_source(full, options, **config) == (0.1, "option --mean")
    assert mean_source(full, **config) == (0.2, "geoaudit.toml [preprocess]")
    assert mean_source(full) == (0.3, "ONNX metadata geoaudit.mean")
    assert mean_source(less) == (0.5, "preprocessor_config.json")
    (folder / "preprocessor_config.json").unlink()
    assert mean_source(less) == (0.4, "config.json (timm pretrained_cfg)")
    (folder / "config.json").unlink()
    assert mean_source(less) == (0.0, "Ultralytics metadata")


def test_fields_are_resolved_one_by_one(tmp_path: Path, make_model: Build) -> None:
    write(tmp_path / "preprocessor_config.json", {k: v for k, v in VIT.items() if k != "resample"})
    write(tmp_path / "config.json", TIMM)
    sources = resolved(tmp_path, make_model(), PreprocessOptions(channels="bgr")).sourced()
    assert sources["channels"].value == "BGR"
    assert sources["channels"].source == "option --channels"
    assert sources["std"].source == "preprocessor_config.json"
    assert sources["interpolation"].source == "config.json (timm pretrained_cfg)"
    assert sources["layout"].source == "graph: input shape"
    assert sources["dtype"].value == "float32"


def test_the_folder_above_is_searched_too(tmp_path: Path, make_model: Build) -> None:
    (tmp_path / "onnx").mkdir()
    write(tmp_path / "preprocessor_config.json", VIT)
    found = resolved(tmp_path / "onnx", make_model())
    assert found.sources["std"] == "../preprocessor_config.json"
    assert found.std == (0.5, 0.25, 0.5)


def test_a_preset_fills_below_the_explicit_options_of_the_same_source(tmp_path: Path, make_model: Build) -> None:
    options = PreprocessOptions(preset="imagenet", std="0.5", interpolation="lanczos")
    found = resolved(tmp_path, make_model(), options, crop_pct=0.5)
    assert found.mean == (0.485, 0.456, 0.406)
    assert found.std == (0.5, 0.5, 0.5)
    assert found.crop_pct == 0.875
    assert found.interpolation == "lanczos"
    assert found.sources["mean"] == "option --preset imagenet"


def test_raw_and_zero_one_differ_in_range_only(tmp_path: Path, make_model: Build) -> None:
    raw = resolved(tmp_path, make_model(), PreprocessOptions(preset="raw")).space
    unit = resolved(tmp_path, make_model(), PreprocessOptions(preset="zero-one")).space
    assert (raw.low, raw.high) == ((0.0,) * 3, (255.0,) * 3)
    assert (unit.low, unit.high) == ((0.0,) * 3, (1.0,) * 3)


def test_a_neutral_preset_takes_any_range(tmp_path: Path, make_model: Build) -> None:
    found = resolved(tmp_path, make_model(), PreprocessOptions(preset="zero-one", range="0-255"))
    assert found.space.high == (255.0,) * 3


def test_an_environment_variable_can_be_named_as_the_source(tmp_path: Path, make_model: Build) -> None:
    options = PreprocessOptions(range="0-1", mean=0, std=1, sources={"mean": "GEOAUDIT_MEAN"})
    found = resolved(tmp_path, make_model(), options)
    assert (found.sources["mean"], found.sources["std"]) == ("GEOAUDIT_MEAN", "option --std")


# ------------------------------------------------------------ mistakes are refused


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (PreprocessOptions(preset="imagnet"), "Did you mean imagenet"),
        (PreprocessOptions(mean="a"), "option --mean"),
        (PreprocessOptions(mean="0.1,0.2"), "option --mean"),
        (PreprocessOptions(std="0"), "option --std"),
        (PreprocessOptions(std="nan"), "option --std"),
        (PreprocessOptions(range="1-0"), "option --range"),
        (PreprocessOptions(size="8x8x8"), "option --size"),
        (PreprocessOptions(size="-8"), "option --size"),
        (PreprocessOptions(crop_pct="1.5"), "option --crop-pct"),
        (PreprocessOptions(layout="CHW"), "NCHW or NHWC"),
        (PreprocessOptions(range="0-1", mean="0", std="1", size="9"), "9x9, but the model's input has 8x8"),
        (PreprocessOptions(range="0-1", mean="0", std="1", layout="NHWC"), "the model's input has NCHW"),
        (PreprocessOptions(range="0-1", mean="0", std="1", channels="grey"), "3 channels"),
        (PreprocessOptions(preset="imagenet", range="0-255"), "another range"),
        (PreprocessOptions(range="0-1", mean="127", std="128"), "mean 127 is in other units"),
        (PreprocessOptions(range="0-255", mean="0.485", std="0.229"), "std 0.229 is in other units"),
    ],
)
def test_wrong_options_are_told(tmp_path: Path, make_model: Build, options: PreprocessOptions, told: str) -> None:
    with pytest.raises(PreprocessingError) as caught:
        resolved(tmp_path, make_model(), options)
    assert told in caught.value.message


@pytest.mark.parametrize(
    ("written", "expected"),
    [("0-255", (0, 255)), ("-1-1", (-1, 1)), ("-1--0.5", (-1, -0.5)), ("0..1", (0, 1)), ("[0, 1]", (0, 1))],
)
def test_ranges_as_people_write_them(
    tmp_path: Path, make_model: Build, written: str, expected: tuple[float, float]
) -> None:
    found = resolved(tmp_path, make_model(), PreprocessOptions(range=written, mean="0", std="1"))
    assert found.value_range == expected


# ------------------------------------------------------------ preprocessor_config.json


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ((8, 8), "warp", 1.0, (0, 1))),
        ({"size": 8}, ((8, 8), "warp", 1.0, (0, 1))),
        (
            {"size": {"shortest_edge": 10}, "do_center_crop": True, "crop_size": 8},
            ((8, 8), "shortest-edge", 0.8, (0, 1)),
        ),
        (
            {"size": {"height": 10, "width": 10}, "crop_size": {"height": 8, "width": 8}},
            ((8, 8), "warp", 0.8, (0, 1)),
        ),
        (
            {"do_rescale": False, "image_mean": 127.5, "image_std": 127.5},
            ((8, 8), "warp", 1.0, (0, 255)),
        ),
        ({"rescale_factor": 1 / 127.5}, ((8, 8), "warp", 1.0, (0, 2))),
        (
            {"image_processor_type": "ConvNextFeatureExtractor", "size": {"shortest_edge": 8}},
            ((8, 8), "shortest-edge", 0.875, (0, 1)),
        ),
        (
            {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 384}},
            ((384, 384), "warp", 1.0, (0, 1)),
        ),
        (
            {
                "image_processor_type": "LevitImageProcessor",
                "size": {"shortest_edge": 224},
                "do_center_crop": True,
                "crop_size": {"height": 224, "width": 224},
            },
            ((224, 224), "shortest-edge", 0.875, (0, 1)),
        ),
    ],
)
def test_hugging_face_geometry_and_scale(
    tmp_path: Path, make_model: Build, changes: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    write(tmp_path / "preprocessor_config.json", {**VIT, **changes})
    found = resolved(tmp_path, make_model(("N", 3, "h", "w")))
    geometry = (found.size, found.resize, pytest.approx(found.crop_pct), found.value_range)
    assert geometry == expected
    assert found.interpolation == "bilinear"


def test_legacy_clip_file_without_rescale_key(tmp_path: Path, make_model: Build) -> None:
    legacy = {"feature_extractor_type": "CLIPFeatureExtractor", "do_resize": True, "size": 8, "resample": 3,
              "do_center_crop": True, "crop_size": 8, "do_normalize": True,
              "image_mean": [0.1, 0.2, 0.3], "image_std": [1, 1, 1]}  # fmt: skip
    write(tmp_path / "preprocessor_config.json", legacy)
    found = resolved(tmp_path, make_model())
    assert (found.value_range, found.mean) == ((0, 1), (0.1, 0.2, 0.3))
    assert (found.resize, found.interpolation) == ("shortest-edge", "bicubic")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({**VIT, "image_processor_type": "DetrImageProcessor"}, "DetrImageProcessor is not known"),
        ({"sampling_rate": 16000}, "(not named) is not known"),
        ({**VIT, "do_resize": False}, "do_resize is false"),
        ({**VIT, "resample": 77}, "resample 77"),
        ({**VIT, "size": {"longest_edge": 3}}, "height"),
    ],
)
def test_an_unknown_processor_is_refused_not_guessed(
    tmp_path: Path, make_model: Build, content: dict[str, Any], told: str
) -> None:
    write(tmp_path / "preprocessor_config.json", content)
    write(tmp_path / "config.json", TIMM)  # the weaker source must not quietly take over
    with pytest.raises(PreprocessingError) as caught:
        resolved(tmp_path, make_model())
    assert told in caught.value.message
    given = PreprocessOptions(preset="imagenet")
    assert resolved(tmp_path, make_model(), given).mean[0] == 0.485


def test_a_broken_file_is_told(tmp_path: Path, make_model: Build) -> None:
    (tmp_path / "preprocessor_config.json").write_text("{")
    with pytest.raises(PreprocessingError, match="cannot be read as JSON"):
        resolved(tmp_path, make_model())


# --------------------------------------------------------------------------------------------- other sources


def test_timm(tmp_path: Path, make_model: Build) -> None:
    write(tmp_path / "config.json", TIMM)
    found = resolved(tmp_path, make_model(("N", 3, "h", "w")))
    assert (found.size, found.resize, found.crop_pct) == ((8, 8), "shortest-edge", 0.95)
    assert (found.interpolation, found.value_range) == ("bicubic", (0, 1))


def test_timm_squash_warps_and_border_is_refused(tmp_path: Path, make_model: Build) -> None:
    for mode, resize in (("squash", "warp"), ("border", None)):
        config = {"pretrained_cfg": {**TIMM["pretrained_cfg"], "crop_mode": mode}}  # type: ignore[dict-item]
        write(tmp_path / "config.json", config)
        if resize is not None:
            assert resolved(tmp_path, make_model()).resize == resize
        else:
            with pytest.raises(PreprocessingError, match="--resize"):
                resolved(tmp_path, make_model())


def test_a_config_json_about_something_else_is_no_source(tmp_path: Path, make_model: Build) -> None:
    write(tmp_path / "config.json", {"id2label": {"0": "cat"}})
    assert resolved(tmp_path, make_model(), FULL).sources["resize"] == "default"


def test_ultralytics_classifier(tmp_path: Path, make_model: Build) -> None:
    found = resolved(tmp_path, make_model(("N", 3, "h", "w"), metadata={**ULTRALYTICS, "imgsz": "[8, 16]"}))
    assert found.size == (8, 16)
    assert (found.value_range, found.mean, found.std) == ((0, 1), (0.0,) * 3, (1.0,) * 3)


@pytest.mark.parametrize(("task", "told"), [("detect", "detector"), ("segment", "task 'segment'")])
def test_ultralytics_detector_is_no_classifier(tmp_path: Path, make_model: Build, task: str, told: str) -> None:
    with pytest.raises(ModelError, match=told):
        resolved(tmp_path, make_model(metadata={**ULTRALYTICS, "task": task}), FULL)


def test_onnx_image_metadata_alone_leaves_mean_and_std_open(tmp_path: Path, make_model: Build) -> None:
    metadata = {"Image.BitmapPixelFormat": "BGR8", "Image.NominalPixelRange": "NominalRange_0_255"}
    with pytest.raises(PreprocessingError, match=": mean/std missing"):
        resolved(tmp_path, make_model(metadata=metadata))
    denoted = resolved(tmp_path, make_model(metadata=metadata, denotation="IMAGE"))
    assert (denoted.channels, denoted.value_range) == ("BGR", (0, 255))
    odd = make_model(metadata={"Image.NominalPixelRange": "NominalRange_16_235"})
    with pytest.raises(PreprocessingError, match="16_235"):
        resolved(tmp_path, odd)


# ------------------------------------------------------------------------------------------------- the graph


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([("Div", 255.0)], (0, 255)),
        ([("Mul", 1 / 255)], (0, 255)),
        ([("Cast", None, {"to": TensorProto.FLOAT}), ("Sub", 127.0), ("Div", 128.0)], (0, 255)),
        ([("Mul", 2.0), ("Sub", 1.0)], (0, 1)),
        ([("Mul", 1 / 127.5), ("Add", -1.0)], (0, 255)),
        (
            [("Sub", np.reshape([0.485, 0.456, 0.406], (1, 3, 1, 1))),
             ("Div", np.reshape([0.229, 0.224, 0.225], (3, 1, 1)))],
            (0, 1),
        ),
        ([("Identity", None), ("Sub", np.reshape([123.7, 116.3, 103.5], (1, 3, 1, 1)))], (0, 255)),
    ],
)  # fmt: skip
def test_normalisation_in_the_graph(
    tmp_path: Path, make_model: Build, steps: list[Any], expected: tuple[float, float]
) -> None:
    found = resolved(tmp_path, make_model(steps=steps))
    assert (found.value_range, found.mean, found.std) == (expected, (0.0,) * 3, (1.0,) * 3)
    assert found.sources["range"].startswith("graph: leading ")


@pytest.mark.parametrize("steps", [[("Relu", None), ("Div", 255.0)], [("Mul", 1.0)], [("Div", 3.0)], [("Add", 1.0)]])
def test_what_is_no_normalisation_states_nothing(tmp_path: Path, make_model: Build, steps: list[Any]) -> None:
    with pytest.raises(PreprocessingError, match="range/mean/std missing"):
        resolved(tmp_path, make_model(steps=steps))


def test_normalising_twice_is_refused_unless_the_user_settles_it(tmp_path: Path, make_model: Build) -> None:
    write(tmp_path / "preprocessor_config.json", VIT)
    model = make_model(steps=[("Div", 255.0)])
    with pytest.raises(PreprocessingError, match="the graph normalises by itself") as caught:
        resolved(tmp_path, model)
    assert "--range 0-255 --mean 0 --std 1" in caught.value.way_out
    settled = resolved(tmp_path, model, PreprocessOptions(preset="raw"))
    assert settled.space.high == (255.0,) * 3
    agreeing = {**VIT, "do_rescale": False, "do_normalize": False}
    write(tmp_path / "preprocessor_config.json", agreeing)
    assert resolved(tmp_path, model).value_range == (0, 255)


def test_uint8_input_takes_pixels_as_they_are(tmp_path: Path, make_model: Build) -> None:
    cast = [("Cast", None, {"to": TensorProto.FLOAT})]
    found = resolved(tmp_path, make_model(("N", 8, 8, 3), cast, dtype=TensorProto.UINT8))
    assert (found.layout, found.value_range, found.dtype) == ("NHWC", (0, 255), "uint8")


def test_uint8_input_with_a_file_that_normalises_is_refused(tmp_path: Path, make_model: Build) -> None:
    write(tmp_path / "preprocessor_config.json", VIT)
    with pytest.raises(PreprocessingError, match="takes uint8 pixels"):
        resolved(tmp_path, make_model(dtype=TensorProto.UINT8))


def test_a_leading_resize_gives_the_size(tmp_path: Path, make_model: Build) -> None:
    model = make_model(("N", 3, "h", "w"), [("Resize", [1, 3, 6, 7])])
    found = resolved(tmp_path, model, FULL)
    assert (found.size, found.sources["size"]) == ((6, 7), "graph: leading Resize")
    nhwc = [("Resize", [1, 6, 7, 3]), ("Transpose", None, {"perm": [0, 3, 1, 2]})]
    assert resolved(tmp_path, make_model(("N", "h", "w", 3), nhwc), FULL).size == (6, 7)
    swapped = [("Transpose", None, {"perm": [0, 3, 1, 2]}), ("Resize", [1, 3, 6, 7])]
    assert resolved(tmp_path, make_model(("N", "h", "w", 3), swapped), FULL).size == (6, 7)


@pytest.mark.parametrize(
    ("shape", "steps", "conv", "expected"),
    [
        (("N", 3, 8, 8), [], None, "NCHW"),
        (("N", 8, 8, 3), [], None, "NHWC"),
        (("N", 8, 8, 1), [], None, "NHWC"),
        (("N", 3, 8, 3), [], 3, "NCHW"),
        (("N", 3, 8, 3), [("Transpose", None, {"perm": [0, 3, 1, 2]})], 3, "NHWC"),
        (("N", "c", 8, 8), [("Sub", 127.0)], 3, "NCHW"),
        (("N", "c", 8, 8), [("Sub", 127.0)], 1, "NCHW"),
    ],
)
def test_layout_and_channels(
    tmp_path: Path, make_model: Build, shape: Any, steps: list[Any], conv: int | None, expected: str
) -> None:
    found = resolved(tmp_path, make_model(shape, steps, conv_channels=conv), FULL)
    assert found.layout == expected
    assert found.channels == ("grey" if 1 in shape or conv == 1 else "RGB")


def test_a_half_fixed_size_must_fit(tmp_path: Path, make_model: Build) -> None:
    model = make_model(("N", 3, 8, "w"))
    sized = PreprocessOptions(range="0-255", mean="127", std="128", size="8x12")
    assert resolved(tmp_path, model, sized).size == (8, 12)
    with pytest.raises(PreprocessingError, match="9x12, but the model's input has 8xany"):
        resolved(tmp_path, model, replace(sized, size="9x12"))


def test_metadata_that_cannot_be_used_is_asked_for(tmp_path: Path, make_model: Build) -> None:
    sizeless = make_model(("N", 3, 8, "w"), metadata={**ULTRALYTICS, "imgsz": "big"})
    with pytest.raises(PreprocessingError, match=r": size missing \(Ultralytics metadata: imgsz 'big'"):
        resolved(tmp_path, sizeless)
    rgba = make_model(metadata={"Image.BitmapPixelFormat": "Rgba8"})
    with pytest.raises(PreprocessingError, match=r": channels missing .*'rgba8' is not supported"):
        resolved(tmp_path, rgba, FULL)
    with pytest.raises(PreprocessingError, match=r"geoaudit.mean: 'x' is not a mean"):
        resolved(tmp_path, make_model(metadata={"geoaudit.mean": "x"}), FULL)


def test_an_ambiguous_layout_is_asked_for(tmp_path: Path, make_model: Build) -> None:
    with pytest.raises(PreprocessingError, match="layout"):
        resolved(tmp_path, make_model((1, 3, 8, 3)), FULL)
    told = PreprocessOptions(layout="NHWC", range="0-255", mean="127", std="128")
    assert resolved(tmp_path, make_model((1, 3, 8, 3)), told).size == (3, 8)


def test_a_fixed_input_overrules_a_file_but_not_silently(tmp_path: Path, make_model: Build) -> None:
    write(tmp_path / "preprocessor_config.json", {**VIT, "size": {"height": 16, "width": 16}})
    found = resolved(tmp_path, make_model())
    assert (found.size, found.sources["size"]) == ((8, 8), "graph: input shape")


@pytest.mark.parametrize(("shape", "told"), [(("N", 4, 8, 8), "4 channels"), ((12,), "dimensions of a batch")])
def test_models_that_take_no_pictures(tmp_path: Path, make_model: Build, shape: Any, told: str) -> None:
    with pytest.raises(ModelError, match=told):
        resolved(tmp_path, make_model(shape), FULL)


def test_a_grey_model_with_three_means_is_told(tmp_path: Path, make_model: Build) -> None:
    with pytest.raises(PreprocessingError, match=r"3 values of mean, but the model input has 1 channel"):
        resolved(tmp_path, make_model(("N", 1, 8, 8)), PreprocessOptions(preset="imagenet"))


@pytest.mark.parametrize(
    ("numbers", "shape"), [(64, (1, 8, 8)), (192, (3, 8, 8)), (784, (1, 28, 28)), (12, (3, 2, 2)), (3, (3, 1, 1))]
)
def test_a_flat_input_is_a_square_picture(tmp_path: Path, make_model: Build, numbers: int, shape: Any) -> None:
    found = resolved(tmp_path, make_model(("N", numbers)), PreprocessOptions(range="0-1", mean="0", std="1"))
    assert found.space.shape == shape
    assert found.sources["size"] == "graph: numbers of the flat input"
    assert found.sources["layout"] == "default for a flat input"


def test_a_flat_input_in_the_order_that_is_asked_for(tmp_path: Path, make_model: Build) -> None:
    options = PreprocessOptions(range="0-1", mean="0", std="1", layout="NHWC", size="4x16")
    found = resolved(tmp_path, make_model(("N", 192)), options)
    assert found.space.shape == (4, 16, 3) and found.channels == "RGB"


def test_flat_inputs_that_leave_a_question(tmp_path: Path, make_model: Build) -> None:
    options = {"range": "0-1", "mean": "0", "std": "1"}
    with pytest.raises(PreprocessingError, match="96 numbers, which is no square") as caught:
        resolved(tmp_path, make_model(("N", 96)), PreprocessOptions(**options))
    assert "--size" in caught.value.way_out and "--channels" in caught.value.way_out
    assert resolved(tmp_path, make_model(("N", 96)), PreprocessOptions(**options, size="4x8")).space.shape == (3, 4, 8)
    with pytest.raises(PreprocessingError, match="neither grey nor colour"):
        resolved(tmp_path, make_model(("N", 96)), PreprocessOptions(**options, size="8x6"))
    with pytest.raises(PreprocessingError, match="--channels"):
        resolved(tmp_path, make_model(("N", 64)), PreprocessOptions(**options, channels="BGR"))
    with pytest.raises(PreprocessingError, match="size missing"):
        resolved(tmp_path, make_model(("N", "F")), PreprocessOptions(**options))


def test_a_preset_in_colour_does_not_contradict_a_flat_grey_input(tmp_path: Path, make_model: Build) -> None:
    found = resolved(tmp_path, make_model(("N", 64)), PreprocessOptions(preset="imagenet", mean="0.5", std="0.5"))
    assert (found.channels, found.size) == ("grey", (8, 8))


def test_grey_pictures_without_a_channel_axis(tmp_path: Path, make_model: Build) -> None:
    found = resolved(tmp_path, make_model(("N", 28, 20)), PreprocessOptions(range="0-1", mean="0", std="1"))
    assert (found.layout, found.space.shape, found.channels) == ("NCHW", (1, 28, 20), "grey")
