"""Words get an encoder's vectors, and GloVe's beside them, in every format that has words."""

import pickle
import re
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from mmtrans.conversion.convert import convert
from mmtrans.conversion.inspect import describe
from mmtrans.sources.format import AS_MANY
from mmtrans.sources.open import open_corpus
from mmtrans.words.folder import open_folder
from mmtrans.words.pieces import PieceReader
from mmtrans.words.vectors import WordEncoder
from tests.sources import csd_files, format_files
from tests.words.tiny import make_tiny_encoder
from tfrecords.manifest import Manifest, TextColumns, file_sha256

GLOVE = {"b": (1, 2), "d": (3, 4), "e": (5, 6)}

WRITERS = {
    "csd": csd_files.write_truth,
    "misa": format_files.misa,
    "neutral": format_files.neutral,
    "neutral_per_segment": format_files.neutral_per_segment,
}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return make_tiny_encoder(tmp_path_factory.mktemp("words") / "encoder")


@pytest.fixture
def glove(tmp_path):
    path = tmp_path / "glove.txt"
    path.write_text("".join(f"{word} {x} {y}\n" for word, (x, y) in GLOVE.items()))
    return path


@pytest.fixture
def opened(encoder, tmp_path):
    """`opened(path, **options)`: the corpus with the tiny encoder, and a cache of the test's own."""
    return lambda path, **options: open_corpus(
        path, **{"text_encoder": encoder, "text_cache": tmp_path / "cache", **options}
    )


@pytest.mark.parametrize("writer", [format_files.mmsa, format_files.mmsa_unaligned])
def test_words_of_raw_text_are_the_steps_of_a_text_and_other_streams_keep_their_own(writer, encoder, opened, tmp_path):
    truth = {segment.id: segment for segment in format_files.truth()}
    corpus = opened(writer(tmp_path / "source"))
    segments = {segment.id: segment for segment in corpus.read()}
    assert segments.keys() == truth.keys()
    reader = WordEncoder.open(encoder)
    for id, segment in segments.items():
        assert segment.tokens == truth[id].words
        np.testing.assert_array_equal(segment.features["text"], reader.encode([truth[id].words])[0])
        # The rows of [CLS], here zeros, are steps of the aligned file.
        np.testing.assert_array_equal(segment.features["audio"][-len(truth[id].words) :], truth[id].clean["audio"])
    assert corpus.aligned == {"text": True, "audio": False, "video": False}
    assert any("text of" in note and "left aside" in note for note in corpus.notes)


def test_a_pickle_of_text_alone_is_read(encoder, opened, tmp_path):
    path = format_files.mmsa(tmp_path / "source")
    content = pickle.loads(path.read_bytes())
    kept = {"raw_text", "text", "text_bert", "id", "regression_labels"}
    path.write_bytes(pickle.dumps({split: {key: parts[key] for key in kept} for split, parts in content.items()}))
    corpus = opened(path)
    assert {segment.id: segment.tokens for segment in corpus.read()} == {s.id: s.words for s in format_files.truth()}
    assert corpus.aligned == {"text": True}


@pytest.mark.parametrize(
    ("name", "column"), [("segments.csv", "words"), ("Reviews.CSV", "text"), ("segments.csv", "transcript")]
)
def test_a_table_of_words_and_labels_alone_is_a_corpus(name, column, opened, tmp_path):
    path = tmp_path / "tables" / name
    path.parent.mkdir()
    path.write_text(f'{column},label\n"i loved it",2\n"not good, bad",-1.5\n,1\nvery good,\n')
    corpus = opened(path)
    found = [(segment.tokens, segment.label, segment.features["text"].shape) for segment in corpus.read()]
    assert found == [
        (("i", "loved", "it"), 2.0, (3, 32)),
        (("not", "good,", "bad"), -1.5, (3, 32)),
        (("very", "good"), None, (2, 32)),
    ]
    assert [dropped.reason for dropped in corpus.dropped] == ["no word of it is spoken"]
    assert len(corpus.video_ids) == 4


