"""The report as data: the model that report.json is written from and its schema is generated from.

Nothing here knows how a report looks.  Every number may be null, and where it is null a status or a reason
stands beside it; NaN and infinity never occur.  Lists are sorted.  Two runs of the same model, images,
options and seed differ only under `run` and in fields named `seconds`.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from geoaudit.api import Status

SCHEMA_VERSION = 1  # 1: first version; raised only by a change that breaks readers


class Record(BaseModel):
    """Base of the report's parts: unknown keys and non-finite numbers are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, protected_namespaces=(), serialize_by_alias=True)


class Tool(Record):
    """Who wrote the report."""

    name: str
    version: str


class EngineTrial(Record):
    """One way to compute gradients that was tried, or why it was not."""

    engine: str = Field(description="onnxruntime, torch, torch-bfloat16 or torch-compiled")
    memory_layout: str | None = Field(description="of torch's tensors; null where the engine has its own, or never ran")
    batch_size: int | None
    threads: int | None
    milliseconds: float | None = Field(description="an image, value and gradient; null where it was not timed")
    difference: float | None = Field(
        description="lower quartile, over pictures, of the gradient's relative L2 difference from torch's on "
        "contiguous float32 tensors; null where it was not compared"
    )
    allowed: float | None = Field(description="the largest difference that would have been accepted")
    stable: bool | None = Field(description="an image's numbers were the same bits among other images")
    memory_bytes: int | None = Field(description="of a batch, besides the weights, estimated from torch's activations")
    chosen: bool
    reason: str


class Resumed(Record):
    """What this run took over from one before it that was interrupted."""

    units: int = Field(description="units of work: a method on a group of images, or a check of a method")
    of: int = Field(description="units of the whole run, as it was planned")
    since: str = Field(description="when the interrupted run, or the first of several, began; UTC, ISO 8601")


class Run(Record):
    """When, where and how; the only part (with `seconds`) that differs between two equal runs."""

    started: str = Field(description="UTC, ISO 8601")
    finished: str = Field(description="UTC, ISO 8601")
    seconds: float
    command: list[str]
    seed: int
    budget: str
    device: str
    host: dict[str, str]
    packages: dict[str, str]
    estimate_seconds: float | None = Field(description="what was announced before the run")
    spending: list[str] = Field(
        default_factory=list, description="what the budget meant, as it was printed before the run"
    )
    engine: dict[str, Any] = Field(
        default_factory=dict, description="device, threads, engine, memory layout and batch size of the gradients"
    )
    engine_trials: list[EngineTrial] = Field(
        default_factory=list, description="what was tried to choose the engine, in this run or an earlier one"
    )
    resumed: Resumed | None = Field(default=None, description="null where everything was computed in this run")
    judged: str | None = Field(
        default=None, description="the UTC day on which the policy was applied: waivers expire by it; null if not gated"
    )


class TensorInfo(Record):
    """An input or output of the model."""

    name: str
    dtype: str
    shape: list[int | str] = Field(description="integers, or names of dynamic dimensions")


class Conversion(Record):
    """How the file became a differentiable model; empty where it was not converted."""

    passes: list[str] = Field(description="graph clean-up passes that changed the graph, in order")
    ops: dict[str, int] = Field(description="operator counts of the converted graph")
    extensions: list[str] = Field(description="converters used beyond onnx2torch's own")
    straight_through: list[str] = Field(
        default_factory=list, description="operators that round, whose gradient passes straight through"
    )


class ExplainedOutput(Record):
    """The scalar that is explained."""

    name: str = Field(description="tensor in the graph that the scalar is read from")
    space: Literal["logit", "probability", "log-probability", "margin"]
    tail_removed: str | None = Field(description="operator at the graph's end before which the output is taken")
    kind: Literal["one-label", "multi-label", "binary"] = Field(
        default="one-label", description="exclusive classes, independent classes, or one score for two classes"
    )
    reading: str = Field(default="", description="what the scores are taken for, in a sentence")


