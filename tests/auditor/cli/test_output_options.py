"""The options that write other formats: where they may come from, and which files they leave alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
import pytest

from geoaudit.cli import cli
from geoaudit.commands.outputs import check_outputs, on_github, output_options
from geoaudit.errors import UsageError


@click.command()
@click.argument("report", type=click.Path(path_type=Path))
@click.option("--policy", type=click.Path(path_type=Path))
@click.option("--autoencoder", type=click.Path(path_type=Path), nargs=2)
@output_options
def command(report: Path, **options: Any) -> None:
    """A command like those that have a report."""
    check_outputs(options)


def call(*arguments: object) -> None:
    command.main(list(map(str, arguments)), standalone_mode=False)


@pytest.fixture
def inputs(tmp_path: Path) -> tuple[object, ...]:
    """The arguments that name files to read; all of them are there."""
    for name in ("model.onnx", "policy.toml", "encoder.onnx", "decoder.onnx"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    coders = (tmp_path / "encoder.onnx", tmp_path / "decoder.onnx")
    return tmp_path / "model.onnx", "--policy", tmp_path / "policy.toml", "--autoencoder", *coders


@pytest.mark.parametrize("name", ["model.onnx", "policy.toml", "decoder.onnx", "sub/../policy.toml"])
def test_a_file_that_is_read_is_never_written_over(name: str, inputs: tuple[object, ...], tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    with pytest.raises(UsageError, match=r"--junit .*: is a file that the command reads"):
        call(*inputs, "--junit", tmp_path / name)


@pytest.mark.parametrize("name", ["report.json", "report.html", "maps.npz", "SHA256SUMS", "Report.HTML"])
def test_the_report_s_own_files_are_never_written_over(name: str, inputs: tuple[object, ...], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has the name of one of the report's own files"):
        call(*inputs, "--markdown", tmp_path / name)


def test_two_formats_never_share_a_file(inputs: tuple[object, ...], tmp_path: Path) -> None:
    (tmp_path / "one.xml").write_text("old", encoding="utf-8")
    (tmp_path / "link.xml").symlink_to(tmp_path / "one.xml")
    with pytest.raises(UsageError, match="is the file of --junit too"):
        call(*inputs, "--junit", tmp_path / "one.xml", "--intoto", tmp_path / "link.xml")


@pytest.mark.skipif(not Path("/dev/null").is_char_device(), reason="needs /dev/null")
def test_a_device_is_never_replaced(inputs: tuple[object, ...]) -> None:
    with pytest.raises(UsageError, match="is no file that can be replaced"):
        call(*inputs, "--cyclonedx", "/dev/null")


def test_an_earlier_output_is_replaced_without_a_word(inputs: tuple[object, ...], tmp_path: Path) -> None:
    (tmp_path / "geoaudit.xml").write_text("old", encoding="utf-8")
    call(*inputs, "--junit", tmp_path / "geoaudit.xml", "--markdown", tmp_path / "geoaudit.md")


def test_formats_can_be_asked_for_in_a_configuration_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "geoaudit.toml").write_text('junit = "audit.xml"\ngithub = true\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    asked: dict[str, Any] = {}
    monkeypatch.setattr("geoaudit.cli.run", lambda _, options: asked.update(options) or 0)
    for name in [name for name in os.environ if name.startswith(("GEOAUDIT", "GITHUB"))]:
        monkeypatch.delenv(name)
    cli.main(["model.onnx", "images", "--markdown", "audit.md"], prog_name="geoaudit", standalone_mode=False)
    assert asked["junit"] == Path("audit.xml") and asked["markdown"] == Path("audit.md") and asked["intoto"] is None
    assert on_github(asked)


@pytest.mark.parametrize(
    ("asked", "runner", "told"),
    [(None, "true", True), (None, "false", False), (False, "true", False), (True, "false", True)],
)
def test_github_is_told_where_it_runs_unless_asked_otherwise(
    asked: bool | None, runner: str, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", runner)
    assert on_github({"github": asked}) is told
