"""Shell completion: which words a shell offers, and where its script is kept.

The scripts are click's.  Nothing heavy is imported: a shell waits for the answer.
"""

from __future__ import annotations

import os
import shlex
import stat
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import click
from click.shell_completion import CompletionItem, get_completion_class

from geoaudit.errors import OutputError, UsageError

SHELLS = ("bash", "zsh", "fish")
_VARIABLE = "_GEOAUDIT_COMPLETE"
_BEGIN, _END = "# >>> geoaudit completion >>>", "# <<< geoaudit completion <<<"

Completer = Callable[[click.Context, click.Parameter, str], "list[CompletionItem[str]]"]


def ids(*shelves: str, words: tuple[str, ...] = ()) -> Completer:
    """Completes comma-separated plugin ids.

    Args:
        shelves: folders of the built-in plugins, such as "methods".
        words: what else may be named.
    """

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        begun, comma, last = incomplete.rpartition(",")
        named = begun.split(",")
        known = [*words, *(name for shelf in shelves for name in built_in(shelf))]
        return [CompletionItem(begun + comma + name) for name in known if name.startswith(last) and name not in named]

    return complete


def built_in(shelf: str) -> list[str]:
    """Ids of the built-in plugins of a folder, sorted: their files are named after them."""
    from geoaudit_plugins import BUILT_IN

    places = (place.partition(":")[0].split(".") for place in BUILT_IN)
    return sorted(parts[-1].replace("_", "-") for parts in places if len(parts) == 3 and parts[1] == shelf)


def script(shell: str, cli: click.Command) -> str:
    """The script that teaches `shell` to complete `geoaudit`."""
    made = get_completion_class(shell)
    assert made is not None, f"click knows {SHELLS}"
    # click runs bash to learn its version; the script itself does not depend on it
    source = made(cli, {}, "geoaudit", _VARIABLE)
    return f"{(source.source_template % source.source_vars()).strip()}\n"


@dataclass(frozen=True)
class Installed:
    """Where a completion script went.

    Attributes:
        script: the file that holds it.
        startup: the shell's own file that loads it; None where the shell finds the script by itself.
    """

    script: Path
    startup: Path | None


def present_shell(environ: Mapping[str, str]) -> str:
    """The user's shell by $SHELL.

    Raises:
        UsageError: it is unknown, or one that there is no completion for.
    """
    name = Path(environ.get("SHELL", "")).name
    if name not in SHELLS:
        raise UsageError(
            "geoaudit completion",
            f"the shell is {name or 'not known ($SHELL is empty)'}",
            f"Name one: {', '.join(SHELLS)}.",
        )
    return name


def install(shell: str, text: str, environ: Mapping[str, str] = os.environ) -> Installed:
    """Keep the script where `shell` finds it; doing it again replaces it.

    Raises:
        OutputError: a file cannot be written.
    """
    home = Path(environ.get("HOME") or Path.home())
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    if shell == "fish":
        return Installed(_write(config / "fish" / "completions" / "geoaudit.fish", text), None)
    kept = _write(data / "geoaudit" / f"completion.{shell}", text)
    startup = home / ".bashrc" if shell == "bash" else Path(environ.get("ZDOTDIR") or home) / ".zshrc"
    before, named = _read(startup), shlex.quote(str(kept))
    lines = [_BEGIN, f"[ -f {named} ] && . {named}", _END]
    if shell == "zsh":  # the script registers itself with the completion system, which must have been started
        lines.insert(1, "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }")
    _write(startup, _with_block(before, "\n".join(lines)))
    return Installed(kept, startup)


def _with_block(text: str, block: str) -> str:
    """`text` with the marked block put in, or replaced where it stands already."""
    head, begun, rest = text.partition(_BEGIN)
    _, ended, tail = rest.partition(_END)
    if begun and ended:
        return head + block + tail
    gap = "" if not text or text.endswith("\n") else "\n"
    return f"{text}{gap}{block}\n"


def _read(path: Path) -> str:
    """The file's text, bytes that are no UTF-8 and line ends kept as they are; empty where there is none."""
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise _refused(path, "read", error) from None


def _write(path: Path, text: str) -> Path:
    """Write the file whole or not at all: a shell's start-up file is the user's own, and keeps its links and rights."""
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        place = path.resolve()
        handle, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
        temporary = Path(name)
        with os.fdopen(handle, "wb") as stream:
            stream.write(text.encode("utf-8", "surrogateescape"))
        temporary.chmod(stat.S_IMODE(place.stat().st_mode) if place.exists() else 0o644)
        temporary.replace(place)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise _refused(path, "written", error) from None
    return path


def _refused(path: Path, done: str, error: OSError) -> OutputError:
    reason = f"cannot be {done} ({error.strerror or error})"
    return OutputError(str(path), reason, "Use --print and load the script yourself.")