class FileInfo(Record):
    """The audited file, and how it was converted."""

    file: str
    sha256: str
    bytes: int
    external_data: list[str]
    producer: str
    ir_version: int
    opsets: dict[str, int]
    inputs: list[TensorInfo]
    outputs: list[TensorInfo]
    metadata: dict[str, str]
    conversion: Conversion


class NamedFile(Record):
    """A file beside the model, by its name and digest."""

    file: str
    sha256: str


class AutoencoderInfo(Record):
    """The user's encoder and decoder of model inputs."""

    encoder: NamedFile
    decoder: NamedFile
    code_shape: list[int] = Field(description="shape of one code")


class ModelInfo(FileInfo):
    """The audited classifier."""

    classes: int
    explained_output: ExplainedOutput
    autoencoder: AutoencoderInfo | None = Field(default=None, description="null where none was given")


class GradientParity(Record):
    """Gradients of the converted model against directional finite differences of onnxruntime."""

    directions: int
    median_rel_error: float | None
    max_rel_error: float | None
    tolerance: float | None
    surrogate: str | None = Field(
        default=None, description="what was differentiated in the model's place where it has no useful derivative"
    )


class Parity(Record):
    """The certificate that the converted model computes what onnxruntime computes; SKIP where none was made."""

    status: Status
    reason: str
    images: int
    max_abs_diff: float | None
    max_rel_diff: float | None
    top1_agreement: float | None
    gradient: GradientParity
    tolerance: float | None = Field(description="largest allowed |difference| as a share of the outputs' range")
    first_difference: str | None = Field(description="first tensor of the graph that differs; null if none")


class Skipped(Record):
    """An input that was left out, and why."""

    file: str
    reason: str


class Sourced(Record):
    """A setting and where it came from."""

    value: Any
    source: str


class Labels(Record):
    """Where class names and true labels came from."""

    source: str | None
    names_source: str | None
    labelled: int = Field(description="images with a true label")
    top1_accuracy: float | None
    note: str = Field(default="", description="about images without a label")


class ImageInfo(Record):
    """One audited image."""

    id: str = Field(description="path relative to the image folder, posix style")
    file: str
    sha256: str
    target: int = Field(description="the explained class")
    target_name: str | None
    probability: float = Field(description="of the explained class")
    predicted: int | None = Field(default=None, description="the class with the highest probability")
    label: int | None = Field(description="the true class")
    notes: list[str] = Field(description="what was done to the picture, such as 'alpha composited on white'")


class CalibrationSet(Record):
    """The pictures that methods learn from, where they learn from data."""

    source: str
    count: int
    available: int = Field(description="pictures found; at most 256 of them, spread evenly, are used")
    audited: int = Field(description="how many of those used are audited images too, by their bytes")
    manifest_sha256: str = Field(description="sha256 of the sorted lines '<sha256>  <id>'")
    skipped: list[Skipped]


class Detail(Record):
    """How a report of many images is divided; every summary, interval and rank in it rests on all of them."""

    listed: int = Field(description="images that the report lists one by one, with scores and maps")
    rule: str = Field(description="how they were drawn")
    files: list[NamedFile] = Field(description="Parquet files with every image and every score")


class Data(Record):
    """The audited images."""

    count: int
    manifest_sha256: str = Field(description="sha256 of the sorted lines '<sha256>  <id>'")
    skipped: list[Skipped]
    preprocess: dict[str, Sourced]
    labels: Labels
    images: list[ImageInfo]
    calibration: CalibrationSet | None = Field(default=None, description="null in reports of earlier versions")
    detail: Detail | None = Field(default=None, description="null where all images are listed")


class BaselineInfo(Record):
    """The baseline as an idea in pixel space and as numbers in model input space."""

    kind: str
    pixel_value: list[float] | None = Field(description="per channel, 0..255; null where it varies over the image")
    input_value: list[float] | None


