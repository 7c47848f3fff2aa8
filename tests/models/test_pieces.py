"""Models whose text comes as the pieces of words."""

from dataclasses import replace

import numpy as np
import pytest

from mmtrans.config import Config
from mmtrans.layers.dropout import random_step
from mmtrans.models.build import build_translator
from mmtrans.models.pieces import find_text_encoder
from mmtrans.models.regressor import build_regressor
from mmtrans.models.representation import build_representation
from mmtrans.models.statistics import Statistics
from mmtrans.recipe import parse
from mmtrans.sources.text.pieces import piece_columns
from mmtrans.words.columns import PieceColumns
from mmtrans.words.folder import open_folder
from mmtrans.words.pieces import PieceReader
from mmtrans.words.vectors import WordEncoder
from mmtrans.words.weights import load_weights
from tests.words.tiny import make_tiny_encoder

#: So many pieces have the longest words of a tokenizer of bytes.
COLUMNS = 7

SENTENCES = [["i", "loved", "it", "zz"], ["not", "good"], ["bad"]]
LENGTH = np.array([4, 2, 1], np.int32)
MEAN, STD = np.array([5.0, -3.0]), np.array([2.0, 0.5])


@pytest.fixture(scope="module", params=["bert", "roberta"])
def folder(request, tmp_path_factory):
    return open_folder(make_tiny_encoder(tmp_path_factory.mktemp("words") / "encoder", request.param))


@pytest.fixture(scope="module")
def statistics(folder):
    """Of text with a column beside the pieces, and of audio."""
    reader = PieceReader(folder)
    pieces = PieceColumns(COLUMNS, reader.begin, reader.end, folder.settings)
    columns = COLUMNS + 1
    mean, std = {"text": np.full(columns, 7.0), "audio": MEAN}, {"text": np.full(columns, 3.0), "audio": STD}
    return Statistics(mean, std, pieces=pieces)


def make_source(folder, padding=0.0):
    """Text of `SENTENCES` with a column beside the pieces, then audio, `(3, 4, COLUMNS + 3)`."""
    reader = PieceReader(folder)
    source = np.full((3, 4, COLUMNS + 3), padding, np.float32)
    for row, words in enumerate(SENTENCES):
        source[row, : len(words), :COLUMNS] = piece_columns(reader.read(words), len(words), COLUMNS)
        source[row, : len(words), COLUMNS:] = np.random.default_rng(row).normal(size=(len(words), 3))
    return source


def test_words_get_the_means_of_their_pieces_before_the_other_columns(folder, statistics):
    config, source = Config(tune_text_encoder="all"), make_source(folder)
    vectors = WordEncoder(folder, [folder.settings.num_layers]).encode(SENTENCES)
    for recipe, audio in (("concat(T,A)", slice(-2, None)), ("concat(A,T)", slice(0, 2))):
        model = build_representation(parse(recipe), config, statistics)
        load_weights(find_text_encoder(model), folder)
        given = source if recipe == "concat(T,A)" else np.roll(source, 2, -1)
        memory = model({"source": given, "source_length": LENGTH})["memory"].numpy()
        width = folder.settings.width
        assert memory.shape == (3, 4, width + 3)
        for row, of_words in enumerate(vectors):
            np.testing.assert_allclose(memory[row, : len(of_words), :width], of_words, atol=1e-5)
            np.testing.assert_array_equal(memory[row, len(of_words) :], 0.0)
            rest = memory[row, : len(of_words), width:]
            np.testing.assert_allclose(rest[:, audio], (source[row, : len(of_words), -2:] - MEAN) / STD, rtol=1e-5)
            beside = np.delete(rest, np.r_[0:3][audio], 1)
            np.testing.assert_array_equal(beside[:, 0], source[row, : len(of_words), COLUMNS])


def test_padding_and_batch_order_change_nothing(folder, statistics):
    model = build_regressor(parse("concat(T,A)"), Config(regressor_units=3), statistics)
    expected = model({"source": make_source(folder), "source_length": LENGTH})["score"].numpy()
    order, source = [2, 0, 1], np.full((3, 6, COLUMNS + 3), 4.0, np.float32)
    source[:, :4] = make_source(folder, padding=9.0)
    actual = model({"source": source[order], "source_length": LENGTH[order]})["score"]
    np.testing.assert_allclose(actual, expected[order], atol=1e-5)
    assert np.abs(np.diff(expected)).min() > 1e-4


