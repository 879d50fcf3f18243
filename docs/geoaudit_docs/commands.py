"""A page for every command, from click's own declarations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from geoaudit.cli import cli
from geoaudit_docs.markdown import code, docstring, first_paragraph, prose, table


def contexts() -> Iterator[click.Context]:
    """A context for every command and sub-command, in the order of definition."""
    root = click.Context(cli, info_name="geoaudit", **_settings(cli))
    for name in cli.commands:
        yield from _below(cli.commands[name], name, root)


def _below(command: click.Command, name: str, parent: click.Context) -> Iterator[click.Context]:
    ctx = click.Context(command, info_name=name, parent=parent, **_settings(command))
    yield ctx
    if isinstance(command, click.Group):
        for below in command.commands:
            yield from _below(command.commands[below], below, ctx)


def _settings(command: click.Command) -> dict[str, Any]:
    return dict(command.context_settings)


def path(ctx: click.Context) -> str:
    """The words after `geoaudit`: "audit", "policy init"."""
    words = []
    at: click.Context | None = ctx
    while at is not None and at.parent is not None:
        words.append(str(at.info_name))
        at = at.parent
    return " ".join(reversed(words))


def page_name(ctx: click.Context) -> str:
    """The command's page, relative to the site."""
    return f"commands/{path(ctx).replace(' ', '-')}.md"


def pages() -> dict[str, str]:
    """Every command's page, and their index, by name."""
    return {"commands/index.md": _index(), **{page_name(ctx): _page(ctx) for ctx in contexts()}}


def _index() -> str:
    rows = [
        (f"[{code('geoaudit ' + path(ctx))}]({page_name(ctx).split('/')[-1]})", _short(ctx.command))
        for ctx in contexts()
    ]
    return (
        "# Commands\n\n"
        f"{code('geoaudit MODEL IMAGES')} is short for {code('geoaudit audit MODEL IMAGES')}: the command needs no "
        "name. Data go to stdout, talk goes to stderr.\n\n"
        f"{table(('Command', 'What it does'), rows)}\n"
        "See also: [exit codes](../exit-codes.md), [files](../files.md), "
        "[configuration and environment](../configuration.md).\n"
    )


def _short(command: click.Command) -> str:
    return prose(first_paragraph(command.help))


def usage(ctx: click.Context) -> str:
    """The usage line."""
    pieces = " ".join(ctx.command.collect_usage_pieces(ctx))
    name = "" if path(ctx) == "audit" else f" {path(ctx)}"
    return f"geoaudit{name} {pieces}"


def _page(ctx: click.Context) -> str:
    options = [p for p in ctx.command.params if isinstance(p, click.Option) and not p.hidden]
    parts = [f"# geoaudit {path(ctx)}", f"```text\n{usage(ctx)}\n```", docstring(ctx.command.help)]
    if isinstance(ctx.command, click.Group):
        below = [
            f"[{code('geoaudit ' + path(c))}]({page_name(c).split('/')[-1]})" for c in contexts() if _under(c, ctx)
        ]
        parts.append("Sub-commands: " + ", ".join(below) + ".")
    if options:
        parts += ["## Options", *(_option(option, ctx) for option in options)]
    parts.append("What the number at the end means is told under [exit codes](../exit-codes.md).")
    return "\n\n".join(part for part in parts if part) + "\n"


def _under(ctx: click.Context, group: click.Context) -> bool:
    return ctx.parent is not None and ctx.parent.command is group.command


def _option(option: click.Option, ctx: click.Context) -> str:
    """An option's section: how it is written, what it does, its default and its environment variable."""
    record = option.get_help_record(ctx)
    assert record is not None  # hidden options have been left out
    names = " ".join(record[0].split())
    title = f"### {code(names)} {{ #{anchor(option)} }}"
    default, variable = _default(option, ctx), environment(option, ctx)
    facts = [f"Default {default}." if default else "", f"Environment {code(variable)}." if variable else ""]
    return "\n\n".join([title, " ".join(part for part in (prose(option.help or ""), *facts) if part)])


def anchor(option: click.Option) -> str:
    """The fragment of an option's section."""
    return next(name for name in option.opts if name.startswith("--")).lstrip("-")


def _default(option: click.Option, ctx: click.Context) -> str:
    value = option.get_default(ctx, call=False)
    if option.is_flag or option.count or value is None or value == () or callable(value) or not _is_plain(value):
        return ""
    return code(value)


def _is_plain(value: Any) -> bool:
    return isinstance(value, (str, int, float)) or hasattr(value, "__fspath__")


def environment(option: click.Option, ctx: click.Context) -> str | None:
    """The environment variable that sets an option; None where there is none."""
    if option.envvar is not None:
        return option.envvar if isinstance(option.envvar, str) else str(next(iter(option.envvar)))
    if not option.allow_from_autoenv or ctx.auto_envvar_prefix is None or option.name is None:
        return None
    return f"{ctx.auto_envvar_prefix}_{option.name.upper()}"
