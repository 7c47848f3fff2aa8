"""Models that read each modality at its own steps, at work: batches, predictions of a source, exports, curves."""

import json

import numpy as np
import pytest
import tensorflow as tf

from mmtrans.conversion.convert import convert
from mmtrans.data.pipeline import Selection, make_batches
from mmtrans.data.records import Records
from mmtrans.evaluation.predictions import predict_split
from mmtrans.evaluation.robustness import evaluate_robustness, score_without
from mmtrans.explore.reading import read_sources
from mmtrans.inference.export import export
from mmtrans.inference.predict import predict
from mmtrans.inference.scorer import Scorer
from mmtrans.models.rivals.build import NUMBERS
from tests.inference.test_export import finished_run
from tests.tfrecords.segments import DIMS, make_corpus, make_segments
from tfrecords.encoding import serialize

SIZES = {"regressor_units": 4, "fusion_units": 4, "fused_units": 8, "fusion_heads": 2, "fusion_layers": 1}
NAMES = ("audio", "text")


def corpus():
    """Twenty segments of four videos, whose audio has fewer steps than words in some, and more in others."""
    segments = make_segments(20)
    for index, segment in enumerate(segments):
        frames = 1 + (7 * index) % 23
        audio = np.random.default_rng([8, index]).normal(size=(frames, DIMS["audio"]))
        segment.features["audio"] = audio.astype(np.float32)
    return make_corpus(segments, aligned={"text": True, "audio": False})


@pytest.fixture(scope="module")
def segments():
    return {segment.id: segment for segment in corpus().read()}


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    path = tmp_path_factory.mktemp("apart") / "records"
    convert(corpus(), path)
    return Records.open(path, splits=("train", "valid"))


