"""Small tables of facts that the guides show in place: exit codes, budgets, statuses, cases of the self-test."""

from __future__ import annotations

import ast
import inspect
import runpy
import textwrap
from collections.abc import Iterator

from geoaudit.api import Status
from geoaudit.audit.result import CalibrationCase
from geoaudit.audit.settings import BUDGETS
from geoaudit.errors import ExitCode, GeoauditError, NotApplicable
from geoaudit.flags import MEANINGS
from geoaudit.selftest import described, run_selftest
from geoaudit_docs import readme
from geoaudit_docs.markdown import code, first_paragraph, prose, table
from geoaudit_reports.html.glossary import GROUPS, Entry
from geoaudit_reports.outputs import OUTPUTS


def exit_codes() -> str:
    """Every exit code and what it means, by the words beside its definition."""
    rows = [(code(int(member)), prose(told)) for member, told in _documented(ExitCode)]
    return table(("Code", "Meaning"), rows)


def _documented(enumeration: type[ExitCode]) -> Iterator[tuple[ExitCode, str]]:
    """Members with the strings that follow them in the source."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(enumeration))).body
    assert isinstance(definition, ast.ClassDef)
    for statement, after in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(statement, ast.Assign) and isinstance(after, ast.Expr):
            (name,) = statement.targets
            assert isinstance(name, ast.Name)
            yield enumeration[name.id], str(ast.literal_eval(after.value))


def error_kinds() -> str:
    """Every kind of error that ends a run, and the exit code that it ends with."""
    kinds = [kind for kind in GeoauditError.__subclasses__() if kind is not NotApplicable]
    rows = [(code(kind.__name__), prose(first_paragraph(kind.__doc__)), code(int(kind.exit_code))) for kind in kinds]
    return table(("Error", "What happened", "Code"), rows)


def budgets() -> str:
    """What each budget allows."""
    rows = []
    for name, budget in BUDGETS.items():
        regions = sorted({r.region_px for r in budget.readings if r.region_px is not None})
        second = ", ".join(f"{size} px" for size in regions)
        rows.append(
            (
                code(name),
                str(budget.quadrature.node_limit),
                f"{budget.quadrature.tolerance:.0%}".replace("%", " %"),
                str(budget.sweep.steps),
                f"regions of {second}; signed order" if budget.readings else "none",
                f"{budget.seeds}, on {budget.seed_images} images",
            )
        )
    headings = ("Budget", "Gradients a walk, at most", "Tolerance", "Steps of a masking curve")
    return table((*headings, "Second readings of SRG", "Seeds of stochastic methods"), rows, numbers=(1, 2, 3))


def flags() -> str:
    """What a method may say of itself."""
    return table(("Flag", "Meaning"), [(code(flag), prose(meaning)) for flag, meaning in MEANINGS.items()])


def glossary() -> str:
    """The report's own glossary, group by group."""
    return "\n\n".join(f"## {prose(title)}\n\n" + "\n\n".join(map(_word, entries)) for title, entries in GROUPS)


def _word(entry: Entry) -> str:
    told = [f"- *{name}:* {prose(text)}" for name, text in entry.facts]
    parts = (f"### {prose(entry.term)} {{ #{entry.anchor} }}", code(entry.formula) if entry.formula else "",
             prose(entry.meaning), "\n".join(told))  # fmt: skip
    return "\n\n".join(part for part in parts if part)


def outputs() -> str:
    """The machine formats."""
    return table(("Option", "What is written"), [(code(f"--{o.name} FILE"), prose(o.help)) for o in OUTPUTS])


def selftest() -> str:
    """Every case of the self-test with what came out when the site was built and what was expected.

    Raises:
        RuntimeError: a case failed; a site that says so in passing would be worse than none.
    """
    cases = run_selftest()
    failed = [described(case) for case in cases if case.status != Status.PASS]
    if failed:
        raise RuntimeError(f"the self-test failed: {'; '.join(failed)}")
    rows = [(prose(case.case), "; ".join(_measured(case))) for case in cases]
    return f"All {len(cases)} cases pass.\n\n" + table(("Case", "Measured, and expected"), rows)


def _measured(case: CalibrationCase) -> Iterator[str]:
    for name, value in case.expected.items():
        words = name.replace("_", " ")
        yield f"{prose(words)}: {_shown(case.measured[name])}, {_shown(value)}"


def _shown(value: float | list[float]) -> str:
    if isinstance(value, list):
        return "(" + ", ".join(_shown(v) for v in value) + ")"
    return f"{round(value, 3) + 0.0:g}".replace("-", "−")


def architectures(which: str) -> str:
    """The exported classifiers of `make matrix`: "known" or "held-out"."""
    listed = runpy.run_path(str(readme.ROOT / "tests" / "matrix" / "architectures.py"))
    names = listed["ARCHITECTURES" if which == "known" else "HELD_OUT"]
    return ", ".join(code(name) for name in sorted(names)) + "."
