"""Is the report folder whole and unaltered?  Digests, and the pages drawn again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from geoaudit import __version__
from geoaudit.audit import provenance
from geoaudit.audit.result import NamedFile, Report
from geoaudit.errors import GeoauditError
from geoaudit.verify.findings import SENSELESS, compared, failed, inside, passed, settled, skipped, some
from geoaudit.verify.result import Finding
from geoaudit.verify.stored import CHECKSUMS, GALLERY, MAPS, PAGE, REPORT, Stored
from geoaudit.words import counted

_PAGES = "report.pages"
_LISTED = "report.checksums"
_SCORES = "report.scores"
_DRAWN = re.compile(r"data:image/[^\"')\s]*|'sha256-[A-Za-z0-9+/=]*'")
"""Embedded pictures, and the digests in the security policy, which follow from them."""
_DRAWING = ("numpy", "pillow")
"""Packages that decide how a picture is compressed."""


def check_folder(stored: Stored, expect: str | None) -> Iterator[Finding]:
    """The report's schema, its digest, the list of digests, and the pages.

    Args:
        stored: the report folder.
        expect: the sha256 that report.json must have; None if the verifier knows none.
    """
    if stored.report is None:
        yield failed("report.schema", REPORT, stored.fault or "cannot be read")
    else:
        yield passed("report.schema", REPORT, "is a geoaudit report and follows its schema")
    if expect is None:
        yield skipped("report.expected", REPORT, "no sha256 from elsewhere was given to compare it with (--expect)")
    else:
        yield compared("report.expected", REPORT, expect, stored.folder / REPORT)
    yield from _checksums(stored)
    if stored.report is not None and stored.report.data.detail is not None:
        yield from _tables(stored.folder, stored.report.data.detail.files)
    if stored.report is None:
        yield skipped(_PAGES, "HTML pages", "cannot be drawn again without the report")
    else:
        yield from _pages(stored, stored.report)
    yield from _others(stored.folder)


def _checksums(stored: Stored) -> Iterator[Finding]:
    if stored.checksums_fault is not None:
        yield failed(_LISTED, CHECKSUMS, stored.checksums_fault)
        return
    if stored.checksums is None:
        yield skipped(_LISTED, CHECKSUMS, "is not there, so the files are compared with no list")
        return
    listed = len(stored.checksums)
    files = "the 1 file" if listed == 1 else f"all {listed} files"
    yield from settled(
        _LISTED, CHECKSUMS, f"{files} of the list are as it says", _unlike(stored.folder, stored.checksums)
    )


def _tables(folder: Path, files: Sequence[NamedFile]) -> Iterator[Finding]:
    """The files with the scores of all images."""
    faults = []
    if not files:
        faults.append(failed(_SCORES, "data.detail.files", "the report lists a part of its images, and no such file"))
    for file in files:
        path = inside(folder, file.file)
        if path is None or not path.is_file():
            faults.append(failed(_SCORES, file.file, "is not there", file.sha256))
        elif (finding := compared(_SCORES, file.file, file.sha256, path)).status == "FAIL":
            faults.append(finding)
    yield from settled(_SCORES, "scores of all images", f"{counted(len(files), 'file')} as the report says", faults)


def _unlike(folder: Path, listed: Mapping[str, str]) -> Iterator[Finding]:
    for name, digest in sorted(listed.items()):
        path = inside(folder, name)
        if path is None:
            yield failed(_LISTED, name, f"{CHECKSUMS} names a file outside the report folder")
        elif not path.is_file():
            yield failed(_LISTED, name, f"is listed in {CHECKSUMS} but not there", digest)
        else:
            finding = compared(_LISTED, name, digest, path)
            if finding.status == "FAIL":
                yield finding
    for name in _belonging(folder):
        if name not in listed:
            yield failed(_LISTED, name, f"is not listed in {CHECKSUMS}")


def _belonging(folder: Path) -> list[str]:
    """Files that a report is made of, as they lie there: its data, its maps and its pages."""
    fixed = [name for name in (REPORT, MAPS) if (folder / name).is_file()]
    return [*fixed, *_named_as_pages(folder)]


def _named_as_pages(folder: Path) -> list[str]:
    """The HTML files that a reader would take for pages of the report, posix style, sorted."""
    found = {*folder.glob(PAGE), *folder.glob(f"{GALLERY}/*.html")}
    return sorted(path.relative_to(folder).as_posix() for path in found)


def _others(folder: Path) -> Iterator[Finding]:
    """HTML files that lie there without being part of the report."""
    names = sorted(path.name for path in folder.glob("*.html") if path.name != PAGE)
    if names:
        yield skipped(_PAGES, some(names), f"{'is' if len(names) == 1 else 'are'} not part of the report")


def _pages(stored: Stored, report: Report) -> Iterator[Finding]:
    """The pages are a function of report.json and the maps: drawn again they must be the same."""
    if report.tool.version != __version__:
        yield skipped(
            _PAGES, "HTML pages",
            f"geoaudit {report.tool.version} wrote the report, and only the same version draws the same pages; "
            f"this is {__version__}",
        )  # fmt: skip
        return
    same: list[str] = []
    redrawn: list[str] = []
    faults: list[Finding] = []
    try:
        for name, text in stored.pages():
            fault = _page(stored.folder, name, text, report, redrawn)
            same.append(name)
            if fault is not None:
                faults.append(fault)
    except GeoauditError as error:
        yield skipped(_PAGES, "HTML pages", f"cannot be drawn again: {error.reason}")
        return
    except SENSELESS as error:
        yield failed(_PAGES, "HTML pages", f"cannot be drawn again, for {REPORT} contradicts itself ({error!r})")
        return
    strays = sorted(set(_named_as_pages(stored.folder)) - set(same))
    faults += [failed(_PAGES, name, "is no page of this report") for name in strays]
    if redrawn and not faults:
        yield skipped(
            _PAGES, some(redrawn),
            "the text is what report.json gives; the embedded pictures were drawn by other versions of "
            f"{' or '.join(_DRAWING)} and could not be compared",
        )  # fmt: skip
        return
    told = "is" if len(same) == 1 else "are"
    yield from settled(_PAGES, some(same), f"{told} what report.json and the maps give, byte for byte", faults)


def _page(folder: Path, name: str, text: str, report: Report, redrawn: list[str]) -> Finding | None:
    """What is wrong with one page; its name goes to `redrawn` where only embedded pictures differ, and may."""
    path = inside(folder, name)
    try:
        there = b"" if path is None else path.read_bytes()
    except FileNotFoundError:
        return failed(_PAGES, name, "is missing; `geoaudit render` writes it again")
    except OSError as error:
        return failed(_PAGES, name, f"cannot be read ({error.strerror or error})")
    if there == text.encode("utf-8"):
        return None
    if _other_drawing(report) and _undrawn(there.decode("utf-8", "replace")) == _undrawn(text):
        redrawn.append(name)
        return None
    return failed(_PAGES, name, f"is not what {REPORT} and the maps give: it was edited, or they were")


def _other_drawing(report: Report) -> bool:
    here = provenance.packages(set())
    return any(report.run.packages.get(name) != here.get(name) for name in _DRAWING)


def _undrawn(text: str) -> str:
    return _DRAWN.sub("", text)
