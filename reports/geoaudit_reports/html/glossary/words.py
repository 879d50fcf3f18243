"""The words of attribution, of masking and of statistics."""

from __future__ import annotations

from geoaudit_reports.html.glossary.entry import Entry

MAP_ENTRIES = (
    Entry("Heat map", "A picture of an attribution: which pixels speak for the explained class, and which against it.",
          spoken=("heat map", "heat maps")),
    Entry("Attribution, A", "One signed number for each input element, in units of f. S = Σ|A| is a map's mass.",
          spoken=("attribution", "attributions")),
    Entry("Explained output, f", "The one number of the model that the maps explain: by default the target class's "
          "score before softmax.", spoken=("explained output",)),
    Entry("Target", "The class that is explained: the one that onnxruntime predicts for the image, unless a target or "
          "labels were given.", spoken=("target probability", "target")),
    Entry("Baseline, x′", "The picture that stands for “nothing there”: an idea in pixel space (black, blur, …), "
          "carried into the model's input space.", fails="No baseline is the right one; another gives another map.",
          spoken=("baseline",)),
    Entry("Δf", "How far the output is from the baseline's. It is what an attribution shares out among the pixels.",
          "Δf = f(x) − f(x′)", "any number", spoken=("Δf",)),
    Entry("Completeness", "That attributions add up to Δf.", "ΣA = Δf",
          fails="Methods that add up can be no better than guessing at the question a person asks of them.",
          source="Sundararajan et al. 2017, arXiv 1703.01365; the limit: Bilodeau et al., PNAS 2024"),
    Entry("Walk", "The way from the baseline to the image along which a path method adds up gradients. Methods differ "
          "only in how they walk.", spoken=("walk",)),
    Entry("Error bar", "The integral's own uncertainty: onnxruntime gives f at both ends of each segment of the walk, "
          "so each segment's sum has a known target. The total can be right by chance; the error bar cannot.",
          "√Σ(segment's gradient sum − segment's Δf)² / |Δf|", "from 0 up", "lower", spoken=("error bar",)),
    Entry("Gap", "The completeness error on one image: how much of Δf is missing from the map's sum.",
          "|ΣA − Δf| / |Δf|", "from 0 up", "lower"),
    Entry("NCC profile", "NCC violation after adding up over elements, pixels and patches of growing size.",
          range="0 to 1"),
    Entry("Own start", "Some methods walk to the image from a start of their own, such as a blurred image, instead of "
          "the run's baseline. Completeness, NCC and Δf then refer to that start."),
    Entry("Gradient, forward", "What a map costs: one forward evaluates the model on one image, one gradient evaluates "
          "it and its slopes."),
    Entry("Pictures to learn from", "Some methods learn what pictures look like before they explain one. They learn "
          "from the pictures given for that purpose, or else from the audited ones.",
          spoken=("calibration set",)),
)  # fmt: skip

MASK_ENTRIES = (
    Entry("MoRF, LeRF", "Most relevant first, least relevant first: the two orders of replacing regions.",
          spoken=("MoRF", "LeRF")),
    Entry("AUC", "Area under a masking curve: its mean height.", "∫ p dq over the share q replaced", "0 to 1"),
    Entry("Masking curve", "The target probability while more and more regions are replaced, in a map's order."),
    Entry("Imputer", "What a replaced region is filled with. Every SRG is the mean over all imputers listed.",
          spoken=("imputer", "imputers")),
    Entry("Control", "A map made without the model's reasons, scored like every method: random numbers, edges, a blob "
          "in the middle, an inverted method. A method must beat random; where it does not beat edges, a picture made "
          "without the model does as well.", spoken=("control", "controls")),
    Entry("Parity", "Proof that the converted model that gives gradients computes what onnxruntime computes: the same "
          "outputs, and slopes that agree with differences of the file's own outputs.", spoken=("parity",)),
    Entry("Straight-through gradient", "What is used for a quantised model: rounding has no useful derivative, so "
          "gradients pass through it as if it were not there, and explain that stand-in of the model.",
          spoken=("straight-through gradients", "quantised")),
    Entry("Metric health", "A metric is believed on this model only if it puts inverted maps below the methods' own "
          "maps and below a random one.", spoken=("metric health", "health test")),
    Entry("Calibration", "Before anything is measured, models whose right answer is known go through the same code. "
          "Wrong answers there mean that nothing here can be believed."),
    Entry("Check", "A question about a method or the model with a verdict, not a score.", spoken=("sanity check",)),
    Entry("Seed spread", "How far a score moves when a method that uses random numbers runs again with another seed. A "
          "seed's spread as large as that from image to image means that luck decides.",
          "√mean over images of the variance over seeds", "from 0 up", "lower"),
)  # fmt: skip

