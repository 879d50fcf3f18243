"""Which plugins exist.

Built-ins come from an explicit list of classes, and of functions that make an `Offer` of several. Third
parties declare an entry point in the group `geoaudit.plugins` whose value is a plugin class; its id must be
"<distribution>/<name>", so that nobody can replace a built-in or another package's plugin. `pinned` says
which distributions may load at all.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from pydantic import ValidationError

from geoaudit import __version__
from geoaudit.api import Check, Imputer, Method, Metric
from geoaudit.errors import PluginError, UsageError

GROUP = "geoaudit.plugins"
_FACTS = ("id", "title", "reference")
_BUDGETS = ("quick", "standard", "thorough")  # ascending


@dataclass(frozen=True)
class Entry:
    """A plugin class and who provides it.

    Attributes:
        cls: the class.
        provider: distribution and version, such as "geoaudit 0.1.0".
    """

    cls: type[Any]
    provider: str


@dataclass(frozen=True)
class Offer:
    """Several plugin classes of one provider, made by a function: adapters of a package that may be missing.

    Attributes:
        provider: distribution and version, such as "captum 0.9.0".
        classes: the classes; empty where the package is not installed.
    """

    provider: str
    classes: tuple[type[Any], ...]


@dataclass(frozen=True)
class Registry:
    """All loaded plugins by id; methods include the controls."""

    methods: dict[str, Entry] = field(default_factory=dict)
    metrics: dict[str, Entry] = field(default_factory=dict)
    checks: dict[str, Entry] = field(default_factory=dict)
    imputers: dict[str, Entry] = field(default_factory=dict)

    def add(self, cls: type[Any], provider: str) -> None:
        """Register one class.

        Raises:
            PluginError: it is no plugin, lacks a fact about itself, or its id is taken.
        """
        shelf = self._shelf(cls, provider)
        missing = [fact for fact in _FACTS if not isinstance(getattr(cls, fact, None), str)]
        if missing:
            raise PluginError(
                f"plugin {cls.__module__}.{cls.__qualname__} ({provider})",
                f"does not declare {', '.join(missing)}",
                "Set them as class attributes.",
            )
        _require_known(cls, provider)
        plugin_id: str = cls.id
        if plugin_id in shelf:
            raise PluginError(
                f"plugin id '{plugin_id}'",
                f"is declared by {shelf[plugin_id].provider} and by {provider}",
                "Uninstall one of them, or choose with --plugins which packages load.",
            )
        shelf[plugin_id] = Entry(cls, provider)

    def _shelf(self, cls: type[Any], provider: str) -> dict[str, Entry]:
        kinds = ((Method, self.methods), (Metric, self.metrics), (Check, self.checks), (Imputer, self.imputers))
        for base, shelf in kinds:
            if isinstance(cls, type) and issubclass(cls, base):
                return shelf
        raise PluginError(
            f"plugin {cls!r} ({provider})",
            "is no Method, Metric, Check or Imputer",
            "Derive it from one of these classes of the package geoaudit.",
        )

    def within(self, kind: Literal["metrics", "checks"], budget: str) -> list[str]:
        """Ids of the metrics or checks that run under this budget without being named, sorted."""
        shelf = self.metrics if kind == "metrics" else self.checks
        allowed = _BUDGETS[: _BUDGETS.index(budget) + 1]
        return sorted(name for name, entry in shelf.items() if entry.cls.from_budget in allowed)

    def of_kind(self, kind: str) -> list[str]:
        """Ids of the methods of this kind ("method" or "control"), sorted."""
        return sorted(name for name, entry in self.methods.items() if entry.cls.kind == kind)

    def running(self, kind: str, *, all_: bool = False) -> list[str]:
        """Ids of the methods of this kind that run when none is named, or with "all", sorted."""
        wanted = ("by default", "with all") if all_ else ("by default",)
        return [name for name in self.of_kind(kind) if self.methods[name].cls.runs in wanted]


def _require_known(cls: type[Any], provider: str) -> None:
    """Facts that have a few possible values: a plugin with another one would never run, or break off a run.

    Raises:
        PluginError: a fact is missing or has no such value.
    """
    facts: dict[str, tuple[Any, ...]] = {}
    if issubclass(cls, (Metric, Check)):
        facts["from_budget"] = _BUDGETS
    if issubclass(cls, Metric):
        facts["higher_is_better"] = (True, False, None)
    if issubclass(cls, Check):
        facts["examines"] = ("model", "method")
    for fact, values in facts.items():
        if getattr(cls, fact, "") not in values:
            raise PluginError(
                f"plugin {cls.__module__}.{cls.__qualname__} ({provider})",
                f"declares no {fact} that there is",
                f"Set it as a class attribute to one of {', '.join(map(repr, values))}.",
            )


def load(pinned: Sequence[str] | None = None) -> Registry:
    """The built-ins and the third-party plugins that may load.

    Args:
        pinned: distributions whose plugins load; None for all that are installed, () for built-ins only.

    Raises:
        PluginError: a plugin cannot be imported or breaks a rule.
        UsageError: a pinned distribution is not installed or has no plugin.
    """
    from geoaudit_plugins import BUILT_IN

    registry = Registry()
    for place in BUILT_IN:
        module, name = place.split(":")
        for cls, provider in _offered(getattr(import_module(module), name)):
            registry.add(cls, provider)
    found = sorted(entry_points(group=GROUP), key=lambda point: (_distribution(point), point.name))
    _require_installed(pinned, found)
    for point in found:
        if pinned is None or _distribution(point) in pinned:
            registry.add(*_third_party(point))
    return registry


def _offered(found: type[Any] | Callable[[], Offer]) -> list[tuple[type[Any], str]]:
    """The classes behind one place of the built-ins' list, each with its provider."""
    if isinstance(found, type):
        return [(found, f"geoaudit {__version__}")]
    offer = found()
    return [(cls, offer.provider) for cls in offer.classes]


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "unknown"


