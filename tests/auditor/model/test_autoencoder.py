"""The user's autoencoder: two ONNX files against closed forms, finite differences and onnxruntime; what is refused."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from geoaudit import InputSpace
from geoaudit.errors import ModelError
from geoaudit.model import autoencoder_engine
from geoaudit.model.autoencoder import load_autoencoder

SHAPE, SIZE, CODE = (3, 4, 4), 48, 6
RGB = InputSpace("NCHW", SHAPE, (0.0,) * 3, (1.0,) * 3)
RNG = np.random.default_rng(5)
UP, DOWN = RNG.normal(size=(CODE, SIZE)) / 3, RNG.normal(size=(SIZE, CODE)) / 7
POINTS = np.random.default_rng(6).uniform(0, 1, (3, *SHAPE)).astype(np.float32)


def node(*given, **attributes):
    return helper.make_node(*given, **attributes)


class Files:
    """Writes encoders (Flatten, Gemm, Tanh) and decoders (Gemm, Tanh, Reshape) with changes."""

    def __init__(self, folder):
        self.folder = folder

    def save(self, name, nodes, given, made, weights, dtype=np.float32):
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        values = [helper.make_tensor_value_info(n, kind, s) for n, s in given]
        outputs = [helper.make_tensor_value_info(n, kind, s) for n, s in made]
        tensors = [
            numpy_helper.from_array(v.astype(dtype) if v.dtype.kind == "f" else v, n) for n, v in weights.items()
        ]
        graph = helper.make_graph(nodes, "part", values, outputs, tensors)
        path = self.folder / name
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
        return path

    def encoder(self, name="enc.onnx", shape=SHAPE, batch="N", dtype=np.float32, spatial=False, extra=()):
        code = [batch, 2, 1, 3] if spatial else [batch, CODE]
        nodes = [
            node("Flatten", ["image"], ["flat"]), node("MatMul", ["flat", "down"], ["linear"]),
            node("Tanh", ["linear"], ["code" if not spatial else "row"]), *extra,
        ]  # fmt: skip
        weights = {"down": DOWN[: int(np.prod(shape))]}
        if spatial:
            nodes.append(node("Reshape", ["row", "shape"], ["code"]))
            weights["shape"] = np.array([-1, 2, 1, 3])
        made = [("code", code), *((n.output[0], [batch, CODE]) for n in extra)]
        return self.save(name, nodes, [("image", [batch, *shape])], made, weights, dtype)

    def decoder(self, name="dec.onnx", shape=SHAPE, batch="N", dtype=np.float32, spatial=False, codes=CODE, scale=1.0):
        nodes = [
            *([node("Flatten", ["code"], ["row"])] if spatial else []),
            node("MatMul", ["row" if spatial else "code", "up"], ["linear"]),
            node("Sigmoid", ["linear"], ["flat"]),
            node("Mul", ["flat", "scale"], ["scaled"]),
            node("Reshape", ["scaled", "shape"], ["image"]),
        ]
        first = 0 if batch == "N" else batch
        up = np.tile(UP, (2, 1))[:codes, : int(np.prod(shape))]
        weights = {"up": up, "shape": np.array([first, *shape]), "scale": np.array(scale)}
        given = [("code", [batch, 2, 1, 3] if spatial else [batch, codes])]
        return self.save(name, nodes, given, [("image", [batch, *shape])], weights, dtype)


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path)


def load(encoder, decoder, space=RGB, points=POINTS):
    return load_autoencoder(encoder, decoder, space, "cpu", points)


def encoded(points):
    return np.tanh(points.reshape(len(points), -1) @ DOWN)


def decoded(codes):
    return 1 / (1 + np.exp(-codes.reshape(len(codes), -1) @ UP))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("batch", "spatial"), [("N", False), (1, False), (3, False), ("N", True)])
def test_values_and_pulled_back_gradients_are_the_closed_forms(files, dtype, batch, spatial):
    made = load(
        files.encoder(dtype=dtype, batch=batch, spatial=spatial),
        files.decoder(dtype=dtype, batch=batch, spatial=spatial),
        points=POINTS.astype(dtype),
    )
    tolerance = 1e-12 if dtype == np.float64 else 1e-5
    points = np.random.default_rng(1).uniform(0, 1, (5, *SHAPE)).astype(dtype)
    codes = made.encode(points)
    assert made.code_shape == ((2, 1, 3) if spatial else (CODE,)) and codes.shape == (5, *made.code_shape)
    np.testing.assert_allclose(codes.reshape(5, -1), encoded(points), atol=tolerance)
    drawn = made.decode(codes)
    assert drawn.shape == points.shape and drawn.dtype == codes.dtype == dtype
    np.testing.assert_allclose(drawn.reshape(5, -1), decoded(codes), atol=tolerance)
    gradients = np.random.default_rng(2).normal(size=points.shape).astype(dtype)
    back = made.pull_back(codes, gradients)
    slopes = decoded(codes) * (1 - decoded(codes))
    assert back.shape == codes.shape and back.dtype == codes.dtype
    np.testing.assert_allclose(back.reshape(5, -1), (gradients.reshape(5, -1) * slopes) @ UP.T, atol=10 * tolerance)


def test_codes_may_be_finer_than_the_file_and_inputs_stay_as_they_were(files):
    made = load(files.encoder(), files.decoder())
    codes = made.encode(POINTS).astype(np.float64)
    before, points = codes.copy(), POINTS.copy()
    gradients = np.ones_like(POINTS)
    assert made.pull_back(codes, gradients).dtype == np.float64
    made.decode(codes), made.encode(points)
    np.testing.assert_array_equal(codes, before)
    np.testing.assert_array_equal(points, POINTS)
    assert (gradients == 1).all()


def batch_sizes(monkeypatch):
    """The sizes of all batches from now on."""
    sizes, original = [], autoencoder_engine.Engine.tensor
    monkeypatch.setattr(
        autoencoder_engine.Engine, "tensor", lambda self, rows: (t := original(self, rows), sizes.append(len(t)))[0]
    )
    return sizes


@pytest.mark.parametrize(("batch", "size", "room"), [("N", 1, 0), ("N", 8, 1e-6), (2, 1, 0)])
def test_a_rows_numbers_do_not_depend_on_the_others_and_batches_are_bounded(files, batch, size, room, monkeypatch):
    monkeypatch.setitem(autoencoder_engine.BATCH, "cpu", size)
    made = load(files.encoder(batch=batch), files.decoder(batch=batch))
    sizes = batch_sizes(monkeypatch)
    points = np.random.default_rng(3).uniform(0, 1, (21, *SHAPE)).astype(np.float32)
    codes, gradients = made.encode(points), np.cos(points)
    drawn, back = made.decode(codes), made.pull_back(codes, gradients)
    assert set(sizes) == {size}, "always filled up"
    for i in (0, 7, 20):
        one = slice(i, i + 1)
        np.testing.assert_allclose(made.encode(points[one]), codes[one], rtol=0, atol=room)
        np.testing.assert_allclose(made.decode(codes[one]), drawn[one], rtol=0, atol=room)
        np.testing.assert_allclose(made.pull_back(codes[one], gradients[one]), back[one], rtol=0, atol=room)
    assert made.encode(points[:0]).shape == (0, CODE) and made.decode(codes[:0]).shape == (0, *SHAPE)


def test_files_that_mix_the_rows_of_a_batch_are_run_one_by_one(files, monkeypatch):
    monkeypatch.setitem(autoencoder_engine.BATCH, "cpu", 8)
    nodes = [
        node("Flatten", ["image"], ["flat"]), node("ReduceMean", ["flat"], ["mean"], axes=[0], keepdims=1),
        node("Sub", ["flat", "mean"], ["centred"]), node("Add", ["centred", "flat"], ["sum"]),
        node("MatMul", ["sum", "down"], ["code"]),
    ]  # fmt: skip
    given, made = [("image", ["N", *SHAPE])], [("code", ["N", CODE])]
    loaded = load(files.save("mixing.onnx", nodes, given, made, {"down": DOWN}), files.decoder())
    sizes = batch_sizes(monkeypatch)
    np.testing.assert_allclose(loaded.encode(POINTS), POINTS.reshape(3, -1) @ DOWN, atol=1e-5)
    assert sizes == [1, 1, 1]


def test_the_first_output_of_a_variational_encoder_is_its_mean(files):
    extra = [node("Exp", ["linear"], ["spread"])]
    made = load(files.encoder(extra=extra), files.decoder())
    np.testing.assert_allclose(made.encode(POINTS), encoded(POINTS), atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 4, 4), (4, 4), (16,)])
def test_grey_pictures_may_come_without_channel_or_flat(files, shape):
    space = InputSpace("NCHW", (1, 4, 4), (0.0,), (1.0,))
    points = POINTS[:, :1]
    made = load(files.encoder(shape=shape), files.decoder(shape=shape), space, points)
    codes = made.encode(points)
    np.testing.assert_allclose(codes, np.tanh(points.reshape(3, -1) @ DOWN[:16]), atol=1e-5)
    assert made.decode(codes).shape == (3, 1, 4, 4) and made.pull_back(codes, points).shape == (3, CODE)


def refused(*given, **changes):
    with pytest.raises(ModelError) as caught:
        load(*given, **changes)
    error = caught.value
    assert error.thing.startswith("--autoencoder ") and error.way_out.endswith(".") and "\n" not in error.reason
    return error.message


def test_missing_and_broken_files(files, tmp_path):
    good, broken, picture = files.decoder(), tmp_path / "broken.onnx", tmp_path / "picture.onnx"
    assert "does not exist" in refused(tmp_path / "none.onnx", good)
    broken.write_bytes(good.read_bytes()[:100])
    assert "broken.onnx" in refused(files.encoder(), broken)
    picture.write_bytes(b"\x89PNG....")
    assert "a PNG picture" in refused(picture, good)


def test_shapes_that_do_not_fit(files):
    good = files.encoder(), files.decoder()
    assert "(3, 2, 8)" in refused(files.encoder("wide.onnx", shape=(3, 2, 8)), good[1])
    nhwc = InputSpace("NHWC", (4, 4, 3), (0.0,) * 3, (1.0,) * 3)
    assert "takes pictures of shape (3, 4, 4); the model takes (4, 4, 3)" in refused(
        *good, space=nhwc, points=POINTS.transpose(0, 2, 3, 1)
    )
    message = refused(good[0], files.decoder("more.onnx", codes=9))
    assert "takes codes of shape (9); enc.onnx gives (6)" in message and "more.onnx" in message
    assert "takes codes of shape (2, 1, 3)" in refused(good[0], files.decoder("maps.onnx", spatial=True))
    assert "draws pictures of shape (3, 2, 8)" in refused(good[0], files.decoder("flat.onnx", shape=(3, 2, 8)))
    assert "takes pictures of shape" in refused(good[1], good[0]), "the other way round"


def test_pictures_that_are_no_numbers(files):
    assert "no number" in refused(files.encoder(), files.decoder(scale=np.nan))


def test_two_inputs_and_operators_without_gradient(files):
    two = files.save(
        "two.onnx", [node("Add", ["image", "other"], ["code"])],
        [("image", ["N", *SHAPE]), ("other", ["N", *SHAPE])], [("code", ["N", *SHAPE])], {},
    )  # fmt: skip
    assert "'other' float32" in refused(two, files.decoder())
    stepped = files.save(
        "steps.onnx",
        [node("MatMul", ["code", "up"], ["a"]), node("Sign", ["a"], ["b"]), node("Reshape", ["b", "shape"], ["image"])],
        [("code", ["N", CODE])], [("image", ["N", *SHAPE])], {"up": UP, "shape": np.array([0, *SHAPE])},
    )  # fmt: skip
    made = load(files.encoder(), stepped)
    codes = made.encode(POINTS)
    assert not made.pull_back(codes, POINTS).any(), "a step has no slope"


def test_onnxruntime_is_the_judge(files, monkeypatch):
    """Another engine's numbers that are off by a per cent are refused; by a ten-thousandth they are not."""
    pair = files.encoder(), files.decoder()
    original = autoencoder_engine.Engine.run
    for factor, passes in ((1.01, False), (1.0001, True)):
        monkeypatch.setattr(autoencoder_engine.Engine, "run", lambda self, x, f=factor: original(self, x) * f)
        if passes:
            load(*pair)
        else:
            assert "onnxruntime" in refused(*pair)


def test_it_computes_what_onnxruntime_computes(files):
    encoder, decoder = files.encoder(), files.decoder()
    made = load(encoder, decoder)
    codes = onnxruntime.InferenceSession(str(encoder)).run(None, {"image": POINTS})[0]
    drawn = onnxruntime.InferenceSession(str(decoder)).run(None, {"code": codes})[0]
    np.testing.assert_allclose(made.decode(made.encode(POINTS)), drawn, atol=1e-6)
