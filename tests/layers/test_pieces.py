import numpy as np
import pytest

from mmtrans.layers.pieces import Columns, PieceSequence, WordMeans

BEGIN, END = 101, 102

#: Three words of up to two pieces, the second of none; two words; and a row of no piece. The rest is padding.
PIECES = np.array(
    [
        [[5, -1], [-1, -1], [7, 8], [0, 0]],
        [[0, 9], [3, 4], [99, 99], [np.nan, 2]],
        [[-1, -1], [6, 6], [6, 6], [6, 6]],
    ],
    np.float32,
)
MASK = np.array([[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0]], bool)


@pytest.mark.parametrize(
    ("most", "rows", "steps"),
    [
        (9, [[5, 7, 8], [0, 9, 3, 4], []], [[0, 2, 2], [0, 0, 1, 1], []]),
        (3, [[5, 7, 8], [0, 9, 3], []], [[0, 2, 2], [0, 0, 1], []]),  # what is beyond is left out
    ],
)
def test_pieces_of_words_become_one_sequence(most, rows, steps):
    found = PieceSequence(BEGIN, END, most)(PIECES, source_mask=MASK)
    longest = max(map(len, rows))
    assert found["length"].numpy().tolist() == [len(row) + 2 for row in rows]
    for row, (ids, of_steps) in enumerate(zip(rows, steps, strict=True)):
        padding = longest - len(ids)
        assert found["pieces"][row].numpy().tolist() == [BEGIN, *ids, *[END] * (padding + 1)]
        assert found["steps"][row].numpy().tolist() == [*of_steps, *[-1] * padding]


def test_a_batch_without_pieces_has_the_marks_alone():
    found = PieceSequence(BEGIN, END, 9)(np.full((2, 3, 2), -1, np.float32), source_mask=np.ones((2, 3), bool))
    assert found["pieces"].numpy().tolist() == [[BEGIN, END]] * 2
    states = np.ones((2, 2, 4), np.float32)
    means = WordMeans()(states, piece_steps=found["steps"], source_mask=np.ones((2, 3), bool))
    np.testing.assert_array_equal(means, np.zeros((2, 3, 4)))


def test_means_stand_at_the_words_of_the_pieces():
    steps = np.array([[0, 2, 2, -1], [1, 1, 1, 3]], np.int32)
    states = np.random.default_rng(0).normal(size=(2, 6, 5)).astype(np.float32)
    expected = np.zeros((2, 4, 5))
    for row in range(2):
        for step in range(4):
            of_word = [states[row, 1 + place] for place in range(4) if steps[row, place] == step]
            expected[row, step] = np.mean(of_word, 0) if of_word else 0.0
    means = WordMeans()(states, piece_steps=steps, source_mask=np.ones((2, 4), bool))
    np.testing.assert_allclose(means, expected, atol=1e-6)


@pytest.mark.parametrize("kept", [[(1, 3)], [(0, 1), (3, 5)]])
def test_columns(kept):
    inputs = np.random.default_rng(0).normal(size=(2, 3, 5)).astype(np.float32)
    expected = np.concatenate([inputs[:, :, start:stop] for start, stop in kept], -1)
    np.testing.assert_array_equal(Columns(kept)(inputs), expected)
