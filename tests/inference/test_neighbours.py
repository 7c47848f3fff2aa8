"""A model that reads whole videos at work: predictions of a source, influence, exports; and single segments."""

import json
from collections import defaultdict

import numpy as np
import pytest
import tensorflow as tf

from mmtrans.config import Config
from mmtrans.data.records import Records
from mmtrans.evaluation.predictions import predict_split
from mmtrans.evaluation.robustness import evaluate_robustness, score_without
from mmtrans.inference.export import export
from mmtrans.inference.predict import predict
from mmtrans.inference.scorer import Scorer
from mmtrans.models.rivals.build import NUMBERS
from mmtrans.words.folder import open_folder
from tests.evaluation.test_evaluate import segments_of
from tests.inference.test_export import finished_run, small_records
from tests.tfrecords.segments import make_corpus, make_segment
from tests.words.records import COLUMNS, piece_segments, write_piece_records
from tests.words.tiny import make_tiny_encoder
from tfrecords.encoding import serialize
from tfrecords.manifest import TextColumns

SIZES = {"recipe": "bclstm(A,T)", "regressor_units": 4, "fusion_units": 4, "fused_units": 8}

#: Segments of three videos, mixed, and not in the order of their numbers; one lacks audio.
SEGMENTS = [
    make_segment(2, 3, video="a"),
    make_segment(0, 5, video="b"),
    make_segment(10, 1, video="a"),
    make_segment(0, 4, video="c"),
    make_segment(9, 6, video="a", label=None),
    make_segment(1, 2, video="b", modalities=("text",)),
    make_segment(3, 4, video="b"),
]
READ = [segment for segment in SEGMENTS if len(segment.features) == 2]
VIDEOS = {"a[2]": ["a[2]", "a[9]", "a[10]"], "b[0]": ["b[0]", "b[3]"], "c[0]": ["c[0]"]}


@pytest.fixture(scope="module")
def run(small_dir, tiny, tmp_path_factory):
    return finished_run(tmp_path_factory.mktemp("videos") / "run", tiny(**SIZES), small_records(small_dir))


@pytest.fixture(scope="module")
def exported(run):
    export(run, run.path.parent / "export")
    return run.path.parent / "export"


@pytest.fixture(scope="module")
def alone(run):
    """`alone(segments)`: scores of the segments of one video, in their order, by the model itself."""
    model = run.load_regressor().model

    def score(segments):
        lengths = [len(segment.features["text"]) for segment in segments]
        source = np.zeros((len(segments), max(lengths), 5), np.float32)
        for row, (segment, length) in enumerate(zip(segments, lengths, strict=True)):
            source[row, :length] = np.concatenate([segment.features["audio"], segment.features["text"]], 1)
        numbers = {"video_number": np.zeros(len(segments)), "segment_number": np.arange(len(segments))}
        return model({"source": source, "source_length": np.array(lengths), **numbers})["score"].numpy()

    return score


@pytest.fixture(scope="module")
def expected(alone):
    by_id = {segment.id: segment for segment in READ}
    scores = {}
    for ids in VIDEOS.values():
        scores |= dict(zip(ids, alone([by_id[id_] for id_ in ids]), strict=True))
    return scores


def test_a_source_is_scored_video_by_video_and_told_in_its_order(run, expected):
    predictions = list(predict(Scorer.open(run.path), make_corpus(SEGMENTS)))
    assert [prediction.id for prediction in predictions] == [segment.id for segment in READ]
    for prediction, segment in zip(predictions, READ, strict=True):
        assert prediction.score == pytest.approx(expected[segment.id], abs=1e-5)
        assert prediction.words == segment.tokens
        assert prediction.attention_weights.shape == (len(segment.tokens),)
    assert np.ptp(list(expected.values())) > 1e-3


def test_a_segment_without_a_name_is_a_video_of_its_own(run, alone):
    scorer = Scorer.open(run.path)
    scores, _ = scorer.score([segment.features for segment in READ])
    for score, segment in zip(scores, READ, strict=True):
        assert score == pytest.approx(alone([segment])[0], abs=1e-5)
    together, _ = scorer.score([segment.features for segment in READ], [segment.id for segment in READ])
    assert np.abs(together - scores).max() > 1e-3


def test_influence_is_the_change_without_a_step_while_the_neighbours_stay(run, alone):
    by_id = {segment.id: segment for segment in READ}
    found = {each.id: each for each in predict(Scorer.open(run.path), make_corpus(SEGMENTS), influence=True)}
    for ids in VIDEOS.values():
        for place, id_ in enumerate(ids):
            segment = by_id[id_]
            if len(segment.tokens) == 1:
                assert np.isnan(found[id_].influence).all()
                continue
            for step in range(len(segment.tokens)):
                shorter = {name: np.delete(array, step, 0) for name, array in segment.features.items()}
                video = [by_id[each] for each in ids]
                video[place] = type(segment)(id_, segment.video_id, shorter)
                without = alone(video)[place]
                assert found[id_].influence[step] == pytest.approx(found[id_].score - without, abs=1e-5)


