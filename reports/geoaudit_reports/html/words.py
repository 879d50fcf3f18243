"""Fixed texts: titles of metrics, limits of families, what controls are."""

from __future__ import annotations

METRICS = {
    "ncc-violation": "NCC violation",
    "ncc-excess": "NCC excess",
    "completeness-error": "completeness error",
    "path-cancellation": "path cancellation",
    "srg": "faithfulness (SRG)",
    "deletion": "deletion",
    "insertion": "insertion",
    "comprehensiveness": "comprehensiveness",
    "sufficiency": "sufficiency",
    "log-odds": "log-odds",
    "road": "ROAD",
    "pic-sic": "PIC (softmax)",
    "pic-aic": "PIC (accuracy)",
    "infidelity": "infidelity",
    "sensitivity-n": "sensitivity-n",
    "patch-degradation": "patch degradation",
    "complexity": "complexity",
}

KINDS = {
    "one-label": "exclusive: an image belongs to one",
    "multi-label": "independent: an image may belong to several",
    "binary": "two, told apart by one number",
}

FAMILY_LIMITS = {
    "path": "Answers “why this image and not the baseline?”: another baseline gives another map.",
    "gradient": "Looks at the model only next to the image; it explains no difference from a baseline.",
    "perturbation": "Sees the model on pictures with replaced regions, which it may never have met in training.",
    "control": "A yardstick, no explanation: it tells what a map scores without knowing the model's reasons.",
}

CONTROLS = {
    "random": "Independent random numbers: what no knowledge at all scores.",
    "smooth-random": "Random blobs: what smoothness alone scores.",
    "edges": "An edge detector that has never seen the model: what the picture's outlines alone score.",
    "center": "A blob in the middle of the image: what the habit of centring the subject scores.",
    "uniform-complete": "Δf spread evenly over all pixels: complete, free of cancellation, and empty.",
    "input-difference": "Image minus baseline: what brightness alone scores.",
}


def is_inverted(method: str) -> bool:
    """Whether this is the id of a method's inverted control: it says of a metric, not of the model."""
    return method.startswith("inverted:")


INVERTED = "The map of a method turned around. A metric that prefers it to random is unfit for this model."
