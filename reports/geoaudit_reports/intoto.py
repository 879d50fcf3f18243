"""An in-toto statement: the policy's verdict as a test result about the model.

- The subject is the model by its sha256.  A model with external data has no such digest of one file: its digest
  goes under the name `concatenatedSha256` (lower-case hex of the sha256 over the file's bytes, followed by those
  of its external-data files in the order of the annotation).  Nothing that looks for `sha256` can mistake it.
- `result`: PASSED where every rule passed; WARNED where some were met with a warning or waived; FAILED where one
  failed or the audit was not completed.  The predicate knows no fourth value: without a policy the result is
  WARNED, `warnedTests` says that nothing was gated, and no test is called passed.
- `configuration` names what the result rests on, by digest.  That of report.json is over the report with this very
  verdict, as this version of geoaudit writes it.

The statement is not signed.  Sources: in-toto Attestation Framework, Statement v1, DigestSet v1.1 and predicate
test-result v0.1.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from geoaudit.audit.result import GateResult, NamedFile, Report
from geoaudit_reports import JSON_NAME, json_report
from geoaudit_reports.facts import broken, gated, verdict

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://in-toto.io/attestation/test-result/v0.1"
JOINED = "concatenatedSha256"
"""The digest's name for a model with external data."""
NOT_GATED = "policy: none was given, nothing was gated"
"""The test that is warned of where there is no policy."""
_RESULTS = {"PASS": "PASSED", "WARN": "WARNED", "FAIL": "FAILED", "not gated": "WARNED"}


def dumps(report: Report) -> str:
    """The statement as JSON, one newline at the end; the same report gives the same text."""
    statement = {
        "_type": STATEMENT,
        "subject": [_subject(report)],
        "predicateType": PREDICATE,
        "predicate": {"result": _RESULTS[verdict(report)], "configuration": _configuration(report)} | _tests(report),
    }
    return json.dumps(statement, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _subject(report: Report) -> dict[str, Any]:
    model = report.model
    if not model.external_data:
        return {"name": model.file, "digest": {"sha256": model.sha256}}
    annotations = {"digestOf": [model.file, *model.external_data], "bytes": model.bytes}
    return {"name": model.file, "digest": {JOINED: model.sha256}, "annotations": annotations}


def _tests(report: Report) -> dict[str, list[str]]:
    """The results' ids by outcome; what goes beyond the rules is told by a name of its own."""
    warned = _ids(report, "WARN", "WAIVED")
    failed = _ids(report, "FAIL")
    reason = broken(report)
    if reason is not None:
        failed.append(f"audit: {reason}")
    if not gated(report):
        warned.append(NOT_GATED)
    return {"passedTests": _ids(report, "PASS"), "warnedTests": warned, "failedTests": failed}


def _ids(report: Report, *wanted: str) -> list[str]:
    results: list[GateResult] = report.gate.results
    return [result.id for result in results if result.status in wanted]


def _configuration(report: Report) -> list[dict[str, Any]]:
    run, gate = report.run, report.gate
    settings = {"version": report.tool.version, "budget": run.budget, "seed": run.seed, "command": run.command}
    found = [{"name": report.tool.name, "annotations": settings}]
    if gated(report):
        judged = {"title": gate.title, "owner": gate.owner, "judged": run.judged}
        found.append(_resource(gate.policy or "policy", gate.sha256, {k: v for k, v in judged.items() if v}))
    text = json_report.dumps(report).encode("utf-8", "backslashreplace")
    about = {"digestOf": f"the report with this verdict, as geoaudit {report.tool.version} writes it"}
    found.append(_resource(JSON_NAME, hashlib.sha256(text).hexdigest(), about) | {"mediaType": "application/json"})
    if report.maps is not None:
        found.append(_file(report.maps))
    found.append(_manifest("images", report.data.manifest_sha256, report.data.count))
    learned = report.data.calibration
    if learned is not None:
        found.append(_manifest("calibration images", learned.manifest_sha256, learned.count))
    if report.model.autoencoder is not None:
        found += [_file(report.model.autoencoder.encoder), _file(report.model.autoencoder.decoder)]
    return found


def _manifest(name: str, digest: str, count: int) -> dict[str, Any]:
    return _resource(name, digest, {"digestOf": "the sorted lines '<sha256>  <id>', one an image", "images": count})


def _file(file: NamedFile) -> dict[str, Any]:
    return _resource(file.file, file.sha256)


def _resource(name: str, digest: str | None, annotations: dict[str, Any] | None = None) -> dict[str, Any]:
    made: dict[str, Any] = {"name": name}
    if digest:
        made["digest"] = {"sha256": digest}
    if annotations:
        made["annotations"] = annotations
    return made
