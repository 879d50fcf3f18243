"""Fixed texts about the checks: what each asks, what a failure means, and what it cannot show."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CheckWords:
    """A check in three sentences.

    Attributes:
        title: for reports that do not carry the check's own title.
        asks: the question.
        failing: what a failure means.
        blind: what it cannot show.
    """

    title: str
    asks: str
    failing: str = ""
    blind: str = ""


CHECKS = {
    "baseline-sensitivity": CheckWords(
        "Baseline sensitivity",
        "Does the map, or its score, hang on which baseline the method and the metric use?",
        "Its score owes much to a method and a metric that share a baseline, or another baseline gives another map.",
        "It tries a few plain baselines; none of them is the right one.",
    ),
    "completeness": CheckWords(
        "Completeness",
        "Do the attributions add up to the change of the output, and if not, is it the integral or the method?",
        "Its map does not add up to what it claims to explain.",
        "Adding up says nothing about whether the right pixels got the shares.",
    ),
    "gradient-parity": CheckWords(
        "Gradient parity",
        "Do the converted model's gradients agree with differences of the file's own outputs?",
        "Gradients are not those of the audited file.",
        "It looks along some random directions only.",
    ),
    "implementation-invariance": CheckWords(
        "Implementation invariance",
        "Do two graphs that compute the same function get the same map?",
        "It explains how the model is written, not what it computes.",
        "It tries two ways to rewrite a graph; others may matter.",
    ),
    "input-invariance": CheckWords(
        "Input invariance",
        "Does the map stay when the input is shifted by a constant that the model takes off again?",
        "It depends on where zero lies in the model's input, which means nothing to the model.",
        "It shifts by a constant only.",
    ),
    "label-randomization": CheckWords(
        "Label randomization",
        "Does the map change when the model is trained anew on shuffled labels?",
        "",
        "It needs training data and a training procedure, which an ONNX file does not hold.",
    ),
    "model-perturbation": CheckWords(
        "Model perturbation (reconstruction)",
        "Does the map change with the model's function, and only with it, while noise is added to the weights?",
        "It stays while the function changes, or changes while the function stays.",
        "The procedure is rebuilt from a short description; noise on weights is no model that anybody would train.",
    ),
    "model-randomization": CheckWords(
        "Model randomization",
        "Does the map change when the weights that the model has learned are randomised?",
        "Such a map hardly changes when everything that the model has learned is gone: it shows the picture, not "
        "the model.",
        "Noise passes: a map that changes with the weights need not be right. So it is a gate and never a rank.",
    ),
    "parity": CheckWords(
        "Output parity",
        "Does the converted model give the outputs of the file?",
        "The gradients belong to another model.",
        "It compares on the audited images only.",
    ),
    "preprocessing": CheckWords(
        "Preprocessing",
        "Do the pictures reach the model the way it was trained on, judging by how many it names right?",
        "The pictures are probably not prepared as the model expects, and nothing else here means much then.",
        "It needs true labels.",
    ),
    "seed-reliability": CheckWords(
        "Seed reliability",
        "Does a method that uses random numbers give the same map again under another seed?",
        "Luck decides as much as the image: read the mean over several seeds, not one map.",
        "A reliable map can be reliably wrong.",
    ),
    "stability": CheckWords(
        "Stability under small noise",
        "Does the map stay nearly the same when faint noise is added to the picture and the prediction stays?",
        "Noise of a few grey levels, which leaves the prediction as it is, gives another map.",
        "A map that ignores the picture is perfectly stable. An unstable model deserves an unstable map.",
    ),
}
"""By the check's id; a third party's check speaks through its title and its findings."""
