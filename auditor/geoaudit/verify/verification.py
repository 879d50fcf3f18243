"""All steps of a verification, one after the other, and the verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import numpy as np

from geoaudit import __version__
from geoaudit.audit import provenance
from geoaudit.audit.observer import Observer
from geoaudit.audit.result import NamedFile, Report, Tool
from geoaudit.digests import sha256
from geoaudit.errors import ExitCode
from geoaudit.verify.files import check_autoencoder, check_calibration, check_model, check_pictures
from geoaudit.verify.findings import SENSELESS, failed, passed, skipped
from geoaudit.verify.folder import check_folder
from geoaudit.verify.maps import check_maps
from geoaudit.verify.numbers import check_numbers
from geoaudit.verify.order import check_order
from geoaudit.verify.rerun import COMPLETED, Repeat, Rerun
from geoaudit.verify.result import Finding, Sample, Verification, VerifyRun
from geoaudit.verify.stored import REPORT, Given, Stored, Wanted


def verify(stored: Stored, given: Given, wanted: Wanted, tell: Observer) -> Verification:
    """Verify a stored report.

    Args:
        stored: the report folder as found.
        given: the model, the pictures, and other files that the report only names.
        wanted: how much is computed again, and how closely it must agree.
        tell: told of the progress.

    Returns:
        What was found.  Its exit code is 0 where nothing differs, 1 where something does, and 3 where nothing else
        differs but the re-run broke off.

    Raises:
        OSError: report.json cannot be read at all.
    """
    started, clock = provenance.now(), time.perf_counter()
    digest = sha256([stored.folder / REPORT])
    tell.stage("comparing files", 4)
    findings = list(check_folder(stored, wanted.expect))
    tell.advance(1)
    repeat, sample = Rerun(), Sample(chosen="none", seed=None, images=[], of=0)
    if stored.report is not None:
        more, repeat, sample = _checked(stored, stored.report, given, wanted, tell)
        findings += more
    failures = [finding.id for finding in findings if finding.status == "FAIL"]
    code = ExitCode.OK if not failures else ExitCode.GATE_FAILED
    if set(failures) == {COMPLETED}:
        code = ExitCode.INCOMPLETE
    return Verification(
        tool=Tool(name="geoaudit", version=__version__),
        run=VerifyRun(
            started=started, seconds=round(time.perf_counter() - clock, 3), host=provenance.host(),
            packages=provenance.packages(set()),
        ),
        report=NamedFile(file=REPORT, sha256=digest),
        sample=sample,
        tolerance=wanted.tolerance,
        findings=findings,
        worst=list(repeat.worst),
        differences=list(repeat.differences),
        status="FAIL" if failures else "PASS",
        exit_code=int(code),
    )  # fmt: skip


def _checked(
    stored: Stored, report: Report, given: Given, wanted: Wanted, tell: Observer
) -> tuple[list[Finding], Rerun, Sample]:
    """Everything that needs a report that can be read."""
    model = check_model(report.model, given.model)
    pictures = check_pictures(report, given.images)
    findings = [
        *_environment(report),
        *_guarded("numbers.images", lambda: check_numbers(report)),
        *_guarded("numbers.ranking", lambda: check_order(report)),
        model,
        *check_autoencoder(report.model, given.autoencoder),
        *check_calibration(report, given.calibration),
        *pictures.findings,
    ]
    tell.advance(2)
    findings += _guarded("maps.content", lambda: check_maps(stored.maps, report))
    tell.advance(1)
    sample = choose(sorted(pictures.unchanged), len(report.data.images), wanted)
    unable = _unable(model, sample, wanted)
    if unable is not None:
        nothing = Sample(chosen="none", seed=None, images=[], of=len(report.data.images))
        return [*findings, skipped(COMPLETED, "re-run", unable)], Rerun(), nothing
    whole = sample.chosen == "all" and not given.skip and len(sample.images) == report.data.count
    repeat = Repeat(report, stored.maps, given, pictures.unchanged, sample.images, whole, wanted.tolerance).run(tell)
    return [*findings, *repeat.findings], repeat, sample


def _guarded(check: str, step: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """A step's findings; a report that follows the schema but makes no sense breaks none of the others."""
    try:
        return list(step())
    except SENSELESS as error:
        return [failed(check, REPORT, f"contradicts itself so that this step could not be made ({error!r})")]


def _environment(report: Report) -> list[Finding]:
    """Other versions than those of the report explain differences and are no difference themselves."""
    here = provenance.packages(set()) | {"geoaudit": __version__}
    then = report.run.packages | {"geoaudit": report.tool.version}
    unlike = [f"{n} {then[n]} then, {here[n]} now" for n in sorted(then) if n in here and then[n] != here[n]]
    if unlike:
        return [skipped("environment", "versions", "; ".join(unlike))]
    return [passed("environment", "versions", "geoaudit and its packages are those of the report")]


def choose(unchanged: list[str], of: int, wanted: Wanted) -> Sample:
    """The pictures to compute again: all that are unchanged, or some of them at random."""
    if wanted.sample is None:
        return Sample(chosen="all", seed=None, images=unchanged, of=of)
    count = min(wanted.sample, len(unchanged))
    places = np.random.default_rng(wanted.seed).permutation(len(unchanged))[:count]
    return Sample(chosen="random", seed=wanted.seed, images=sorted(unchanged[i] for i in places), of=of)


def _unable(model: Finding, sample: Sample, wanted: Wanted) -> str | None:
    """Why nothing is computed again; None if something is."""
    if wanted.sample == 0:
        return "was not asked for (--no-rerun): no score was computed again"
    if model.status != "PASS":
        return "would be of another model: no score was computed again"
    return None if sample.images else "none of the pictures is that of the report: no score was computed again"
