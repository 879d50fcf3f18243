"""Fixed texts: titles of metrics, limits of families, the glossary."""

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

GLOSSARY: tuple[tuple[str, str, str], ...] = (
    (
        "Explained output, f",
        "",
        "The one number of the model that the maps explain: by default the target class's score before softmax.",
    ),
    (
        "Target",
        "",
        "The class that onnxruntime predicts for the image, unless a target or labels were given.",
    ),
    (
        "Baseline, x′",
        "",
        "The picture that stands for “nothing there”: an idea in pixel space (black, blur, …), carried into "
        "the model's input space.",
    ),
    (
        "Δf",
        "Δf = f(x) − f(x′)",
        "How far the output is from the baseline's. It is what an attribution shares out among the pixels.",
    ),
    ("Attribution, A", "", "One signed number an input element, in units of f. S = Σ|A|."),
    (
        "Completeness error",
        "|ΣA − Δf| / |Δf|",
        "How far the attributions are from adding up to Δf. 0 is perfect.",
    ),
    (
        "Error bar",
        "√Σ(segment's gradient sum − segment's Δf)² / |Δf|",
        "The integral's own uncertainty: onnxruntime gives f at both ends of each segment of the walk, so "
        "each segment's sum has a known target. The total can be right by chance; the error bar cannot.",
    ),
    (
        "NCC violation",
        "(S − |ΣA|) / S",
        "Share of the attribution that cancels between positive and negative elements, in [0, 1]. NCC "
        "is short for "
        "no-cancellation completeness; 0 means that nothing cancels.",
    ),
    (
        "NCC excess",
        "S / |Δf| − 1",
        "The same on an open scale: 50 means that the map holds 51 times what it explains.",
    ),
    ("NCC profile", "", "NCC violation after adding up over elements, pixels and patches of growing size."),
    (
        "Path cancellation",
        "1 − |Δf| / TV, TV = Σ|f(γₖ₊₁) − f(γₖ)|",
        "How much the output goes up and down along the walk. Not the same as NCC violation.",
    ),
    (
        "Faithfulness, SRG",
        "AUC(LeRF) − AUC(MoRF)",
        "Symmetric relevance gain. Regions of 1/14 of the side are replaced in the map's order and the "
        "target probability is read from onnxruntime. A faithful map lets it fall at once when its most "
        "relevant regions go first (MoRF), and late when they go last (LeRF). 0 is what random scores.",
    ),
    ("MoRF, LeRF", "", "Most relevant first, least relevant first: the two orders of replacing regions."),
    (
        "Deletion, insertion",
        "AUC of the MoRF curve; AUC of the curve that puts regions back",
        "Two halves of the same test. Deletion: lower is better. Insertion: higher is better.",
    ),
    ("Imputer", "", "What a replaced region is filled with. Every SRG is the mean over all imputers listed."),
    (
        "Control",
        "",
        "A map made without the model's reasons, scored like every method. A method must beat it.",
    ),
    ("Pareto front", "", "The methods that no other method beats in both NCC violation and SRG."),
    (
        "Tier",
        "",
        "recommended: nothing speaks against it. caution: something does, or the images are too few to tell. "
        "rejected: it failed, shows no evidence of faithfulness, or ignores the model's weights.",
    ),
    ("Indicative", "", "From fewer than 20 images: shown in full, but another set of images may change it."),
    (
        "95 % interval",
        "",
        "Bootstrap over images: the range that the mean would mostly fall in with other such images.",
    ),
    (
        "Not applicable",
        "",
        "A method that needs what this audit does not have, such as gradients, or that cannot say anything about this "
        "model. That is no failure: nothing speaks for or against it.",
    ),
    (
        "Seed spread",
        "√mean over images of the variance over seeds",
        "How far a score moves when a method that uses random numbers runs again with another seed. Beside it stands "
        "how far the score moves from image to image: a seed's spread as large as that means that luck decides.",
    ),
    (
        "Own start",
        "",
        "Some methods walk to the image from a start of their own, such as a blurred image, instead of the run's "
        "baseline. Completeness, NCC and Δf then refer to that start.",
    ),
    (
        "Pictures to learn from",
        "",
        "Some methods learn what pictures look like before they explain one. They learn from the pictures given for "
        "that purpose, or else from the audited ones.",
    ),
    ("Parity", "", "Proof that the converted model that gives gradients computes what onnxruntime computes."),
)
