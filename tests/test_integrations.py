"""What goes into other programs: the action, the GitLab job, the hooks, the container, and the shell between them."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import pytest

ROOT = Path(__file__).parents[1]
STEP = ROOT / "integrations" / "github-step.sh"
HOSTILE = "a $(touch planted) `touch planted` \"b\" 'c' ; touch planted & *.py ${HOME} \\n --"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

shell = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")


def safe_load(text: str) -> Any:
    """A YAML text."""
    return pytest.importorskip("yaml").safe_load(text)


def load(name: str) -> Any:
    """A YAML file of the repository."""
    return safe_load((ROOT / name).read_text(encoding="utf-8"))


def blocks(language: str) -> list[str]:
    """The README's code blocks of one language."""
    return [
        body for found, body in BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8")) if found == language
    ]


# the published schemas


def schema_problems(schema: str, path: Path) -> str:
    """What check-jsonschema says against the file; empty where it is valid."""
    if find_spec("check_jsonschema") is None:
        pytest.skip("check-jsonschema is not installed")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return "" if done.returncode == 0 else f"{done.stdout}{done.stderr}"


FORMS = [
    ("vendor.github-actions", "action.yml", "  using: composite", "  using: nothing"),
    ("vendor.gitlab-ci", "integrations/gitlab-ci.yml", "    when: always", "    when: perhaps"),
]


@pytest.mark.parametrize(("schema", "name", "right", "wrong"), FORMS, ids=[form[1] for form in FORMS])
def test_the_published_schema_holds(schema: str, name: str, right: str, wrong: str, tmp_path: Path) -> None:
    assert schema_problems(schema, ROOT / name) == ""
    text = (ROOT / name).read_text(encoding="utf-8")
    assert right in text
    (tmp_path / "wrong.yml").write_text(text.replace(right, wrong), encoding="utf-8")
    assert schema_problems(schema, tmp_path / "wrong.yml"), "a wrong file would be noticed"


@pytest.mark.skipif(find_spec("pre_commit") is None, reason="pre-commit is not installed")
def test_pre_commit_reads_the_hooks(tmp_path: Path) -> None:
    path = ROOT / ".pre-commit-hooks.yaml"
    command = [sys.executable, "-m", "pre_commit", "validate-manifest"]
    environment = os.environ | {"PRE_COMMIT_HOME": str(tmp_path / "home")}
    run = {"env": environment, "capture_output": True, "text": True, "timeout": 60, "cwd": tmp_path}
    done = subprocess.run([*command, str(path)], **run)
    assert done.returncode == 0, done.stdout
    wrong = path.read_text(encoding="utf-8").replace("language: python", "language: parseltongue", 1)
    (tmp_path / "wrong.yaml").write_text(wrong, encoding="utf-8")
    assert subprocess.run([*command, str(tmp_path / "wrong.yaml")], **run).returncode != 0


def test_the_action_runs_its_own_step_and_pastes_no_input_into_it() -> None:
    action = load("action.yml")
    steps = action["runs"]["steps"]
    scripts = [step["run"] for step in steps if "run" in step]
    assert scripts and not [script for script in scripts if "${{" in script]
    assert all(step["shell"] == "bash" for step in steps if "run" in step)
    pins = [step["uses"].partition("@")[2] for step in steps if "uses" in step]
    assert pins and all(re.fullmatch("[0-9a-f]{40}", pin) for pin in pins)
    (audit,) = [step for step in steps if step.get("id") == "audit"]
    assert shlex.split(audit["run"])[-1].endswith(f"/integrations/{STEP.name}")
    read = set(re.findall(r"GEOAUDIT_STEP_\w+", STEP.read_text(encoding="utf-8")))
    assert set(audit["env"]) == read
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    assert set(re.findall(r"inputs\.([a-z-]+)", text)) == set(action["inputs"]), "every input is read, and no other"
    written = set(re.findall(r"(?:'|\\n)(\w+)(?:=|<<)%s", STEP.read_text(encoding="utf-8")))
    assert written == set(action["outputs"])


# command lines


def lines(script: str) -> Iterator[str]:
    """The `geoaudit ...` commands of a shell script, each on one line, without what it is joined to or goes to."""
    for line in re.sub(r"\\\n\s*", " ", script).splitlines():
        for part in re.split(r"&&|\|\||;|\s>+\s", line):
            found = re.match(r'(?:\w+="\$\()?\s*(geoaudit\s.*)', part.strip())
            if found:
                yield found[1]


def hook_lines() -> Iterator[str]:
    """Each hook's command, with the arguments that the README gives it."""
    (repository,) = [found for block in blocks("yaml") for found in safe_load(block) if "hooks" in found]
    entries = {hook["id"]: hook["entry"] for hook in load(".pre-commit-hooks.yaml")}
    shown = {hook["id"]: hook["args"] for hook in repository["hooks"]}
    assert set(shown) == set(entries)
    for name, entry in entries.items():
        yield f"{entry} {shlex.join(shown[name])}"


