"""Verdicts: statuses, tiers, how sure a ranking is, and the words of a policy."""

from __future__ import annotations

from geoaudit_reports.html.glossary.entry import Entry

STATUS_ENTRIES = (
    Entry("PASS", "Asked and met: what was measured is on the right side of the threshold. It says nothing beyond that "
          "one question.", id="status-pass"),
    Entry("WARN", "Met with a caution, which stands beside it. In the ranking a WARN is told and does not count.",
          id="status-warn"),
    Entry("FAIL", "Asked and not met.", id="status-fail"),
    Entry("ERROR", "The check or method itself broke, so nothing is known. Never read as PASS.", id="status-error"),
    Entry("SKIP", "Not asked, or not applicable, with the reason. Never read as PASS.", id="status-skip"),
    Entry("INCONCLUSIVE", "Asked, but the answer decides nothing: mostly for want of images, or because a number would "
          "be divided by next to nothing. Never read as PASS.", spoken=("inconclusive",), id="status-inconclusive"),
    Entry("WAIVED", "A rule of the policy that is not met, and that a named person has accepted until a stated day. "
          "The finding stays as it is.", id="status-waived"),
)  # fmt: skip

VERDICT_ENTRIES = (
    Entry(
        "Tier",
        "recommended: nothing that the rule counts speaks against the method; a check's WARN is told and does not "
        "count. caution: something does, or the images are too few to tell. rejected: it failed, shows no evidence of "
        "faithfulness, or ignores the model's weights. A tier is about this model and these images.",
        spoken=("tier",),
    ),
    Entry("Recommended", "The best tier: nothing that the rule counts speaks against the method. No praise beyond "
          "that.", spoken=("recommended",)),
    Entry("Caution", "The middle tier: something speaks against the method, or the images are too few to tell.",
          spoken=("caution",)),
    Entry("Rejected", "The lowest tier: the method failed, shows no evidence of faithfulness, or ignores the model's "
          "weights.", spoken=("rejected",)),
    Entry(
        "Position",
        "A method's place: within its tier by the mean of its NCC rank and its SRG rank over the images, ties by SRG. "
        "Methods that cannot be told apart share a position, marked “=”. Methods without NCC are placed by SRG alone.",
        "mean of NCC rank and SRG rank",
    ),
    Entry("Ranked", "From 20 images on: the tests could decide. It does not mean that they did: methods may share a "
          "position."),
    Entry("Indicative", "From fewer than 20 images: shown in full, but another set of images may change it.",
          spoken=("indicative", "by indication only")),
    Entry("P(best)", "How often a method comes first when the images are drawn again with replacement.",
          "share of bootstrap samples", "0 to 1",
          fails="It depends on which methods were compared."),
    Entry("Pareto front", "The methods that no other method beats in both NCC violation and SRG.",
          spoken=("Pareto front",)),
    Entry("Not applicable", "A method that needs what this audit does not have, such as gradients, or that cannot say "
          "anything about this model. That is no failure: nothing speaks for or against it.",
          spoken=("not applicable",)),
    Entry("Policy", "Rules that somebody wrote down before the audit: which methods must reach what, which checks must "
          "be made, how many images are needed. Its verdict is arithmetic on this report. PASS needs every rule to be "
          "met or waived.",
          fails="A policy asks what its owner thought of asking. Passing it is not being right.",
          spoken=("policy gate", "policy")),
    Entry("Not gated", "No policy was given, so nothing was decided. It never means PASS.", spoken=("not gated",)),
    Entry("Waiver", "A failure of one rule that a named person has accepted, with the reason, until a stated day. From "
          "the next day on the rule fails again.", spoken=("waiver", "waived")),
    Entry("Gate check", "A check whose failure rejects a method whatever its scores. Other failed checks put a method "
          "under caution. Not to be confused with the policy gate, which judges the whole report.",
          spoken=("gate check",)),
)  # fmt: skip
