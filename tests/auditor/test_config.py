from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from geoaudit.config import FileConfig, load_config
from geoaudit.errors import ExitCode, UsageError

KNOWN = ("methods", "batch-size", "seed", "baseline")


def test_no_files_no_settings(tmp_path: Path) -> None:
    assert load_config(tmp_path, KNOWN) == FileConfig({}, {}, {})


def test_geoaudit_toml_goes_above_pyproject_key_by_key(tmp_path: Path) -> None:
    (tmp_path / "geoaudit.toml").write_text('seed = 3\nmethods = ["a", "b"]\n[preprocess]\nmean = [1, 2, 3]\n')
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "x"\n[tool.geoaudit]\nseed = 1\nbatch-size = 4\n'
        "[tool.geoaudit.preprocess]\nmean = 0\ncrop-pct = 0.9\n"
    )
    config = load_config(tmp_path, KNOWN)
    assert config.values == {"seed": 3, "methods": ["a", "b"], "batch_size": 4}
    assert config.default_map() == {"seed": 3, "methods": "a,b", "batch_size": 4}
    assert config.source == {
        "seed": "geoaudit.toml",
        "methods": "geoaudit.toml",
        "batch_size": "pyproject.toml [tool.geoaudit]",
    }
    assert config.preprocess["mean"].value == [1, 2, 3]
    assert config.preprocess["mean"].source == "geoaudit.toml [preprocess]"
    assert config.preprocess["crop_pct"].source == "pyproject.toml [tool.geoaudit] [preprocess]"


def test_every_origin_has_words(tmp_path: Path) -> None:
    (tmp_path / "geoaudit.toml").write_text("batch_size = 4\n")
    config = load_config(tmp_path, KNOWN)
    assert config.origin("batch_size", "DEFAULT_MAP") == "geoaudit.toml"
    assert config.origin("batch_size", "COMMANDLINE") == "option --batch-size"
    assert config.origin("batch_size", "ENVIRONMENT") == "GEOAUDIT_BATCH_SIZE"
    assert config.origin("batch_size", "DEFAULT") == "default"


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("geoaudit.toml", "sed = 1\n", "geoaudit.toml: no option 'sed'\nDid you mean seed?"),
        ("geoaudit.toml", "qqq = 1\n", "Known: baseline, batch_size, methods"),
        ("geoaudit.toml", "[preprocess]\nmeen = 1\n", r"\[preprocess\]: no option 'meen'\nDid you mean mean"),
        ("geoaudit.toml", "preprocess = 1\n", "is not a table"),
        ("geoaudit.toml", "seed = \n", r"is not TOML \(.*line 1"),
        ("pyproject.toml", "[tool.geoaudit]\nsed = 1\n", r"pyproject.toml \[tool.geoaudit\]: no option"),
        ("pyproject.toml", "[tool]\ngeoaudit = 1\n", "is not a table"),
    ],
)
def test_mistakes_are_usage_errors(tmp_path: Path, file: str, content: str, told: str) -> None:
    (tmp_path / file).write_text(content)
    with pytest.raises(UsageError, match=told) as caught:
        load_config(tmp_path, KNOWN)
    assert caught.value.exit_code == ExitCode.USAGE


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    (tmp_path / "geoaudit.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="is not TOML"):
        load_config(tmp_path, KNOWN)
    (tmp_path / "geoaudit.toml").unlink()
    (tmp_path / "geoaudit.toml").mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        load_config(tmp_path, KNOWN)


def test_other_tools_tables_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.other]\nsed = 1\n")
    assert load_config(tmp_path, KNOWN).values == {}


def test_reading_the_configuration_loads_nothing_heavy() -> None:
    heavy = "{'torch', 'onnxruntime', 'onnx', 'numpy', 'pydantic', 'PIL'}"
    code = f"import sys, geoaudit.config; print(sorted({heavy} & sys.modules.keys()))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60, env=environment
    )
    assert done.stdout.strip() == "[]"
