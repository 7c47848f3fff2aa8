from collections import defaultdict

import numpy as np
import pytest
import tensorflow as tf

from mmtrans.data.batch import Selection
from mmtrans.data.codebook_fit import fit_codebook
from mmtrans.data.pipeline import make_batches
from mmtrans.decoding.options import SearchOptions
from mmtrans.models.build import build_translator
from mmtrans.plotting.attention import plot_attention
from mmtrans.recipe import parse
from mmtrans.runs.run import Run
from mmtrans.system.escape import for_markdown
from mmtrans.training.monitor import Monitor
from mmtrans.training.samples import BLUE, NUM_SEGMENTS, ORANGE, frames_image, is_due, make_samples
from mmtrans.training.train import train

VALID = Selection("valid", ("text",), ("audio",))
ROW = dict.fromkeys(("loss", "valid_loss", "learning_rate", "gradient_norm", "segments_per_second"), 0.5)


def events_of(directory):
    """`tag → {step: value}` of texts and images; an image is decoded to `(height, width, 3)` uint8."""
    found = defaultdict(dict)
    for path in sorted(directory.glob("events*")):
        for serialized in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(serialized.numpy())
            for value in event.summary.value:
                parts = tf.make_ndarray(value.tensor)
                kind = value.metadata.plugin_data.plugin_name
                if kind == "images":
                    found[value.tag][event.step] = tf.io.decode_png(parts[2]).numpy()
                elif kind == "text":
                    found[value.tag][event.step] = parts.item().decode("utf-8")
    return found


