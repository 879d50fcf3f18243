"""Shell completion: what is offered, how fast, and what installing it leaves behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from geoaudit import registry
from geoaudit.cli import cli
from geoaudit.completion import built_in, install, present_shell, script
from geoaudit.errors import OutputError, UsageError

ROOT = Path(__file__).parents[3]


def offered(*arguments: str) -> list[str]:
    """What is offered for the last of the arguments."""
    complete = ShellComplete(cli, {}, "geoaudit", "_GEOAUDIT_COMPLETE")
    return [
        item.value for item in complete.get_completions(list(arguments[:-1]), arguments[-1]) if item.type == "plain"
    ]


@pytest.mark.parametrize("shelf", ["methods", "controls", "checks", "metrics", "imputers"])
def test_ids_are_those_of_the_registry(shelf: str) -> None:
    found = registry.load(())
    kinds = {"methods": found.of_kind("method"), "controls": found.of_kind("control")}
    expected = kinds[shelf] if shelf in kinds else sorted(getattr(found, shelf))
    assert built_in(shelf) == [name for name in expected if "/" not in name]


def test_commands_and_options_are_offered() -> None:
    assert {"demo", "inspect", "render", "completion"} <= set(offered(""))
    assert "audit" not in offered(""), "the default command needs no name"
    assert offered("ins") == ["inspect"]
    assert {"--methods", "--metrics", "--mean"} <= set(offered("--me"))
    assert offered("model.onnx", "images", "--budget", "") == ["quick", "standard", "thorough"]
    assert "--budget" in offered("model.onnx", "images", "--b")


def test_ids_are_completed_behind_commas_and_never_twice() -> None:
    assert offered("m.onnx", "i", "--methods", "guided-ig,guided") == ["guided-ig,guided-ig-bounded"]
    assert offered("m.onnx", "i", "--checks", "def") == ["default"]
    assert "random" in offered("demo", "--skip", "r")
    assert offered("m.onnx", "i", "--imputers", "x") == []


def test_files_are_offered_for_the_model() -> None:
    complete = ShellComplete(cli, {}, "geoaudit", "_GEOAUDIT_COMPLETE")
    assert complete.get_completions([], "mod")[0].type == "file"


def _answer(tmp_path: Path, code: str) -> subprocess.CompletedProcess[str]:
    roots = os.pathsep.join(str(ROOT / name) for name in ("auditor", "plugins", "reports"))
    environment = {
        "PYTHONPATH": roots, "PATH": os.environ["PATH"], "_GEOAUDIT_COMPLETE": "bash_complete",
        "COMP_WORDS": "geoaudit m.onnx i --methods ", "COMP_CWORD": "4",
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )


def test_an_answer_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom geoaudit.cli import main\n"
        "try:\n    main([])\nfinally:\n"
        "    print([n for n in ('torch', 'onnxruntime', 'numpy', 'pydantic', 'scipy') if n in sys.modules])"
    )
    done = _answer(tmp_path, code)
    lines = done.stdout.splitlines()
    assert "plain,guided-ig" in lines, done.stderr
    assert lines[-1] == "[]"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_installing_twice_leaves_one_block(tmp_path: Path, shell: str) -> None:
    startup = tmp_path / {"bash": ".bashrc", "zsh": ".zshrc"}.get(shell, "none")
    if shell != "fish":
        startup.write_text("alias mine='ls'", encoding="utf-8")
    environment = {"HOME": str(tmp_path)}
    install(shell, "old", environment)
    text = script(shell, cli)
    done = install(shell, text, environment)
    assert done.script.read_text(encoding="utf-8") == text
    assert "_GEOAUDIT_COMPLETE" in text
    if shell == "fish":
        assert done.startup is None and done.script == tmp_path / ".config" / "fish" / "completions" / "geoaudit.fish"
    else:
        kept = startup.read_text(encoding="utf-8")
        assert kept.startswith("alias mine='ls'\n") and kept.endswith("\n")
        assert kept.count(str(done.script)) == 2, "one line names it twice: if it is there, load it"
        assert kept.count(">>>") == 2


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_after_its_startup_file_was_read(tmp_path: Path) -> None:
    roots = os.pathsep.join(str(ROOT / name) for name in ("auditor", "plugins", "reports"))
    program = tmp_path / "bin" / "geoaudit"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m geoaudit "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    install("bash", script("bash", cli), {"HOME": str(tmp_path)})
    typed = (
        f'. "{tmp_path}/.bashrc"; COMP_WORDS=(geoaudit --bud); COMP_CWORD=1; _geoaudit_completion geoaudit; '
        'echo "${COMPREPLY[@]}"'
    )
    environment = {"PYTHONPATH": roots, "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", typed], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "--budget", done.stderr


def test_a_start_up_file_keeps_its_bytes_its_link_and_its_rights(tmp_path: Path) -> None:
    kept = tmp_path / "dotfiles" / "bashrc"
    kept.parent.mkdir()
    kept.write_bytes(b"alias a='\xe9'\r\n# <<< geoaudit completion <<<\n")
    kept.chmod(0o600)
    (tmp_path / ".bashrc").symlink_to(kept)
    for _ in range(2):
        install("bash", "text", {"HOME": str(tmp_path)})
    content = kept.read_bytes()
    assert content.startswith(b"alias a='\xe9'\r\n# <<< geoaudit completion <<<\n# >>> geoaudit completion >>>\n")
    assert content.count(b"# >>> geoaudit completion >>>") == 1
    assert (tmp_path / ".bashrc").is_symlink() and kept.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in kept.parent.iterdir()] == ["bashrc"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_the_place_of_the_script_is_no_code(tmp_path: Path) -> None:
    home = tmp_path / 'a "$(touch planted)" `touch planted`'
    home.mkdir()
    install("bash", "echo loaded\n", {"HOME": str(home)})
    done = subprocess.run(
        ["bash", "-c", '. "$HOME/.bashrc"'], env={"HOME": str(home), "PATH": os.environ["PATH"]}, cwd=tmp_path,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout == "loaded\n", done.stderr
    assert not (tmp_path / "planted").exists()


def test_an_unknown_shell_and_an_unwritable_place_are_named(tmp_path: Path) -> None:
    assert present_shell({"SHELL": "/usr/bin/zsh"}) == "zsh"
    with pytest.raises(UsageError, match=r"the shell is tcsh\nName one: bash, zsh, fish"):
        present_shell({"SHELL": "/bin/tcsh"})
    with pytest.raises(UsageError, match="not known"):
        present_shell({})
    (tmp_path / ".local").write_text("a file", encoding="utf-8")
    with pytest.raises(OutputError, match="--print"):
        install("bash", "text", {"HOME": str(tmp_path)})


def test_the_oldest_click_that_is_allowed_will_do(tmp_path: Path) -> None:
    """Its CompletionItem takes no type argument."""
    code = (
        "import click.shell_completion as shells\n"
        "shells.CompletionItem = type('CompletionItem', (), {})\n"
        "import geoaudit.cli\nprint('imported')"
    )
    done = _answer(tmp_path, code)
    assert done.stdout.strip() == "imported", done.stderr