def test_a_segment_without_words_keeps_its_other_modalities_and_has_no_text(opened, tmp_path):
    segments = format_files.truth()
    segments[3].words = ()
    corpus = opened(format_files.neutral(tmp_path / "source", segments))
    found = {segment.id: segment.features.keys() for segment in corpus.read()}
    assert found.pop(segments[3].id) == {"audio", "video"}
    assert all("text" in names for names in found.values())
    assert corpus.cleaning["text: segments without it"] == 1


@pytest.mark.parametrize("case", WRITERS)
def test_the_text_is_layers_and_glove_side_by_side_a_word_a_step(case, encoder, glove, opened, tmp_path):
    truth = {segment.id: segment for segment in format_files.truth()}
    corpus = opened(WRITERS[case](tmp_path / "source"), glove=glove, text_layers=(2, 0))
    segments = {segment.id: segment for segment in corpus.read()}
    assert segments.keys() == truth.keys()
    reader = WordEncoder.open(encoder, (2, 0))
    for id, segment in segments.items():
        words = truth[id].words
        assert segment.tokens == words
        beside = np.array([GLOVE.get(word, (0, 0)) for word in words], np.float32)
        expected = np.concatenate([reader.encode([words])[0], beside], axis=1)
        np.testing.assert_array_equal(segment.features["text"], expected)
        assert segment.features["text"].shape == (len(words), 34)
        np.testing.assert_array_equal(segment.features["audio"], truth[id].clean["audio"])
    assert corpus.aligned == {"text": True, "audio": True, "video": True}
    assert corpus.text == TextColumns(
        encoder=str(encoder),
        sha256=reader.folder.sha256,
        layers=(2, 0),
        width=16,
        glove=2,
        glove_sha256=file_sha256(glove),
    )
    unknown = Counter(word for segment in truth.values() for word in segment.words if word not in GLOVE)
    assert corpus.cleaning["text: words without a vector in GloVe's columns, set to 0"] == unknown.total()
    assert corpus.cleaning["text: different words without a vector in GloVe's columns"] == len(unknown)
    assert any("left aside: the words get their vectors from" in note for note in corpus.notes) or case == "misa"
    assert corpus.trouble == []


def test_the_last_three_layers_are_taken_where_nobody_chooses(opened, tmp_path):
    deep = make_tiny_encoder(tmp_path / "deep", layers=4)
    corpus = opened(format_files.neutral(tmp_path / "source"), text_encoder=deep)
    assert corpus.text.layers == (2, 3, 4)
    assert next(iter(corpus.read())).features["text"].shape[1] == corpus.text.dim == 48


def contents_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_records_are_the_same_bit_for_bit_with_any_chunks_and_cache(opened, tmp_path, monkeypatch):
    source = format_files.neutral(tmp_path / "source")
    convert(opened(source, text_cache="off"), tmp_path / "plain")
    convert(opened(source), tmp_path / "filled")
    convert(opened(source), tmp_path / "cached")
    monkeypatch.setattr("mmtrans.sources.text.encoding._SEGMENTS_AT_ONCE", 2)
    convert(opened(source, text_cache="off"), tmp_path / "by_two")
    monkeypatch.setattr("mmtrans.sources.text.encoding._WORDS_AT_ONCE", 1)
    convert(opened(source, text_cache=tmp_path / "other"), tmp_path / "by_one")
    plain = contents_of(tmp_path / "plain")
    assert len(plain) > 3
    assert all(contents_of(tmp_path / name) == plain for name in ("filled", "cached", "by_two", "by_one"))


def test_the_order_of_a_corpus_changes_no_vector(opened, tmp_path):
    segments = format_files.truth()
    forwards = opened(format_files.neutral(tmp_path / "forwards", segments), text_cache="off")
    backwards = opened(format_files.neutral(tmp_path / "backwards", segments[::-1]), text_cache="off")
    found = {segment.id: segment.features["text"] for segment in backwards.read()}
    for segment in forwards.read():
        np.testing.assert_array_equal(found[segment.id], segment.features["text"])


