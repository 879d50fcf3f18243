"""A page for every method, control, metric, check and imputer, from the registry and the docstrings."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic.fields import FieldInfo

from geoaudit import registry
from geoaudit.api import Check, Method, Metric
from geoaudit.audit.settings import BUDGETS, IMPUTERS
from geoaudit.flags import MEANINGS
from geoaudit.registry import Entry
from geoaudit_docs.markdown import body, code, docstring, first_paragraph, literal, prose, table


@dataclass(frozen=True)
class Kind:
    """A kind of plugin.

    Attributes:
        folder: where its pages are.
        title: of the index.
        lead: what they have in common, in a paragraph of Markdown.
    """

    folder: str
    title: str
    lead: str


KINDS = {
    kind.folder: kind
    for kind in (
        Kind(
            "methods", "Methods",
            "An attribution method makes a heat map: one signed number for every input element. Those that run *with "
            "all* or *when named* are asked for by [`--methods`](../commands/audit.md#methods).",
        ),
        Kind(
            "controls", "Controls",
            "A control is a map that cannot be an explanation. It is scored like every method and never takes a place "
            "in the ranking. Each method also gets the control `inverted:<method>`: its map negated where a metric "
            "reads signs, its order of importance reversed where a metric reads magnitudes.",
        ),
        Kind(
            "metrics", "Metrics",
            "A metric gives a map one number an image. What may be concluded from it depends on whether it passed its "
            "own test on this model: see [metric "
            "health](../reading-a-report.md#health-of-the-metrics-and-calibration).",
        ),
        Kind(
            "checks", "Checks",
            "A check asks one question of a method or of the model and answers with PASS, WARN, FAIL, INCONCLUSIVE, "
            "SKIP or ERROR. A *gate check* rejects a method that fails it. Another failure puts it under caution.",
        ),
        Kind(
            "imputers", "Imputers",
            "An imputer says what stands in for a masked region. Scores depend on it, so the masked sweep reads with "
            "two and the report says how far they agree.",
        ),
    )
}  # fmt: skip


def shelves() -> Mapping[str, Mapping[str, Entry]]:
    """The built-in plugins by kind and id, and captum's where captum is installed."""
    loaded = registry.load(())
    return {
        "methods": {name: loaded.methods[name] for name in loaded.of_kind("method")},
        "controls": {name: loaded.methods[name] for name in loaded.of_kind("control")},
        "metrics": dict(sorted(loaded.metrics.items())),
        "checks": dict(sorted(loaded.checks.items())),
        "imputers": dict(sorted(loaded.imputers.items())),
    }


def page_name(kind: str, plugin: str) -> str:
    """The page of a plugin, relative to the site."""
    return f"{kind}/{plugin.replace('/', '-').lower()}.md"


def pages() -> dict[str, str]:
    """Every plugin's page, and one index a kind, by name."""
    found = {}
    for kind, shelf in shelves().items():
        found[f"{kind}/index.md"] = _index(KINDS[kind], shelf)
        for name, entry in shelf.items():
            found[page_name(kind, name)] = _page(kind, entry)
    return found


def _index(kind: Kind, shelf: Mapping[str, Entry]) -> str:
    headings: dict[str, tuple[str, ...]] = {
        "methods": ("Id", "What", "Runs", "Needs"),
        "metrics": ("Id", "What", "Better", "Runs from"),
        "checks": ("Id", "What", "Examines", "Failure means", "Runs from"),
        "imputers": ("Id", "What", "In the sweep"),
    }
    rows = []
    for name, entry in shelf.items():
        facts = _facts(kind.folder, entry.cls)
        link = f"[{code(name)}]({page_name(kind.folder, name).split('/')[-1]})"
        wanted = headings.get(kind.folder, ("Id", "What"))[2:]
        rows.append((link, prose(_lead(entry.cls)), *(facts[heading] for heading in wanted)))
    return f"# {kind.title}\n\n{kind.lead}\n\n" + table(headings.get(kind.folder, ("Id", "What")), rows)


def _lead(cls: type[Any]) -> str:
    """What it is, in a sentence: the first paragraph of its module, or of the class where several share a module."""
    own = first_paragraph(cls.__doc__)
    text = own if _shares_module(cls) else first_paragraph(_module_doc(cls))
    return text or own


def _shares_module(cls: type[Any]) -> bool:
    return cls.__module__.startswith("geoaudit_plugins.captum_methods")


def _module_doc(cls: type[Any]) -> str | None:
    return sys.modules[cls.__module__].__doc__


def _page(kind: str, entry: Entry) -> str:
    cls = entry.cls
    parts = [f"# {literal(cls.title)}", f"{code(cls.id)}", f"*{prose(_lead(cls))}*"]
    own = docstring(cls.__doc__)
    if own and first_paragraph(cls.__doc__) != _lead(cls):
        parts.append(own)
    parts.append(_fact_table(kind, entry))
    parts.append(_parameters(cls))
    if issubclass(cls, Method):
        parts.append(_costs(entry))
    text = _text(cls)
    if text:
        parts.append(f"## In detail\n\n{text}")
    return "\n\n".join(part for part in parts if part) + "\n"


