"""What `evaluate_translation` reports of tokens, beside what a loop over the segments finds."""

import numpy as np
import pytest

from mmtrans.data.batch import Selection
from mmtrans.data.pipeline import make_batches
from mmtrans.data.records import Records
from mmtrans.decoding.options import SearchOptions
from mmtrans.evaluation.translation import evaluate_translation
from mmtrans.runs.run import Run
from mmtrans.training.train import train

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(small_dir, tiny, tmp_path_factory):
    records = Records.open(small_dir, splits=("train", "valid"))
    config = tiny(recipe="T->A", target="tokens", codebook_size=2, epochs=1)
    run = Run.open_or_create(tmp_path_factory.mktemp("tokens") / "run", config, records)
    train(run, records, quiet=True)
    return run


@pytest.fixture(scope="module")
def records(small_dir):
    return Records.open(small_dir)


@pytest.fixture(scope="module")
def result(run, records):
    return evaluate_translation(run, records, "test")


@pytest.fixture(scope="module")
def segments(run, records):
    """Of each test segment: `(source, ids with EOS, raw features)`, without padding."""
    codebook = run.load_codebook(run.phases[0])
    found = []
    for batch in make_batches(records, Selection("test", ("text",), ("audio",)), batch_size=1, codebook=codebook):
        found.append((batch["source"].numpy(), batch["target"][0].numpy(), batch["target_features"][0].numpy()))
    return found


def r2(run, pairs):
    """1 - squared error over squared distance from the train mean, of `(raw prediction, raw target)` pairs."""
    mean, std = run.statistics.mean["audio"], run.statistics.std["audio"]
    error = sum((((a - b) / std) ** 2).sum() for a, b in pairs)
    return 1 - error / sum((((b - mean) / std) ** 2).sum() for _, b in pairs)


def test_decoded_tokens_stand_for_their_frames(run, result, segments):
    codebook, translator, pairs = run.load_codebook(run.phases[0]), run.load_translator(), []
    for source, _, features in segments:
        length = np.array([len(features)], np.int32)
        found = translator.search(source, length, (length, length), SearchOptions(beam_width=1))
        assert found.lengths.numpy().tolist() == [[len(features) + 1]]
        pairs.append((codebook.frames[found.ids[0, 0, :-1].numpy()], features))
    np.testing.assert_allclose(result["r2"], r2(run, pairs), atol=1e-4)


def test_the_codebook_alone(run, result, segments):
    codebook = run.load_codebook(run.phases[0])
    pairs = [(codebook.frames[ids[:-1]], features) for _, ids, features in segments]
    np.testing.assert_allclose(result["quantization_r2"], r2(run, pairs), atol=1e-4)
    assert 0 < result["quantization_r2"] < 1
    used = {int(i) for _, ids, _ in segments for i in ids[:-1]}
    assert result["codewords_used"] == len(used) / (codebook.size - 2)


def test_perplexity_and_accuracy_are_teacher_forced(run, result, segments):
    translator, nats, hits, steps = run.load_translator(), 0.0, 0, 0
    for source, ids, features in segments:
        inputs = {
            "source": source,
            "source_length": np.array([len(features)], np.int32),
            "decoder_input": np.array([[0, *ids[:-1]]], np.int32),
        }
        logits = translator.model(inputs)["logits"][0].numpy().astype(np.float64)
        for t, token in enumerate(ids):
            nats += np.log(np.exp(logits[t]).sum()) - logits[t, token]
            hits += logits[t].argmax() == token
            steps += 1
    np.testing.assert_allclose(result["perplexity"], np.exp(nats / steps), rtol=1e-4)
    np.testing.assert_allclose(result["accuracy"], hits / steps, atol=1e-6)


def test_every_companion_is_there(result):
    companions = ("teacher_forced_r2", "source_shuffled_r2", "copy_last_r2")
    for name in (*companions, "unigram_perplexity", "repeat_last_perplexity"):
        assert np.isfinite(result[name]), name
    assert {"unigram_accuracy", "repeat_last_accuracy", "frames", "mse", "per_modality"} <= result.keys()
