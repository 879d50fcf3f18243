"""The report's description of the audited model."""

from __future__ import annotations

from typing import Any

from geoaudit.audit.result import AutoencoderInfo, Conversion, ExplainedOutput, ModelInfo
from geoaudit.model.artifact import Artifact
from geoaudit.model.convert import Converted
from geoaudit.model.explain import Space
from geoaudit.model.head import Head
from geoaudit.model.normalise import Normalised


def describe_model(
    artifact: Artifact,
    head: Head,
    normalised: Normalised | None,
    converted: Converted | None,
    space: Space,
    autoencoder: AutoencoderInfo | None = None,
) -> ModelInfo:
    """What the file is, how it became differentiable, and which scalar is explained.

    Args:
        artifact: the file.
        head: where the scores are read.
        normalised: the cleaned graph; None where nothing was converted.
        converted: the differentiable model; None likewise.
        space: the explained scalar.
        autoencoder: the user's, if one was given.
    """
    return ModelInfo(
        **describe_file(artifact, normalised, converted),
        classes=head.classes,
        explained_output=describe_output(head, space),
        autoencoder=autoencoder,
    )


def describe_file(artifact: Artifact, normalised: Normalised | None, converted: Converted | None) -> dict[str, Any]:
    """The fields of `ModelInfo` that do not need an explained output."""
    return {
        "file": artifact.path.name,
        "sha256": artifact.sha256,
        "bytes": artifact.bytes,
        "external_data": list(artifact.external_data),
        "producer": artifact.producer,
        "ir_version": artifact.ir_version,
        "opsets": dict(sorted(artifact.opsets.items())),
        "inputs": list(artifact.inputs),
        "outputs": list(artifact.outputs),
        "metadata": dict(sorted(artifact.metadata.items())),
        "conversion": Conversion(
            passes=list(normalised.passes) if normalised is not None else [],
            ops=dict(sorted(converted.ops.items())) if converted is not None else {},
            extensions=list(converted.extensions) if converted is not None else [],
            straight_through=list(converted.straight_through) if converted is not None else [],
        ),
    }


def describe_output(head: Head, space: Space) -> ExplainedOutput:
    """The scalar that is explained."""
    removed = None if head.tail == "Probabilities" else head.tail  # there is no operator to leave out
    return ExplainedOutput(name=head.logits, space=space, tail_removed=removed, kind=head.kind, reading=head.describe())
