"""Rows of matrices, as lists and object arrays hold them, become one array with the right lengths and widths."""

import numpy as np
import pytest

from mmtrans.sources.open import open_corpus
from mmtrans.sources.padded.stacking import stack
from tests.sources.format_files import dump


def test_equal_matrices_are_one_array_however_they_are_stored():
    array = np.arange(24.0).reshape(2, 4, 3)
    rows = np.empty(2, object)
    rows[:] = list(array)
    for value in (array, array.tolist(), list(array), tuple(array), rows):
        stacked = stack(value)
        np.testing.assert_array_equal(stacked.array, array)
        # Equal lengths may be padded ones: zeros tell.
        assert stacked.lengths is None
        assert stacked.deviants is None


def test_vectors_are_one_step_each():
    assert stack(np.ones((2, 3))).array.shape == (2, 1, 3)
    assert stack([[1.5, 2], [3, 4]]).array.tolist() == [[[1.5, 2]], [[3, 4]]]


def test_rows_of_their_own_lengths_keep_them_zeros_at_the_end_too():
    rows = [np.array([[1.0, 2], [0, 0]]), np.array([[3.0, 4], [5, 6], [7, 8]]), None, float("nan"), []]
    stacked = stack(rows)
    assert stacked.lengths.tolist() == [2, 3, 0, 0, 0]
    assert stacked.array[0].tolist() == [[1, 2], [0, 0], [0, 0]]
    assert stacked.array[1].tolist() == [[3, 4], [5, 6], [7, 8]]
    assert not stacked.array[2:].any()
    assert stacked.deviants is None


def test_rows_of_another_width_than_most_are_zeros_and_told():
    rows = [np.ones((2, 4)), np.ones((3, 6)), np.ones((1, 6))]
    stacked = stack(rows)
    assert stacked.array.shape == (3, 3, 6)
    assert stacked.deviants.tolist() == [True, False, False]
    assert stacked.lengths.tolist() == [0, 3, 1]


@pytest.mark.parametrize(
    ("value", "clause"),
    [
        (7, "as int"),
        ("words", "as str"),
        ([], r"float64\(0,\)|rows without numbers"),
        ([None, None], "2 rows without numbers"),
        ([[[1.0], [1.0, 2.0]], None], "2 rows without numbers, or whose steps differ in width"),
        (["a", "b"], "a row of str that is not all numbers"),
        ([np.ones((2, 2, 2)), np.ones((3, 2, 2))], r"a row of shape \(2, 2, 2\)"),
        (np.ones((2, 3, 0)), r"float64\(2, 3, 0\)"),
        (np.array([["a"]]), "<U1"),
    ],
)
def test_what_holds_no_matrices_is_refused(value, clause):
    with pytest.raises(ValueError, match=clause):
        stack(value)


def test_a_file_of_ragged_rows_has_the_steps_that_are_stored(tmp_path):
    rng = np.random.default_rng(0)
    steps = [3, 5, 4]
    rows = {name: [rng.uniform(1, 2, (n, dim)) for n in steps] for name, dim in (("language", 4), ("acoustic", 3))}
    rows["acoustic"][1][-1] = 0  # silence at the end is no padding
    content = {"train": {**rows, "labels": [0.5, 1.0, -1.0], "id": ["v[0]", "v[1]", "w[0]"]}}
    corpus = open_corpus(dump(tmp_path / "mine.pkl", content, 4))
    assert corpus.aligned == {"text": True, "audio": True}
    for number, segment in enumerate(corpus.read()):
        np.testing.assert_array_equal(segment.features["text"], np.float32(rows["language"][number]))
        np.testing.assert_array_equal(segment.features["audio"], np.float32(rows["acoustic"][number]))


def test_ragged_lists_of_token_numbers_are_no_text(tmp_path):
    content = {
        "train": {"text": [[101, 7, 102], [101, 9, 8, 102, -100]], "audio": np.ones((2, 3, 5)), "id": ["v[0]", "v[1]"]}
    }
    corpus = open_corpus(dump(tmp_path / "mine.pkl", content, 4))
    assert set(corpus.aligned) == {"audio"}
    assert "text (2, 1, 5) holds the numbers of tokens, and no vectors: no text modality." in corpus.notes
    del content["train"]["audio"]
    with pytest.raises(ValueError, match=r"The text holds the numbers of tokens, and there is nothing else\. .*text"):
        open_corpus(dump(tmp_path / "mine.pkl", content, 4))
