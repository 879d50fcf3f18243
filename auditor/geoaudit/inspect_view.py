"""`geoaudit inspect` for people: sections of at most 80 columns."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from geoaudit.audit.inspection import Estimate, Inspection
from geoaudit.audit.result import TensorInfo
from geoaudit.engine_view import show_engines

_STYLES = {"with gradients": "green", "without gradients": "yellow", "no": "red"}


def show(inspection: Inspection, out: Console) -> None:
    """Print everything that was found out."""
    for title, rows in (
        ("Model", list(_identity(inspection))),
        ("Explained output", list(_output(inspection))),
        ("Preprocessing", [(k, f"{_plain(v.value)}  ({v.source})") for k, v in inspection.data.preprocess.items()]),
        ("Comparison with onnxruntime", list(_parity(inspection))),
        ("Cost on this machine", list(_cost(inspection.estimate))),
    ):
        if rows:
            _section(title, rows, out)
    _operators(inspection, out)
    if inspection.engines:
        show_engines(inspection.engines, out)
    for note in inspection.notes:
        out.print(f"Note: {note}", markup=False)
    for problem in inspection.problems:
        out.print(f"Problem: {problem.thing}: {problem.reason}\n  {problem.way_out}", style="yellow", markup=False)
    verdicts = {
        "with gradients": "This model can be audited.",
        "without gradients": "This model can only be audited by black-box methods: add --gradient-free.",
        "no": "This model cannot be audited as it is.",
    }
    if inspection.auditable == "with gradients" and inspection.problems:
        verdict = "The model converts; what is missing for an audit stands above."
    else:
        verdict = verdicts[inspection.auditable]
    out.print(verdict, style=_STYLES[inspection.auditable], markup=False)


def _section(title: str, rows: list[tuple[str, str]], out: Console) -> None:
    table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for row in rows:
        table.add_row(*row)
    out.print(table, markup=False)
    out.print()


def _identity(inspection: Inspection) -> Iterator[tuple[str, str]]:
    model = inspection.model
    yield "file", f"{model.file}, {_bytes(model.bytes)}"
    yield "sha256", model.sha256
    if model.external_data:
        yield "external data", ", ".join(model.external_data)
    yield "producer", model.producer or "not stated"
    opsets = ", ".join(f"{domain} {version}" for domain, version in model.opsets.items())
    yield "format", f"IR version {model.ir_version}, operator sets {opsets}"
    for tensor in model.inputs:
        yield "input", _tensor(tensor)
    for tensor in model.outputs:
        yield "output", _tensor(tensor)
    if model.conversion.passes:
        yield "clean-up", ", ".join(model.conversion.passes)


def _output(inspection: Inspection) -> Iterator[tuple[str, str]]:
    output = inspection.model.explained_output
    if output is not None:
        yield "tensor", f"{output.name}, {inspection.model.classes} classes ({output.kind})"
        yield "explained", f"{output.space}: {output.reading}"


def _parity(inspection: Inspection) -> Iterator[tuple[str, str]]:
    parity = inspection.parity
    if parity is not None:
        yield "status", str(parity.status)
        yield "random input", parity.reason


def _cost(estimate: Estimate | None) -> Iterator[tuple[str, str]]:
    if estimate is None:
        return
    yield "weights", _bytes(estimate.weight_bytes)
    yield "memory", f"{_bytes(estimate.activation_bytes)} kept for the gradient of one image"
    yield "gradient", f"{1e3 * estimate.seconds_per_gradient:.1f} ms an image"
    yield "forward", f"{1e3 * estimate.seconds_per_forward:.1f} ms an image"
    for budget, cost in estimate.per_image.items():
        text = f"{cost.gradients:,.0f} gradients, {cost.forwards:,.0f} forwards, about {cost.seconds:,.0f} s an image"
        yield f"budget {budget}", text


def _operators(inspection: Inspection, out: Console) -> None:
    table = Table(title="Operators after clean-up", title_justify="left")
    for column in ("operator", "version", "nodes", "converted by"):
        table.add_column(column, justify="right" if column in ("version", "nodes") else "left")
    for row in inspection.operators:
        name = row.name if row.domain == "ai.onnx" else f"{row.domain}.{row.name}"
        style = "red" if row.converter == "none" else None
        table.add_row(name, str(row.version), str(row.count), row.converter, style=style)
    out.print(table, markup=False)


def _tensor(tensor: TensorInfo) -> str:
    return f"{tensor.name} {tensor.dtype} [{', '.join(map(str, tensor.shape))}]"


def _bytes(count: int) -> str:
    value, units = float(count), ("bytes", "KiB", "MiB", "GiB", "TiB")
    unit = 0
    while value >= 1024 and unit + 1 < len(units):
        value, unit = value / 1024, unit + 1
    return f"{value:.1f} {units[unit]}" if unit else f"{count} bytes"


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