def action_arguments() -> list[str]:
    """What the README's example of the action passes on."""
    (step,) = [s for block in blocks("yaml") for s in safe_load(block) if "geoaudit@" in str(s.get("uses"))]
    assert set(step["with"]) <= set(load("action.yml")["inputs"])
    return [line for line in step["with"]["arguments"].splitlines() if line]


def step_lines() -> Iterator[str]:
    """The step's command with the arguments that it collects written out."""
    script = STEP.read_text(encoding="utf-8")
    (line,) = lines(script)
    assert '"${arguments[@]}"' in line
    given = shlex.join(["model.onnx", "images", "-o", "out", "--policy", "policy.toml", *action_arguments()])
    yield line.replace('"${arguments[@]}"', given)


def docker_lines() -> Iterator[str]:
    """What runs in the container: while it is built, by default, and in the examples of how to run it."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    yield from (found for line in re.findall(r"^RUN (.+)$", text, re.MULTILINE) for found in lines(line))
    (entry,), (default,) = (re.findall(rf"^{word} (\[.+\])$", text, re.MULTILINE) for word in ("ENTRYPOINT", "CMD"))
    yield shlex.join([*json.loads(entry), *json.loads(default)])
    examples = re.findall(r"docker run .* geoaudit (.+)$", text + "\n".join(blocks("sh")), re.MULTILINE)
    assert len(examples) >= 2
    yield from (f"geoaudit {arguments}" for arguments in examples)


PLACES: dict[str, Callable[[], Iterator[str]]] = {
    "action": step_lines,
    "gitlab": lambda: lines("\n".join(load("integrations/gitlab-ci.yml")["geoaudit"]["script"])),
    "hooks": hook_lines,
    "docker": docker_lines,
    "readme": lambda: (line for block in blocks("sh") for line in lines(block)),
    "release": lambda: lines((ROOT / "tests" / "pipeline" / "release.sh").read_text(encoding="utf-8")),
}
EXPECTED = {
    "action": {"audit"},
    "gitlab": {"audit"},
    "hooks": {"gate", "verify", "policy check"},
    "docker": {"audit", "--version", "--help"},
    "readme": {"audit", "demo", "gate", "policy init", "policy check", "verify", "compare", "render"},
    "release": {"audit", "gate", "verify"},
}


@pytest.mark.parametrize("place", list(PLACES))
def test_every_command_line_parses(place: str, parsed: Callable[[str], str]) -> None:
    # "$@" stands for arguments of the caller's own
    assert {parsed(line.replace('"$@"', "")) for line in PLACES[place]()} >= EXPECTED[place]


def test_a_wrong_command_line_would_be_noticed(parsed: Callable[[str], str]) -> None:
    (line,) = lines('geoaudit "$MODEL" "$IMAGES" \\\n  --polcy policy.toml > out || exit 3\necho geoaudit is done')
    with pytest.raises(click.UsageError, match="--polcy"):
        parsed(line)


def test_the_gitlab_job_keeps_what_its_command_writes() -> None:
    job = load("integrations/gitlab-ci.yml")["geoaudit"]
    (line,) = PLACES["gitlab"]()
    words = shlex.split(line)
    assert words[words.index("-o") + 1] + "/" in job["artifacts"]["paths"]
    assert words[words.index("--junit") + 1] == job["artifacts"]["reports"]["junit"]
    assert job["artifacts"]["when"] == "always", "a failed policy is archived too"
    assert set(re.findall(r"\$(\w+)", " ".join(job["script"]))) == set(job["variables"])
    assert "allow_failure" not in job


def test_the_container_gets_what_the_build_needs_and_runs_without_root() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    copied = {name for line in re.findall(r"^COPY (.+) \S+$", text, re.MULTILINE) for name in line.split()}
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignored and {line[1:] for line in ignored if line.startswith("!")} == copied
    assert all((ROOT / name).exists() for name in copied)
    assert re.search(r"^USER [1-9]\d*$", text, re.MULTILINE)


# the action's step


@dataclass(frozen=True)
class Stepped:
    """How the step ended: exit code, the stub's arguments, and the step's outputs as the runner reads them."""

    code: int
    arguments: list[str]
    outputs: dict[str, str]


STUB = """#!{python}
import json, os, pathlib, sys
folder = pathlib.Path(sys.argv[sys.argv.index("-o") + 1])
pathlib.Path(os.environ["SEEN"]).write_text(json.dumps(sys.argv[1:]), encoding="utf-8")
if os.environ["STATUS"]:
    folder.mkdir(exist_ok=True)
    (folder / "report.json").write_text(json.dumps({{"gate": {{"status": os.environ["STATUS"]}}}}), encoding="utf-8")
sys.exit(int(os.environ["CODE"]))
"""


def read_outputs(path: Path) -> dict[str, str]:
    """A step's output file, as the runner reads it: `name=value`, or `name<<end`, lines, `end`."""
    found: dict[str, str] = {}
    rest = iter(path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else [])
    for line in rest:
        name, sign = re.match(r"([^=<]+)(=|<<)", line).groups()  # type: ignore[union-attr]
        value = line[len(name + sign) :]
        if sign == "<<":
            inside = []
            while (one := next(rest)) != value:
                inside.append(one)
            value = "\n".join(inside)
        assert name not in found
        found[name] = value
    return found