@pytest.mark.parametrize("folder", ["bert"], indirect=True)
@pytest.mark.parametrize("recipe", ["late(T,A)", "late(A,T)"])
def test_words_are_read_up_to_their_own_length_beside_unaligned_audio(folder, statistics, recipe):
    """With other numbers beyond it, and with audio of other lengths, words have the vectors that they have alone."""
    unaligned = replace(statistics, unaligned=frozenset({"audio"}))
    model = build_regressor(parse(recipe), Config(regressor_units=3), unaligned)
    features = model.get_layer("fusion").get_layer("features")
    load_weights(find_text_encoder(model), folder)
    vectors = WordEncoder(folder, [folder.settings.num_layers]).encode(SENTENCES)
    source, frames = np.full((3, 6, COLUMNS + 3), 4.0, np.float32), [6, 1, 3]
    source[:, :4] = make_source(folder, padding=9.0)
    source[:, :, -2:] = np.random.default_rng(4).normal(size=(3, 6, 2))
    lengths = np.stack([LENGTH, frames], 1).astype(np.int32)
    width, start = folder.settings.width, 0
    if recipe == "late(A,T)":
        source, lengths, start = np.roll(source, 2, -1), lengths[:, ::-1], 2
    memory = features({"source": source, "source_length": lengths})["memory"].numpy()
    for row, (of_words, steps) in enumerate(zip(vectors, frames, strict=True)):
        text, audio = (
            memory[row, :, start : start + width + 1],
            np.delete(memory[row], np.s_[start : start + width + 1], 1),
        )
        np.testing.assert_allclose(text[: len(of_words), :width], of_words, atol=1e-5)
        assert not text[len(of_words) :].any()
        raw = source[row, :steps, -2:] if start == 0 else source[row, :steps, :2]
        np.testing.assert_allclose(audio[:steps], (raw - MEAN) / STD, rtol=1e-4, atol=1e-5)
        assert not audio[steps:].any()


def moving(model):
    """Names of the parts of a model's text encoder that move."""
    encoder = find_text_encoder(model)
    return [part.name for part in (encoder.embeddings, *encoder.blocks) if part.trainable_variables]


ALL = ["embeddings", "block_1", "block_2"]


@pytest.mark.parametrize("folder", ["bert"], indirect=True)
@pytest.mark.parametrize(
    ("recipe", "fields", "translation", "sentiment"),
    [
        ("T", {"tune_text_encoder": "0"}, None, []),
        ("T", {"tune_text_encoder": "1"}, None, ["block_2"]),
        ("T", {"tune_text_encoder": "2"}, None, ["block_1", "block_2"]),
        ("T", {"tune_text_encoder": "all"}, None, ALL),
        ("T->A", {"tune_text_encoder": "all"}, ALL, []),
        ("T->A", {"tune_text_encoder": "1", "finetune": True}, ["block_2"], ["block_2"]),
        ("embed(T,A)->A", {"tune_text_encoder": "all", "finetune": True}, [], []),
    ],
)
def test_the_encoder_moves_in_the_phase_that_is_the_first_to_read_it(
    statistics, recipe, fields, translation, sentiment
):
    config = Config(units=3, regressor_units=3, decoder_units=4, **fields)
    assert moving(build_regressor(parse(recipe), config, statistics)) == sentiment
    if translation is not None:
        translator = build_translator(parse(recipe), config, statistics)
        assert moving(translator.model) == translation
        if recipe == "T->A":
            # Trained together: the regressor reads the translation's own encoder.
            joint = build_regressor(parse(recipe), config, statistics, representation=translator.representation)
            assert moving(joint) == translation


def test_only_layers_that_move_have_dropout(folder, statistics):
    inputs = {"source": make_source(folder), "source_length": LENGTH}

    def memory(tuned, step):
        model = build_representation(parse("concat(T,A)"), Config(tune_text_encoder=tuned), statistics)
        load_weights(find_text_encoder(model), folder)
        with random_step([0, step]):
            return model(inputs, training=True)["memory"].numpy()

    np.testing.assert_array_equal(memory("0", 1), memory("0", 2))
    assert np.abs(memory("1", 1) - memory("1", 2)).max() > 1e-3
    np.testing.assert_array_equal(memory("all", 1), memory("all", 1))
