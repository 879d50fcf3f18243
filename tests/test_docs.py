"""The documentation site: it builds, it is complete, its examples work, and its numbers are true."""

from __future__ import annotations

import ast
import html
import importlib.util
import json
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from geoaudit import errors, registry
from geoaudit.api import Status
from geoaudit.cli import cli
from geoaudit.config import load_config
from geoaudit.errors import ExitCode, GeoauditError, NotApplicable, UsageError
from geoaudit.gate import PolicyFile, load_policy
from geoaudit.selftest.walks import WALKS, WalkCase
from geoaudit_plugins.metrics.assessable import TOLERANCE
from geoaudit_reports import CHECKSUMS_NAME, HTML_NAME, JSON_NAME, MAPS_NAME
from geoaudit_reports.html.views.page import SECTIONS
from geoaudit_reports.outputs import OUTPUTS
from geoaudit_reports.schema import SCHEMAS, generate

NEEDED = ("mkdocs", "material", "mkdocstrings_handlers", "latex2mathml", "captum")
if any(importlib.util.find_spec(name) is None for name in NEEDED):
    pytest.skip("the extra docs is not installed", allow_module_level=True)

import markdown  # noqa: E402
from geoaudit_docs import commands, examples, facts, formulas, models, plugins, readme, site  # noqa: E402
from geoaudit_docs.markdown import docstring, literal, prose  # noqa: E402
from mkdocs.__main__ import cli as mkdocs  # noqa: E402

ROOT = Path(__file__).parents[1]
GUIDES = ROOT / "docs" / "pages"
POLICIES = sorted((ROOT / "docs" / "policies").glob("*.toml"))
SLOW = "<!-- insert: selftest -->"  # the build runs it once; no other test needs it


def guide(name: str) -> str:
    """A guide with everything filled in but the self-test."""
    return site.fill((GUIDES / name).read_text(encoding="utf-8").replace(SLOW, ""))


def words(text: str) -> str:
    """Markdown or HTML as a reader sees it: no tags, no entities, single spaces."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", text)).split())


def fences(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


# the built site


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it, in this process: what is imported and generated already is not made again."""
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setenv("NO_MKDOCS_2_WARNING", "1")
        done = CliRunner().invoke(mkdocs, ["build", "--strict", "--site-dir", str(folder)])
    assert done.exit_code == 0, (done.exception, done.output[-4000:])
    return folder


def test_the_site_builds_strictly_with_every_page(built: Path) -> None:
    pages = {path.relative_to(built).with_suffix(".md").as_posix() for path in built.rglob("*.html")}
    guides = {path.relative_to(GUIDES).as_posix() for path in GUIDES.rglob("*.md")}
    assert guides | set(site.pages()) <= pages


def test_a_reader_fetches_nothing(built: Path) -> None:
    loads = re.compile(
        r"<(?:script|img|iframe|source|video|audio)\b[^>]*\bsrc=[\"']?((?:https?:)?//[^\"'> ]+)"
        r"|<link\b(?![^>]*\brel=[\"']?(?:canonical|next|prev))[^>]*\bhref=[\"']?((?:https?:)?//[^\"'> ]+)"
    )
    for page in built.rglob("*.html"):
        assert not loads.findall(page.read_text(encoding="utf-8")), page
    for sheet in built.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", sheet.read_text(encoding="utf-8")), sheet


def test_nothing_is_left_to_fill_in(built: Path) -> None:
    for page in built.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert "insert:" not in text, page
        assert "arithmatex" not in text, page
    written = len(re.findall(r"\\[(\[]", (GUIDES / "mathematics.md").read_text(encoding="utf-8")))
    assert (built / "mathematics.html").read_text(encoding="utf-8").count("<math ") == written > 30


def test_every_case_of_the_selftest_is_listed(built: Path) -> None:
    text = words((built / "validation.html").read_text(encoding="utf-8"))
    assert re.search(r"All \d+ cases pass\.", text)
    missing = [case.name for case in WALKS if case.name not in text]
    assert not missing


def test_the_search_works_from_the_disk(built: Path) -> None:
    assert (built / "search" / "search_index.js").read_text(encoding="utf-8").startswith("var __index = {")
    assert "assets/iframe-worker.js" in (built / "index.html").read_text(encoding="utf-8")


# commands, options, exit codes, files

CONTEXTS = list(commands.contexts())