def chosen(records, codebook=None):
    """The rows that are to be shown: the middle one of the batches of three."""
    batches = list(make_batches(records, VALID, batch_size=NUM_SEGMENTS, codebook=codebook, tokens=True))
    return batches[(len(batches) - 1) // 2]


@pytest.mark.parametrize(("epoch", "due"), [(1, True), (2, False), (4, False), (5, True), (6, False), (10, True)])
def test_the_first_and_every_fifth_epoch_are_due(epoch, due):
    assert is_due(epoch) is due


def test_frames_stand_above_one_another_with_time_to_the_right():
    target, prediction = np.zeros((4, 2), np.float32), np.zeros((4, 2), np.float32)
    target[1, 0], prediction[3, 1] = 99.0, -1.5
    image = frames_image([target, prediction])
    assert image.shape == (6 * 5, 6 * 4, 3)
    cells = image[::6, ::6]
    np.testing.assert_allclose(cells[0, 1], BLUE, atol=1e-6)
    np.testing.assert_allclose(cells[4, 3], (1 + ORANGE) / 2, atol=1e-6)
    cells[0, 1] = cells[4, 3] = 1.0
    np.testing.assert_array_equal(cells, 1.0)


@pytest.mark.slow
def test_training_tokens_leaves_translations_and_attention(small, tiny, tmp_path):
    config = tiny(recipe="T->A", target="tokens", epochs=2)
    run = Run.open_or_create(tmp_path / "run", config, small)
    train(run, small, quiet=True)
    (logs,) = (path for path in (run.path / "logs").iterdir() if "translation" in path.name)
    codebook = run.load_codebook(run.phases[0])
    batch, found = chosen(small, codebook), events_of(logs)
    names = [id_.decode() for id_ in batch["id"].numpy()]
    assert set(found) == {f"{kind}/{name}" for kind in ("attention", "translation") for name in names}
    for row, name in enumerate(names):
        steps = int(batch["source_length"][row])
        assert set(found[f"attention/{name}"]) == {1}
        source, target, translation = found[f"translation/{name}"][1].split("\n\n")
        assert source == "**source** " + " ".join(f"wörd{i}" for i in range(steps))
        expected = [codebook.names[i] for i in batch["target"][row, :steps].numpy()]
        assert target.split() == ["**target**", *expected]
        assert translation.split()[0] == "**translation**"
        assert set(translation.split()[1:]) <= set(codebook.names)
        assert len(translation.split()) == 1 + steps


def test_the_translation_is_that_of_the_weights_of_now(small, tiny, tmp_path):
    run = Run.open_or_create(tmp_path / "run", tiny(recipe="T->A", target="tokens"), small)
    codebook = fit_codebook(small, Selection("train", ("text",), ("audio",)), 4, 1, 0)
    translator = build_translator(parse("T->A"), run.config, run.statistics, codebook.size)
    samples, batch = make_samples(translator, small, VALID, codebook), chosen(small, codebook)
    rng, shown = np.random.default_rng(0), []
    for epoch in (1, 5):
        translator.model.set_weights([rng.normal(size=w.shape) for w in translator.model.get_weights()])
        with Monitor("phase", 9, 2, tmp_path / "logs", quiet=True, samples=samples) as monitor:
            monitor.end_epoch({**ROW, "epoch": epoch}, best=False)
            monitor.end_epoch({**ROW, "epoch": epoch + 1}, best=False)
        length = batch["source_length"]
        found = translator.search(batch["source"], length, (length, length), SearchOptions(beam_width=1))
        events = events_of(tmp_path / "logs")
        for row, id_ in enumerate(batch["id"].numpy()):
            by_epoch = events[f"translation/{id_.decode()}"]
            assert max(by_epoch) == epoch
            ids = found.ids[row, 0, : int(length[row])].numpy()
            assert by_epoch[epoch].split("**translation** ")[1] == for_markdown(
                " ".join(codebook.names[i] for i in ids)
            )
            shown.append(by_epoch[epoch].split("**translation** ")[1])
    assert shown[:NUM_SEGMENTS] != shown[NUM_SEGMENTS:]


@pytest.mark.slow
def test_training_features_leaves_frames_and_attention(small, tiny, tmp_path):
    run = Run.open_or_create(tmp_path / "run", tiny(recipe="T->A"), small)
    train(run, small, quiet=True)
    (logs,) = (path for path in (run.path / "logs").iterdir() if "translation" in path.name)
    batch, found = chosen(small), events_of(logs)
    names = [id_.decode() for id_ in batch["id"].numpy()]
    assert set(found) == {f"{kind}/{name}" for kind in ("attention", "frames") for name in names}
    mean, std = run.statistics.target(parse("A"))
    for row, name in enumerate(names):
        steps = int(batch["source_length"][row])
        image = found[f"frames/{name}"][1]
        assert image.shape == (6 * 5, 6 * steps, 3)
        target = (batch["target"][row, :steps].numpy() - mean) / std
        expected = 255 * frames_image([target.astype(np.float32)])
        np.testing.assert_allclose(image[: 6 * 2].astype(float), expected, atol=1.0)


def test_only_translations_have_samples(small, tiny, tmp_path):
    run = Run.open_or_create(tmp_path / "run", tiny(recipe="T"), small)
    train(run, small, quiet=True)
    (logs,) = (run.path / "logs").iterdir()
    assert events_of(logs) == {}


def test_attention_has_the_words_and_tokens_as_axes(small, tiny, tmp_path, monkeypatch):
    drawn = []

    def plot(path, weights, words, tokens, title):
        drawn.append((weights.shape, list(words), len(tokens), title))
        return plot_attention(path, weights, words, tokens, title)

    monkeypatch.setattr("mmtrans.plotting.attention.plot_attention", plot)
    run = Run.open_or_create(tmp_path / "run", tiny(recipe="T->A", target="tokens"), small)
    codebook = fit_codebook(small, Selection("train", ("text",), ("audio",)), 4, 1, 0)
    translator = build_translator(parse("T->A"), run.config, run.statistics, codebook.size)
    with tf.summary.create_file_writer(str(tmp_path / "logs")).as_default():
        make_samples(translator, small, VALID, codebook)(5)
    batch, found = chosen(small, codebook), events_of(tmp_path / "logs")
    for (shape, words, tokens, title), id_, length in zip(drawn, batch["id"], batch["source_length"], strict=True):
        steps = int(length)
        assert (shape, tokens) == ((steps + 1, steps), steps)
        assert words == [f"wörd{i}" for i in range(steps)]
        assert title == f"{id_.numpy().decode()}, epoch 5"
        assert found[f"attention/{id_.numpy().decode()}"][5].shape[2] == 3