class ScoreSummary(Record):
    """A metric over the images."""

    median: float | None
    mean: float | None
    ci_low: float | None = Field(description="95 % bootstrap interval of the mean over images")
    ci_high: float | None
    n: int
    missing: int
    higher_is_better: bool | None
    status: Status
    reason: str | None


class CostInfo(Record):
    """What a method cost over all images; what it shares with other methods is charged to each in full."""

    gradients: float
    forwards: float
    seconds: float


class ProfilePoint(Record):
    """NCC at one granularity."""

    granularity: str = Field(description='"element", "pixel", or "patch <n> px"')
    ncc_violation: float | None = Field(description="median over images")


class Reading(Record):
    """SRG by region size and order of regions; the headline reading stands among them where others were made."""

    region: int = Field(description="side of the square regions in pixels")
    order: Literal["magnitude", "signed"]
    srg: float = Field(description="mean over images and imputers")


class Spread(Record):
    """How far a metric's scores move with the seed, and from image to image."""

    metric: str
    seed_sd: float | None = Field(
        description="root of the mean over images of the variance over seeds; null where no image has all scores"
    )
    image_sd: float | None = Field(
        description="standard deviation over the images of the run's own scores; null below two"
    )
    images: int = Field(description="images behind seed_sd")


class SeedSpread(Record):
    """A stochastic method repeated under other seeds on the first images."""

    seeds: list[int] = Field(description="the run's own first; those that gave maps")
    images: int
    map_similarity: float | None = Field(
        description="Spearman's correlation of |A| between seeds: median over pairs of seeds, then over images"
    )
    spread: list[Spread]
    reason: str | None = Field(description="why a repeat is missing, or why there is no similarity")
    cost: CostInfo = Field(description="of the repeated maps; apart from the method's own cost")


class MethodResult(Record):
    """A method or control over all images."""

    id: str
    title: str
    kind: Literal["method", "control"]
    family: str
    reference: str
    parameters: dict[str, Any]
    plugin: str = Field(description="package and version that provides it")
    status: Literal["ok", "error", "skipped"] = Field(
        description="skipped: not applicable in this audit, not a failure"
    )
    reason: str | None
    flags: list[str]
    scores: dict[str, ScoreSummary]
    ncc_profile: list[ProfilePoint]
    readings: list[Reading]
    cost: CostInfo
    notes: list[str] = Field(default_factory=list, description="what the method found out and a reader must know")
    seeds: SeedSpread | None = Field(default=None, description="null for deterministic methods")


class WalkInfo(Record):
    """What was measured on one image's walk (null errors: |delta f| too small to divide by)."""

    delta_f: float | None = Field(
        default=None,
        description="what the map claims to add up to, for the walk may have a start of its own; null in reports of "
        "earlier versions",
    )
    nodes: int
    gradients: int
    forwards: int
    attribution_sum: float
    magnitude: float
    magnitude_half: float | None
    completeness_error: float | None
    quadrature_error: float | None
    method_error: float | None
    error_bar: float | None
    absolute_misses: float | None
    total_variation: float
    path_cancellation: float | None
    length: float
    absolute_integral: float
    conformal_length: float
    met: bool


class PerImage(Record):
    """A method's scores on one image."""

    image: str
    method: str
    scores: dict[str, float | None]
    reasons: dict[str, str] = Field(default_factory=dict, description="why a score is null, by metric")
    status: Status
    reason: str | None
    walk: WalkInfo | None
    delta_f: float


class Curve(Record):
    """Mean target probability while regions are imputed."""

    method: str
    imputer: str
    order: Literal["morf", "lerf"]
    fractions: list[float]
    mean: list[float]


class RankInterval(Record):
    """Mean rank over the images of one criterion; 1 is best."""

    rank: float | None
    rank_low: float | None
    rank_high: float | None