@pytest.mark.parametrize("ctx", CONTEXTS, ids=commands.path)
def test_a_command_is_documented_with_every_option(ctx: click.Context) -> None:
    page = site.pages()[commands.page_name(ctx)]
    text = words(page)
    assert text.startswith(f"# geoaudit {commands.path(ctx)} ")
    assert words(ctx.command.help or "").partition("\n")[0][:60] in text
    for option in ctx.command.params:
        if not isinstance(option, click.Option):
            assert option.make_metavar(ctx) in text
            continue
        for name in (*option.opts, *option.secondary_opts):
            assert re.search(rf"(?<![\w-]){name}(?![\w-])", text), name
        assert words(option.help or "") in text
        variable = commands.environment(option, ctx)
        assert variable is None or variable in text
        assert f"{{ #{commands.anchor(option)} }}" in page


def test_no_command_is_left_out() -> None:
    assert {commands.path(ctx) for ctx in CONTEXTS} >= set(cli.commands)
    assert len({commands.page_name(ctx) for ctx in CONTEXTS}) == len(CONTEXTS)
    index = words(site.pages()["commands/index.md"])
    assert all(f"geoaudit {commands.path(ctx)}" in index for ctx in CONTEXTS)


@pytest.mark.parametrize("ctx", CONTEXTS, ids=commands.path)
def test_the_environment_variables_are_those_that_are_read(ctx: click.Context, monkeypatch: pytest.MonkeyPatch) -> None:
    for option in ctx.command.params:
        variable = commands.environment(option, ctx) if isinstance(option, click.Option) else None
        if isinstance(option, click.Option) and variable is not None:
            monkeypatch.setenv(variable, "1")
            assert option.resolve_envvar_value(ctx) == "1", variable


def test_the_rule_of_the_environment_variables_holds_for_the_audit() -> None:
    told = guide("configuration.md")
    ctx = next(ctx for ctx in CONTEXTS if commands.path(ctx) == "audit")
    found = {commands.environment(o, ctx) for o in ctx.command.params if isinstance(o, click.Option)}
    named = set(re.findall(r"GEOAUDIT_[A-Z_]*[A-Z]", told)) - {"GEOAUDIT_GATE_POLICY"}
    assert {"GEOAUDIT_BUDGET", "GEOAUDIT_CROP_PCT"} <= named <= found


def test_every_exit_code_and_error_is_documented() -> None:
    text = words(guide("exit-codes.md"))
    told = list(facts._documented(ExitCode))
    assert {member for member, _ in told} == set(ExitCode)
    assert all(f"| {int(member)} | {words(prose(reason))} |" in text for member, reason in told)
    assert "NotApplicable" not in text, "it ends no run"
    for kind in set(GeoauditError.__subclasses__()) - {NotApplicable}:
        assert re.search(rf"\| {kind.__name__} \| [^|]+ \| {int(kind.exit_code)} \|", text), kind
    assert {kind.__module__ for kind in GeoauditError.__subclasses__()} == {errors.__name__}


def test_every_file_and_format_is_documented() -> None:
    text = guide("files.md")
    for name in (HTML_NAME, JSON_NAME, MAPS_NAME, CHECKSUMS_NAME, "gallery/", "comparison.html", "comparison.json"):
        assert f"`{name}`" in text, name
    for page in (text, guide("pipelines.md")):
        assert all(f"--{output.name} FILE" in words(page) for output in OUTPUTS)


def test_the_commands_that_write_the_formats_are_told() -> None:
    writing = [commands.path(c) for c in CONTEXTS if {o.name for o in OUTPUTS} <= {p.name for p in c.command.params}]
    assert sorted(writing) == ["audit", "demo", "gate", "render"]
    assert "An audit, geoaudit demo, geoaudit gate and geoaudit render write the report" in words(
        guide("files.md").replace("`", "")
    )


@pytest.mark.parametrize("heading", ["GitHub Actions", "GitLab", "pre-commit", "Docker"])
def test_an_integration_says_what_was_tried(heading: str) -> None:
    section = guide("pipelines.md").split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    assert len(re.findall(r"\*Tried:\*", section)) == 1