def _require_installed(pinned: Sequence[str] | None, found: Sequence[EntryPoint]) -> None:
    installed = {_distribution(point) for point in found}
    for name in pinned or ():
        if name not in installed:
            known = ", ".join(sorted(installed)) or "no third-party plugin is installed"
            raise UsageError(f"--plugins {name}", "no installed package of that name has plugins", f"Found: {known}.")


def _third_party(point: EntryPoint) -> tuple[type[Any], str]:
    name = _distribution(point)
    provider = f"{name} {point.dist.version if point.dist is not None else ''}".strip()
    try:
        cls: type[Any] = point.load()
    except Exception as error:
        raise PluginError(
            f"plugin {point.value} ({provider})",
            f"cannot be imported ({type(error).__name__}: {error})",
            "Repair or uninstall it, or leave it out: --plugins none loads the built-ins only.",
        ) from error
    if not str(getattr(cls, "id", "")).startswith(f"{name}/"):
        raise PluginError(
            f"plugin {point.value} ({provider})",
            f"has the id '{getattr(cls, 'id', None)}', which does not start with '{name}/'",
            f"Third-party ids are package/name: '{name}/...'.",
        )
    return cls, provider


def pick(shelf: Mapping[str, Entry], wanted: Iterable[str], what: str) -> list[str]:
    """The wanted ids, checked.

    Raises:
        UsageError: an id is unknown; the message suggests the nearest one.
    """
    chosen = list(dict.fromkeys(wanted))
    for name in chosen:
        if name not in shelf:
            near = difflib.get_close_matches(name, shelf, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(sorted(shelf))}."
            package, slash, _ = name.partition("/")
            if slash and not any(known.startswith(f"{package}/") for known in shelf):
                hint = f"Is the package {package} installed? {hint}"
            raise UsageError(f"{what} '{name}'", "is unknown", hint)
    return chosen


def create(entry: Entry, budget: str, settings: Mapping[str, str], methods: Mapping[str, Entry] | None = None) -> Any:
    """A plugin with its parameters bound: defaults, then the budget's, then the user's settings.

    Args:
        entry: the plugin.
        budget: name of the budget.
        settings: the user's values by parameter.
        methods: the shelf that a base method is taken from; the built-ins' if None.

    Raises:
        UsageError: a setting is unknown or has a value that the plugin refuses.
    """
    cls = entry.cls
    values: dict[str, Any] = {**getattr(cls, "budgets", {}).get(budget, {}), **settings}
    try:
        parameters = cls.Parameters(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        known = ", ".join(cls.Parameters.model_fields) or "it has none"
        reason = "no such parameter" if first["type"] == "extra_forbidden" else first["msg"].lower()
        raise UsageError(f"--set {cls.id}.{name}", reason, f"Parameters of {cls.id}: {known}.") from error
    if getattr(cls, "base_parameter", None) is None:
        return cls(parameters)
    return cls(parameters, _base(cls, getattr(parameters, cls.base_parameter), budget, methods))


def _base(cls: type[Any], wanted: str, budget: str, methods: Mapping[str, Entry] | None) -> Any:
    """The method that another one builds upon.

    Raises:
        UsageError: there is none of that id, or it builds upon another one itself.
    """
    shelf = load(()).methods if methods is None else methods
    what = f"--set {cls.id}.{cls.base_parameter}"
    (name,) = pick(shelf, (wanted,), what)
    if shelf[name].cls.base_parameter is not None:
        raise UsageError(f"{what}={name}", "builds upon another method itself", "Name a method that stands by itself.")
    return create(shelf[name], budget, {}, shelf)
