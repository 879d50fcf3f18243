"""Everything that can go wrong, one tree, and the exit code that each branch ends with.

Messages follow one pattern: the thing, the reason, the way out.  `GeoauditError` keeps the three apart so
that the terminal can print them as one message and the report can store them as data.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The process exit codes; the only place where they are defined."""

    OK = 0
    """Done; the policy was met, or none was given, and `verify` found nothing that differs."""
    GATE_FAILED = 1
    """Done; the policy was not met, or `verify` found that something differs."""
    USAGE = 2
    """What was given cannot be used: the command line, the configuration, the policy, a stored report or a place to
    write to; or nothing says how pixels become model input."""
    INCOMPLETE = 3
    """Not completed: the model or the pictures do not allow it, parity failed, or a method, metric or check broke."""
    INTERRUPTED = 130
    """Stopped by the user."""


class GeoauditError(Exception):
    """Base of every error that a user may meet.

    Args:
        thing: what is at fault, by name (a path, an option, a plugin id).
        reason: why, in plain words.
        way_out: what to do now; may be empty where nothing can be done.
    """

    exit_code: ExitCode = ExitCode.INCOMPLETE

    def __init__(self, thing: str, reason: str, way_out: str = "") -> None:
        self.thing = thing
        self.reason = reason
        self.way_out = way_out
        super().__init__(self.message)

    def __reduce__(self) -> tuple[type[GeoauditError], tuple[str, str, str]]:
        return type(self), (self.thing, self.reason, self.way_out)

    @property
    def message(self) -> str:
        """The three parts as one text, ready to print."""
        text = f"{self.thing}: {self.reason}"
        return f"{text}\n{self.way_out}" if self.way_out else text


class UsageError(GeoauditError):
    """An option, a configuration file, a policy or a stored report cannot be used, or they contradict each other."""

    exit_code = ExitCode.USAGE


class ModelError(GeoauditError):
    """The ONNX file cannot be read, is no single-image classifier, or cannot be converted."""


class ParityError(GeoauditError):
    """The converted model does not compute what onnxruntime computes."""


class ImagesError(GeoauditError):
    """No image could be used."""


class PreprocessingError(GeoauditError):
    """How pixels become model input could not be determined; the message lists the options to add."""

    exit_code = ExitCode.USAGE


class PluginError(GeoauditError):
    """A plugin cannot be loaded, is declared twice, or broke its contract."""


class NotApplicable(GeoauditError):  # noqa: N818  (no fault of anybody: the method is reported as skipped)
    """A method cannot say anything about this model or these images; it is reported as skipped, with the reason."""


class OutputError(GeoauditError):
    """The report, or a file that was asked for, cannot be written."""

    exit_code = ExitCode.USAGE