def test_a_corpus_may_be_read_again(opened, tmp_path):
    corpus = opened(format_files.neutral(tmp_path / "source"))
    first = [segment.features["text"] for segment in corpus.read()]
    cleaning = dict(corpus.cleaning)
    second = [segment.features["text"] for segment in corpus.read()]
    assert all(map(np.array_equal, first, second))
    assert corpus.cleaning == cleaning


def test_what_is_met_is_counted_with_and_without_the_cache(opened, tmp_path):
    segments = format_files.truth()
    segments[0].words = ("b", "\u0007")
    source = format_files.neutral(tmp_path / "source", segments)
    narrow = make_tiny_encoder(tmp_path / "narrow", places=8)
    expected = {
        "text: words of which the encoder has no piece, set to 0": 1,
        # Eight places hold six pieces between the marks; one segment has seven.
        "text: sentences longer than the encoder reads at once, read in overlapping parts": 1,
    }
    for _ in range(2):
        corpus = opened(source, text_encoder=narrow)
        texts = {segment.id: segment.features["text"] for segment in corpus.read()}
        assert {key: corpus.cleaning[key] for key in expected} == expected
        assert texts["a_-1[0]"].any(axis=1).tolist() == [True, False]


@pytest.mark.slow
def test_a_cached_corpus_is_read_without_tensorflow(encoder, tmp_path):
    source = format_files.neutral(tmp_path / "source")
    code = (
        "import sys\nfrom mmtrans.sources.open import open_corpus\n"
        f"corpus = open_corpus({str(source)!r}, text_encoder={str(encoder)!r}, text_cache={str(tmp_path)!r})\n"
        "print(sum(len(segment.features['text']) for segment in corpus.read()), 'tensorflow' in sys.modules)"
    )
    outputs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert outputs == ["28 True\n", "28 False\n"]


def test_the_manifest_tells_the_encoder_and_inspect_shows_it(opened, encoder, glove, tmp_path):
    manifest = convert(opened(format_files.neutral(tmp_path / "source"), glove=glove), tmp_path / "records")
    assert manifest.text.layers == (1, 2)
    assert Manifest.load(tmp_path / "records") == manifest
    assert manifest.modalities["text"].dim == 34
    assert manifest.modalities["text"].feature_names is None
    assert describe(tmp_path / "records")["text"]["encoder"] == str(encoder)


@pytest.mark.parametrize("writer", ["mult", "multibench", "lmf", "mfn"])
def test_a_format_without_words_is_refused(writer, opened, tmp_path):
    source = format_files.WRITERS[writer][1](tmp_path / "source")
    with pytest.raises(ValueError, match=f"The {writer} format has no words. Expected no --text-encoder."):
        opened(source)


def test_a_source_without_words_is_refused(opened, tmp_path):
    source = csd_files.write_truth(tmp_path / "source")
    (source / "words.csd").unlink()
    with pytest.raises(ValueError, match=r"There are no words for the text encoder.*source/.*csd\)"):
        opened(source)


def test_an_encoder_of_another_language_is_refused(opened, tmp_path):
    segments = format_files.truth()
    for segment in segments:
        segment.words = tuple("я" * len(segment.words))
    with pytest.raises(ValueError, match="has pieces of none of the words"):
        opened(format_files.neutral(tmp_path / "source", segments))


@pytest.mark.parametrize("layers", [(3,), (), (1, 1), (-1,)])
def test_layers_that_are_not_there_are_refused_before_anything_is_read(layers, opened, tmp_path):
    with pytest.raises(ValueError, match=re.escape(f"from 0, its embeddings, to 2. Received: layers={list(layers)}")):
        opened(format_files.neutral(tmp_path / "source"), text_layers=layers)


