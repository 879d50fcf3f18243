from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from geoaudit.errors import ExitCode
from geoaudit.images import decoding
from geoaudit.images.decoding import DecodeError, decode, why_no_picture


def gradient(height: int = 6, width: int = 4) -> np.ndarray:
    values = np.arange(height * width * 3, dtype=np.uint8) * 3
    return values.reshape(height, width, 3)


def test_png_comes_back_bit_for_bit_without_notes(tmp_path: Path) -> None:
    Image.fromarray(gradient()).save(tmp_path / "a.png")
    picture = decode(tmp_path / "a.png")
    assert picture.pixels.dtype == np.uint8
    np.testing.assert_array_equal(picture.pixels, gradient())
    assert picture.notes == ()


def test_exif_orientation_6_turns_the_stored_picture_clockwise(tmp_path: Path) -> None:
    stored = gradient()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(stored).save(tmp_path / "a.png", exif=exif)
    picture = decode(tmp_path / "a.png")
    np.testing.assert_array_equal(picture.pixels, np.rot90(stored, k=-1))
    assert picture.notes == ("EXIF orientation 6 applied",)


def test_alpha_is_composited_on_white(tmp_path: Path) -> None:
    rgba = np.zeros((2, 2, 4), dtype=np.uint8)
    rgba[0, 0] = (200, 0, 0, 255)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    picture = decode(tmp_path / "a.png")
    assert picture.pixels[0, 0].tolist() == [200, 0, 0]
    assert picture.pixels[1, 1].tolist() == [255, 255, 255]
    assert "alpha composited on white" in picture.notes


def test_opaque_alpha_leaves_no_note(tmp_path: Path) -> None:
    rgba = np.full((2, 2, 4), 255, dtype=np.uint8)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    assert decode(tmp_path / "a.png").notes == ()


def test_palette_with_a_transparent_colour(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 90, 80, 70])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "plain.png")
    image.save(tmp_path / "holes.png", transparency=0)
    assert decode(tmp_path / "plain.png").pixels.tolist() == [[[10, 20, 30], [90, 80, 70]]]
    assert decode(tmp_path / "holes.png").pixels.tolist() == [[[255, 255, 255], [90, 80, 70]]]


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_grey_is_scaled_not_clipped(tmp_path: Path, suffix: str) -> None:
    values = np.array([[0, 257, 32896, 65535]], dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / f"a.{suffix}")
    picture = decode(tmp_path / f"a.{suffix}")
    assert picture.pixels[0, :, 0].tolist() == [0, 1, 128, 255]
    assert picture.notes == ("16-bit greyscale scaled from 0..65535",)


@pytest.mark.parametrize(
    ("values", "expected", "told"),
    [
        (np.array([[0.0, 0.5, 1.0]], np.float32), [0, 128, 255], "0..1"),
        (np.array([[0.0, 51.0, 255.0]], np.float32), [0, 51, 255], "0..255"),
        (np.array([[0, 5, 200]], np.int32), [0, 5, 200], "0..255"),
        (np.array([[0, 257, 65535]], np.int32), [0, 1, 255], "0..65535"),
    ],
)
def test_32_bit_pictures_are_scaled_by_their_range(
    tmp_path: Path, values: np.ndarray, expected: list[int], told: str
) -> None:
    Image.fromarray(values).save(tmp_path / "a.tif")
    picture = decode(tmp_path / "a.tif")
    assert picture.pixels[0, :, 1].tolist() == expected
    assert told in picture.notes[0]


@pytest.mark.parametrize("value", [-1.0, 300.0, float("nan")])
def test_floats_of_unknown_range_are_refused(tmp_path: Path, value: float) -> None:
    Image.fromarray(np.array([[0.0, value]], np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(DecodeError, match="range is not known"):
        decode(tmp_path / "a.tif")


def test_cmyk_is_converted_with_a_note(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.tif")
    picture = decode(tmp_path / "a.tif")
    assert picture.pixels[0, 0].tolist() == [255, 0, 0]
    assert "CMYK" in picture.notes[0]


def test_grey_is_repeated_and_noted(tmp_path: Path) -> None:
    Image.new("L", (3, 2), 7).save(tmp_path / "a.png")
    picture = decode(tmp_path / "a.png")
    assert picture.pixels.shape == (2, 3, 3)
    assert (picture.pixels == 7).all()
    assert picture.notes == ("greyscale",)


def test_an_animation_gives_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue", "green")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    picture = decode(tmp_path / "a.gif")
    assert picture.pixels[0, 0].tolist() == [255, 0, 0]
    assert "first of 3 frames" in picture.notes


def test_truncated_jpeg_looks_like_a_picture_but_does_not_decode(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG")
    path = tmp_path / "a.jpg"
    path.write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    assert why_no_picture(path) is None
    with pytest.raises(DecodeError, match="truncated") as caught:
        decode(path)
    assert caught.value.exit_code == ExitCode.INCOMPLETE


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty"), (b"hello", "not a picture"), (b"\x89PNG\r\n\x1a\n" + b"\0" * 30, "")],
)
def test_what_is_no_picture_is_told_not_raised(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    told = why_no_picture(path)
    assert told is not None
    assert reason in told
    with pytest.raises(DecodeError):
        decode(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    assert "No such file" in str(why_no_picture(tmp_path / "none.png"))


def png_claiming(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [10_000, 60_000])
@pytest.mark.filterwarnings("error")
def test_decompression_bombs_are_refused_by_their_header(tmp_path: Path, side: int) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_claiming(side, side))
    assert "too large to decode safely" in str(why_no_picture(path))


def test_the_pixel_limit_is_inclusive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (10, 10)).save(tmp_path / "a.png")
    monkeypatch.setattr(decoding, "MAX_PIXELS", 100)
    assert why_no_picture(tmp_path / "a.png") is None
    monkeypatch.setattr(decoding, "MAX_PIXELS", 99)
    assert why_no_picture(tmp_path / "a.png") is not None
