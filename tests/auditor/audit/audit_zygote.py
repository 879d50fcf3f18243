"""Audits that can be killed, in processes of their own: everything is imported once, then each audit is forked off.

Reads one JSON object a line from stdin and answers {"status": ...} when the audit has ended: its exit code, or minus
the signal that ended it.  Nothing numerical runs in this process, so that it has no threads when it forks.

    model, images, folder   of the audit; report.json of it goes to folder/report.json
    log                     a file that gets a line for every stage that is made
    settings                further settings
    puts                    kill the process when it keeps its n-th value
    when                    "before" that is committed, or "after"
    seconds                 kill the process after so many seconds
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

HEAVY = ("geoaudit.audit.execute", "geoaudit_reports.json_report")
PLAIN = {
    "methods": ("gradient", "smoothgrad"),
    "skip": ("edges", "input-difference", "uniform-complete"),
    "metrics": ("complexity",),
    "checks": ("completeness", "parity", "seed-reliability"),
    "imputers": ("baseline",),
    "parameters": {"smoothgrad": {"samples": "4"}},
    "budget": "quick",
    "batch_size": 4,
    "channels_last": False,
    "gradient_engine": "torch",
    "device": "cpu",
    "threads": 1,
    "seed": 5,
}


def serve() -> None:
    """Answer until stdin ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for name in HEAVY:
        import_module(name)
    from geoaudit.audit.store import keys
    from geoaudit.model.onnx2torch_import import load_onnx2torch
    from geoaudit.registry import load

    load(())
    load_onnx2torch()
    keys.code()
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _run(json.loads(line))
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"status": os.waitstatus_to_exitcode(status)}), file=answers, flush=True)


def _run(request: dict[str, Any]) -> NoReturn:
    code = 1
    try:
        _audit(request)
        code = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    sys.stderr.flush()
    os._exit(code)


def _audit(request: dict[str, Any]) -> None:
    from geoaudit.audit.maps import MapWriter
    from geoaudit.audit.observer import Silent
    from geoaudit.audit.settings import Settings
    from geoaudit.audit.store.store import Store
    from geoaudit_reports import json_report

    _lighten()
    _log_to(Path(request["log"]))
    if "puts" in request:
        _die_at(request["puts"], request["when"])
    if "seconds" in request:
        threading.Thread(target=_die_after, args=(request["seconds"],), daemon=True).start()
    given = {**PLAIN, **request.get("settings", {})}
    settings = Settings(model=Path(request["model"]), images=Path(request["images"]), plugins=(), **given)
    folder = Path(request["folder"])
    with Store(folder, Silent()) as store, MapWriter(folder) as maps:
        report = sys.modules["geoaudit.audit.execute"].run_audit(settings, maps, Silent(), store=store)
        maps.keep()
        (folder / "report.json").write_text(json_report.dumps(report), encoding="utf-8")


def _lighten() -> None:
    """No calibration to speak of, which has tests of its own, and few masked images."""
    from geoaudit.api import Status
    from geoaudit.audit import execute
    from geoaudit.audit.result import CalibrationCase
    from geoaudit.audit.settings import BUDGETS

    case = CalibrationCase(case="2 + 2", status=Status.PASS, expected={"sum": 4.0}, measured={"sum": 4.0})
    execute.run_selftest = lambda quick, gradients, seed: [case]
    quick = BUDGETS["quick"]
    BUDGETS["quick"] = replace(quick, sweep=replace(quick.sweep, steps=2), seeds=2)


def _log_to(path: Path) -> None:
    """Note every stage as it is made."""
    from geoaudit.audit.store.shelf import StoredShelf

    true_one = StoredShelf._once

    def once(self: Any, key: str, place: tuple[str, str, str], kind: Any, make: Callable[[], Any], worth: Any) -> Any:
        def noted() -> Any:
            made = make()
            with path.open("a", encoding="utf-8") as log:
                log.write(f"{place[1]}: {place[2]}\n")
            return made

        return true_one(self, key, place, kind, noted, worth)

    StoredShelf._once = once


def _die_at(puts: int, when: str) -> None:
    from geoaudit.audit.store.database import Database

    true_one, left = Database.put, [puts]

    def put(self: Any, key: str, row: Any) -> None:
        left[0] -= 1
        if left[0] == 0 and when == "before":
            _die()
        true_one(self, key, row)
        if left[0] == 0:
            _die()

    Database.put = put


def _die_after(seconds: float) -> None:
    time.sleep(seconds)
    _die()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    serve()