class RankingEntry(Record):
    """One method's place."""

    position: str = Field(description='"1", or "1=" where methods cannot be told apart')
    tier: Literal["recommended", "caution", "rejected"]
    method: str
    reasons: list[str]
    pareto: bool
    ncc: RankInterval
    faithfulness: RankInterval
    p_best: float | None


class PairTest(Record):
    """Paired Wilcoxon test of two methods' per-image SRG, Holm-corrected."""

    a: str
    b: str
    metric: str
    n: int
    median_difference: float | None
    p_holm: float | None
    cliffs_delta: float | None


class FriedmanTest(Record):
    """Friedman's test over the ranked methods."""

    metric: str
    n: int
    statistic: float | None
    p: float | None


class Tests(Record):
    """The statistical tests behind the tiers."""

    friedman: list[FriedmanTest]
    pairwise: list[PairTest]


class Agreement(Record):
    """How far two readings put the methods in the same order."""

    a: str
    b: str
    tau: float | None = Field(description="Kendall's tau-b of the methods' mean scores, both read as better is higher")
    methods: int = Field(description="methods that both readings score on at least half of the images")


class LeaveOneOut(Record):
    """The order of the methods without one of the metrics, or without all that read the same evidence."""

    without: str = Field(description='a metric, or "all of <source>" for the metrics that read the same evidence')
    metrics: list[str] = Field(default_factory=list, description="ids of the metrics left out")
    tau: float | None = Field(description="Kendall's tau-b between the order with and without it")
    first: list[str] = Field(description="methods that come first without it")
    same_first: bool
    pairs_kept: float | None = Field(description="share of the pairs of methods whose order stays")


class Robustness(Record):
    """What of the ranking depends on the choice of metric or imputer."""

    consensus: list[str] = Field(
        description="methods by their mean rank over the metrics that judge maps and did not fail their own test, "
        "one vote a source of evidence, best first"
    )
    metrics: list[Agreement] = Field(description="every two of these metrics")
    imputers: list[Agreement] = Field(description="every two imputers of the sweep")
    leave_one_out: list[LeaveOneOut]
    surviving: list[list[str]] = Field(
        description="pairs [better, worse] whose order is the same whichever metric or source of evidence is left out"
    )
    conclusions: list[str] = Field(description="what survives and what does not, in sentences")


class AdaptiveMethod(Record):
    """On how many images a method or control was masked."""

    method: str
    images: int = Field(description="the first ones in the order that the run's seed drew")


class AdaptivePair(Record):
    """Two methods as an adaptive audit compared them: image by image, by SRG and NCC violation together."""

    a: str
    b: str
    n: int = Field(description="images on which both were masked")
    preference: float | None = Field(description="mean over images, 1: a is better by both criteria, -1: b is")
    p_holm: float = Field(description="of no preference; valid whenever one stops, Holm-corrected over all pairs")
    outcome: Literal["a", "b", "tie", "open"] = Field(
        description='who is preferred; "tie": the preference is shown to be below `tie`'
    )


class AdaptiveRanking(Record):
    """What an adaptive audit settled before it had read all images."""

    reason: str
    tie: float = Field(description="smallest preference of interest")
    methods: list[AdaptiveMethod]
    pairs: list[AdaptivePair]


class Ranking(Record):
    """Which explanation method can be relied on for this model."""

    status: Literal["ranked", "indicative", "inconclusive"]
    rule: str
    reason: str
    entries: list[RankingEntry]
    tests: Tests
    smallest_detectable_difference: float | None = Field(description="in SRG, at this number of images")
    reliability: float | None = Field(
        description="Krippendorff's alpha of the images' SRG rankings (ordinal): 1 full agreement, 0 chance"
    )
    reliability_low: float | None = Field(default=None, description="95 % bootstrap interval over images")
    reliability_high: float | None = None
    agreement: float | None = Field(description="Kendall's tau between the imputers' mean SRG of methods")
    robustness: Robustness | None = Field(default=None, description="null in reports of earlier versions")
    adaptive: AdaptiveRanking | None = Field(default=None, description="null where every image was read")


