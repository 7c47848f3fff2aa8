import itertools
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from mmtrans.conversion.convert import convert
from mmtrans.data.batch import Selection, token_target
from mmtrans.data.codebook import Codebook
from mmtrans.data.codebook_fit import STEPS_PER_CODEWORD, fit_codebook
from mmtrans.data.pipeline import make_batches
from mmtrans.data.records import Records
from mmtrans.layers.tokens import BOS, EOS, UNK
from tests.tfrecords.segments import make_corpus, make_segment


@pytest.fixture(scope="module")
def train_only(records_dir):
    return Records.open(records_dir, splits=("train",))


@pytest.fixture(scope="module")
def audio(train_only):
    return fit_codebook(train_only, Selection("train", ("text",), ("audio",)), 20, 1, 0)


@pytest.fixture(scope="module")
def words(train_only):
    return fit_codebook(train_only, Selection("train", ("audio",), ("text",)), 20, 3, 0)


def streams(records, selection):
    """Features and words of each train segment, unpadded."""
    for batch in make_batches(records, selection, batch_size=5, tokens=True):
        for row, steps in enumerate(batch["target_length"].numpy()):
            yield batch["target"][row, :steps].numpy(), [w.decode() for w in batch["tokens"][row, :steps].numpy()]


def test_only_train_is_read(records_dir, train_only):
    with pytest.raises(ValueError, match="fitted on train alone"):
        fit_codebook(train_only, Selection("valid", ("text",), ("audio",)), 20, 1, 0)
    with pytest.raises(ValueError, match="may not be read here"):
        next(iter(make_batches(train_only, Selection("test", ("text",), ("audio",)), batch_size=2)))


def test_encoding_is_the_nearest_scaled_centroid(audio):
    features = np.random.default_rng(0).normal(size=(2, 5, audio.frames.shape[1])).astype(np.float32)
    ids = audio.encode(None, tf.constant(features)).numpy()
    for row in range(2):
        for step in range(5):
            distances = [np.sum(((c - features[row, step]) * audio.scale) ** 2) for c in audio.frames[2:]]
            assert ids[row, step] == 2 + int(np.argmin(distances))


def test_blocks_count_alike_whatever_their_width(train_only):
    both = fit_codebook(train_only, Selection("train", ("text",), ("audio", "video")), 5, 1, 0)
    for name, columns in (("audio", slice(0, 74)), ("video", slice(74, 121))):
        std = train_only.statistics(name)[1]
        np.testing.assert_allclose(both.scale[columns], 1 / (std * np.sqrt(len(std))), rtol=1e-5)


def test_few_steps_give_few_codewords(train_only):
    selection = Selection("train", ("text",), ("audio",))
    steps = sum(len(features) for features, _ in streams(train_only, selection))
    book = fit_codebook(train_only, selection, 10**6, 1, 0)
    assert book.size - 2 <= steps // STEPS_PER_CODEWORD


def test_a_vocabulary_holds_the_frequent_train_words(words, train_only):
    selection = Selection("train", ("audio",), ("text",))
    texts = [tokens for _, tokens in streams(train_only, selection)]
    counts = {}
    for token in itertools.chain(*texts):
        counts[token] = counts.get(token, 0) + 1
    expected = sorted((w for w, n in counts.items() if n >= 3), key=lambda w: (-counts[w], w))
    assert words.names == ("<bos>", "<eos>", "<unk>", *expected)
    ids = words.encode(tf.constant([[expected[0], "never-seen", expected[-1]]]), None).numpy()
    assert ids.tolist() == [[3, UNK, words.size - 1]]
    assert words.counts[3] == counts[expected[0]]
    assert words.counts[UNK] == sum(n for n in counts.values() if n < 3)
    assert words.counts[EOS] == len(texts)
    index = {word: i for i, word in enumerate(words.names)}
    encoded = [[index.get(token, UNK) for token in tokens] for tokens in texts]
    repeats = sum(a == b for ids in encoded for a, b in zip(ids[1:], ids, strict=False))
    assert words.repeat_share == pytest.approx(repeats / (sum(map(len, encoded)) + len(encoded)))


def test_a_word_stands_for_its_mean_vector(words, train_only):
    rows = []
    for features, tokens in streams(train_only, Selection("train", ("audio",), ("text",))):
        rows += [frame for frame, token in zip(features, tokens, strict=True) if token == words.names[3]]
    np.testing.assert_allclose(words.decode(np.array([3]))[0], np.mean(rows, 0), atol=1e-4)


def test_the_unigram_never_expects_bos(words):
    unigram = words.unigram()
    assert unigram[BOS] == 0
    assert unigram.sum() == pytest.approx(1)
    assert (unigram[1:] > 0).all()


@pytest.mark.parametrize("kind", ["audio", "words"])
def test_a_saved_codebook_is_the_same(kind, request, tmp_path):
    book = request.getfixturevalue(kind)
    book.save(tmp_path / "codebook.npz")
    loaded = Codebook.load(tmp_path / "codebook.npz")
    assert (loaded.names, loaded.repeat_share, loaded.is_words) == (book.names, book.repeat_share, kind == "words")
    for name in ("frames", "scale", "counts"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(book, name))


def test_targets_end_in_eos():
    batch = token_target(tf.constant([[5, 6, 9], [7, 9, 9]]), tf.constant([3, 1]))
    assert batch["target"].numpy().tolist() == [[5, 6, 9, EOS], [7, EOS, EOS, EOS]]
    assert batch["decoder_input"].numpy().tolist() == [[BOS, 5, 6, 9], [BOS, 7, EOS, EOS]]
    assert batch["target_length"].numpy().tolist() == [4, 2]


def test_batches_carry_the_codebook_s_tokens(words, train_only):
    selection = Selection("train", ("audio",), ("text",))
    for batch in make_batches(train_only, selection, batch_size=4, codebook=words, tokens=True):
        ids = words.encode(batch["tokens"], None).numpy()
        for row, length in enumerate(batch["target_length"].numpy()):
            np.testing.assert_array_equal(batch["target"][row, : length - 1], ids[row, : length - 1])
            assert (batch["target"][row, length - 1 :].numpy() == EOS).all()
        assert batch["target_features"].shape[1] == batch["target"].shape[1] - 1


def test_words_that_are_spelled_like_special_tokens_are_unknown_words(tmp_path):
    said = [("<eos>", "good", "<bos>"), ("<unk>", "good", "film")]
    segments = [
        replace(make_segment(0, 3, video=f"v{number}", seed=number), tokens=words) for number, words in enumerate(said)
    ]
    convert(make_corpus(segments, folds={"train": ["v0", "v1"]}), tmp_path / "records")
    records = Records.open(tmp_path / "records", splits=("train",))
    book = fit_codebook(records, Selection("train", ("audio",), ("text",)), 20, 1, 0)
    assert book.names == ("<bos>", "<eos>", "<unk>", "good", "film")
    assert book.counts.tolist() == [0, 2, 3, 2, 1]
    assert book.encode(tf.constant([*said, ("film", "", "<bos>")]), None).numpy().tolist() == [
        [UNK, 3, UNK],
        [UNK, 3, 4],
        [4, UNK, UNK],
    ]
