"""A CycloneDX 1.6 bill of materials with one component, the model, and its model card.

The card holds what the audit measured of the explanation methods: for every ranked method the metrics that the
ranking rests on, with their 95 % intervals (`slice` is the method's id).  What the file does not tell (version,
architecture, licence, training data) is left out, not guessed.  Everything that CycloneDX has no field for stands
in properties named `geoaudit:...`.  Serial number and times derive from the report: the same report gives the same
text.  Source: CycloneDX 1.6 JSON reference (ECMA-424).
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator
from typing import Any

from geoaudit.audit.result import RankingEntry, Report, ScoreSummary, TensorInfo
from geoaudit.words import counted
from geoaudit_reports import json_report
from geoaudit_reports.facts import broken, findings, policy_verdict, statuses, utc

RANKED_BY = ("srg", "ncc-violation")
"""The metrics that a ranking rests on."""
_MEANING = {
    "srg": "AUC(LeRF) - AUC(MoRF) of the target's probability, mean over the images; higher is better",
    "ncc-violation": "(S - |sum A|) / S with S = sum |A|, mean over the images, in [0, 1]; lower is better",
    "top-1 accuracy": "share of the images with a true label whose class with the highest probability it is",
}
_DIGEST_LENGTH = 12


def dumps(report: Report) -> str:
    """The bill of materials as JSON, one newline at the end."""
    digest = hashlib.sha256(json_report.dumps(report).encode("utf-8", "backslashreplace")).hexdigest()
    tool = {"type": "application", "name": report.tool.name, "version": report.tool.version}
    metadata: dict[str, Any] = {"tools": {"components": [tool]}}
    finished = utc(report.run.finished)
    if finished is not None:
        metadata = {"timestamp": finished.isoformat(timespec="seconds")} | metadata
    bill = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": uuid.uuid5(uuid.NAMESPACE_URL, f"geoaudit:report:{digest}").urn,
        "version": 1,
        "metadata": metadata,
        "components": [_component(report, digest)],
    }
    return json.dumps(bill, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _component(report: Report, digest: str) -> dict[str, Any]:
    model = report.model
    made: dict[str, Any] = {
        "type": "machine-learning-model",
        "bom-ref": f"model:{model.sha256}",
        "name": model.file,
        "version": f"sha256:{model.sha256[:_DIGEST_LENGTH]}",
        "description": f"ONNX image classifier with {model.classes} {'class' if model.classes == 1 else 'classes'}",
    }
    if not model.external_data:  # with external data the digest is of several files, joined
        made["hashes"] = [{"alg": "SHA-256", "content": model.sha256}]
    metrics = list(_metrics(report))
    made["modelCard"] = {
        "bom-ref": f"model-card:{digest}",
        "modelParameters": {
            "task": "image-classification",
            "datasets": list(_datasets(report)),
            "inputs": [{"format": _tensor(tensor, "image")} for tensor in model.inputs],
            "outputs": [{"format": _tensor(tensor, "class scores")} for tensor in model.outputs],
        },
        "quantitativeAnalysis": {"performanceMetrics": metrics},
        "considerations": {"technicalLimitations": report.limitations}
        | ({"useCases": [report.context]} if report.context else {}),
        "properties": [{"name": f"geoaudit:{name}", "value": value} for name, value in _properties(report, digest)],
    }
    return made


def _datasets(report: Report) -> Iterator[dict[str, Any]]:
    data = report.data
    skipped = f" {counted(len(data.skipped), 'file')} left out." if data.skipped else ""
    yield _dataset(
        "audited images",
        f"{counted(data.count, 'image')} that the explanation methods were audited on. "
        f"Whether the model was trained on them is not known.{skipped}",
        data.manifest_sha256,
    )
    if data.calibration is not None:
        learned = counted(data.calibration.count, "image")
        text = f"{learned} that explanation methods learn from, {data.calibration.audited} of them audited too."
        yield _dataset("calibration images", text, data.calibration.manifest_sha256)


def _dataset(name: str, description: str, manifest: str) -> dict[str, Any]:
    properties = [{"name": "geoaudit:manifest-sha256", "value": manifest}]
    return {"type": "dataset", "name": name, "contents": {"properties": properties}, "description": description}


def _metrics(report: Report) -> Iterator[dict[str, Any]]:
    accuracy = report.data.labels.top1_accuracy
    if accuracy is not None:
        yield {"type": "top-1 accuracy", "value": repr(accuracy)}
    for name, method, score in _scores(report):
        if score is not None and score.mean is not None:
            yield {"type": name, "value": repr(score.mean), "slice": method} | _interval(score)


def _scores(report: Report) -> Iterator[tuple[str, str, ScoreSummary | None]]:
    """Every ranked method's score of every metric that ranks, in the ranking's order; None where it has none."""
    methods = {method.id: method for method in report.methods}
    for entry in report.ranking.entries:
        scores = methods[entry.method].scores if entry.method in methods else {}
        for name in RANKED_BY:
            yield name, entry.method, scores.get(name)


def _interval(score: ScoreSummary) -> dict[str, Any]:
    if score.ci_low is None or score.ci_high is None:
        return {}
    return {"confidenceInterval": {"lowerBound": repr(score.ci_low), "upperBound": repr(score.ci_high)}}


def _tensor(tensor: TensorInfo, kind: str) -> str:
    shape = " x ".join(str(size) for size in tensor.shape)
    return f"{kind}: {tensor.dtype} [{shape}], tensor '{tensor.name}'"


def _properties(report: Report, digest: str) -> Iterator[tuple[str, str]]:
    """Pairs of name and value; a name may come more than once."""
    gate, ranking = report.gate, report.ranking
    yield "policy:verdict", policy_verdict(report)
    problem = broken(report)
    if problem is not None:
        yield "audit:problem", problem
    facts = {"file": gate.policy, "sha256": gate.sha256, "owner": gate.owner, "judged": report.run.judged}
    yield from ((f"policy:{name}", value) for name, value in facts.items() if value)
    if gate.in_use:
        yield "method-in-use", gate.in_use
    yield from (("policy:result", f"{result.status}: {result.id}") for result in gate.results)
    yield "ranking:status", ranking.status
    if ranking.reason:
        yield "ranking:reason", ranking.reason
    yield from ((f"ranking:{e.tier}", _place(e)) for e in ranking.entries)
    for name, method, score in _scores(report):
        if score is None or score.mean is None:
            yield "unscored", f"{name} of {method}: {(score.reason if score else None) or 'no score'}"
    yield from ((f"metric:{name}", text) for name, text in _MEANING.items())
    yield "checks", statuses(findings(report))
    loud = [check for check in findings(report) if check.status in ("FAIL", "ERROR")]
    yield from (("check", f"{c.status}: {c.id} of {c.method or 'the model'}: {c.reason}") for c in loud)
    yield from _provenance(report, digest)


def _place(entry: RankingEntry) -> str:
    """A method's position and what speaks against it: "2= gradient: SRG is not above edges"."""
    place = f"{entry.position} {entry.method}"
    return f"{place}: {'; '.join(entry.reasons)}" if entry.reasons else place


def _provenance(report: Report, digest: str) -> Iterator[tuple[str, str]]:
    model = report.model
    yield "report:sha256", digest
    if report.maps is not None:
        yield "maps:sha256", report.maps.sha256
    if model.external_data:
        yield "model:concatenated-sha256", model.sha256
        yield from (("model:external-data", name) for name in model.external_data)
    yield "parity:status", report.parity.status
    yield "explained-output", f"{model.explained_output.space} from '{model.explained_output.name}'"
    yield "budget", report.run.budget
    yield "seed", str(report.run.seed)
    yield "exit-code", str(report.exit_code)