def test_an_export_scores_as_the_run_does(run, exported):
    assert json.loads((exported / "signature.json").read_text())["reads_videos"] is True
    assert "send all of them together" in (exported / "model_card.md").read_text()
    opened = Scorer.open(exported)
    assert opened.reads_videos
    ours, theirs = (list(predict(scorer, make_corpus(SEGMENTS))) for scorer in (Scorer.open(run.path), opened))
    np.testing.assert_allclose([each.score for each in theirs], [each.score for each in ours], atol=1e-5)


def test_a_client_tells_the_video_of_each_segment(run, exported, expected):
    serve = tf.saved_model.load(str(exported)).signatures
    steps = max(len(segment.tokens) for segment in READ)
    inputs = defaultdict(list)
    for segment in READ:
        for name, array in segment.features.items():
            inputs[name].append(np.pad(array, [(0, steps - len(array)), (0, 0)], constant_values=np.nan))
    inputs = {name: tf.constant(np.stack(arrays)) for name, arrays in inputs.items()}
    inputs["length"] = tf.constant([len(segment.tokens) for segment in READ])
    places = [(ord(segment.video_id), int(segment.id[2:-1])) for segment in READ]
    numbers = dict(zip(NUMBERS, tf.transpose(tf.constant(places, tf.int64)), strict=True))
    wanted = [expected[segment.id] for segment in READ]
    found = serve["serving_default"](**inputs, **numbers)
    np.testing.assert_allclose(found["score"], wanted, atol=1e-5)
    examples = tf.constant([serialize(segment, dict.fromkeys(segment.features, 7)) for segment in READ])
    found = serve["sentiment_from_examples"](examples=examples)
    np.testing.assert_allclose(found["score"], wanted, atol=1e-5)
    encoded = serve["encode"](**inputs, **numbers)
    kernel, bias = run.load_regressor().model.get_layer("linear").get_weights()
    np.testing.assert_allclose(encoded["pooled"].numpy() @ kernel[:, 0] + bias, wanted, atol=1e-5)
    nothing = {name: values[:0] for name, values in {**inputs, **numbers}.items()}
    assert serve["serving_default"](**nothing)["score"].shape == (0,)
    fewer = {name: values[:2] for name, values in numbers.items()}
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"Expected one number a segment"):
        serve["serving_default"](**inputs, **fewer)


def test_a_split_is_scored_as_its_videos_are(run, small_dir, tmp_path):
    records = small_records(small_dir)
    found = predict_split(run, records, "train")
    scorer = Scorer.open(run.path)
    segments = segments_of(records, "train")
    scores, _ = scorer.score([segment.features for segment in segments], [segment.id for segment in segments])
    by_id = dict(zip((segment.id for segment in segments), scores, strict=True))
    # Unlabelled segments are read, as neighbours alone.
    assert sorted(found.ids) == sorted(segment.id for segment in segments if segment.label is not None)
    assert len(found.ids) == len(segments) - 3
    assert np.isfinite(found.labels).all()
    np.testing.assert_allclose(found.scores, [by_id[id_] for id_ in found.ids], atol=1e-5)
    curves = evaluate_robustness(run, records, "train", tmp_path / "out")
    assert curves["segments"] == len(found.ids)
    without = score_without(run, records, "train", "audio")
    assert sorted(without) == sorted(found.ids)
    assert np.abs(found.scores - [without[id_] for id_ in found.ids]).max() > 1e-3


def test_words_by_pieces_lose_one_and_the_neighbours_stay(tmp_path):
    """In two parts, as the vectors of the other words are kept."""
    folder = open_folder(make_tiny_encoder(tmp_path / "encoder"))
    records = Records.open(write_piece_records(folder.path, tmp_path / "records"), splits=("train", "valid"))
    run = finished_run(tmp_path / "run", Config(**SIZES), records)
    export(run, tmp_path / "export")
    text = TextColumns(folder.name, folder.sha256, (), folder.settings.width, pieces=COLUMNS, glove=2)
    corpora = [make_corpus(list(piece_segments(folder, number=6)), text=text) for _ in range(2)]
    ours, theirs = (
        list(predict(Scorer.open(tmp_path / name), corpus, influence=True))
        for name, corpus in zip(("run", "export"), corpora, strict=True)
    )
    for each, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(other.influence, each.influence, atol=1e-5)
    assert np.nanmax(np.abs(np.concatenate([each.influence for each in ours]))) > 1e-4
    assert not corpora[1].trouble