@pytest.fixture(scope="module", params=["mult(A,T)", "bclstm(A,T)"])
def run(request, records, tiny, tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "run"
    return finished_run(path, tiny(recipe=request.param, **SIZES), records)


@pytest.fixture(scope="module")
def exported(run):
    export(run, run.path.parent / "export")
    return run.path.parent / "export"


@pytest.fixture(scope="module")
def expected(run, segments):
    """Id → score, by the model itself, video by video."""
    model, scores = run.load_regressor().model, {}
    for video in sorted({segment.video_id for segment in segments.values()}):
        own = sorted((s for s in segments.values() if s.video_id == video), key=lambda s: int(s.id[3:-1]))
        lengths = np.array([[len(segment.features[name]) for name in NAMES] for segment in own], np.int32)
        source = np.full((len(own), lengths.max() + 1, 5), np.nan, np.float32)
        for row, segment in enumerate(own):
            source[row, : lengths[row, 0], :2] = segment.features["audio"]
            source[row, : lengths[row, 1], 2:] = segment.features["text"]
        numbers = {"video_number": np.zeros(len(own)), "segment_number": np.arange(len(own))}
        numbers = numbers if run.recipe.inputs.reads_videos else {}
        found = model({"source": source, "source_length": lengths, **numbers})["score"].numpy()
        scores |= dict(zip((segment.id for segment in own), found, strict=True))
    assert np.ptp(list(scores.values())) > 1e-3
    return scores


def test_a_batch_holds_each_modality_up_to_its_own_length(records, segments):
    selection, seen = Selection("train", NAMES, labelled=True, apart=True), []
    for batch in make_batches(records, selection, batch_size=4, shuffle=(0, 0)).as_numpy_iterator():
        assert batch["source"].shape[1] == batch["source_length"].max()
        for id_, source, lengths in zip(batch["id"], batch["source"], batch["source_length"], strict=True):
            segment, start = segments[id_.decode()], 0
            seen.append(segment.id)
            for name, length in zip(NAMES, lengths, strict=True):
                array = segment.features[name]
                own = source[:, start : start + DIMS[name]]
                assert length == len(array)
                np.testing.assert_array_equal(own[:length], array)
                assert not own[length:].any()
                start += DIMS[name]
    assert sorted(seen) == sorted(id_ for id_, segment in segments.items() if segment.video_id in ("v0", "v1"))


def test_methods_that_go_step_by_step_refuse(records):
    with pytest.raises(ValueError, match=r"of audio, text\. Received: unaligned \['audio'\].*such as mult\(A,T\)"):
        make_batches(records, Selection("train", NAMES), batch_size=4)


def test_a_split_is_scored(run, records, expected):
    found = predict_split(run, records, "train")
    np.testing.assert_allclose(found.scores, [expected[id_] for id_ in found.ids], atol=1e-5)
    assert len(found.ids) == 10


def test_a_corruption_of_one_modality_leaves_the_other(run, records, expected, segments, tmp_path):
    curves = evaluate_robustness(run, records, "train", tmp_path / "out")
    assert curves["segments"] == 10
    model, statistics = run.load_regressor().model, run.statistics
    without = score_without(run, records, "train", "audio")
    assert without.keys() == {id_ for id_, segment in segments.items() if segment.video_id in ("v0", "v1")}
    assert all(abs(without[id_] - expected[id_]) > 1e-6 for id_ in without)
    if run.recipe.inputs.reads_videos:
        return
    for id_ in list(without)[:3]:
        text, audio = segments[id_].features["text"], segments[id_].features["audio"]
        source = np.zeros((1, max(len(text), len(audio)), 5), np.float32)
        source[0, : len(audio), :2] = statistics.mean["audio"]
        source[0, : len(text), 2:] = text
        lengths = np.array([[len(audio), len(text)]], np.int32)
        score = model({"source": source, "source_length": lengths})["score"].numpy()[0]
        assert without[id_] == pytest.approx(score, abs=1e-5)


def test_a_source_is_scored_as_the_run_and_its_export_do(run, exported, expected):
    for path in (run.path, exported):
        scorer = Scorer.open(path)
        assert scorer.reads_apart
        for prediction in predict(scorer, corpus()):
            assert prediction.score == pytest.approx(expected[prediction.id], abs=1e-5)
        with pytest.raises(ValueError, match=r"A step has no influence.*Received: audio with steps at their own rate"):
            predict(scorer, corpus(), influence=True)


def test_a_client_sends_the_lengths_of_each_modality(run, exported, segments, expected):
    signature = json.loads((exported / "signature.json").read_text())
    length = signature["signatures"]["serving_default"]["inputs"]["length"]
    assert length["shape"] == [None, 2]
    assert "in the order of `reads`" in length["meaning"]
    assert list(signature["reads"]) == list(NAMES)
    assert "`length` is `(batch, modalities)`: the steps of audio, text" in (exported / "model_card.md").read_text()
    serve, ids = tf.saved_model.load(str(exported)).signatures, list(segments)
    lengths = np.array([[len(segments[id_].features[name]) for name in NAMES] for id_ in ids], np.int32)
    inputs = {name: np.full((len(ids), lengths.max(), DIMS[name]), np.nan, np.float32) for name in NAMES}
    for row, id_ in enumerate(ids):
        for name in NAMES:
            inputs[name][row, : len(segments[id_].features[name])] = segments[id_].features[name]
    inputs["length"] = lengths
    if run.recipe.inputs.reads_videos:
        places = [(int(id_[1]), int(id_[3:-1])) for id_ in ids]
        inputs |= dict(zip(NUMBERS, np.array(places, np.int64).T, strict=True))
    inputs, wanted = {name: tf.constant(values) for name, values in inputs.items()}, [expected[id_] for id_ in ids]
    np.testing.assert_allclose(serve["serving_default"](**inputs)["score"], wanted, atol=1e-5)
    examples = tf.constant([serialize(segment, {"audio": 23, "text": 14}) for segment in segments.values()])
    np.testing.assert_allclose(serve["sentiment_from_examples"](examples=examples)["score"], wanted, atol=1e-5)
    encoded = serve["encode"](**inputs)
    kernel, bias = run.load_regressor().model.get_layer("linear").get_weights()
    np.testing.assert_allclose(encoded["pooled"].numpy() @ kernel[:, 0] + bias, wanted, atol=1e-4)
    beyond = np.arange(lengths.max()) >= lengths[:, :, None]
    assert not encoded["sequence"].numpy()[beyond[:, 0]][:, :2].any()
    assert not encoded["sequence"].numpy()[beyond[:, 1]][:, 2:].any()
    assert serve["serving_default"](**{name: values[:0] for name, values in inputs.items()})["score"].shape == (0,)
    too_long = {**inputs, "length": inputs["length"] + 1}
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"A length is out of range"):
        serve["serving_default"](**too_long)


def test_what_is_shown_of_a_segment_has_its_own_steps(run, records, segments):
    for source in read_sources(run, records, "valid"):
        for name in NAMES:
            np.testing.assert_array_equal(source.features[name], segments[source.id].features[name])
        assert source.steps == max(map(len, source.features.values()))
