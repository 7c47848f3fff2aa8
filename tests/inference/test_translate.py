import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from mmtrans.data.batch import Selection
from mmtrans.data.codebook import Codebook
from mmtrans.data.pipeline import make_batches
from mmtrans.data.records import Records
from mmtrans.decoding.beam_search import FORBIDDEN, Hypotheses
from mmtrans.decoding.options import SearchOptions
from mmtrans.inference.translate import Translated, _token_rows, save_features, translate
from mmtrans.runs.run import Run
from mmtrans.training.train import train

RNG = np.random.default_rng(0)
FRAMES = RNG.normal(size=(5, 2)).astype(np.float32)
CODEBOOK = Codebook(("<bos>", "<eos>", "c0", "c1", "c2"), FRAMES, np.ones(2, np.float32), np.arange(5), 0.25)


def make_rows(log_probs):
    """Two segments of 3 and 2 source steps, two hypotheses each."""
    decoded = Hypotheses(
        ids=np.array([[[2, 3, 4, 1], [3, 1, 1, 1]], [[4, 4, 1, 1], [2, 1, 1, 1]]]),
        lengths=np.array([[4, 2], [3, 2]]),
        log_probs=np.array(log_probs, np.float32),
        scores=np.array(log_probs, np.float32) / 2,
        attention_weights=RNG.uniform(size=(2, 2, 4, 3)).astype(np.float32),
    )
    batch = {
        "source_length": tf.constant([3, 2]),
        "target": tf.constant([[2, 3, 3, 1], [4, 2, 1, 1]]),
        "target_length": tf.constant([4, 3]),
    }
    return decoded, list(_token_rows(decoded, batch, CODEBOOK))


def test_token_rows_are_cut_to_their_lengths():
    decoded, ((first, first_reference), (second, second_reference)) = make_rows([[-1, -2], [-3, -4]])
    assert [h.tokens for h in first] == [("c0", "c1", "c2"), ("c1",)]
    assert [h.tokens for h in second] == [("c2", "c2"), ("c0",)]
    assert (first_reference, second_reference) == (("c0", "c1", "c1"), ("c2", "c0"))
    assert [(h.log_prob, h.score) for h in second] == [(-3.0, -1.5), (-4.0, -2.0)]
    np.testing.assert_array_equal(first[0].frames, FRAMES[[2, 3, 4]])
    np.testing.assert_array_equal(second[0].attention_weights, decoded.attention_weights[1, 0, :3, :2])


def test_hypotheses_that_the_limits_forbid_are_left_out():
    _, ((first, _), (second, _)) = make_rows([[-1, FORBIDDEN - 2], [-3, -4]])
    assert [h.tokens for h in first] == [("c0", "c1", "c2")]
    assert len(second) == 2


@pytest.fixture(scope="module")
def features_run(small_dir, tiny, tmp_path_factory):
    records = Records.open(small_dir, splits=("train", "valid"))
    config = tiny(recipe="T->A", epochs=1)
    run = Run.open_or_create(tmp_path_factory.mktemp("features") / "run", config, records)
    train(run, records, quiet=True)
    return run


def test_every_segment_is_decoded_once_in_raw_units(features_run, small_dir, tmp_path):
    records = Records.open(small_dir)
    translated = list(translate(features_run, records, "test", SearchOptions()))
    translator, expected = features_run.load_translator(), {}
    mean, std = features_run.statistics.mean["audio"], features_run.statistics.std["audio"]
    for batch in make_batches(records, Selection("test", ("text",), ("audio",)), batch_size=1):
        length = batch["source_length"]
        frames, weights = translator.rollout(batch["source"], length, length)
        expected[batch["id"][0].numpy().decode()] = frames[0] * std + mean, weights[0]
    assert sorted(item.id for item in translated) == sorted(expected)
    for item in translated:
        (best,), (frames, weights) = item.hypotheses, expected[item.id]
        np.testing.assert_allclose(best.frames, frames, atol=1e-5)
        np.testing.assert_allclose(best.attention_weights, weights, atol=1e-5)
        assert item.words == tuple(f"wörd{i}" for i in range(len(frames)))
        (line,) = item.to_json()["hypotheses"]
        np.testing.assert_allclose(line.pop("frames"), best.frames, rtol=1e-5)
        assert line == {"tokens": [], "length": len(frames), "log_prob": None, "score": None}
    save_features(tmp_path / "features.npz", translated)
    with np.load(tmp_path / "features.npz") as arrays:
        assert sorted(arrays) == sorted(expected)
        for item in translated:
            np.testing.assert_array_equal(arrays[item.id], item.hypotheses[0].frames)
            assert arrays[item.id].dtype == np.float32
    assert [path.name for path in tmp_path.iterdir()] == ["features.npz"]


@pytest.mark.parametrize(
    ("fields", "arguments"),
    [
        ({"target": "tokens", "codebook_size": 4}, {"options": SearchOptions(n_best=3, sample_top_k=6, seed=(5, 0))}),
        ({"bottleneck": "vae", "latent_units": 3}, {"options": SearchOptions(seed=(5, 0)), "latent": "posterior"}),
        ({"bottleneck": "vae", "latent_units": 3}, {"options": SearchOptions(seed=(5, 0)), "latent": "prior"}),
    ],
)
def test_what_a_segment_draws_follows_from_its_id(fields, arguments, small_dir, tiny, tmp_path):
    def decode(batch_size, **other):
        # Decoding reads the weights of a run and its batch size.
        changed = dataclasses.replace(run, config=dataclasses.replace(run.config, batch_size=batch_size))
        return {item.id: item.hypotheses for item in translate(changed, records, "train", **{**arguments, **other})}

    records = Records.open(small_dir)
    run = Run.open_or_create(tmp_path / "run", tiny(recipe="T->A", epochs=1, **fields), records)
    train(run, records, quiet=True)
    few, many = decode(3), decode(100)
    assert few.keys() == many.keys()
    for id_, hypotheses in few.items():
        for one, other in zip(hypotheses, many[id_], strict=True):
            assert one.tokens == other.tokens
            np.testing.assert_allclose(one.frames, other.frames, atol=1e-4)
    # Neither are two segments drawn alike, nor two seeds.
    assert len({tuple(np.round(h[0].frames[:2], 3).ravel()) for h in many.values()}) > 5
    seed = decode(100, options=dataclasses.replace(arguments["options"], seed=(6, 0)))
    assert any(np.abs(seed[id_][0].frames - many[id_][0].frames).max() > 1e-3 for id_ in many)


def test_free_length_needs_a_stop_head(features_run, small_dir):
    with pytest.raises(ValueError, match=r"has not learned when to stop.*Received: length=free"):
        next(translate(features_run, Records.open(small_dir), "test", SearchOptions(), "free"))


def test_a_baseline_translates_nothing(small, tiny, tmp_path):
    run = Run.open_or_create(tmp_path / "run", tiny(recipe="T"), small)
    with pytest.raises(ValueError, match=r"The run translates nothing.*Received: recipe=T "):
        next(translate(run, small, "valid", SearchOptions()))


def test_a_line_s_keys():
    item = Translated("v[3]", ("so",), (), ("c0",))
    assert item.to_json() == {"id": "v[3]", "words": ["so"], "hypotheses": [], "reference": ["c0"]}
