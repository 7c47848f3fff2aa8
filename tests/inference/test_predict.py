import csv
import json
import shutil
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from mmtrans.cli.main import main
from mmtrans.data.records import Records
from mmtrans.inference.export import export
from mmtrans.inference.predict import predict
from mmtrans.inference.scorer import Scorer
from mmtrans.runs.run import Run
from mmtrans.sources.account import DropReason
from mmtrans.sources.open import open_corpus
from tests.earlier import EARLIER
from tests.sources.csd_files import words_of, write_csd
from tests.sources.format_files import dump
from tests.tfrecords.segments import make_corpus, make_segment
from tfrecords.reader import read_segments
from tfrecords.schema import LabelScale, Segment


def scorer_of(modalities=("text",), *, aligned=True, max_steps=None, neutral=0.0):
    """A scorer whose score is the mean of all cells of the valid steps, and whose weights are even."""
    dims = {"text": 3, "audio": 2}

    def function(length, **features):
        lengths = length.numpy()
        rows = [np.concatenate([f.numpy()[i, :n].ravel() for f in features.values()]) for i, n in enumerate(lengths)]
        weights = np.arange(int(lengths.max()))[None] < lengths[:, None]
        return {"score": Tensor([row.mean() for row in rows]), "attention_weights": Tensor(weights / lengths[:, None])}

    infos = {name: {"dim": dims[name], "aligned": aligned} for name in modalities}
    label = LabelScale("sentiment", -3.0, 3.0, neutral)
    return Scorer("model", function, infos, max_steps or {"aligned": 50}, label)


class Tensor:
    def __init__(self, values):
        self.values = np.array(values, np.float32)

    def numpy(self):
        return self.values


def mean_of(segment, modalities, steps=None):
    return np.concatenate([segment.features[m][:steps].ravel() for m in modalities]).mean()


@pytest.mark.parametrize("modalities", [("text",), ("audio", "text")])
def test_every_segment_is_scored_in_order_labelled_or_not(modalities):
    segments = [make_segment(i, 1 + (7 * i) % 11, label=None if i % 2 else 0.5) for i in range(70)]
    counts = Counter()
    predictions = list(predict(scorer_of(modalities), make_corpus(segments), counts))
    assert [p.id for p in predictions] == [s.id for s in segments]
    for prediction, segment in zip(predictions, segments, strict=True):
        assert prediction.score == pytest.approx(mean_of(segment, modalities), abs=1e-5)
        assert prediction.words == segment.tokens
        assert prediction.attention_weights.shape == (len(segment.tokens),)
        assert prediction.attention_weights.sum() == pytest.approx(1, abs=1e-5)
    assert counts["predicted"] == 70
    assert counts["cut"] == 0


@pytest.mark.parametrize(("modalities", "steps"), [(("text",), 5), (("audio", "text"), 70)])
def test_influence_is_the_change_of_the_score_without_a_step(modalities, steps):
    segments = [make_segment(0, 3), make_segment(1, steps)]
    predictions = list(predict(scorer_of(modalities, max_steps={"aligned": 90}), make_corpus(segments), influence=True))
    for prediction, segment in zip(predictions, segments, strict=True):
        means = [
            np.concatenate([np.delete(segment.features[m], step, 0).ravel() for m in modalities]).mean()
            for step in range(len(segment.tokens))
        ]
        assert prediction.influence.dtype == np.float32
        np.testing.assert_allclose(prediction.influence, prediction.score - np.array(means), atol=1e-5)


def test_the_only_step_has_no_influence_and_nothing_is_told_unasked():
    (asked,) = predict(scorer_of(), make_corpus([make_segment(0, 1)]), influence=True)
    assert np.isnan(asked.influence).tolist() == [True]
    (unasked,) = predict(scorer_of(), make_corpus([make_segment(0, 4)]))
    assert unasked.influence is None


def test_steps_that_are_cut_have_no_influence():
    (prediction,) = predict(scorer_of(max_steps={"aligned": 4}), make_corpus([make_segment(0, 9)]), influence=True)
    assert prediction.influence.shape == (4,)


@pytest.mark.parametrize(("ids_are_videos", "id"), [(False, "clip 7[0]"), (True, "clip 7")])
def test_ids_of_no_style_are_those_of_the_file(ids_are_videos, id):
    segment = Segment("clip 7[0]", "clip 7", {"text": np.ones((2, 3), np.float32)})
    corpus = make_corpus([segment], ids_are_videos=ids_are_videos)
    assert [prediction.id for prediction in predict(scorer_of(), corpus)] == [id]


def test_segments_are_read_as_they_are_needed():
    taken = []

    def read():
        for i in range(1000):
            taken.append(i)
            yield make_segment(i, 2)

    predictions = predict(scorer_of(), make_corpus([make_segment(0, 2)], read=read))
    next(predictions)
    assert len(taken) < 100