def test_layers_without_an_encoder_are_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"There is no text encoder\. Expected --text-encoder NAME beside --text-layers\."
    ):
        open_corpus(format_files.neutral(tmp_path / "source"), text_layers=(1,))


def test_vectors_of_none_of_the_words_are_refused_beside_an_encoder_too(opened, glove, tmp_path):
    glove.write_text("other 1 2\n")
    with pytest.raises(ValueError, match="The word vectors have none of the words"):
        opened(format_files.neutral(tmp_path / "source"), glove=glove)


def test_pieces_stand_first_and_frozen_layers_and_glove_after_them(encoder, glove, opened, tmp_path):
    segments = format_files.truth()
    # Four pieces in the tiny vocabulary, where a known word and a letter have one.
    segments[1].words = ("movie", "bcde", "\u0007", *"efgh")
    source = format_files.neutral(tmp_path / "source", segments)
    corpus = opened(source, text_pieces=AS_MANY, glove=glove)
    assert (corpus.text.pieces, corpus.text.layers, corpus.text.dim) == (4, (), 6)
    text = {segment.id: segment.features["text"] for segment in corpus.read()}["a_-1[2]"]
    reader = PieceReader(open_folder(encoder))
    ids = [reader.read([word]).ids.tolist() for word in segments[1].words]
    assert [len(of_word) for of_word in ids] == [1, 4, 0, 1, 1, 1, 1]
    assert text[:, :4].tolist() == [[*of_word, *[-1] * (4 - len(of_word))] for of_word in ids]
    assert text[3, 4:].tolist() == list(GLOVE["e"])
    with_layers = opened(source, text_pieces=2, text_layers=(1,), glove=glove)
    both = {segment.id: segment.features["text"] for segment in with_layers.read()}["a_-1[2]"]
    np.testing.assert_array_equal(both[:, :2], text[:, :2])
    np.testing.assert_array_equal(both[:, 2:18], WordEncoder.open(encoder, (1,)).encode([segments[1].words])[0])
    assert with_layers.cleaning["text: further pieces of words, left out"] == 2


def test_columns_of_pieces_are_not_standardised_and_told_in_no_note(opened, tmp_path):
    source = format_files.neutral(tmp_path / "source")
    manifest = convert(opened(source, text_pieces=2, text_layers=(0,)), tmp_path / "records")
    info = manifest.modalities["text"]
    assert (info.mean[:2], info.std[:2]) == ((0.0, 0.0), (1.0, 1.0))
    assert all(mean != 0 and std != 1 for mean, std in zip(info.mean[2:], info.std[2:], strict=True))
    assert manifest.text.pieces == 2
    assert not any("text: columns that are constant" in note for note in manifest.notes)


def test_with_pieces_a_sentence_is_cut_to_what_the_encoder_reads_at_once(opened, tmp_path):
    narrow = make_tiny_encoder(tmp_path / "narrow", places=7)
    source = csd_files.write_truth(tmp_path / "source")
    corpus = opened(source, text_encoder=narrow, text_pieces=AS_MANY, text_layers=(2,))
    found = {segment.id: segment for segment in corpus.read()}
    for truth in format_files.truth():
        segment = found[truth.id]
        assert segment.tokens == truth.words[:5]
        assert {len(array) for array in segment.features.values()} == {min(len(truth.words), 5)}
    assert corpus.cleaning["text: sentences longer than the encoder reads at once, cut"] == 2
    assert not any("overlapping" in what for what in corpus.cleaning)


def test_a_word_of_dozens_of_pieces_keeps_the_first_sixteen(opened, tmp_path):
    segments = format_files.truth()
    segments[0].words = ("b" * 20, "good")
    corpus = opened(format_files.neutral(tmp_path / "source", segments), text_pieces=AS_MANY)
    text = {segment.id: segment.features["text"] for segment in corpus.read()}["a_-1[0]"]
    assert text.shape == (2, 16)
    assert (text[0] >= 0).all()
    assert corpus.cleaning["text: further pieces of words, left out"] == 4
