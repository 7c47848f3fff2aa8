"""The columns of MFN and MCTN."""

import numpy as np
import pytest

from mmtrans.sources.account import Account, DropReason, Left
from mmtrans.sources.columns import COVAREP_NAMES, FACET_NAMES, select_columns
from mmtrans.sources.corpus import Corpus
from mmtrans.sources.open import open_corpus
from tests.real_data import MOSI_TRIMODAL, needs
from tfrecords.manifest import DroppedSegment
from tfrecords.schema import LabelScale, Segment

#: The published list of FACET's columns, frame time and face box included, and indices into it after those five.
_LIST = (
    "Frametime,Face X,Face Y,Face Width,Face Height,angerEvidence,contemptEvidence,disgustEvidence,joyEvidence,"
    "fearEvidence,negativeEvidence,neutralEvidence,positiveEvidence,sadnessEvidence,surpriseEvidence,"
    "confusionEvidence,frustrationEvidence,angerIntensity,contemptIntensity,disgustIntensity,joyIntensity,"
    "fearIntensity,negativeIntensity,neutralIntensity,positiveIntensity,sadnessIntensity,surpriseIntensity,"
    "confusionIntensity,frustrationIntensity,AU1Evidence,AU2Evidence,AU4Evidence,AU5Evidence,AU6Evidence,"
    "AU7Evidence,AU9Evidence,AU10Evidence,AU12Evidence,AU14Evidence,AU15Evidence,AU17Evidence,AU18Evidence,"
    "AU20Evidence,AU23Evidence,AU24Evidence,AU25Evidence,AU26Evidence,AU28Evidence"
)
PUBLISHED = _LIST.split(",")
VISUAL = [0, 2, 5, 10, 11, 12, 14, 17, 20, 21, 22, 24, 25, 29, 30, 31, 32, 36, 37, 40]


def _corpus(features, **options):
    segments = [Segment("v[0]", "v", features, 0.5, ("a", "b"))]
    return Corpus(
        "csd",
        [],
        LabelScale("sentiment", -3, 3, 0),
        lambda: iter(segments),
        aligned=dict.fromkeys(features, True),
        **options,
    )


def _ramp(dim):
    return np.arange(2 * dim, dtype=np.float32).reshape(2, dim)


def test_names_are_the_published_ones():
    assert list(FACET_NAMES) == PUBLISHED[1:]
    assert len(COVAREP_NAMES) == 74
    assert [COVAREP_NAMES[k] for k in (0, 10, 11, 36, 61, 73)] == [
        "F0",
        "creak",
        "MCEP_0",
        "HMPDM_0",
        "HMPDD_0",
        "HMPDD_12",
    ]


def test_mctn_keeps_the_features_that_the_papers_kept():
    features = {"text": _ramp(3), "audio": _ramp(74), "video": _ramp(47)}
    corpus = select_columns(_corpus(features, account=Account(left=[Left("w[0]", DropReason.NO_STEPS)])), "mctn")
    (segment,) = corpus.read()
    np.testing.assert_array_equal(segment.features["text"], features["text"])
    np.testing.assert_array_equal(segment.features["audio"], features["audio"][:, [1, 3, 6, 25, 60]])
    # By name: the mask counts the published columns after the first five.
    names = [PUBLISHED[5:][k] for k in VISUAL]
    columns = [PUBLISHED[1:].index(name) for name in names]
    np.testing.assert_array_equal(segment.features["video"], features["video"][:, columns])
    assert corpus.feature_names["video"] == tuple(names)
    assert corpus.feature_names["audio"] == ("VUV", "QOQ", "MDQ", "MCEP_14", "HMPDM_24")
    assert (segment.id, segment.label, segment.tokens) == ("v[0]", 0.5, ("a", "b"))
    assert corpus.dropped == [DroppedSegment("w[0]", "no steps")]


def test_the_files_own_names_come_first():
    own = tuple(f"c{k}" for k in range(74))
    corpus = select_columns(_corpus({"audio": _ramp(74)}, feature_names={"audio": own, "text": ("t",)}), "mctn")
    assert corpus.feature_names == {"audio": ("c1", "c3", "c6", "c25", "c60"), "text": ("t",)}


@pytest.mark.parametrize(("modality", "dim"), [("audio", 5), ("video", 35), ("video", 48)])
def test_columns_that_do_not_fit_are_refused(modality, dim):
    corpus = select_columns(_corpus({modality: _ramp(dim)}), "mctn")
    with pytest.raises(
        ValueError, match=rf"does not fit the columns.*Received: {modality} of {dim} columns \(v\[0\]\)"
    ):
        list(corpus.read())


def test_an_unknown_selection_is_refused():
    with pytest.raises(ValueError, match=r"Unknown selection.*\['mctn'\].*select='mfn'"):
        select_columns(_corpus({"text": _ramp(2)}), "mfn")


@needs(MOSI_TRIMODAL)
def test_real_features():
    whole, kept = (open_corpus(MOSI_TRIMODAL, select=select).read() for select in (None, "mctn"))
    count = 0
    for before, after in zip(whole, kept, strict=True):
        np.testing.assert_array_equal(after.features["audio"], before.features["audio"][:, [1, 3, 6, 25, 60]])
        np.testing.assert_array_equal(after.features["video"], before.features["video"][:, [4 + k for k in VISUAL]])
        count += 1
    assert count == 229