def test_the_integrations_are_those_of_the_repository() -> None:
    text = words(guide("pipelines.md"))
    action = (ROOT / "action.yml").read_text(encoding="utf-8")
    inputs = re.findall(r"^  ([a-z-]+):\n    description: (.+)$", action, re.MULTILINE)
    assert len(inputs) >= 5
    assert all(f"| {name} | {told} |".replace("`", "") in text for name, told in inputs)
    hooks = re.findall(r"^- id: (\S+)", (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"), re.MULTILINE)
    assert hooks and all(f"| {name} |" in text for name in hooks)


def test_the_reviewers_guide_has_the_sections_of_the_report() -> None:
    headings = re.findall(r"^## (.+)$", guide("reading-a-report.md"), re.MULTILINE)
    assert [h for h in headings if h in {s.title for s in SECTIONS}] == [s.title for s in SECTIONS]
    assert all(status.value in guide("reading-a-report.md") for status in Status)


def test_every_make_target_is_named() -> None:
    targets = re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    told = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("lists the short commands:", 1)[1].split(".")[0]
    assert {"docs", *targets} == {"help", *re.findall(r"`(\w+)`", told)}


# plugins


@pytest.mark.parametrize("kind", plugins.KINDS)
def test_every_plugin_has_a_page_and_stands_in_the_index(kind: str) -> None:
    index = words(site.pages()[f"{kind}/index.md"])
    for name, entry in plugins.shelves()[kind].items():
        text = words(site.pages()[plugins.page_name(kind, name)])
        assert f"[{name}](" in index
        assert entry.cls.title in text and words(prose(entry.cls.reference)) in text
        for parameter, field in entry.cls.Parameters.model_fields.items():
            assert f"| {parameter} |" in text
            assert words(prose(field.description or "")) in text, (name, parameter)


def test_no_plugin_is_left_out() -> None:
    loaded = registry.load(())
    every = {*loaded.methods, *loaded.metrics, *loaded.checks, *loaded.imputers}
    assert {name for shelf in plugins.shelves().values() for name in shelf} == every


def test_a_page_says_what_a_budget_changes() -> None:
    row = next(
        line for line in site.pages()["methods/guided-ig.md"].splitlines() if "steps" in line and "equal" in line
    )
    assert [words(cell) for cell in row.split(" | ")[2:5]] == ["30", "60", "200"]


def test_what_a_module_tells_is_told() -> None:
    text = words(site.pages()["methods/idgi.md"])
    assert "g_i^2 / |g|^2" in text and "Where an exact" not in text
    assert "| Flag ncc-by-construction |" in text
    assert "half-sharp" in words(site.pages()["metrics/pic-sic.md"]), "the text that two metrics share"
    assert "rejected (gate check)" in words(site.pages()["checks/model-randomization.md"]).replace("**", "")


# policies, schemas, configuration


def test_every_key_of_a_policy_is_documented() -> None:
    text = words(guide("policy.md"))
    tables = models.models(PolicyFile)
    assert len(tables) > 6
    for table in tables:
        for name, field in table.model_fields.items():
            assert f"| {models.key(name, field)} |" in text
            assert words(prose(field.description or "")) in text


def test_the_reference_of_the_policy_can_be_written_in_toml_and_leaves_no_meaning_out() -> None:
    rows = [line for line in site.insertion("policy keys").splitlines() if line.startswith("| <code>")]
    assert len(rows) > 40
    for row in rows:
        cells = [words(cell) for cell in row.strip("| ").split(" | ")]
        assert len(cells) == 4 and all(cells), row
        assert "null" not in cells[1] + cells[2], row


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_a_policy_of_the_guides_is_accepted(path: Path) -> None:
    policy = load_policy(path, ())
    assert policy.title and policy.owner
    shown = guide("policy.md") + guide("verify-and-compare.md")
    assert path.read_text(encoding="utf-8") in shown


def test_there_are_three_policies_to_choose_from_and_a_wrong_one_would_be_noticed(tmp_path: Path) -> None:
    assert {"report-only", "release", "strict"} <= {path.stem for path in POLICIES}
    assert load_policy(ROOT / "docs" / "policies" / "strict.toml", ()).waiver
    wrong = (
        (ROOT / "docs" / "policies" / "release.toml").read_text(encoding="utf-8").replace("maximum_sk", "maximun_sk")
    )
    (tmp_path / "wrong.toml").write_text(wrong, encoding="utf-8")
    with pytest.raises(UsageError, match="maximum_skipped"):
        load_policy(tmp_path / "wrong.toml", ())


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_key_of_a_document_is_documented(name: str) -> None:
    text = words(site.pages()[f"schemas/{name}.md"])
    schema = json.loads(generate(name))
    for part in (schema, *schema.get("$defs", {}).values()):
        for key in part.get("properties", {}):
            assert f"| {key} |" in text, key


def test_the_configuration_of_the_guide_is_accepted(tmp_path: Path) -> None:
    (example,) = fences(guide("configuration.md"), "toml")
    (tmp_path / "geoaudit.toml").write_text(example, encoding="utf-8")
    config = load_config(tmp_path, {p.name or "" for p in cli.commands["audit"].params})
    assert config.values["limit"] == 100 and set(config.preprocess) == {"preset", "size"}


# examples


def command_lines() -> list[str]:
    """Every `geoaudit ...` line in a shell block of a guide."""
    blocks = [block for path in GUIDES.glob("*.md") for block in fences(guide(path.name), "sh")]
    parts = [part.strip() for block in blocks for line in block.splitlines() for part in line.split("&&")]
    return sorted({part for part in parts if part.startswith("geoaudit ")})


def test_every_command_line_parses(parsed: Callable[[str], str]) -> None:
    lines = command_lines()
    reached = {parsed(line) for line in lines}
    assert len(lines) >= 15
    assert {"audit", "demo", "inspect", "gate", "policy init", "policy check", "verify", "compare", "render"} <= reached


@pytest.mark.parametrize(
    "line", ["geoaudit gate report", "geoaudit policy init", "geoaudit model.onnx images/ --polcy p"]
)
def test_a_wrong_command_line_would_be_noticed(line: str, parsed: Callable[[str], str]) -> None:
    with pytest.raises(click.UsageError):
        parsed(line)


def test_every_python_block_is_python() -> None:
    blocks = [block for path in GUIDES.glob("*.md") for block in fences(guide(path.name), "python")]
    assert len(blocks) >= 5
    for block in blocks:
        ast.parse(block)


def test_the_maps_example_reads_maps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "geoaudit-report").mkdir()
    np.savez(tmp_path / "geoaudit-report" / "maps.npz", **{"a.png/gradient": np.zeros((3, 4, 4), dtype=np.float32)})
    monkeypatch.chdir(tmp_path)
    exec(next(block for block in fences(guide("files.md"), "python") if "maps.npz" in block), {})
    assert capsys.readouterr().out == "a.png/gradient (3, 4, 4) float32\n"


# the mathematics of NCC


def dense(case: WalkCase) -> tuple[float, Any, float]:
    """Δf, A and the total variation by the midpoint rule on 20,000 pieces a leg, in plain numpy."""
    steps = np.linspace(0, 1, 20_001)
    legs = [case.along(steps)] if case.along is not None else [
        start + steps[:, None] * (end - start) for start, end in pairwise(np.array(case.corners, dtype=float))
    ]  # fmt: skip
    values = sum((case.model.gradient((leg[1:] + leg[:-1]) / 2) * np.diff(leg, axis=0)).sum(axis=0) for leg in legs)
    variation = sum(float(np.abs(np.diff(case.model.f(leg))).sum()) for leg in legs)
    ends = case.model.f(np.stack([legs[0][0], legs[-1][-1]]))
    return float(ends[1] - ends[0]), values, variation


def number(text: str) -> float:
    return float(text.replace("−", "-"))


def rows(name: str) -> list[list[str]]:
    """The cells of a filled-in table."""
    lines = [line for line in site.insertion(name).splitlines() if line.startswith("| ")][2:]
    return [[words(cell) for cell in line.strip("| ").split(" | ")] for line in lines]


WALK_TABLES = [name for name in examples.TABLES if name not in ("example uniform", "example chance", "example grains")]


@pytest.mark.parametrize("name", WALK_TABLES)
def test_every_number_of_a_walk_is_that_of_a_second_integration(name: str) -> None:
    for title, formula, delta, attribution, mass, violation, variation, back in rows(name):
        case = next(case for case in WALKS if case.name.partition(" ")[2] == title)
        assert formula == case.model.formula
        difference, values, movement = dense(case)
        near = {"abs": 2e-3}  # three decimals are shown
        assert number(delta) == pytest.approx(difference, **near)
        shown = [number(part) for part in attribution.strip("()").split(", ")]
        np.testing.assert_allclose(shown, values, atol=2e-3)
        total = float(np.abs(values).sum())
        assert number(mass) == pytest.approx(total, **near)
        assert number(variation) == pytest.approx(movement, **near)
        assert number(back) == pytest.approx(1 - abs(difference) / movement, **near)
        if abs(difference) < 1e-9:
            assert violation == "degenerate baseline"
        else:
            assert number(violation) == pytest.approx((total - abs(float(values.sum()))) / total, **near)


def test_the_tables_show_what_the_text_says_of_them() -> None:
    floor, walks, back = rows("example floor"), rows("example walks"), rows("example back and forth")
    assert all(row[5] == "0.667" for row in floor), "no walk does better on a linear model"
    assert floor[0][6] == floor[0][2], "the straight walk is as short as can be"
    assert [row[7] for row in walks[:2]] == ["0", "0"] and walks[0][5] != "0" == walks[1][5]
    assert any(row[5] != "0" and row[7] == "0" for row in walks)
    assert all(row[5] == "0" for row in back) and {row[7] != "0" for row in back} == {True, False}
    assert rows("example bump")[0][3] == rows("example bump")[1][3]
    for row in rows("example flow"):
        assert row[2] == row[4] == row[6]
    assert [row[5] for row in rows("example no difference")] == ["degenerate baseline"] * 2


def test_the_gamed_score_is_worked_out_by_hand() -> None:
    # f = 2 x1 - x2 from (0, 0) to (1, 1): w.d = 1; IDGI gives w_i^2 (w.d) / |w|^2
    assert rows("example uniform") == [
        ["integrated-gradients", "(2, −1)", "1", "0.667"],
        ["uniform-complete", "(0.5, 0.5)", "1", "0"],
        ["idgi", "(0.8, 0.2)", "1", "0"],
    ]


def test_right_by_chance_is_worked_out_by_hand() -> None:
    # f' = 1 + x^3 at -1, 0, 1: trapezoids 1/2 and 3/2, true pieces 3/4 and 5/4, so misses of -1/4 and 1/4 on Δf = 2
    coarse, fine = rows("example chance")
    assert coarse == ["nodes −1, 0, 1", "2", "2", "0.0 %", f"{100 * np.sqrt(2) / 8:.1f} %", "incomplete"]
    assert number(fine[4].removesuffix(" %")) <= 3 and fine[5] == "0"


def test_the_grains_are_added_up_by_hand() -> None:
    pixels = examples.GRAINS.sum(axis=0)  # 2 x 4
    patches = pixels.reshape(2, 2, 2).sum(axis=(0, 2))
    for (name, shown), entries in zip(rows("example grains"), (examples.GRAINS, pixels, patches), strict=True):
        mass = np.abs(entries).sum()
        assert number(shown) == pytest.approx((mass - abs(entries.sum())) / mass, abs=5e-4), name


def test_the_limits_in_the_text_are_the_metrics() -> None:
    assert TOLERANCE == 0.10
    assert guide("mathematics.md").count("10 %") == 2


def test_formulas_become_mathml() -> None:
    page = formulas.mathml('<p><span class="arithmatex">\\(|\\Delta f| &lt; S\\)</span></p>')
    assert page.startswith("<p><math ") and "&#x00394;" in page and "arithmatex" not in page
    block = formulas.mathml('<div class="arithmatex">\\[ \\frac{a}{b} \\]</div>')
    assert 'display="block"' in block and "<mfrac>" in block and block.startswith('<div class="formula">')


# the tools


@settings(deadline=None, max_examples=60)
@given(st.text(alphabet="ab1 \\`*_{}[]#|<>&~^$+-.!:=()\"'/", max_size=30))
def test_literal_text_is_shown_as_it_is(text: str) -> None:
    shown = " ".join(text.split())
    assert words(markdown.markdown(literal(shown), extensions=["tables"])) == shown


def test_a_docstring_keeps_its_shape() -> None:
    text = docstring(
        "First *line*\ngoes on.\n\nDepartures.  Code `a_b`, arXiv 1703.01365.\n\n    A = |g|\n      + 1\n\n"
        "- one\n  and more\n- two\n\nArgs:\n    x: left out"
    )
    assert text.split("\n\n") == [
        "First &#42;line&#42; goes on.",
        '**Departures.** Code <code>a&#95;b</code>, <a href="https://arxiv.org/abs/1703.01365">arXiv 1703.01365</a>.',
        "```text\nA = |g|\n  + 1\n```",
        "- one and more\n- two",
    ]


@pytest.mark.parametrize("name", ["no such thing", "readme No such heading", "output no such comment"])
def test_a_place_that_cannot_be_filled_ends_the_build(name: str) -> None:
    with pytest.raises(LookupError):
        site.fill(f"# Title\n\n<!-- insert: {name} -->\n")


def test_an_excerpt_ends_where_its_section_does() -> None:
    text = readme.excerpt("README.md", "Limits")
    assert text.startswith("- A faithful map is not yet a useful one.") and "report.json" not in text


def test_every_generated_page_is_in_the_menu() -> None:
    listed = json.dumps(site.menu([{name: f"generated {name}"} for name in ("commands", "schemas", *plugins.KINDS)]))
    single = {"plugin-api.md", "changelog.md"}
    assert all(f'"{name}"' in listed for name in set(site.pages()) - single)
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert all(f": {name}\n" in menu for name in single)
