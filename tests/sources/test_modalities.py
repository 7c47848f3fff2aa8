"""Names of modalities, and text that is numbers of tokens."""

from collections import Counter

import numpy as np
import pytest

from mmtrans.sources.modalities import holds_ids, modality_of, usual_width


@pytest.mark.parametrize(
    ("name", "modality"),
    [
        ("Language", "text"),
        ("glove_vectors", "text"),
        ("text_emb", "text"),
        ("COVAREP", "audio"),
        ("acoustic_features", "audio"),
        ("Speech", "audio"),
        ("visual", "video"),
        ("FACET", "video"),
        ("face_feats", "video"),
        ("OpenFace_2", "video"),
        ("FACET_4.1", "video"),
        ("openface-v2.2.0 features", "video"),
        ("glove_6B", "text"),
        ("glove.840B.300d", "text"),
        ("word2vec", "text"),
        ("COVAREP_features_74", "audio"),
        ("raw_text", None),
        ("surface_2", None),
        ("2", None),
        ("video_a1", None),
        ("text_bert", None),
        ("audio_lengths", None),
        ("labels", None),
        ("features", None),
    ],
)
def test_names(name, modality):
    assert modality_of(name) == modality


def test_the_usual_width_is_that_of_most_and_of_equals_the_first():
    assert usual_width(Counter({4: 1, 6: 39})) == 6
    assert usual_width(Counter([5, 3, 3, 5])) == 5


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([[[101, 2054, 102, 0]]]), True),
        (np.array([[[101.0], [2054.0], [0.0]]]), True),
        (np.array([[[101, 7, 102], [1, 1, 1], [0, 0, 0]]]), True),
        (np.array([[[101, 7, 102], [1, 1, 2], [0, 0, 0]]]), False),
        (np.array([[[101, 7, 102, 5], [1, 1, 1, 0]]]), True),
        (np.array([[[101, 1], [7, 1], [102, 1], [5, 0]]]), True),
        (np.array([[[101, 1, 0], [7, 1, 0], [102, 1, 1], [5, 0, 0]]]), True),
        (np.array([[[101, 9], [7, 1], [102, 1], [5, 0]]]), False),
        (np.array([[[101, 2054, 102, -1]]]), True),
        (np.array([[[101.0], [102.0], [-100.0]]]), True),
        (np.array([[[101, 102, -100], [1, 1, 0], [0, 0, -100]]]), True),
        (np.array([[[101, 102, -2]]]), False),
        (np.array([[[-1, 1, -100]]]), False),
        (np.array([[[101.5, 2, 3]]]), False),
        (np.array([[[-101, 2, 3]]]), False),
        (np.array([[[1, 0, 3]]]), False),  # counts of words
        (np.array([[[np.nan, 30, 3]]]), False),
        (np.full((1, 5, 4), 200), False),  # five steps of four columns
        (np.zeros((0, 1, 4)), False),
    ],
)
def test_numbers_of_tokens_are_told_from_vectors(array, expected):
    assert holds_ids(array) is expected
