"""Pictures behind URIs are found, hashed and decoded like those on this machine."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from geoaudit.errors import ImagesError, UsageError
from geoaudit.images.decoding import DecodeError, decode
from geoaudit.images.discovery import discover, manifest_sha256
from geoaudit.images.sources import Remote, place, veiled

fsspec = pytest.importorskip("fsspec", reason="needs the extra `remote`")


@pytest.fixture
def bucket(pictures: Path) -> Iterator[Remote]:
    memory = fsspec.filesystem("memory")
    for number, path in enumerate(sorted(pictures.iterdir())):
        memory.pipe_file(f"/bucket/class{number % 2}/{path.name}", path.read_bytes())
    memory.pipe_file("/bucket/.hidden/a.png", b"not looked at")
    memory.pipe_file("/bucket/notes.txt", b"no picture")
    memory.pipe_file("/bucket/class1/empty.png", b"")
    yield Remote("memory://bucket")
    memory.rm("/bucket", recursive=True)


def test_the_same_pictures_are_found(bucket: Remote, pictures: Path) -> None:
    found, there = discover(bucket, None), discover(pictures, None)
    assert [file.id for file in found.files] == sorted(
        f"class{number % 2}/{file.id}" for number, file in enumerate(there.files)
    )
    assert {file.sha256 for file in found.files} == {file.sha256 for file in there.files}
    assert {file.folder for file in found.files} == {"class0", "class1"}
    told = {skip.file: skip.reason for skip in found.skipped}
    assert told == {
        "class1/empty.png": "the file is empty", "notes.txt": "not a picture that can be read (.txt)",
    }  # fmt: skip


def test_pixels_and_names_are_those_of_the_files(bucket: Remote, pictures: Path) -> None:
    found = {file.path.name: file for file in discover(bucket, None).files}
    for file in discover(pictures, None).files:
        remote = found[file.path.name]
        assert np.array_equal(decode(remote.path).pixels, decode(file.path).pixels)


def test_the_manifest_does_not_depend_on_where_they_lie(pictures: Path) -> None:
    remote = discover(Remote(pictures.as_uri()), None)
    assert manifest_sha256(remote.files) == manifest_sha256(discover(pictures, None).files)


def test_one_picture_and_a_limit(bucket: Remote) -> None:
    (file,) = discover(Remote("memory://bucket/class0/picture00.png"), None).files
    assert file.id == "picture00.png"
    assert len(discover(bucket, 2).files) == 2


def test_what_is_not_there() -> None:
    with pytest.raises(ImagesError, match=r"memory://nothing: no such file or folder"):
        discover(Remote("memory://nothing"), None)


def test_an_unknown_protocol_is_no_traceback() -> None:
    with pytest.raises(UsageError, match=r"nosuch://a/b: cannot be reached"):
        discover(Remote("nosuch://a/b"), None)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(uri: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
    with pytest.raises(UsageError, match=r"Install s3fs to access S3") as told:
        discover(Remote("s3://bucket/images"), None)
    assert "s3fs" in told.value.way_out


def test_a_picture_that_has_gone_since(bucket: Remote) -> None:
    file = discover(bucket, 1).files[0]
    with pytest.raises(DecodeError):
        decode(replace(file, path=Remote("memory://bucket/gone.png")).path)


@pytest.mark.parametrize("text", ["images", "a/b.png", "/data/images", "C:\\images"])
def test_paths_stay_paths(text: str) -> None:
    assert place(text) == Path(text)


def test_uris_stay_uris() -> None:
    assert str(place("s3://bucket/images")) == "s3://bucket/images"
    assert place("s3://bucket/a.png").suffix == ".png"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("https://host/a.png?X-Amz-Signature=secret&b=1", "https://host/a.png"),
        ("s3://key:secret@bucket/images", "s3://bucket/images"),
        ("zip://*.png::https://me:secret@host/a.zip?t=secret#f", "zip://*.png::https://host/a.zip"),
        ("404, message='Not Found', url='https://host/a?t=secret'", "404, message='Not Found', url='https://host/a'"),
        ("s3://bucket/a@b.png", "s3://bucket/a@b.png"),
        ("what is this?", "what is this?"),
    ],
)
def test_secrets_are_not_told(text: str, told: str) -> None:
    assert veiled(text) == told


def test_a_presigned_picture_is_named_without_its_signature() -> None:
    picture = Remote("https://me:secret@host/folder/a.png?X-Amz-Signature=secret")
    assert (picture.name, picture.suffix) == ("a.png", ".png")
    assert "secret" not in f"{picture} {picture!r}"


def test_errors_of_a_protocol_tell_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    uri = "https://host/a.png?t=secret"

    def broken(_: str) -> None:
        raise FileNotFoundError(uri)

    monkeypatch.setattr(fsspec.core, "url_to_fs", broken)
    with pytest.raises(ImagesError) as told:
        discover(Remote(uri), None)
    assert "https://host/a.png" in told.value.message
    assert "secret" not in told.value.message


class Odd(fsspec.AbstractFileSystem):
    """Files whose names only an object store can hold."""

    protocol = "odd"
    names = ("a.png", "/a.png", "../a.png", "b/../../c.png", "line\nbreak.png", "b/c.png")

    def exists(self, path: str, **_: object) -> bool:
        return True

    def isfile(self, path: str) -> bool:
        return False

    def find(self, path: str, **_: object) -> list[str]:
        return [f"{path}/{name}" for name in self.names] + ["elsewhere/a.png"]

    def open(self, path: str, mode: str = "rb", **_: object) -> io.BytesIO:
        assert path.startswith("host/bucket/")
        return io.BytesIO(PICTURE.read_bytes())


PICTURE = Path()


def test_names_that_are_no_paths_below_the_folder(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "PICTURE", pictures / "picture00.png")
    monkeypatch.setattr(fsspec.core, "url_to_fs", lambda uri: (Odd(), "host/bucket"))
    found = discover(Remote("odd://me:secret@host/bucket"), None)
    assert [file.id for file in found.files] == ["a.png", "b/c.png"]
    assert {skip.file: skip.reason for skip in found.skipped} == {  # a name that begins with a dot is hidden
        "/a.png": "its name is no path below the folder", "line\\nbreak.png": "its name has control characters",
    }  # fmt: skip
    assert "secret" not in str(found.files[0].path)


def test_a_picture_that_has_changed_is_refused(bucket: Remote) -> None:
    file = discover(bucket, 1).files[0]
    assert decode(file.path, file.sha256).pixels.size
    with pytest.raises(DecodeError, match="it has changed"):
        decode(file.path, "0" * 64)
