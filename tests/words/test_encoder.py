"""The text encoder against NumPy loops, for each family."""

import json
import math

import numpy as np
import pytest
from safetensors.numpy import load_file

from mmtrans.words.folder import open_folder
from mmtrans.words.model import build_text_encoder
from mmtrans.words.pieces import PieceReader
from mmtrans.words.vectors import WordEncoder
from mmtrans.words.weights import load_weights, save_folder
from tests.words.tiny import make_tiny_encoder

FAMILIES = ("bert", "distilbert", "roberta")


def norm(vector, gain, shift):
    deviation = math.sqrt(sum((x - vector.mean()) ** 2 for x in vector) / len(vector) + 1e-12)
    return (vector - vector.mean()) / deviation * gain + shift


def gelu(x):
    return 0.5 * x * (1 + math.erf(x / math.sqrt(2)))


class Loops:
    """One sentence through a folder's encoder, piece by piece and head by head, in float64."""

    def __init__(self, folder):
        self.config = json.loads((folder / "config.json").read_text())
        self.arrays = {
            name: array.astype(np.float64) for name, array in load_file(folder / "model.safetensors").items()
        }
        self.distil = self.config["model_type"] == "distilbert"
        self.heads = self.config["n_heads" if self.distil else "num_attention_heads"]

    def linear(self, vector, name):
        return np.array([row @ vector for row in self.arrays[f"{name}.weight"]]) + self.arrays[f"{name}.bias"]

    def norm(self, vector, name):
        return norm(vector, self.arrays[f"{name}.weight"], self.arrays[f"{name}.bias"])

    def embed(self, ids):
        first = 2 if self.config["model_type"] == "roberta" else 0
        states = []
        for place, number in enumerate(ids):
            vector = self.arrays["embeddings.word_embeddings.weight"][number]
            vector = vector + self.arrays["embeddings.position_embeddings.weight"][first + place]
            if not self.distil:
                vector = vector + self.arrays["embeddings.token_type_embeddings.weight"][0]
            states.append(self.norm(vector, "embeddings.LayerNorm"))
        return states

    def block(self, states, number):
        if self.distil:
            stem = f"transformer.layer.{number}"
            names = [f"{stem}.attention.{part}_lin" for part in ("q", "k", "v", "out")]
            names += [f"{stem}.sa_layer_norm", f"{stem}.ffn.lin1", f"{stem}.ffn.lin2", f"{stem}.output_layer_norm"]
        else:
            stem = f"encoder.layer.{number}"
            names = [f"{stem}.attention.self.{part}" for part in ("query", "key", "value")]
            names += [f"{stem}.attention.output.dense", f"{stem}.attention.output.LayerNorm"]
            names += [f"{stem}.intermediate.dense", f"{stem}.output.dense", f"{stem}.output.LayerNorm"]
        query, key, value, out, first_norm, expand, contract, last_norm = names
        queries, keys, values = ([self.linear(state, name) for state in states] for name in (query, key, value))
        size = len(states[0]) // self.heads
        result = []
        for step, state in enumerate(states):
            context = []
            for head in range(self.heads):
                part = slice(head * size, (head + 1) * size)
                scores = [math.exp(queries[step][part] @ other[part] / math.sqrt(size)) for other in keys]
                context.append(sum(s * other[part] for s, other in zip(scores, values, strict=True)) / sum(scores))
            hidden = self.norm(state + self.linear(np.concatenate(context), out), first_norm)
            inner = np.array([gelu(x) for x in self.linear(hidden, expand)])
            result.append(self.norm(hidden + self.linear(inner, contract), last_norm))
        return result

    def states(self, ids):
        found = [self.embed(ids)]
        count = self.config["n_layers" if self.distil else "num_hidden_layers"]
        for number in range(count):
            found.append(self.block(found[-1], number))
        return found


