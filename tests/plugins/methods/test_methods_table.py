"""The table of all methods: what it takes from the reports, and that it lands between its markers."""

import importlib
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def scripts():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        yield importlib.import_module("methods_table"), importlib.import_module("methods")
    for name in ("methods_table", "methods"):
        sys.modules.pop(name, None)


def method(name, ncc, **changes):
    def score(value, reason=None):
        return {
            "median": value, "mean": value, "ci_low": value, "ci_high": value, "n": 2 if value is not None else 0,
            "missing": 0 if value is not None else 2, "reason": reason,
        }  # fmt: skip

    return {
        "id": name,
        "title": name.title(),
        "kind": "method",
        "family": "path",
        "flags": [],
        "status": "ok",
        "reason": None,
        "cost": {"gradients": 200.0, "forwards": 0.0, "seconds": 3.0},
        "scores": {
            "ncc-violation": score(ncc, None if ncc is not None else "no walk (2)"),
            "srg": score(0.25),
            "completeness-error": score(0.02),
        },
    } | changes


def report(space, *methods):
    run = {"budget": "standard", "seed": 0, "host": {"cores": "2"}, "device": "cpu"}
    return {
        "run": run, "data": {"count": 2}, "model": {"explained_output": {"space": space}}, "methods": list(methods),
    }  # fmt: skip


def rows(text):
    return {line.split("`")[1]: [cell.strip() for cell in line.split("|")[2:-1]] for line in text.splitlines()[2:] if
            "`" in line and line.startswith("|")}  # fmt: skip


LINE = method("integrated-gradients", 0.9)
SEARCHED = method("geodesic-ig-svi", 0.4)
GIVEN = method("idgi", 0.0, flags=["ncc-by-construction"])


def test_every_method_has_a_row_and_says_why_a_number_is_missing(scripts):
    table, _ = scripts
    away = method("pattern", None, status="skipped", reason="no kernel layers\nGive another model.", scores={})
    plain = method("gradient", None, family="gradient", flags=["not-complete"])
    reports = [
        report("logit", LINE, SEARCHED, GIVEN, away, plain, method("inverted:gradient", None, kind="control")),
        report("probability", LINE),
    ]
    found = rows(table.table(reports))
    assert found["integrated-gradients"] == ["0.900", "0.900", "0.25 [0.25, 0.25]", "2.0 %", "100", "1.5"]
    assert found["geodesic-ig-svi"][:2] == ["0.400", ""] and found["idgi"][0] == "0.000\\*"
    assert found["pattern"] == ["not applicable: no kernel layers", "", "", "", "", ""]
    assert found["gradient"][0] == "no walk" and found["gradient"][3] == "not complete"
    assert "inverted:gradient" not in found


def test_what_the_table_shows_is_said_for_each_output(scripts):
    table, _ = scripts
    worse = method("geodesic-ig-svi", 0.95)
    logit, probability = table.findings([report("logit", LINE, worse, GIVEN), report("probability", LINE, SEARCHED)]) \
        .splitlines()  # fmt: skip
    assert logit.startswith("- On the logit no path method has a lower")
    assert "`geodesic-ig-svi` (0.400, completeness error 2.0 %)" in probability
    assert "could not be judged" in table.findings([report("logit", GIVEN)])


def test_two_reports_of_one_output_are_refused(scripts):
    table, _ = scripts
    with pytest.raises(SystemExit, match="one report for each"):
        table.table([report("logit", LINE), report("logit", LINE)])


def test_the_table_lands_between_its_markers_and_nowhere_else(scripts):
    _, methods = scripts
    page = f"above\n{methods.BEGIN}\nold\n{methods.END}\nbelow\n"
    once = methods.inserted(page, "| new |")
    assert once == f"above\n{methods.BEGIN}\n| new |\n{methods.END}\nbelow\n" == methods.inserted(once, "| new |")
    with pytest.raises(SystemExit, match="has no lines"):
        methods.inserted("no markers", "| new |")
