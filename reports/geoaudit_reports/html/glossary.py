"""The words of the report, each with its formula and what it cannot show."""

from __future__ import annotations

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
        "ROAD",
        "mean over shares of p(LeRF) − p(MoRF)",
        "Pixels are replaced by a noisy mixture of their neighbours, so that the mask gives less away, and the "
        "two orders are compared at several shares. 0 is what random scores; higher is better. It reads single "
        "pixels, and a map that marks single pixels is filled in otherwise than one that marks surfaces.",
    ),
    (
        "PIC (softmax: SIC; accuracy: AIC)",
        "area under target probability, or share still right, against information",
        "Performance information curves: a blurred picture gets its most important pixels back, and the size of the "
        "compressed picture stands for what has been revealed. Higher is better. It rewards compact maps, and an "
        "image whose curve cannot be scaled has no score and says so.",
    ),
    (
        "Infidelity",
        "mean (β ΣA − loss)² / mean loss², loss = f(x) − f(x with a block at the baseline)",
        "How badly the map's sum over random square blocks foretells what the output loses without them; β is the best "
        "scale from 0 up. 0 is perfect, 1 is what an empty map scores; lower is better. A constant map foretells "
        "something too where most of the image counts: compare with uniform-complete.",
    ),
    (
        "Sensitivity-n",
        "correlation of ΣA over a subset with f(x) − f(x with the subset at the baseline)",
        "Whether the random subsets of regions that the map gives much to are those that the output misses most, image "
        "by image. In [−1, 1], chance 0, higher is better. A map that is right within a region gains nothing by it.",
    ),
    (
        "Patch degradation",
        "mean probability after 1, 2, … 100 patches",
        "Patches, most relevant first, lose their detail to their own mean colour; lower is better. No level stands "
        "for chance, colour and brightness stay, and only one order and one imputer are read.",
    ),
    (
        "Complexity",
        "−Σ q log q / log(pixels), q = |A| / S",
        "How evenly a map is spread: 0 for a single pixel, 1 for a flat map. Neither end is better by itself: a wrong "
        "map can be as plain as a right one.",
    ),
    (
        "Comprehensiveness, sufficiency, log-odds",
        "",
        "Fall of the probability when the most relevant regions go (higher is better), when only they stay (lower is "
        "better), and the change of its logarithm when they go (log-odds, lower is better). They are read from the "
        "masking curves of SRG, so they are no second opinion.",
    ),
    (
        "Check",
        "",
        "A question about a method or the model with a verdict, not a score: PASS, WARN, FAIL, INCONCLUSIVE (asked, "
        "but the answer decides nothing), SKIP (not asked, with the reason) or ERROR (the check itself failed).",
    ),
    (
        "Gate",
        "",
        "A check whose failure rejects a method whatever its scores. Other failed checks put it under caution. The "
        "same word is used for a policy's verdict on the whole report.",
    ),
    (
        "Metric health",
        "",
        "A metric is believed on this model only if it puts inverted maps below the methods' own maps and below a "
        "random one.",
    ),
    (
        "Kendall's τ",
        "(pairs in the same order − pairs in the opposite order) / pairs",
        "How far two readings put the methods in the same order: 1 the same, 0 unrelated, −1 the opposite. Where "
        "methods tie, the pairs are counted as for τ-b.",
    ),
    (
        "Krippendorff's α",
        "1 − observed disagreement / disagreement by chance",
        "How far the images agree on the order of the methods: 1 fully, 0 no more than chance.",
    ),
    (
        "Smallest difference that could be found",
        "",
        "A difference in SRG that a test on this many images would find four times out of five. What is smaller may "
        "be there and go unseen: a tie is no proof of equality.",
    ),
    (
        "Control",
        "",
        "A map made without the model's reasons, scored like every method. A method must beat it.",
    ),
    ("Pareto front", "", "The methods that no other method beats in both NCC violation and SRG."),
    (
        "Tier",
        "",
        "recommended: nothing that the rule counts speaks against it; a check's WARN is told and does not count. "
        "caution: something does, or the images are too few to tell. "
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
