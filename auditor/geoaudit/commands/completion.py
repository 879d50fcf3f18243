"""`geoaudit completion`: the shell completes commands, options, plugin ids and files from then on."""

from __future__ import annotations

import os

import click

from geoaudit.completion import SHELLS, install, present_shell, script


@click.command()
@click.argument("shell", type=click.Choice(SHELLS), required=False)
@click.option("--print", "print_", is_flag=True, help="Print the script instead of installing it.")
@click.pass_context
def completion(ctx: click.Context, shell: str | None, print_: bool) -> None:
    """Install completion for SHELL: bash, zsh or fish; by default the one in $SHELL.

    The script goes below ~/.local/share (fish: ~/.config), and for bash and zsh a marked block that loads it into
    ~/.bashrc or ~/.zshrc.  Doing it again replaces both.
    """
    shell = shell or present_shell(os.environ)
    text = script(shell, ctx.find_root().command)
    if print_:
        click.echo(text, nl=False)
        return
    done = install(shell, text)
    loaded = f", loaded by {done.startup}" if done.startup else ""
    click.echo(f"Completion for {shell}: {done.script}{loaded}.  Open a new shell.", err=True)
    click.echo(str(done.script))