def test_long_segments_are_cut_as_in_conversion():
    segments = [make_segment(0, 4), make_segment(1, 5), make_segment(2, 9)]
    counts = Counter()
    predictions = list(predict(scorer_of(max_steps={"aligned": 4}), make_corpus(segments), counts))
    for prediction, segment in zip(predictions, segments, strict=True):
        assert prediction.score == pytest.approx(mean_of(segment, ["text"], 4), abs=1e-5)
        assert prediction.words == segment.tokens[:4]
        assert len(prediction.attention_weights) == 4
    assert counts["cut"] == 2


@pytest.mark.parametrize(("limit", "steps"), [({"aligned": 4}, 9), ({"aligned": 4, "audio": 6}, 6)])
def test_streams_with_own_steps_have_limits_of_their_own(limit, steps):
    corpus = make_corpus([make_segment(0, 9, modalities=("audio",))], aligned={"audio": False})
    (prediction,) = predict(scorer_of(("audio",), aligned=False, max_steps=limit), corpus)
    assert len(prediction.attention_weights) == steps


@pytest.mark.parametrize(("score", "polarity"), [(0.49, "negative"), (0.5, "neutral"), (0.51, "positive")])
def test_polarity_splits_at_the_neutral_point(score, polarity):
    assert scorer_of(neutral=0.5).polarity(score) == polarity


def test_a_score_that_is_no_number_is_an_error():
    segment = make_segment(0, 4)
    segment.features["text"][1, 2] = np.nan
    with pytest.raises(ValueError, match=r"scores that are no numbers\. .*Received: score=nan \(model\)"):
        next(predict(scorer_of(), make_corpus([segment])))


def test_segments_without_the_modality_are_passed_over_and_counted():
    segments = [make_segment(0, 3), make_segment(1, 3, modalities=("text",)), make_segment(2, 3)]
    counts = Counter()
    predictions = list(predict(scorer_of(("text", "audio")), make_corpus(segments), counts))
    assert [p.id for p in predictions] == ["v[0]", "v[2]"]
    assert counts["without audio"] == 1


def refused(scorer, corpus, message):
    with pytest.raises(ValueError, match=message) as caught:
        list(predict(scorer, corpus))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("aligned", [{}, {"text": True}])
def test_a_missing_modality(aligned):
    corpus = make_corpus([make_segment(0, 3, modalities=("text",))], aligned=aligned)
    refused(scorer_of(("text", "audio")), corpus, r"lacks what the model reads\. .*Received: no audio .*that has it\.")


def test_missing_text_names_its_remedy():
    corpus = make_corpus([make_segment(0, 3, modalities=("audio",))], aligned={"audio": True})
    refused(scorer_of(), corpus, r"Received: no text .*--glove FILE\.")


def test_other_columns():
    segment = Segment("v[4]", "v", {"text": np.ones((2, 5), np.float32)})
    refused(scorer_of(), make_corpus([segment]), r"Expected 3 columns of text\. Received: dim=5 \(v\[4\]\)")


def test_no_segments():
    corpus = make_corpus([make_segment(0, 3)], read=lambda: iter(()))
    corpus.account.drop("v[0]", DropReason.NO_WORD_INSIDE)
    refused(scorer_of(), corpus, r"gives no segments\. .*1 dropped, reasons=\[\('no word lies in its interval', 1\)\]")


@pytest.mark.parametrize(("trained", "given"), [(True, "at their own rate"), (False, "one step a word")])
def test_steps_of_another_kind(trained, given):
    corpus = make_corpus([make_segment(0, 3)], aligned={"text": not trained, "audio": not trained})
    refused(scorer_of(aligned=trained), corpus, rf"other steps than training had\. .*Received: .*{given}")


def test_streams_of_different_steps_cannot_be_concatenated():
    features = {"text": np.ones((2, 3), np.float32), "audio": np.ones((4, 2), np.float32)}
    corpus = make_corpus([Segment("v[0]", "v", features)])
    refused(scorer_of(("text", "audio")), corpus, r"must have the same steps\. .*'text': 2, 'audio': 4")


# The real model, on real files.


def read_test_fold(records_dir):
    """Segments of the records' test fold."""
    records = Records.open(records_dir)
    dims = {name: info.dim for name, info in records.manifest.modalities.items()}
    return [s for shard in records.shards("test") for s in read_segments(records.directory / shard.file, dims)]


@pytest.fixture(scope="module")
def evaluated(baseline_run, tmp_path_factory):
    """A copy of the baseline, and id → prediction as `evaluate` wrote them for its test fold."""
    run = tmp_path_factory.mktemp("evaluated") / "run"
    shutil.copytree(baseline_run, run)
    assert main(["evaluate", str(run)]) == 0
    with open(run / "predictions.csv", newline="", encoding="utf-8") as file:
        return run, {row["id"]: float(row["prediction"]) for row in csv.DictReader(file) if row["split"] == "test"}


@pytest.fixture(scope="module")
def exported(evaluated):
    path = evaluated[0].parent / "export"
    export(Run.open(evaluated[0]), path)
    return path


