"""Starts command lines in processes of their own without importing torch anew for each: it imports once, then forks.

Reads one JSON object a line from stdin (argv, cwd, env, path, out, err), answers {"pid": ...} when the process
has started and {"code": ...} when it has ended.  Nothing numerical runs in this process, so that it has no threads
when it forks.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from importlib import import_module
from typing import Any, NoReturn

HEAVY = ("geoaudit.cli", "geoaudit.audit.execute", "geoaudit.listing", "geoaudit_reports.html.document")


def serve() -> None:
    """Answer until stdin ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    for name in HEAVY:
        import_module(name)
    from geoaudit.registry import load

    load(())
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _run(request)
        print(json.dumps({"pid": pid}), file=answers, flush=True)
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"code": os.waitstatus_to_exitcode(status)}), file=answers, flush=True)


def _run(request: dict[str, Any]) -> NoReturn:
    """Become the command line: arguments, folder, environment and standard streams."""
    from geoaudit.cli import main

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    for target, place in ((0, os.devnull), (1, request["out"]), (2, request["err"])):
        flags = os.O_RDONLY if target == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        os.dup2(os.open(place, flags), target)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    sys.path[:0] = request["path"]
    sys.argv = ["geoaudit", *request["argv"]]
    code = 0
    try:
        main()
    except SystemExit as leaving:
        code = int(leaving.code or 0)
    except BaseException:  # what Python itself would do with it
        sys.excepthook(*sys.exc_info())
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    serve()
