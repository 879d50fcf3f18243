"""The adjoint of each operator: small functions, one file a family.

A rule is given the derivative of the explained scalar with respect to a node's outputs and adds the nodes that compute
it with respect to the node's inputs.  At kinks it takes the derivative that the converted torch model has.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module

from geoaudit.model.adjoint.rules.registry import RULES, Rule, Site, rule

FAMILIES = (
    "activations",
    "arithmetic",
    "convolution",
    "indexing",
    "normalisation",
    "pooling",
    "products",
    "rearranging",
    "reductions",
    "resizing",
    "selection",
)
"""The modules that declare rules."""


@cache
def rules() -> dict[tuple[str, str], Rule]:
    """Every rule by (domain, operator)."""
    for family in FAMILIES:
        import_module(f"{__name__}.{family}")
    return RULES


__all__ = ["Rule", "Site", "rule", "rules"]