class CheckCurve(Record):
    """A line of points that a check measured; lines of one check with the same chart are drawn together."""

    chart: str
    name: str
    x_label: str
    y_label: str
    x: list[float]
    y: list[float | None]


class CheckResult(Record):
    """One finding."""

    id: str
    title: str = Field(default="", description="the check's title; empty in reports of earlier versions")
    gate: bool = Field(default=False, description="whether a failure rejects the method in the ranking")
    method: str | None
    status: Status
    estimate: float | None
    ci_low: float | None
    ci_high: float | None
    threshold: float | None
    reason: str
    details: dict[str, Any]
    curves: list[CheckCurve] = Field(default_factory=list)
    cost: CostInfo | None = Field(default=None, description="null in reports of earlier versions")


class MetricHealth(Record):
    """Whether a metric can tell a method from its inversion on this model."""

    metric: str
    status: Status
    reason: str


class CalibrationCase(Record):
    """One closed-form case through the same integrator, in this run."""

    case: str
    status: Status
    expected: dict[str, float | list[float]]
    measured: dict[str, float | list[float]]


class Waiver(Record):
    """A failure that a named person has accepted for a while."""

    rule: str = Field(description="id of the waived result")
    reason: str
    owner: str
    expires: str = Field(description="the last day on which it holds, ISO 8601")


class GateResult(Record):
    """One rule of the policy, applied to one method or to the whole audit."""

    id: str = Field(description="names rule and subject; the same from run to run, and what a waiver names")
    rule: str = Field(description="what the policy asks for, in words")
    method: str | None = Field(description="null where the rule is about the model, the images or the audit")
    status: Literal["PASS", "WARN", "FAIL", "WAIVED"] = Field(
        description="WARN: met only because the policy allows such a status, or met with a caution"
    )
    found: str = Field(description="what the report says, in words")
    reason: str = Field(description="why the status is what it is, in a sentence")
    measured: float | None = Field(default=None, description="null where the rule is about no number, or none is known")
    minimum: float | None = None
    maximum: float | None = None
    waiver: Waiver | None = Field(default=None, description="the waiver that names this result, in force or expired")


class Gate(Record):
    """The policy's verdict."""

    configured: bool
    status: Literal["not gated", "PASS", "FAIL"] = Field(
        description='"not gated" where no policy was given; never PASS then'
    )
    policy: str | None = Field(description="the policy's file name")
    title: str = Field(default="", description="the policy's title")
    owner: str = Field(default="", description="who answers for the policy")
    sha256: str | None = Field(default=None, description="of the policy file's bytes")
    in_use: str | None = Field(
        default=None, description="the method whose maps are shown to people, as the policy says"
    )
    results: list[GateResult] = Field(description="in the policy's order")


class SignOff(Record):
    """Left blank for the responsible person."""

    name: str = ""
    role: str = ""
    date: str = ""
    signature: str = ""


class Report(Record):
    """report.json."""

    schema_: Literal["geoaudit.report"] = Field(default="geoaudit.report", alias="schema")
    schema_version: Literal[1] = 1
    tool: Tool
    run: Run
    model: ModelInfo
    parity: Parity
    data: Data
    baseline: BaselineInfo
    config: dict[str, Sourced]
    methods: list[MethodResult]
    per_image: list[PerImage]
    curves: list[Curve]
    ranking: Ranking
    checks: list[CheckResult]
    metric_health: list[MetricHealth]
    calibration: list[CalibrationCase]
    gate: Gate
    limitations: list[str]
    context: str | None = Field(
        default=None, description="what the model is for and who reads its maps, in the user's words"
    )
    maps: NamedFile | None = Field(
        default=None, description="the file of the maps; null in reports of earlier versions"
    )
    sign_off: SignOff
    exit_code: int
