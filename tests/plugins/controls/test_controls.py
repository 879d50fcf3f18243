"""Controls: what they show, and that they know nothing they should not."""

import zlib

import numpy as np
import pytest

from geoaudit import Attributions, Evidence, InputSpace, Method, Problems
from geoaudit.errors import PluginError
from geoaudit_plugins.controls.center import Center
from geoaudit_plugins.controls.edges import Edges, luminance
from geoaudit_plugins.controls.input_difference import InputDifference
from geoaudit_plugins.controls.inverted import Inverted
from geoaudit_plugins.controls.random import Random
from geoaudit_plugins.controls.smooth_random import SmoothRandom, SmoothRandomParameters
from geoaudit_plugins.controls.uniform_complete import UniformComplete
from geoaudit_plugins.metrics.ncc_violation import NccViolation

CONTROLS = (Random, SmoothRandom, Edges, Center, UniformComplete, InputDifference)


class Seeds:
    """Only `rng`: a control that asks a model anything fails."""

    def rng(self, *key):
        return np.random.default_rng(zlib.crc32("/".join(key).encode()))


def scene(layout="NCHW", n=3, size=(20, 24)):
    shape = (3, *size) if layout == "NCHW" else (*size, 3)
    space = InputSpace(layout, shape, (-1.0, -1.0, -2.0), (1.0, 1.0, 2.0))
    x = np.random.default_rng(0).uniform(-1, 1, (n, *shape)).astype(np.float32)
    base = np.full_like(x, -1.0)
    f_x, f_b = np.linspace(2, -4, n), np.full(n, -0.5)
    return Problems(tuple(f"d/{i}.png" for i in range(n)), x, base, np.zeros(n, np.int64), f_x, f_b, space)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("control", CONTROLS)
def test_shape_dtype_and_independence_of_the_batch(control, layout):
    problems = scene(layout)
    maps = control().attribute(problems, Seeds())
    assert maps.values.shape == problems.x.shape and maps.values.dtype == np.float32
    assert np.isfinite(maps.values).all() and maps.records == (None,) * 3
    back = [2, 0]
    again = control().attribute(problems.select(back), Seeds())
    np.testing.assert_array_equal(again.values, maps.values[back])
    if control is not InputDifference:
        channels = np.moveaxis(maps.values, 1 + problems.space.channel_axis, 0)
        np.testing.assert_array_equal(channels[0], channels[2])
    assert control.kind == "control" and (control.flags or control is UniformComplete)


def test_random_maps_differ_between_images_and_smooth_ones_are_smooth():
    problems = scene(size=(56, 56))
    for control, roughness in ((Random, (1.2, 1.6)), (SmoothRandom, (0.05, 0.4))):
        pixels = control().attribute(problems, Seeds()).values.sum(1)
        assert not np.allclose(pixels[0], pixels[1])
        rough = np.diff(pixels, axis=1).std() / pixels.std()
        assert roughness[0] < rough < roughness[1]
    rougher = SmoothRandom(SmoothRandomParameters(sigma_share=0.01)).attribute(problems, Seeds()).values.sum(1)
    assert np.diff(rougher, axis=1).std() / rougher.std() > 0.6


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_edges_sit_at_the_edge(layout):
    problems = scene(layout, n=1)
    white = problems.space.per_channel(problems.space.high)
    black = problems.space.per_channel(problems.space.low)
    across = np.arange(24) >= 12
    wide = across[None, None, :] if layout == "NCHW" else across[None, :, None]
    x = np.broadcast_to(np.where(wide, white, black), problems.x.shape[1:]).astype(np.float32)
    assert luminance(x, problems.space)[0, [0, 23]] == pytest.approx([0, 1])
    problems.x[0] = x
    pixels = Edges().attribute(problems, Seeds()).values[0].sum(axis=problems.space.channel_axis)
    assert (pixels[:, 11:13] > 0.5).all() and np.abs(np.delete(pixels, [11, 12], axis=1)).max() < 1e-6
    grey = InputSpace("NCHW", (1, 8, 8), (0.0,), (255.0,))
    assert luminance(np.full((1, 8, 8), 127.5), grey)[0, 0] == pytest.approx(0.5)


def test_center_peaks_in_the_middle():
    pixels = Center().attribute(scene(size=(21, 25)), Seeds()).values[1].sum(0)
    assert np.unravel_index(pixels.argmax(), pixels.shape) == (10, 12)
    assert pixels[0, 0] == pixels.min() and pixels[10, 12] == pytest.approx(1.0)


def test_uniform_complete_is_complete_without_cancellation():
    problems = scene()
    maps = UniformComplete().attribute(problems, Seeds())
    np.testing.assert_allclose(maps.values.sum((1, 2, 3), dtype=np.float64), problems.delta_f, rtol=1e-6)
    scores = NccViolation().score(maps, problems, Evidence(sweep=None, group=None))
    assert scores.values.tolist() == [0.0, 0.0, 0.0] and scores.reasons == (None,) * 3


def test_input_difference_is_the_magnitude_of_the_change():
    problems = scene()
    maps = InputDifference().attribute(problems, Seeds()).values
    np.testing.assert_array_equal(maps, np.abs(problems.x + 1))


class Anything(Method):
    """Stands for a method."""

    id = "anything"
    title = "Anything"
    family = "test"
    reference = "none"

    def attribute(self, problems, probe):
        return Attributions(problems.x * 2, (None,) * len(problems))


def test_inverted():
    problems = scene()
    method = Anything()
    maps = method.attribute(problems, Seeds())
    control = Inverted(method, maps)
    assert (control.id, control.title, control.kind) == ("inverted:anything", "Anything, inverted", "control")
    np.testing.assert_array_equal(control.attribute(problems, Seeds()).values, -maps.values)
    assert Inverted.id == "inverted"
    with pytest.raises(PluginError, match="inverted:anything"):
        control.attribute(problems.select([0]), Seeds())
