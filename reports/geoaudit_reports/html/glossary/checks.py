"""Every check as a word of the glossary; its words are those that stand over its findings."""

from __future__ import annotations

from geoaudit_reports.html.check_words import CHECKS
from geoaudit_reports.html.glossary.entry import Entry

_SCALES = {
    "baseline-sensitivity": ("share of a score, or likeness of two maps; its findings say which", "",
                             "Sturmfels, Lundberg, Lee 2020; Haug et al. 2021, arXiv 2101.00905"),
    "completeness": ("from 0 up, worst image", "|ΣA − Δf| / |Δf|", "Sundararajan et al. 2017, arXiv 1703.01365"),
    "gradient-parity": ("relative error, from 0 up", "", "the run's own parity certificate"),
    "implementation-invariance": ("difference of maps, from 0 up", "", "Sundararajan et al. 2017, arXiv 1703.01365"),
    "input-invariance": ("difference of maps, from 0 up", "", "Kindermans et al. 2017, arXiv 1711.00867"),
    "label-randomization": ("none", "", "Adebayo et al. 2018, arXiv 1810.03292"),
    "model-perturbation": ("correlation, −1 to 1", "", "Rahman, Lewis, Plis 2022, arXiv 2206.05903"),
    "model-randomization": ("likeness of the maps before and after, −1 to 1; 1 means that nothing changed", "",
                            "Adebayo et al. 2018, arXiv 1810.03292; limits: Binder et al. 2023, arXiv 2211.12486"),
    "parity": ("share of the outputs' range, from 0 up", "", "the run's own parity certificate"),
    "preprocessing": ("share of images named right, 0 to 1", "", "binomial test"),
    "seed-reliability": ("likeness of two maps, −1 to 1; for methods without randomness the difference, from 0 up", "",
                         "Tomsett et al. 2020, arXiv 1912.01451"),
    "stability": ("relative change of the map, from 0 up", "", "Yeh et al. 2019, arXiv 1901.09392"),
}  # fmt: skip
"""Range of the estimate, formula and source, by the check's id."""

CHECK_ENTRIES = tuple(
    Entry(
        f"{words.title} (check)",
        " ".join(part for part in (words.asks, words.failing and f"A failure means: {words.failing}") if part),
        formula=_SCALES[name][1],
        range=f"estimate: {_SCALES[name][0]}",
        source=_SCALES[name][2],
        fails=words.blind,
        id=f"check-{name}",
    )
    for name, words in sorted(CHECKS.items())
)