@pytest.mark.parametrize("family", FAMILIES)
def test_hidden_states_are_those_of_loops(tmp_path, family):
    folder = open_folder(make_tiny_encoder(tmp_path / "encoder", family))
    encoder = build_text_encoder(folder.settings, (0, 1, 2))
    load_weights(encoder, folder)
    rows = [[2, 7, 5, 9, 3], [2, 11, 3]]
    # The padding is no zero, so that the mask alone keeps it out.
    pieces = np.array([rows[0], [*rows[1], 8, 6]])
    outputs = encoder.model({"pieces": pieces, "length": np.array([5, 3])})
    loops = Loops(folder.path)
    for row, ids in enumerate(rows):
        for layer, expected in enumerate(loops.states(ids)):
            got = np.array(outputs[f"layer_{layer}"])[row, : len(ids)]
            np.testing.assert_allclose(got, expected, atol=2e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_vectors_are_means_of_each_words_pieces(tmp_path, family):
    folder = open_folder(make_tiny_encoder(tmp_path / "encoder", family))
    encoder = WordEncoder(folder, (1, 2))
    words = ["the", "xyz", "movie", "it's"]
    reader = PieceReader(folder)
    pieces = reader.read(words)
    assert set(pieces.words.tolist()) == {0, 1, 2, 3}
    states = Loops(folder.path).states([reader.begin, *pieces.ids.tolist(), reader.end])
    both = np.concatenate([np.array(states[1]), np.array(states[2])], axis=1)[1:-1]
    expected = [np.mean([both[i] for i in range(len(both)) if pieces.words[i] == word], axis=0) for word in range(4)]
    np.testing.assert_allclose(encoder.encode([words])[0], expected, atol=2e-5)


def test_vectors_do_not_depend_on_what_is_read_beside_them(tmp_path, monkeypatch):
    encoder = WordEncoder.open(make_tiny_encoder(tmp_path / "encoder"))
    sentences = [["the", "movie"], ["it", "was", "good"], ["not", "bad", "at", "all", "was", "it"] * 2, [], ["xyz"]]
    together = encoder.encode(sentences)
    alone = [encoder.encode([words])[0] for words in sentences]
    backwards = encoder.encode(sentences[::-1])[::-1]
    monkeypatch.setattr("mmtrans.words.vectors._PIECES_AT_ONCE", 1)
    one_by_one = encoder.encode(sentences)
    for number, vectors in enumerate(together):
        assert vectors.shape == (len(sentences[number]), 32)
        assert all(np.array_equal(vectors, other[number]) for other in (alone, backwards, one_by_one))


def test_a_sentence_beyond_the_positions_is_read_in_windows(tmp_path):
    encoder = WordEncoder.open(make_tiny_encoder(tmp_path / "encoder", places=10), (2,))
    words = ["the", "movie", "was", "good", "i", "loved", "every", "minute", "of", "it", "not", "bad"]
    vectors = encoder.encode([words])[0]
    assert encoder.readings.windowed == 1
    # Eight pieces at once, from pieces 0 and 4; the middle of the four that both hold parts them.
    first, second = encoder.encode([words[:8], words[4:]])
    assert encoder.readings.windowed == 1
    np.testing.assert_array_equal(vectors, np.concatenate([first[:6], second[2:]]))


def test_words_without_pieces_get_zeros_and_are_counted(tmp_path):
    encoder = WordEncoder.open(make_tiny_encoder(tmp_path / "encoder"), (2,))
    vectors = encoder.encode([["good", "\u0007", "movie"], ["\u0007"]])
    assert encoder.readings.without_pieces == 2
    assert not vectors[0][1].any()
    assert not vectors[1].any()
    np.testing.assert_array_equal(vectors[0][[0, 2]], encoder.encode([["good", "movie"]])[0])


def test_a_tokenizer_that_cuts_and_pads_does_neither_here(tmp_path):
    plain = PieceReader(open_folder(make_tiny_encoder(tmp_path / "plain")))
    cutting = PieceReader(open_folder(make_tiny_encoder(tmp_path / "cutting", tokenizer="tokenizer.json")))
    for words in (["the"] * 20, ["movie"], ["[SEP]", "Good!"]):
        np.testing.assert_array_equal(cutting.read(words).ids, plain.read(words).ids)
        np.testing.assert_array_equal(cutting.read(words).words, plain.read(words).words)


def test_a_word_that_looks_like_a_mark_is_a_word(tmp_path):
    reader = PieceReader(open_folder(make_tiny_encoder(tmp_path / "encoder", tokenizer="tokenizer.json")))
    assert reader.end not in reader.read(["[SEP]"]).ids


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_folder_gives_the_same_vectors(tmp_path, family):
    folder = open_folder(make_tiny_encoder(tmp_path / "encoder", family))
    encoder = build_text_encoder(folder.settings, (2,))
    load_weights(encoder, folder)
    (tmp_path / "copy").mkdir()
    save_folder(encoder, folder, tmp_path / "copy")
    copy = open_folder(tmp_path / "copy")
    first, second = load_file(folder.path / "model.safetensors"), load_file(copy.path / "model.safetensors")
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[name], second[name]) for name in first)
    words = ["the", "movie"]
    np.testing.assert_array_equal(*(WordEncoder(of, (2,)).encode([words])[0] for of in (folder, copy)))
