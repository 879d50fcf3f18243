"""The audit once more, on some of its pictures or all, and everything that it gives held against the report."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from geoaudit import __version__
from geoaudit.audit.calibration import THEMSELVES
from geoaudit.audit.execute import run_audit
from geoaudit.audit.maps import MapWriter
from geoaudit.audit.observer import Observer
from geoaudit.audit.result import Report
from geoaudit.errors import GeoauditError
from geoaudit.scoring.adaptive_stopping import is_unread
from geoaudit.verify.comparison import MAP_TIMES, Comparison
from geoaudit.verify.findings import failed, passed, skipped, some
from geoaudit.verify.maps import map_of
from geoaudit.verify.projection import Leaf, Place, descriptions, results, scores
from geoaudit.verify.rebuilt import left_out, rebuilt
from geoaudit.verify.result import Difference, Finding, Worst
from geoaudit.verify.stored import Given
from geoaudit.words import counted

COMPLETED = "rerun.completed"
_MACHINE, _SCORES, _MAPS, _RESULTS = "rerun.engine", "rerun.scores", "rerun.maps", "rerun.results"
_TEXTS_FROM_ELSEWHERE = ("target_name", "label")
"""What comes from files that may not lie beside the model any more; compared where the re-run has it too."""


@dataclass(frozen=True)
class Rerun:
    """What came of a re-run; empty where there was none."""

    findings: Sequence[Finding] = ()
    worst: Sequence[Worst] = ()
    differences: Sequence[Difference] = ()


@dataclass
class Repeat:
    """A re-run to be made.

    Attributes:
        report: the stored report.
        maps: its maps; need not be there.
        given: the model, and what else the report only names.
        pictures: the unchanged pictures of the report, id to file.
        sample: ids of those to work on.
        whole: whether these are all pictures of the report, so that all that was made of them is compared too.
        tolerance: largest allowed difference.
    """

    report: Report
    maps: Path
    given: Given
    pictures: Mapping[str, Path]
    sample: Sequence[str]
    whole: bool
    tolerance: float
    comparison: Comparison = field(init=False)

    def __post_init__(self) -> None:
        self.comparison = Comparison(self.tolerance)

    def run(self, tell: Observer) -> Rerun:
        """Audit and compare; an audit that breaks off is a finding."""
        with tempfile.TemporaryDirectory(prefix="geoaudit-verify-") as place:
            folder = _staged(self.pictures, Path(place) / "pictures")
            sample = None if self.whole else tuple(self.sample)
            try:
                settings = rebuilt(self.report, self.given, folder, sample, complete=self._complete)
            except (KeyError, ValueError, TypeError) as error:
                return Rerun([failed(COMPLETED, "re-run", f"the report does not say how it was made ({error!r})")])
            try:
                with MapWriter(Path(place) / "run") as maps:
                    made = run_audit(settings, maps, tell)
                    maps.keep()
            except GeoauditError as error:
                return Rerun([failed(COMPLETED, "re-run", error.message.replace("\n", " "))])
            findings = list(self._compared(made, Path(place) / "run" / self.maps.name))
        worst = sorted(self.comparison.worst.values(), key=lambda w: (-w.size, w.metric))
        return Rerun(findings, worst, self.comparison.differences)

    @property
    def _complete(self) -> bool:
        """Whether methods that learn can learn from the same pictures again."""
        learned = self.report.data.calibration
        own = learned is None or learned.source == THEMSELVES
        return not own or len(self.pictures) == self.report.data.count

    def _compared(self, made: Report, maps: Path) -> Iterator[Finding]:
        pictures = counted(len(self.sample), "picture")
        yield passed(COMPLETED, "re-run", f"the audit of {pictures} was made again{self._without()}")
        yield self._machine(made)
        yield self._step(_SCORES, "scores", f"on {pictures}", lambda: self._scores(made))
        if self.maps.is_file():
            yield self._step(_MAPS, "maps", f"of {pictures}", lambda: self._maps(maps), MAP_TIMES)
        else:
            yield skipped(_MAPS, "maps", "there are no stored maps to compare with")
        if self.whole:
            yield self._step(_RESULTS, "summaries, checks and ranking", "of all pictures", lambda: self._results(made))
        else:
            yield skipped(_RESULTS, "summaries, checks and ranking", "need all pictures and methods (--all)")

    def _without(self) -> str:
        asked, everything = set(self.given.skip), self._left
        told = f", without {some(sorted(asked))}, as asked for" if asked else ""
        if everything - asked:
            told += (
                f", without {some(sorted(everything - asked))}, for not all pictures that methods learn from are there"
            )
        return told

    @property
    def _left(self) -> set[str]:
        return left_out(self.report, self.given, self._complete)

    def _machine(self, made: Report) -> Finding:
        """Another number of threads, batch size or processor rounds otherwise; that is said, and no fault."""
        then, now = (
            {**report.run.engine, "on": report.run.device, "processor": report.run.host.get("machine")}
            for report in (self.report, made)
        )
        names = [name for name in then if then[name] != now.get(name)]
        unlike = "; ".join(f"{name.replace('_', ' ')} {then[name]} then, {now.get(name)} now" for name in names)
        if not unlike:
            return passed(_MACHINE, "engine", "device, threads, batch size and memory layout are those of the report")
        reason = "numbers are rounded otherwise, which methods that choose by rank, such as guided-ig, amplify"
        return skipped(_MACHINE, "engine", f"{unlike}: {reason}")

    def _step(self, check: str, subject: str, where: str, compare: Callable[[], None], times: float = 1) -> Finding:
        within = f"{times * self.tolerance:g}"
        before, many = len(self.comparison.differences), self.comparison.compared
        compare()
        beyond, many = self.comparison.differences[before:], self.comparison.compared - many
        if not beyond:
            return passed(check, subject, f"{many:,} values {where} came out again within {within}")
        count = len(beyond)
        verb = "differs" if count == 1 else "differ"
        return failed(check, subject, f"{count:,} of {many:,} values {where} {verb} by more than {within}")

    def _scores(self, made: Report) -> None:
        images = set(self.sample)
        stored, found = scores(self.report, images), scores(made, images)
        left = self._left | {f"inverted:{name}" for name in self._left}
        unspent = {
            (row.image, row.method, metric)
            for row in self.report.per_image for metric, reason in row.reasons.items() if is_unread(reason)
        }  # fmt: skip
        places = [
            place for place in stored
            if place[1] not in left and place not in unspent
            and not (place[2] in _TEXTS_FROM_ELSEWHERE and found.get(place) is None)
        ]  # fmt: skip
        self.comparison.leaves(stored, found, places)
        alike = self.report.run.packages == made.run.packages
        described, again = (descriptions(report, conversion=alike) for report in (self.report, made))
        self._described(described, again, left)

    def _described(self, stored: Mapping[Place, Leaf], found: Mapping[Place, Leaf], left: set[str]) -> None:
        """Texts of the same version of geoaudit are the same; of another only what both have in numbers is."""
        same = self.report.tool.version == __version__
        ran = {method for _, method, _ in found}
        places = [
            place for place in stored
            if place[1] not in left and place[1] in ran and not place[2].endswith(": number of items")
            and (same or (place in found and isinstance(stored[place], float)))
        ]  # fmt: skip
        self.comparison.leaves(stored, found, places)

    def _results(self, made: Report) -> None:
        self._described(results(self.report), results(made), set())
        if self.report.tool.version == __version__:
            for sentence in set(made.limitations) - set(self.report.limitations):
                self.comparison.leaves({}, {(None, None, "limitations"): sentence}, [(None, None, "limitations")])

    def _maps(self, found: Path) -> None:
        """Every stored array of the sample, the pictures' thumbnails among them."""
        images = set(self.sample)
        with np.load(found, allow_pickle=False) as again, np.load(self.maps, allow_pickle=False) as stored:
            for key in stored.files:
                image, method = map_of(key, images)
                if image is None or key not in again.files:
                    continue
                try:
                    values = stored[key]
                except (zipfile.BadZipFile, ValueError, OSError):
                    continue  # named already, by the step that looks at the maps
                if values.shape == again[key].shape:
                    self.comparison.map(image, method, values, again[key])


def _staged(pictures: Mapping[str, Path], folder: Path) -> Path:
    """A folder in which the pictures, and nothing else, lie under their ids."""
    for name, path in pictures.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            place.symlink_to(path.resolve())
        except OSError:  # a system, or an account, without links
            shutil.copyfile(path, place)
    return folder
