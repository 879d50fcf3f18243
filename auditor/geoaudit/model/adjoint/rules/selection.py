"""Operators that choose between tensors by a condition."""

from __future__ import annotations

from geoaudit.model.adjoint.rules.registry import Site, rule


@rule("Where")
def where(site: Site) -> list[str | None]:
    """One tensor where a condition holds, else the other."""
    tape = site.tape
    none = tape.number(0.0, site.y)
    made = {}
    if site.wanted[1]:
        kept = tape.op("Where", site.x(0), site.g, none)
        made["x1"] = tape.unbroadcast(kept, site.out, site.shape(1))
    if site.wanted[2]:
        kept = tape.op("Where", site.x(0), none, site.g)
        made["x2"] = tape.unbroadcast(kept, site.out, site.shape(2))
    return site.results(**made)


@rule("Floor", "Ceil", "Round", "Sign")
def steps(site: Site) -> list[str | None]:
    """A step function: no derivative."""
    return site.results()