def csd_without_labels(segments, path):
    """Word vectors and words of segments as aligned .csd files, one entry a segment; no labels, no other modality."""
    times = {s.id: np.stack([np.arange(len(s.tokens)), np.arange(len(s.tokens)) + 0.5], 1) for s in segments}
    vectors = {s.id: (s.features["text"], times[s.id]) for s in segments}
    write_csd(path / "vectors.csd", "glove_vectors", vectors)
    write_csd(path / "words.csd", "words", {s.id: (words_of(*s.tokens), times[s.id]) for s in segments})
    return path


def misa_pickle(segments, path):
    """The same as a MISA-style pickle, whose audio and video nothing reads and whose labels are unknown."""
    rows = [
        (
            (s.features["text"], np.ones((len(s.tokens), 2)), np.ones((len(s.tokens), 4)), list(s.tokens)),
            np.array([[np.nan]]),
            s.id,
        )
        for s in segments
    ]
    return dump(path / "mine.pkl", {"test": rows})


@pytest.mark.parametrize("write", [csd_without_labels, misa_pickle])
@pytest.mark.parametrize("model", ["run", "export"])
def test_predictions_equal_those_of_evaluate(evaluated, exported, records_dir, tmp_path, write, model):
    run, wanted = evaluated
    segments = read_test_fold(records_dir)
    source = write(segments, tmp_path / "source")
    scorer = Scorer.open(run if model == "run" else exported)
    predictions = {p.id: p for p in predict(scorer, open_corpus(source))}
    assert len(wanted) > 10
    assert wanted.keys() <= predictions.keys()
    for segment in segments:
        prediction = predictions[segment.id]
        if segment.id in wanted:
            assert prediction.score == pytest.approx(wanted[segment.id], abs=1e-5)
        assert prediction.words == segment.tokens
        assert prediction.attention_weights.sum() == pytest.approx(1, abs=1e-5)
        assert prediction.polarity == ("negative" if prediction.score < 0 else "positive")


def test_the_run_says_what_its_data_are_like(baseline_run, records_dir):
    run, manifest = Run.open(baseline_run), Records.open(records_dir).manifest
    scorer = Scorer.open(baseline_run)
    assert scorer.label == manifest.label
    assert scorer.max_steps == manifest.max_steps == {"aligned": 50}
    assert scorer.modalities.keys() == {"text"}
    assert run.data["modalities"]["audio"]["dim"] == manifest.modalities["audio"].dim


def test_no_model(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No run there\."):
        Scorer.open(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match=r"does not say what it reads\."):
        Scorer.open(tmp_path)


@pytest.mark.parametrize(("steps", "other"), [(1, "1"), (7, None), (10, None), (14, None), (16, "16")])
def test_another_rate_of_steps_is_noted(steps, other):
    features = [{"audio": np.ones((count * steps, 2), np.float32)} for count in (1, 2, 3)]
    segments = [Segment(f"v[{k}]", "v", array, tokens=("x",) * (k + 1)) for k, array in enumerate(features)]
    # Segments without words tell nothing.
    segments.append(Segment("w[0]", "w", {"audio": np.ones((900, 2), np.float32)}))
    corpus = make_corpus(segments, aligned={"audio": False})
    scorer = replace(scorer_of(("audio",), aligned=False), steps_per_word={"audio": 10.0, "video": 3.0})
    assert len(list(predict(scorer, corpus))) == 4
    note = (
        f"The source has another rate of steps than training had: {other} steps of audio a word, not about 10. Give "
        f"features of the same frame rate, unless the speech is so fast or slow."
    )
    assert corpus.trouble == ([note] if other else [])
    corpus = make_corpus(segments, aligned={"audio": False})
    assert len(list(predict(replace(scorer, steps_per_word={}), corpus))) == 4
    assert corpus.trouble == []


@pytest.mark.parametrize("model", ["run", "export"])
def test_a_model_says_how_many_steps_a_word_it_read(model, tmp_path):
    directory = shutil.copytree(EARLIER / ("runs/unaligned" if model == "run" else "export"), tmp_path / "model")
    path = directory / ("environment.json" if model == "run" else "signature.json")
    content = json.loads(path.read_text(encoding="utf-8"))
    (content["data"] if model == "run" else content)["steps_per_word"] = {"audio": 5.0}
    path.write_text(json.dumps(content), encoding="utf-8")
    assert Scorer.open(directory).steps_per_word == {"audio": 5.0}


def test_columns_that_are_named_otherwise_are_refused():
    named = replace(scorer_of(), modalities={"text": {"dim": 3, "aligned": True, "feature_names": ["a", "b", "c"]}})
    segments = [make_segment(0, 3)]
    for names in ({}, {"text": ["a", "b", "c"]}, {"audio": ["x", "y"]}):
        assert len(list(predict(named, make_corpus(segments, feature_names=names)))) == 1
    with pytest.raises(ValueError, match=r"Expected column 0 of text to be 'a'\. Received: 'b'"):
        list(predict(named, make_corpus(segments, feature_names={"text": ["b", "a", "c"]})))
    assert len(list(predict(scorer_of(), make_corpus(segments, feature_names={"text": ["b", "a", "c"]})))) == 1