TEST_ENTRIES = (
    Entry("95 % interval", "The range that the mean would mostly fall in with other such images: from the 2.5th to the "
          "97.5th percentile when the images are drawn again with replacement (bootstrap).",
          fails="Images unlike these are not covered. From few images it is itself uncertain.",
          spoken=("95 % interval", "interval")),
    Entry("Smallest difference that could be found", "A difference in SRG that a test on this many images would find "
          "four times out of five. What is smaller may be there and go unseen: a tie is no proof of equality."),
    Entry("p (Holm)", "How often a difference this large would be seen if there were none, corrected for the number of "
          "comparisons by Holm's method.", range="0 to 1; below 0.05 counts as a difference", source="Holm 1979",
          spoken=("Holm",)),
    Entry("Wilcoxon test", "A paired test on the images' scores of two methods that needs no bell curve.",
          source="Wilcoxon 1945", spoken=("Wilcoxon",)),
    Entry("Friedman's test", "Whether the methods differ at all, over the images; χ² is its statistic.",
          range="χ² from 0 up; p from 0 to 1", source="Friedman 1937", spoken=("χ²",)),
    Entry("Cliff's δ", "How often one method's score is above the other's, less how often it is below.",
          "P(A > B) − P(A < B)", "−1 to 1; 0 means neither", source="Cliff 1993"),
    Entry("Kendall's τ", "How far two readings put the methods in the same order. Where methods tie, the pairs are "
          "counted as for τ-b.", "(pairs in the same order − pairs in the opposite order) / pairs",
          "−1 to 1; 1 the same, 0 unrelated, −1 the opposite", source="Kendall 1945", spoken=("Kendall's tau",)),
    Entry("Krippendorff's α", "How far the images agree on the order of the methods.",
          "1 − observed disagreement / disagreement by chance", "up to 1; 1 fully, 0 no more than chance", "higher",
          "Krippendorff 2011", spoken=("Krippendorff's alpha",)),
    Entry("Consensus", "The methods' order by their mean rank over the metrics that judge maps and did not fail their "
          "own test, one vote for each source of evidence."),
    Entry("Leave one out", "The order of the methods without one of the metrics: what stays does not hang on it."),
    Entry("Pairs kept", "The share of the pairs of methods whose order stays when a metric is left out.",
          range="0 to 1", better="higher"),
    Entry("Rank", "A method's place among the methods on one image, by one criterion; shown as the mean over images. 1 "
          "is best."),
)  # fmt: skip

RECORD_ENTRIES = (
    Entry("Digest, sha256", "A fingerprint of a file: any change of the file changes it.", source="FIPS 180-4",
          range="64 hexadecimal digits", spoken=("digest", "sha256")),
    Entry("Manifest", "The sorted lines “<sha256>  <name>” of a set of images. Its digest stands for all of them."),
    Entry("Budget", "How much may be spent on one image: quick, standard or thorough.", spoken=("budget",)),
    Entry("Seed", "The number that all randomness of a run starts from: the same seed gives the same report."),
)  # fmt: skip