def _text(cls: type[Any]) -> str:
    """The module's docstring without its first paragraph, and that of a base class's module that tells more."""
    told = []
    modules = [cls.__module__, *(base.__module__ for base in cls.__mro__[1:])]
    for name in dict.fromkeys(m for m in modules if m.startswith("geoaudit_plugins")):
        text = body(sys.modules[name].__doc__)
        rest = text if name != cls.__module__ or _shares_module(cls) else text.partition("\n\n")[2]
        if "\n\n" in rest or (rest and name == cls.__module__):
            told.append(docstring(rest))
    return "\n\n".join(told)


def _facts(kind: str, cls: type[Any]) -> dict[str, str]:
    """What it declares about itself, by heading."""
    facts: dict[str, str] = {}
    if issubclass(cls, Method):
        facts |= {"Family": cls.family, "Runs": cls.runs, "Needs": ", ".join(sorted(cls.needs)) or "outputs only"}
    if issubclass(cls, Metric):
        facts["Better"] = {True: "higher", False: "lower", None: "neither"}[cls.higher_is_better]
        facts["Ideal"] = "none" if cls.ideal is None else f"{cls.ideal:g}"
        facts["Evidence"] = ", ".join(sorted(cls.needs)) or "the map and its walk"
        facts["Tested by inverted maps"] = "yes" if cls.reads_importance else "no"
    if issubclass(cls, Check):
        who = "the model" if cls.examines == "model" else "every method"
        facts["Examines"] = who + (" and every control" if cls.examines_controls else "")
        facts["Failure means"] = _failure(cls)
        facts["Needs"] = ", ".join(sorted(cls.needs)) or "outputs only"
    if issubclass(cls, (Metric, Check)):
        facts["Runs from"] = f"budget {code(cls.from_budget)} on"
    if kind == "imputers":
        facts["In the sweep"] = "by default" if cls.id in IMPUTERS else "when named"
    return facts


def _failure(cls: type[Check]) -> str:
    if cls.examines == "model":
        return "the report tells it"
    return "**rejected** (gate check)" if cls.gate else "caution"


def _fact_table(kind: str, entry: Entry) -> str:
    cls = entry.cls
    rows = list(_facts(kind, cls).items())
    rows += [(f"Flag {code(flag)}", prose(MEANINGS[flag])) for flag in sorted(getattr(cls, "flags", ()))]
    rows += [("Source", prose(cls.reference)), ("From", literal(entry.provider)), ("File", code(_file(cls)))]
    return table(("Fact", "Value"), rows)


def _file(cls: type[Any]) -> str:
    return f"plugins/{cls.__module__.replace('.', '/')}.py"


def _parameters(cls: type[Any]) -> str:
    fields = cls.Parameters.model_fields
    if not fields:
        return "It has no parameters."
    rows = [(code(name), _type(field), *_values(cls, name, field), prose(field.description or ""))
            for name, field in fields.items()]  # fmt: skip
    headings = ("Parameter", "Values", *BUDGETS, "Meaning")
    first = next(iter(fields))
    option = code(f"--set {cls.id}.{first}=VALUE")
    return f"## Parameters\n\nDefaults by budget. Another value: {option}.\n\n" + table(headings, rows)


def _values(cls: type[Any], name: str, field: FieldInfo) -> Iterator[str]:
    """The default under each budget."""
    for budget in BUDGETS:
        given = getattr(cls, "budgets", {}).get(budget, {})
        value = given.get(name, field.get_default(call_default_factory=True))
        yield code(_shown(value))


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (tuple, list)):
        return ", ".join(_shown(item) for item in value) or "none"
    return "none" if value is None else str(value)


def _type(field: FieldInfo) -> str:
    """The allowed values in words."""
    from geoaudit_docs.models import bounds, type_words

    limits = bounds(field)
    return type_words(field.annotation) + (f", {limits}" if limits else "")


def _costs(entry: Entry) -> str:
    """What the plan counts for one image under each budget."""
    rows = []
    for name, budget in BUDGETS.items():
        method = registry.create(entry, name, {})
        cost = method.cost(budget.quadrature)
        rows.append((code(name), f"{cost.gradients:.0f}", f"{cost.forwards:.0f}"))
    if all(row[1:] == ("0", "0") for row in rows):
        return ""
    note = "What the plan before a run counts for one image. "
    if entry.cls.shares_line:
        note += "The straight line is part of it; a run pays for it once. "
    return f"## Cost\n\n{note}\n\n" + table(("Budget", "Gradients", "Forwards"), rows, numbers=(1, 2))
