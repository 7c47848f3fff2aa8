"""From text alone to a score: the same numbers as of the same words in a corpus, and nothing else's vectors."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from mmtrans import api
from mmtrans.inference.scorer import Scorer
from tests.cli.spoken import make_spoken
from tests.inference.test_export import finished_run
from tests.words.tiny import make_tiny_encoder
from tfrecords.reader import read_segments


@pytest.fixture(scope="module")
def encoded(tmp_path_factory):
    return make_spoken(tmp_path_factory.mktemp("encoded"), with_encoder=True)


@pytest.fixture(scope="module")
def looked_up(tmp_path_factory):
    return make_spoken(tmp_path_factory.mktemp("looked_up"), with_encoder=False)


@pytest.fixture(params=["encoded", "looked_up"])
def spoken(request):
    return request.getfixturevalue(request.param)


def segments_of(records_dir):
    records = api.Records.open(records_dir)
    dims = {name: info.dim for name, info in records.manifest.modalities.items()}
    shards = [shard for split in records.manifest.splits for shard in records.shards(split)]
    return [segment for shard in shards for segment in read_segments(records.directory / shard.file, dims)]


@pytest.mark.once
def test_text_has_the_score_of_the_same_words_in_records(spoken):
    segments = segments_of(spoken.records)
    scorer = Scorer.open(spoken.run)
    scores = [float(scorer.score([{"text": segment.features["text"]}])[0][0]) for segment in segments]
    texts = [" ".join(segment.tokens) for segment in segments]
    found = api.predict_text(spoken.run, texts, text_encoder=spoken.encoder, glove=spoken.glove)
    assert [prediction.words for prediction in found] == [segment.tokens for segment in segments]
    np.testing.assert_allclose([prediction.score for prediction in found], scores, atol=1e-5)
    lower = api.predict_text(scorer, [text.lower() for text in texts], glove=spoken.glove)
    np.testing.assert_allclose([prediction.score for prediction in lower], scores, atol=1e-5)
    assert np.ptp(scores) > 1e-3


@pytest.mark.once
def test_predictions_keep_the_places_of_their_texts(spoken):
    texts = ["hated it", " ", "i loved every minute of it", "sp"]
    found = api.predict_text(api.Run.open(spoken.run), texts, glove=spoken.glove, influence=True)
    assert [prediction and prediction.id for prediction in found] == ["1", None, "3", None]
    assert found[2].influence.shape == found[2].attention_weights.shape == (6,)
    assert np.abs(found[2].influence).max() > 1e-4


@pytest.mark.once
def test_influence_leaves_the_other_words_vectors_as_they_are(encoded):
    scorer = Scorer.open(encoded.run)
    seen = []

    def function(length, text):
        seen.extend(np.array(row[:steps]) for row, steps in zip(text.numpy(), length.numpy(), strict=True))
        return scorer.function(length=length, text=text)

    watched = dataclasses.replace(scorer, function=function)
    api.predict_text(watched, ["i loved it"], glove=encoded.glove, influence=True)
    whole, *shorter = seen
    for step, vectors in enumerate(shorter):
        np.testing.assert_array_equal(vectors, np.delete(whole, step, 0))
    assert len(shorter) == 3


def test_an_export_scores_text_as_its_run_does(spoken, tmp_path):
    api.export(api.Run.open(spoken.run), tmp_path / "export")
    texts = ["i loved every minute of it", "the movie was bad"]
    ours, theirs = (api.predict_text(model, texts, glove=spoken.glove) for model in (spoken.run, tmp_path / "export"))
    np.testing.assert_allclose([p.score for p in ours], [p.score for p in theirs], atol=1e-5)
    signature = json.loads((tmp_path / "export" / "signature.json").read_text(encoding="utf-8"))
    assert signature["text"] == json.loads((spoken.run / "environment.json").read_text())["data"]["text"]
    other = other_glove(spoken, tmp_path)
    with pytest.raises(ValueError, match=r"word vectors is another one than in training\."):
        api.predict_text(tmp_path / "export", texts, glove=other)


@pytest.mark.once
def test_words_are_rounded_as_in_the_records_of_the_run(tmp_path):
    spoken = make_spoken(tmp_path, with_encoder=True, dtype="float16")
    segments = segments_of(spoken.records)
    exact = {
        segment.id: segment.features["text"]
        for segment in api.open_corpus(
            spoken.source, text_encoder=spoken.encoder, text_layers=(2, 1), text_cache="off", glove=spoken.glove
        ).read()
    }
    for segment in segments:
        np.testing.assert_array_equal(segment.features["text"], exact[segment.id].astype(np.float16))
    assert any((exact[segment.id] != segment.features["text"]).any() for segment in segments)

    run = api.Run.open(spoken.run)
    api.export(run, tmp_path / "export")
    texts = [" ".join(segment.tokens) for segment in segments]
    serialized = [
        record
        for split in ("train", "valid", "test")
        for shard in api.Records.open(spoken.records).shards(split)
        for record in tf.data.TFRecordDataset(str(spoken.records / shard.file)).as_numpy_iterator()
    ]
    served = tf.saved_model.load(tmp_path / "export").signatures["sentiment_from_examples"]
    scores = served(examples=tf.constant(serialized))["score"]
    for model in (spoken.run, tmp_path / "export"):
        read = []
        scorer = Scorer.open(model)

        def function(length, text, scorer=scorer, read=read):
            read.extend(np.array(row[:steps]) for row, steps in zip(text.numpy(), length.numpy(), strict=True))
            return scorer.function(length=length, text=text)

        found = api.predict_text(dataclasses.replace(scorer, function=function), texts, glove=spoken.glove)
        for vectors, segment in zip(read, segments, strict=True):
            np.testing.assert_array_equal(vectors, segment.features["text"])
        np.testing.assert_allclose([prediction.score for prediction in found], scores, atol=1e-6)


def other_glove(spoken, tmp_path):
    path = tmp_path / "other.txt"
    path.write_bytes(spoken.glove.read_bytes() + b"more 1 2 3\n")
    return path


@pytest.mark.once
def test_another_file_of_vectors_is_refused(spoken, tmp_path):
    with pytest.raises(
        ValueError, match=r"another one than in training\. Expected one of .* of sha256 .*Received: sha256=.*other\.txt"
    ):
        api.predict_text(spoken.run, ["good"], glove=other_glove(spoken, tmp_path))


@pytest.mark.once
def test_a_file_that_was_moved_is_the_same(spoken, tmp_path):
    shutil.copy(spoken.glove, tmp_path / "moved.txt")
    (moved,) = api.predict_text(spoken.run, ["loved it"], glove=tmp_path / "moved.txt")
    (own,) = api.predict_text(spoken.run, ["loved it"], glove=spoken.glove)
    assert moved.score == own.score


@pytest.mark.once
def test_a_file_that_nobody_names_is_asked_for_unless_it_was_read_here(spoken, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("mmtrans.sources.glove.LEAST_BYTES", 0)
    with pytest.raises(ValueError, match=r"no file of them is known here\. Expected --glove FILE of sha256 .*Name the"):
        api.predict_text(spoken.run, ["loved it"])
    (named,) = api.predict_text(spoken.run, ["loved it"], glove=spoken.glove)
    (found,) = api.predict_text(spoken.run, ["loved it"])
    assert found.score == named.score


@pytest.mark.once
def test_another_encoder_is_refused_and_a_moved_one_is_the_same(encoded, tmp_path):
    shutil.copytree(encoded.encoder, tmp_path / "moved")
    (moved,) = api.predict_text(encoded.run, ["loved it"], text_encoder=tmp_path / "moved", glove=encoded.glove)
    (own,) = api.predict_text(encoded.run, ["loved it"], glove=encoded.glove)
    assert moved.score == own.score
    other = make_tiny_encoder(tmp_path / "other", seed=1)
    with pytest.raises(
        ValueError,
        match=r"The words have other vectors than in training\. Expected the encoder .*Received: the encoder",
    ):
        api.predict_text(encoded.run, ["loved it"], text_encoder=other, glove=encoded.glove)


@pytest.mark.once
def test_an_encoder_that_is_gone_is_asked_for(encoded, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(encoded.run, run)
    environment = json.loads((run / "environment.json").read_text(encoding="utf-8"))
    environment["data"]["text"]["encoder"] = str(tmp_path / "gone")
    (run / "environment.json").write_text(json.dumps(environment), encoding="utf-8")
    with pytest.raises(FileNotFoundError, match=r"no text encoder of this name\..*--text-encoder where the run's"):
        api.predict_text(run, ["loved it"], glove=encoded.glove)


@pytest.mark.once
def test_vectors_that_training_did_not_have_are_refused(looked_up, tmp_path):
    with pytest.raises(ValueError, match=r"had no text encoder in training\. Expected --glove FILE alone\."):
        api.predict_text(looked_up.run, ["good"], text_encoder="any", glove=looked_up.glove)


@pytest.mark.once
def test_a_run_of_earlier_commits_is_compared_with_its_records_or_says_that_it_cannot_be(looked_up, tmp_path):
    run, records = tmp_path / "run", tmp_path / "records"
    shutil.copytree(looked_up.run, run)
    shutil.copytree(looked_up.records, records)
    environment = json.loads((run / "environment.json").read_text(encoding="utf-8"))
    del environment["data"]["files"], environment["data"]["text"]
    environment["records"] = str(records)
    (run / "environment.json").write_text(json.dumps(environment), encoding="utf-8")
    with pytest.raises(ValueError, match="another one than in training"):
        api.predict_text(run, ["good"], glove=other_glove(looked_up, tmp_path))
    shutil.rmtree(records)
    assert Scorer.open(run).source_files is None
    (own,) = api.predict_text(run, ["good"], glove=looked_up.glove)
    assert own.words == ("good",)


@pytest.mark.once
def test_a_model_that_reads_more_than_text_is_refused(tiny, small, tmp_path):
    run = finished_run(tmp_path / "run", tiny(recipe="concat(T,A)"), small)
    with pytest.raises(ValueError, match=r"reads what text alone does not give\. .*Received: one that reads audio"):
        api.predict_text(run.path, ["good"])


@pytest.mark.once
def test_texts_of_no_words_alone(looked_up):
    with pytest.raises(ValueError, match=r"gives no segments\. .*2 dropped, reasons=.*'no word of it is spoken'"):
        api.predict_text(looked_up.run, ["", "sp"], glove=looked_up.glove)


@pytest.mark.parametrize("pieces", [False, pytest.param(True, marks=pytest.mark.once)])
def test_the_cards_example_gives_the_same_score_without_mmtrans(tmp_path, pieces, request):
    spoken = make_spoken(tmp_path, with_encoder=True, pieces=True) if pieces else request.getfixturevalue("encoded")
    api.export(api.Run.open(spoken.run), tmp_path / "export")
    card = (tmp_path / "export" / "model_card.md").read_text(encoding="utf-8")
    signature = json.loads((tmp_path / "export" / "signature.json").read_text(encoding="utf-8"))
    for told in (signature["text"]["sha256"], signature["text"]["glove_sha256"]):
        assert told in card
    program = next(part for part in card.split("```python\n")[1:] if "words = " in part).split("```")[0]
    assert "mmtrans" not in program
    places = {"ENCODER": spoken.encoder, "GLOVE.txt": spoken.glove, "THIS_DIRECTORY": tmp_path / "export"}
    for name, place in places.items():
        program = program.replace(name, str(place))
    found = {}
    exec(program, found)
    text = "i loved every minute of it"
    (expected,) = api.predict_text(tmp_path / "export", [text], glove=spoken.glove)
    (own,) = api.predict_text(spoken.run, [text], glove=spoken.glove)
    assert found["outputs"]["score"].numpy() == pytest.approx([expected.score], abs=1e-4)
    assert own.score == pytest.approx(expected.score, abs=1e-4)


@pytest.mark.once
def test_the_card_of_word_vectors_names_a_program_of_them(looked_up, tmp_path):
    api.export(api.Run.open(looked_up.run), tmp_path / "export")
    card = (tmp_path / "export" / "model_card.md").read_text(encoding="utf-8")
    program = next(part for part in card.split("```python\n")[1:] if "words = " in part).split("```")[0]
    program = program.replace("GLOVE.txt", str(looked_up.glove)).replace("THIS_DIRECTORY", str(tmp_path / "export"))
    assert len(program.splitlines()) <= 20
    found = {}
    exec(program, found)
    (expected,) = api.predict_text(looked_up.run, ["i loved every minute of it"], glove=looked_up.glove)
    assert found["outputs"]["score"].numpy() == pytest.approx([expected.score], abs=1e-5)
