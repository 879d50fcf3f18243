"""Which operators are converted: every version up to operator set 25, but for those named here with the reason."""

from __future__ import annotations

from onnx import defs

from geoaudit.model.converters import definitions

LEFT_OUT = {
    "control flow; unrolled before conversion where it does not depend on the picture": {"If", "Loop", "Scan"},
    "random, so that no two evaluations agree": {
        "Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike",
    },
    "strings": {"RegexFullMatch", "StringConcat", "StringNormalizer", "StringSplit", "TfIdfVectorizer"},
    "sound; constant in a picture's classifier and folded": {
        "BlackmanWindow", "DFT", "HammingWindow", "HannWindow", "MelWeightMatrix", "STFT",
    },
    "training": {"NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"},
    "detection; onnx2torch's own where torchvision is there": {"MaxRoiPool", "NonMaxSuppression", "RoiAlign"},
    "files and functions as values": {"ImageDecoder", "SequenceMap"},
}  # fmt: skip
LEFT_OUT_ML = {
    "steps without a gradient": {
        "SVMClassifier", "SVMRegressor", "TreeEnsemble", "TreeEnsembleClassifier", "TreeEnsembleRegressor",
    },
    "dictionaries and strings": {"CastMap", "CategoryMapper", "DictVectorizer"},
}  # fmt: skip


def undeclared(domain: str) -> set[str]:
    declared = definitions()
    return {
        schema.name
        for schema in defs.get_all_schemas_with_history()
        if schema.domain == domain
        and (domain or schema.since_version <= 25)
        and not schema.deprecated
        and (domain, schema.name, schema.since_version) not in declared
    }


def test_every_version_of_the_default_domain() -> None:
    assert undeclared("") == set().union(*LEFT_OUT.values())


def test_scikit_learns_domain() -> None:
    # version 1 of LabelEncoder maps strings to numbers and back, and nothing else
    assert undeclared("ai.onnx.ml") == set().union(*LEFT_OUT_ML.values(), {"LabelEncoder"})
