from __future__ import annotations

import hashlib

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from geoaudit.errors import ExitCode, ModelError
from geoaudit.model.artifact import load


def test_describes_the_file(tiny):
    path = tiny().save()
    found = load(path)
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.bytes == path.stat().st_size
    assert (found.producer, found.ir_version, found.opsets) == ("tests", 8, {"ai.onnx": 17})
    assert [(i.name, i.dtype, i.shape) for i in found.inputs] == [("image", "float32", ["N", 3, 8, 8])]
    assert [(o.name, o.shape) for o in found.outputs] == [("logits", ["N", 5])]
    assert found.external_data == ()


def test_initializers_listed_as_inputs_are_no_inputs(tiny):
    proto = tiny().proto()
    proto.ir_version = 3
    for tensor in proto.graph.initializer:
        proto.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    path = tiny().folder / "old.onnx"
    onnx.save(proto, str(path))
    assert [i.name for i in load(path).inputs] == ["image"]


def test_external_data_is_digested_and_its_absence_is_said(tiny):
    recipe = tiny()
    path = recipe.folder / "big.onnx"
    onnx.save_model(recipe.proto(), str(path), save_as_external_data=True, location="weights.bin", size_threshold=0)
    found = load(path)
    assert found.external_data == ("weights.bin",)
    both = path.read_bytes() + (recipe.folder / "weights.bin").read_bytes()
    assert found.sha256 == hashlib.sha256(both).hexdigest()
    assert found.bytes == len(both)
    assert found.proto.graph.initializer[0].raw_data
    (recipe.folder / "weights.bin").unlink()
    with pytest.raises(ModelError, match=r"weights\.bin.*not beside it"):
        load(path)


def test_external_data_outside_the_folder_is_refused(tiny):
    recipe = tiny()
    proto = recipe.proto()
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret.bin")
    path = recipe.folder / "evil.onnx"
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(ModelError, match="outside its own folder"):
        load(path)


def test_what_is_no_model_is_called_by_its_name(tiny, tmp_path):
    picture = tmp_path / "cat.onnx"
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(picture, format="PNG")
    empty = tmp_path / "empty.onnx"
    empty.touch()
    whole = tiny().save()
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    zipped = tmp_path / "zip.onnx"
    zipped.write_bytes(b"PK\x03\x04" + b"0" * 60)
    cases = {
        tmp_path / "none.onnx": "does not exist",
        tmp_path: "is a folder",
        picture: "is a PNG picture, not an ONNX model",
        empty: "is empty",
        cut: "truncated",
        zipped: "zip archive",
    }
    for path, reason in cases.items():
        with pytest.raises(ModelError, match=reason) as caught:
            load(path)
        assert str(path) in caught.value.message
        assert caught.value.way_out
        assert caught.value.exit_code == ExitCode.INCOMPLETE


def _save(folder, inputs, outputs, metadata=None):
    """A graph with the given declarations; the body does not matter to the check."""
    first = next(iter(inputs))
    graph = helper.make_graph(
        [helper.make_node("Identity", [first], [name]) for name in outputs],
        "declared",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(proto, metadata or {})
    path = folder / "declared.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


IMAGE = {"image": ["N", 3, 8, 8]}


@pytest.mark.parametrize(
    ("inputs", "outputs", "metadata", "reason"),
    [
        (
            {"left": ["N", 3, 8, 8], "right": ["N", 3, 8, 8]},
            {"logits": ["N", 5]},
            {},
            "2 inputs.*'left'.*'right'",
        ),
        ({"row": [12]}, {"logits": ["N", 5]}, {}, "rank 1"),
        ({"picture": [3, 8, 8]}, {"logits": ["N", 5]}, {}, "without a batch axis"),
        (IMAGE, {"boxes": ["N", 9, 4], "scores": ["N", 9, 2]}, {}, "looks like a detector.*'boxes'"),
        (IMAGE, {"output0": [1, 84, 8400]}, {}, "looks like a detector"),
        (IMAGE, {"output0": ["N", 84]}, {"task": "detect"}, "is a detector"),
        (IMAGE, {"mask": ["N", 5, 8, 8]}, {}, "score map"),
    ],
)
def test_what_is_no_classifier_is_refused(tmp_path, inputs, outputs, metadata, reason):
    with pytest.raises(ModelError, match=reason) as caught:
        load(_save(tmp_path, inputs, outputs, metadata))
    assert "Export" in caught.value.way_out


def test_an_ultralytics_classifier_is_accepted(tmp_path):
    path = _save(tmp_path, IMAGE, {"output0": ["N", 84]}, {"task": "classify"})
    assert load(path).metadata == {"task": "classify"}


@pytest.mark.parametrize("shape", [["N", 5], ["N", 5, 1], ["N", 1, 1, 5], ["N", 5, 1, 1]])
@pytest.mark.parametrize("image", [["N", 64], ["N", 8, 8], ["N", 3, 8, 8]])
def test_rows_and_pictures_of_other_ranks_are_accepted(tmp_path, image, shape):
    assert load(_save(tmp_path, {"image": image}, {"scores": shape})).outputs[0].shape == shape


@pytest.mark.parametrize(
    ("name", "kind", "value"),
    [
        ("training", TensorProto.BOOL, False),
        ("model/is_training:0", TensorProto.BOOL, False),
        ("keep_prob", TensorProto.FLOAT, 1.0),
        ("dropout_rate", TensorProto.FLOAT, 0.0),
        ("keras_learning_phase", TensorProto.INT32, 0),
    ],
)
def test_switches_are_set(tiny, name, kind, value):
    proto = tiny().proto()
    proto.graph.input.append(helper.make_tensor_value_info(name, kind, []))
    path = tiny().folder / "switch.onnx"
    onnx.save(proto, str(path))
    found = load(path)
    assert [info.name for info in found.inputs] == ["image"]
    constant = next(t for t in found.proto.graph.initializer if t.name == name)
    assert numpy_helper.to_array(constant) == value
    assert len(found.notes) == 1 and f"'{name}'" in found.notes[0]


@pytest.mark.parametrize(("name", "shape"), [("training", [4]), ("temperature", [])])
def test_other_extra_inputs_are_refused(tiny, name, shape):
    proto = tiny().proto()
    proto.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    path = tiny().folder / "extra.onnx"
    onnx.save(proto, str(path))
    with pytest.raises(ModelError, match="2 inputs") as caught:
        load(path)
    assert "Bake other inputs in" in caught.value.way_out
