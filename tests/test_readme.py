"""What the README and its companions say is what the program does."""

from __future__ import annotations

import ast
import inspect
import os
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import onnx
import pytest

from geoaudit import registry
from geoaudit.audit.settings import BUDGETS
from geoaudit.cli import cli
from geoaudit.config import load_config
from geoaudit.errors import ExitCode, UsageError
from geoaudit.gate import load_policy
from geoaudit.images.fields import PARSERS, PRESETS
from geoaudit.images.preprocess_sources import geoaudit_metadata
from geoaudit_reports import CHECKSUMS_NAME, HTML_NAME, JSON_NAME, MAPS_NAME
from geoaudit_reports.outputs import OUTPUTS

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
SETUP = {"audit": "pip install '.[demo]' && geoaudit demo", "tests": "pip install -e '.[dev]' && pytest"}


def fences(text: str, language: str) -> list[str]:
    """The code blocks of one language, without their indentation in lists."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", body, flags=re.MULTILINE) for indent, body in found]


def fence_after(text: str, comment: str) -> str:
    """The code block that follows the HTML comment."""
    match = re.search(rf"<!-- {re.escape(comment)} -->\n```text\n(.*?)```", text, re.DOTALL)
    assert match is not None, comment
    return match.group(1)


def section(text: str, title: str) -> str:
    """What stands under the heading `## title`."""
    return text.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def first_cells(text: str, heading: str) -> list[str]:
    """The ids in the first column of the table under the bold line `heading`."""
    table = text.split(f"**{heading}**\n\n", 1)[1].split("\n\n", 1)[0]
    return re.findall(r"^\| `([^`]+)` ", table, re.MULTILINE)


def options(command: click.Command) -> list[click.Parameter]:
    """Every option of the command and of those below it."""
    below = command.commands.values() if isinstance(command, click.Group) else ()
    own = [p for p in command.params if isinstance(p, click.Option)]
    return [*own, *(option for each in below for option in options(each))]


def commands() -> list[str]:
    """Every `geoaudit ...` command line in a code block of the README and of CONTRIBUTING."""
    text = README + CONTRIBUTING
    lines = "\n".join([*fences(text, "sh"), *re.findall(r"^    (geoaudit .*)$", text, re.MULTILINE)]).splitlines()
    parts = [part.strip() for line in lines for part in line.split("&&")]
    return sorted({part for part in parts if part.startswith("geoaudit ")})


def test_the_help_block_is_the_programs_own(tmp_path: Path) -> None:
    roots = os.pathsep.join(str(ROOT / name) for name in ("auditor", "plugins", "reports"))
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GEOAUDIT")}
    done = subprocess.run(
        [sys.executable, "-m", "geoaudit", "--help"],
        cwd=tmp_path,
        env={**kept, "PYTHONPATH": roots, "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert fence_after(README, "output of: COLUMNS=100 geoaudit --help") == done.stdout


def test_there_are_commands_to_check() -> None:
    assert len(commands()) >= 12
    assert {"geoaudit demo", "geoaudit model.onnx images/"} <= set(commands())


def called(line: str) -> str:
    """The words of the command that a line calls, told by its words alone."""
    first, *rest = shlex.split(line)[1:]
    command = cli.commands.get(first)
    if command is None:
        return "audit"
    return f"{first} {rest[0]}" if isinstance(command, click.Group) else first


@pytest.mark.parametrize("line", commands())
def test_every_command_line_parses(line: str, parsed: Callable[[str], str]) -> None:
    assert parsed(line) == called(line)


def test_nothing_runs_while_lines_are_parsed(
    parsed: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = commands()
    assert {"audit", "demo", "policy init", "policy check", "gate", "verify", "compare", "render"} <= set(
        map(parsed, lines)
    )
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "line",
    [
        "geoaudit model.onnx images/ --no-such-option", "geoaudit model.onnx", "geoaudit policy init",
        "geoaudit policy draft report", "geoaudit gate report",
    ],
)  # fmt: skip
def test_a_wrong_command_line_would_be_noticed(line: str, parsed: Callable[[str], str]) -> None:
    with pytest.raises(click.UsageError):
        parsed(line)


def test_the_two_commands_are_those_of_every_other_place() -> None:
    assert set(SETUP.values()) <= set("".join(fences(README, "sh")).splitlines())
    assert SETUP["tests"] in "".join(fences(CONTRIBUTING, "sh"))
    install, run = SETUP["tests"].split(" && ")
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert install.replace("pip install", "pip install --quiet") in script
    assert script[-1] == run  # pytest's closing line is the last one printed


@pytest.mark.parametrize("heading", ["Methods", "Controls", "Metrics", "Checks", "Imputers"])
def test_the_tables_list_the_registry(heading: str) -> None:
    built_in = registry.load(())
    expected = {
        "Methods": built_in.running("method", all_=True),
        "Controls": built_in.of_kind("control"),
        "Metrics": sorted(built_in.metrics),
        "Checks": sorted(built_in.checks),
        "Imputers": sorted(built_in.imputers),
    }
    assert first_cells(section(README, "What is measured"), heading) == expected[heading]


def test_the_tables_say_which_budget_runs_what_and_which_checks_are_gates() -> None:
    built_in, text = registry.load(()), section(README, "What is measured")
    for heading, shelf in (("Metrics", built_in.metrics), ("Checks", built_in.checks)):
        table = text.split(f"**{heading}**\n\n", 1)[1].split("\n\n", 1)[0]
        rows = dict(re.findall(r"^\| `([^`]+)` (.*)$", table, re.MULTILINE))
        for name, entry in shelf.items():
            told = re.search(r"\(\*(standard|thorough)\*\)", rows[name])
            assert (told.group(1) if told else "quick") == entry.cls.from_budget, name
            assert ("**gate**" in rows[name]) == getattr(entry.cls, "gate", False), name


def test_the_methods_table_says_when_each_runs() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| [^|]+ \| (by default|with all) \|", README, re.MULTILINE)
    methods = registry.load(()).methods
    assert dict(rows) == {name: methods[name].cls.runs for name in registry.load(()).running("method", all_=True)}


def test_the_report_has_the_sections_that_are_named() -> None:
    from geoaudit_reports.html.views.page import SECTIONS

    told = section(README, "What comes out").split("Its sections: ", 1)[1].split(".\n", 1)[0]
    named = [" ".join(part.split()) for part in told.split(";")]
    assert named == [entry.title.lower() for entry in SECTIONS]


def test_the_budgets_are_the_programs_own() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (\d+) % \| (\d+) \|", section(README, "Options"), re.MULTILINE)
    expected = [
        (name, str(b.quadrature.node_limit), f"{b.quadrature.tolerance * 100:.0f}", str(b.sweep.steps))
        for name, b in BUDGETS.items()
    ]
    assert rows == expected


def test_the_preprocessing_fields_and_presets_are_all_named() -> None:
    text = section(README, "Preprocessing")
    named = {name for row in re.findall(r"^\| (`.*?`) \|", text, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert named == set(PARSERS)
    told = text.split("Presets set range, mean and std: ", 1)[1].split(".", 1)[0]
    assert re.findall(r"`([^`]+)`", told) == list(PRESETS)


def test_the_configuration_example_is_accepted(tmp_path: Path) -> None:
    example = next(block for block in fences(README, "toml") if "[preprocess]" in block)
    (tmp_path / "geoaudit.toml").write_text(example, encoding="utf-8")
    known = {p.name or "" for p in cli.commands["audit"].params}
    config = load_config(tmp_path, known)
    assert config.values["limit"] == 100
    assert set(config.preprocess) == {"preset", "size"}


POLICIES = [block for block in fences(README, "toml") if tomllib.loads(block).get("version") == 1]


@pytest.mark.parametrize("example", POLICIES)
def test_a_policy_example_is_accepted(example: str, tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(example, encoding="utf-8")
    policy = load_policy(tmp_path / "policy.toml", ())
    assert policy.title and policy.owner and policy.asks_of_audits


def test_the_policy_example_shows_every_table_and_a_wrong_one_would_be_noticed(tmp_path: Path) -> None:
    shown = {name for example in POLICIES for name in tomllib.loads(example)}
    assert {"model", "images", "method", "checks", "check", "threshold", "waiver"} <= shown
    wrong = POLICIES[0].replace("in_use", "in_used")
    (tmp_path / "policy.toml").write_text(wrong, encoding="utf-8")
    with pytest.raises(UsageError, match="in_use"):
        load_policy(tmp_path / "policy.toml", ())


def test_the_exit_codes_are_the_programs_own() -> None:
    rows = re.findall(r"^\| (\d+) \| \S", section(README, "Exit codes"), re.MULTILINE)
    assert list(map(int, rows)) == [int(code) for code in ExitCode]


def test_every_machine_format_is_in_the_table() -> None:
    rows = re.findall(r"^\| `--(\w+) FILE` \| \S", section(README, "Gate a release"), re.MULTILINE)
    assert rows == [output.name for output in OUTPUTS]


def test_every_file_of_a_report_is_in_the_table() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| \S", section(README, "What comes out"), re.MULTILINE)
    assert rows == [HTML_NAME, "gallery/", JSON_NAME, MAPS_NAME, CHECKSUMS_NAME]


def test_every_option_in_a_sentence_is_one_of_the_programs() -> None:
    known = {name for p in options(cli) for name in (*p.opts, *p.secondary_opts)}
    text = section(README, "Gate a release") + section(README, "Check a report, compare two")
    named = set(re.findall(r"`(--[a-z][a-z-]*)[^`]*`", text))
    assert named <= known
    assert {"--junit", "--as-of", "--expect", "--all"} <= named


def test_the_hooks_of_the_example_call_commands(parsed: Callable[[str], str]) -> None:
    yaml = pytest.importorskip("yaml")
    entries = {
        hook["id"]: hook["entry"] for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    }
    (example,) = (block for block in fences(README, "yaml") if "hooks:" in block)
    hooks = yaml.safe_load(example)[0]["hooks"]
    assert {hook["id"] for hook in hooks} == set(entries)
    for hook in hooks:
        line = shlex.join([*shlex.split(entries[hook["id"]]), *hook["args"]])
        assert parsed(line) == called(line)


def test_the_action_of_the_example_has_such_inputs(parsed: Callable[[str], str]) -> None:
    yaml = pytest.importorskip("yaml")
    inputs = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))["inputs"]
    (example,) = (block for block in fences(README, "yaml") if "/geoaudit@" in block)
    given = yaml.safe_load(example)[-1]["with"]
    assert {name for name, told in inputs.items() if told.get("required")} <= set(given) <= set(inputs)
    line = ["geoaudit", given["model"], given["images"], "--policy", given["policy"], *given["arguments"].splitlines()]
    assert parsed(shlex.join(line)) == "audit"


def test_the_containers_command_line_parses(parsed: Callable[[str], str]) -> None:
    lines = re.findall(r"^docker run .* (geoaudit model\.onnx .*)$", README, re.MULTILINE)
    assert [parsed(line) for line in lines] == ["audit"]


def test_the_metadata_example_writes_what_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    value = onnx.helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, ["N", 3, 8, 8])
    node = onnx.helper.make_node("Relu", ["image"], ["scores"])
    result = onnx.helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, ["N", 3, 8, 8])
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([node], "g", [value], [result])), tmp_path / "model.onnx")
    monkeypatch.chdir(tmp_path)
    exec(next(block for block in fences(README, "python") if "metadata_props" in block), {})
    written = {p.key: p.value for p in onnx.load("model.onnx").metadata_props}
    layer, _ = geoaudit_metadata(written)
    assert layer["range"].value == (0.0, 1.0)
    assert layer["std"].value == (0.229, 0.224, 0.225)


def test_the_report_example_reads_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from geoaudit_reports.json_report import write_json

    report = runpy.run_path(str(ROOT / "tests" / "reports" / "synthetic_report.py"))["build"]()
    (tmp_path / "geoaudit-report").mkdir()
    write_json(report, tmp_path / "geoaudit-report" / "report.json")
    monkeypatch.chdir(tmp_path)
    exec(next(block for block in fences(README, "python") if "report.json" in block), {})
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in printed] == [entry.method for entry in report.ranking.entries]


def test_the_plugin_example_is_accepted_and_computes() -> None:
    from geoaudit.analytic import AnalyticProbe, feature_problems

    module: dict[str, Any] = {}
    exec(next(block for block in fences(README, "python") if "my-maps/midway" in block), module)
    shelves = registry.Registry()
    shelves.add(module["Midway"], "my-maps 1.0")
    assert list(shelves.methods) == ["my-maps/midway"]
    probe = AnalyticProbe(lambda p: (p**2).sum(axis=1), lambda p: 2 * p)
    maps = module["Midway"]().attribute(feature_problems(probe, [0.0, 1.0], [2.0, 3.0]), probe)
    assert maps.values.ravel().tolist() == [4.0, 8.0]
    assert "my_maps.midway:Midway" in "".join(fences(README, "toml"))


def test_the_method_of_contributing_passes_its_own_test() -> None:
    method, test, _ = fences(CONTRIBUTING, "python")
    module = sys.modules["contributing_example"] = type(sys)("contributing_example")
    try:
        exec(method, module.__dict__)
        exec(test, module.__dict__)
    finally:
        del sys.modules["contributing_example"]
    module.test_the_last_factor_to_arrive_gets_the_product()
    assert module.ChannelByChannel.id not in registry.load(()).methods


def test_the_operator_of_contributing_is_declared_as_printed() -> None:
    from geoaudit.model.converters import activations

    example = ast.parse(fences(CONTRIBUTING, "python")[2]).body[0]
    assert isinstance(example, ast.FunctionDef)
    declared = ast.parse(inspect.getsource(getattr(activations, example.name))).body[0]
    assert ast.dump(declared) == ast.dump(example)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        place = ROOT / (name or page)
        assert place.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.+)$", place.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}, target


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_every_python_block_is_python(page: str) -> None:
    for block in fences((ROOT / page).read_text(encoding="utf-8"), "python"):
        ast.parse(block)