@pytest.fixture
def step(tmp_path: Path) -> Callable[..., Stepped]:
    """`step(code, status, **variables)`: the step, with a stub of `geoaudit` that ends so and leaves such a verdict."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "geoaudit").write_text(STUB.format(python=sys.executable), encoding="utf-8")
    (tools / "geoaudit").chmod(0o755)
    (tools / "python").symlink_to(sys.executable)
    work = tmp_path / "work"
    work.mkdir()
    given = {"MODEL": "model.onnx", "IMAGES": "images", "POLICY": "", "REPORT": "out", "ARGUMENTS": ""}

    def run(code: int = 0, status: str = "not gated", *, outputs: bool = True, **variables: str) -> Stepped:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GEOAUDIT", "GITHUB"))}
        environment = {
            **kept,
            **{f"GEOAUDIT_STEP_{name}": value for name, value in (given | variables).items()},
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "SEEN": str(tmp_path / "seen.json"), "CODE": str(code), "STATUS": status,
        }  # fmt: skip
        file = tmp_path / "outputs"
        file.unlink(missing_ok=True)
        if outputs:
            environment["GITHUB_OUTPUT"] = str(file)
        done = subprocess.run(
            ["bash", str(STEP)], env=environment, cwd=work, capture_output=True, text=True, timeout=60
        )
        assert done.stderr == ""
        assert not list(tmp_path.rglob("planted")), "something was evaluated"
        seen = json.loads((tmp_path / "seen.json").read_text(encoding="utf-8"))
        return Stepped(done.returncode, seen, read_outputs(file))

    return run


@shell
def test_arguments_arrive_whole_and_nothing_is_evaluated(step: Callable[..., Stepped]) -> None:
    done = step(
        MODEL=f"m {HOSTILE}", IMAGES=HOSTILE, POLICY=f"p {HOSTILE}", REPORT="a folder",
        ARGUMENTS=f"--methods\n\nguided-ig, gradient\n--set\n  a.b={HOSTILE}\n\n\n*\n",
    )  # fmt: skip
    assert done.arguments[:-9] == [
        f"m {HOSTILE}", HOSTILE, "-o", "a folder", "--policy", f"p {HOSTILE}",
        "--methods", "guided-ig, gradient", "--set", f"  a.b={HOSTILE}", "*",
    ]  # fmt: skip
    assert done.arguments[-9:] == [
        "--github", "--junit", "a folder/junit.xml", "--markdown", "a folder/summary.md",
        "--intoto", "a folder/geoaudit.intoto.json", "--cyclonedx", "a folder/cyclonedx.json",
    ]  # fmt: skip
    assert done.outputs == {"verdict": "not gated", "report": "a folder/report.html"}


@shell
def test_without_policy_and_arguments_nothing_empty_is_passed(step: Callable[..., Stepped]) -> None:
    assert step().arguments[:5] == ["model.onnx", "images", "-o", "out", "--github"]


@shell
@pytest.mark.parametrize(
    ("code", "status", "verdict"),
    [(0, "PASS", "PASS"), (0, "not gated", "not gated"), (1, "FAIL", "FAIL"), (1, "PASS", ""), (0, "FAIL", "")],
)
def test_the_exit_code_and_the_verdict_are_passed_on(
    code: int, status: str, verdict: str, step: Callable[..., Stepped]
) -> None:
    done = step(code, status)
    assert (done.code, done.outputs["verdict"]) == (code, verdict)


@shell
@pytest.mark.parametrize("code", [1, 2, 3, 127, 130])
def test_a_report_of_an_earlier_audit_is_no_verdict(code: int, step: Callable[..., Stepped]) -> None:
    assert step(0, "PASS").outputs["verdict"] == "PASS"
    done = step(code, "")
    assert done.code == code and done.outputs.get("verdict", "") == ""


@shell
def test_without_a_report_or_a_place_for_outputs_there_are_none(step: Callable[..., Stepped]) -> None:
    assert step(3, "") == Stepped(3, step(3, "").arguments, {})
    assert step(0, "PASS", outputs=False).outputs == {}


@shell
def test_a_folder_s_name_sets_no_output(step: Callable[..., Stepped]) -> None:
    done = step(1, "FAIL", REPORT="out\nverdict=PASS")
    assert done.outputs == {"verdict": "FAIL", "report": "out\nverdict=PASS/report.html"}


@pytest.mark.parametrize("script", [STEP, ROOT / "tests" / "pipeline" / "release.sh"], ids=lambda path: path.name)
def test_scripts_are_valid_shell(script: Path) -> None:
    for command in (["bash", "-n"], ["shellcheck"]):
        if shutil.which(command[0]):
            done = subprocess.run([*command, str(script)], capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stdout + done.stderr
