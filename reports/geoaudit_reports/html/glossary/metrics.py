"""Every metric: definition, formula, range, direction, known failure, source."""

from __future__ import annotations

from geoaudit_reports.html.glossary.entry import Entry

HIGHER, LOWER = "higher", "lower"
_SALEK = "Salek and Enguehard 2025, arXiv 2502.12108"
_MASK = "Masked pictures lie outside what the model was trained on; what fills the regions changes the numbers."

METRIC_ENTRIES = (
    Entry(
        "Faithfulness, SRG",
        "Symmetric relevance gain: whether the regions that a map calls important are those that the prediction hangs "
        "on. Square regions of 1/14 of the side are replaced in the map's order and the target probability is read "
        "from onnxruntime. With a faithful map it falls at once when the most relevant regions go first (MoRF), and "
        "late when they go last (LeRF). 0 is what a random order scores.",
        "SRG = AUC(LeRF) − AUC(MoRF), mean over imputers",
        "−1 to 1; 0 is chance",
        HIGHER,
        "Blücher, Vielhaben, Strodthoff 2024, TMLR, arXiv 2401.06654",
        f"{_MASK} A blob in the middle scores well where subjects are centred: compare with the control center.",
        ("SRG", "faithfulness", "faithful"),
        "srg",
    ),
    Entry(
        "NCC violation",
        "The share of a map's mass that cancels between positive and negative elements. NCC is short for "
        "no-cancellation completeness; 0 means that nothing cancels. It is judged only where the map adds up, to "
        "within 10 % of Δf, and stays the same with half the nodes.",
        "(S − |ΣA|) / S, S = Σ|A|",
        "0 to 1; 0 means that nothing cancels",
        LOWER,
        _SALEK,
        "Trivially gamed: Δf spread evenly over all pixels scores 0 and says nothing. Real evidence against the class "
        "counts as cancellation. Read it only together with faithfulness.",
        ("NCC violation", "NCC"),
        "ncc-violation",
    ),
    Entry(
        "NCC excess",
        "NCC violation on an open scale: 50 means that the map holds 51 times what it explains.",
        "S / |Δf| − 1",
        "from 0 up; slightly below 0 where the map adds up to a little less than Δf",
        LOWER,
        _SALEK,
        "As NCC violation. A mean over images is ruled by images with a small Δf.",
        ("NCC excess",),
        "ncc-excess",
    ),
    Entry(
        "Completeness error",
        "How far the attributions are from adding up to Δf. It exists only for methods that claim to add up.",
        "|ΣA − Δf| / |Δf|",
        "from 0 up; 0 is perfect",
        LOWER,
        "Sundararajan, Taly, Yan 2017, arXiv 1703.01365",
        "A right total says nothing about whether the right pixels got the shares, and can be right by chance.",
        ("completeness error",),
        "completeness-error",
    ),
    Entry(
        "Path cancellation",
        "How much the output goes up and down along the walk. Not the same as NCC violation.",
        "1 − |Δf| / TV, TV = Σ|f(γₖ₊₁) − f(γₖ)|",
        "0 to 1; 0 where the output only rises or only falls",
        LOWER,
        f"total variation along the path, after {_SALEK}",
        "It describes the walk; a map from a calm walk need not be faithful. Maps without a walk have none.",
        ("path cancellation",),
        "path-cancellation",
    ),
    Entry(
        "Deletion",
        "Area under the target probability while the most relevant regions are replaced first: one half of SRG.",
        "AUC(MoRF)",
        "0 to 1; no level stands for chance",
        LOWER,
        "Petsiuk, Das, Saenko 2018, arXiv 1806.07421",
        f"{_MASK} One order alone also measures how much the filling harms the picture.",
        ("deletion",),
        "deletion",
    ),
    Entry(
        "Insertion",
        "Area under the target probability while the most relevant regions are put back first: the other half of SRG.",
        "AUC(LeRF), read from its far end",
        "0 to 1; no level stands for chance",
        HIGHER,
        "Petsiuk, Das, Saenko 2018, arXiv 1806.07421",
        f"{_MASK} One order alone also measures how much the filling harms the picture.",
        ("insertion",),
        "insertion",
    ),
    Entry(
        "Comprehensiveness",
        "Fall of the target probability without the most relevant regions. Read from the masking curves of SRG, so it "
        "is no second opinion.",
        "mean over shares q ≤ 1/2 of p(x) − p(x without the top q)",
        "−1 to 1",
        HIGHER,
        "DeYoung et al. 2020, arXiv 1911.03429",
        _MASK,
        (),
        "comprehensiveness",
    ),
    Entry(
        "Sufficiency",
        "Fall of the target probability when only the most relevant regions stay. Read from the masking curves of SRG, "
        "so it is no second opinion.",
        "mean over shares q ≤ 1/2 of p(x) − p(only the top q of x)",
        "−1 to 1",
        LOWER,
        "DeYoung et al. 2020, arXiv 1911.03429",
        f"{_MASK} With little left standing most models see nothing, whatever the order.",
        (),
        "sufficiency",
    ),
    Entry(
        "Log-odds",
        "Change of the probability's logarithm without the most relevant regions. Read from the masking curves of SRG, "
        "so it is no second opinion.",
        "mean over shares q ≤ 1/2 of log p(x without the top q) − log p(x)",
        "any number; 0 means no change",
        LOWER,
        "Shrikumar, Greenside, Kundaje 2017, arXiv 1704.02685",
        f"{_MASK} Images whose probability falls to nearly nothing rule the mean.",
        (),
        "log-odds",
    ),
    Entry(
        "ROAD",
        "Pixels are replaced by a noisy mixture of their neighbours, so that the mask gives less away, and the two "
        "orders are compared at several shares. 0 is what a random order scores.",
        "mean over shares of p(LeRF) − p(MoRF)",
        "−1 to 1; 0 is chance",
        HIGHER,
        "Rong et al. 2022, arXiv 2202.00449",
        "It reads single pixels; a map that marks single pixels is filled in otherwise than one that marks surfaces.",
        ("ROAD",),
        "road",
    ),
    Entry(
        "PIC, softmax (SIC)",
        "Performance information curve: a blurred picture gets its most important pixels back, and the size of the "
        "compressed picture stands for what has been revealed.",
        "area under the target probability against information",
        "0 to 1; compare with the random control",
        HIGHER,
        "Kapishnikov et al. 2019, arXiv 1906.02825",
        "The size of a file measures texture, not meaning, and rewards compact maps. An image whose curve cannot be "
        "scaled has no score.",
        ("SIC",),
        "pic-sic",
    ),
    Entry(
        "PIC, accuracy (AIC)",
        "The same curve with the question whether the target is the most probable class again.",
        "area under the share still right against information",
        "0 to 1; compare with the random control",
        HIGHER,
        "Kapishnikov et al. 2019, arXiv 1906.02825",
        "As the softmax curve; on one image the curve is a step, so few images give coarse numbers.",
        ("AIC",),
        "pic-aic",
    ),
    Entry(
        "Infidelity",
        "How badly the map's sum over random square blocks foretells what the output loses without them; β is the best "
        "scale from 0 up.",
        "mean (β ΣA − loss)² / mean loss², loss = f(x) − f(x with a block at the baseline)",
        "0 to 1; 1 is what an empty map scores",
        LOWER,
        "Yeh et al. 2019, arXiv 1901.09392, equation 1",
        "A constant map foretells something too where most of the image counts: compare with uniform-complete. A "
        "method with the same baseline has an advantage.",
        ("infidelity",),
        "infidelity",
    ),
    Entry(
        "Sensitivity-n",
        "Whether the random subsets of regions that the map gives much to are those that the output misses most, image "
        "by image.",
        "correlation of ΣA over a subset with f(x) − f(x with the subset at the baseline)",
        "−1 to 1; 0 is chance",
        HIGHER,
        "Ancona et al. 2018, arXiv 1711.06104, section 4.2",
        "A map that is right within a region gains nothing by it. A method with the same baseline has an advantage.",
        ("sensitivity-n",),
        "sensitivity-n",
    ),
    Entry(
        "Patch degradation",
        "Patches, most relevant first, lose their detail to their own mean colour.",
        "mean target probability after 1, 2, … 100 patches",
        "0 to 1; no level stands for chance",
        LOWER,
        "Schwarzenberg and Castle 2020, arXiv 2007.10685",
        "Colour and brightness stay, and only one order and one filling are read.",
        ("patch degradation",),
        "patch-degradation",
    ),
    Entry(
        "Complexity",
        "How evenly a map is spread: how much a reader has to look at.",
        "−Σ q log q / log(pixels), q = |A| / S for each pixel",
        "0 to 1; 0 is a single pixel, 1 a flat map",
        "neither end by itself",
        "Bhatt, Weller, Moura 2020, arXiv 2005.00631, definition 3",
        "A wrong map can be as plain as a right one. It does not see whether the mass lies in one place.",
        ("complexity",),
        "complexity",
    ),
)  # fmt: skip
"""In the order that a reader meets them."""
