"""What was audited, how it was prepared, and where everything came from."""

from __future__ import annotations

from geoaudit.api import Status
from geoaudit.audit.result import AutoencoderInfo, Report, Sourced, TensorInfo
from geoaudit_reports.html.cells import Cell, Column, Fact, Table, code, head, rows, status, text
from geoaudit_reports.html.formats import DASH, count, setting, significant, size
from geoaudit_reports.html.words import KINDS


def model(report: Report) -> tuple[Fact, ...]:
    """The file."""
    m = report.model
    metadata = [Fact(f"metadata {name}", text(value)) for name, value in sorted(m.metadata.items())]
    opsets = ", ".join(f"{domain or 'ai.onnx'} {version}" for domain, version in sorted(m.opsets.items()))
    return (
        Fact("File", code(m.file, size(m.bytes))),
        Fact("sha256", code(m.sha256)),
        Fact("External data", text(", ".join(m.external_data) or "none")),
        Fact("Producer", text(m.producer or "not named")),
        Fact("IR version, opsets", text(f"{m.ir_version}; {opsets}")),
        Fact("Inputs", text(_tensors(m.inputs))),
        Fact("Outputs", text(_tensors(m.outputs))),
        Fact("Classes", text(count(m.classes))),
        Fact("Explained output", code(m.explained_output.name, m.explained_output.space)),
        Fact("Taken before", text(m.explained_output.tail_removed or "nothing: it is the graph's own output")),
        Fact("Classes are", text(KINDS[m.explained_output.kind], m.explained_output.reading)),
        *_autoencoder(m.autoencoder),
        *metadata,
    )


def _autoencoder(found: AutoencoderInfo | None) -> tuple[Fact, ...]:
    if found is None:
        return ()
    return (
        Fact("Encoder", code(found.encoder.file, f"sha256 {found.encoder.sha256}")),
        Fact("Decoder", code(found.decoder.file, f"sha256 {found.decoder.sha256}")),
        Fact("Code", text(" × ".join(count(size_) for size_ in found.code_shape), "shape of one code")),
    )


def _tensors(tensors: list[TensorInfo]) -> str:
    return "; ".join(f"{t.name}: {t.dtype} [{', '.join(map(str, t.shape))}]" for t in tensors)


def conversion(report: Report) -> tuple[Fact, ...]:
    """How gradients became possible."""
    c = report.model.conversion
    if report.parity.status is Status.SKIP:
        return (Fact("Conversion", status(Status.SKIP, report.parity.reason)),)
    through = "gradients pass through their rounding as if it were not there" if c.straight_through else ""
    operators = ", ".join(f"{name} × {number_}" for name, number_ in sorted(c.ops.items()))
    engine = [Fact(f"engine {name}", text(setting(value))) for name, value in sorted(report.run.engine.items())]
    return (
        Fact("Graph clean-up", text(", ".join(c.passes) or "nothing to clean")),
        Fact("Operators", text(operators or "none listed")),
        Fact("Converters beyond onnx2torch", text(", ".join(c.extensions) or "none")),
        Fact("Straight-through gradients", text(", ".join(c.straight_through) or "none", through)),
        *engine,
    )


def sourced(caption: str, settings: dict[str, Sourced], empty: str) -> Table:
    """Settings and where each came from."""
    cells = [(head(name), Cell(setting(s.value), kind="code"), text(s.source)) for name, s in sorted(settings.items())]
    return Table(caption, (Column("Setting"), Column("Value"), Column("Where it came from")), rows(cells), empty)


def baseline(report: Report) -> tuple[Fact, ...]:
    """The baseline in both spaces."""
    b = report.baseline
    varies = "varies over the image"
    return (
        Fact("Idea", text(b.kind)),
        Fact("In pixels, 0 to 255", _channels(b.pixel_value, varies)),
        Fact("In the model's input", _channels(b.input_value, varies)),
    )


def _channels(values: list[float] | None, reason: str) -> Cell:
    return Cell(DASH, reason) if values is None else text(", ".join(significant(value) for value in values))


def spending(report: Report) -> tuple[Fact, ...]:
    """What the budget meant, as it was announced before the run."""
    parts = (line.partition(": ") for line in report.run.spending)
    return tuple(Fact(name if told else "", text(told or name)) for name, _, told in parts)
