"""A model that holds its text encoder: what a word's absence does while the other words keep their vectors."""

from dataclasses import replace

import numpy as np
import pytest

from mmtrans.config import Config
from mmtrans.data.records import Records
from mmtrans.inference.export import export
from mmtrans.inference.influence import READ_ANEW
from mmtrans.inference.opening import open_export
from mmtrans.inference.predict import predict
from mmtrans.inference.scorer import Scorer
from mmtrans.words.folder import open_folder
from mmtrans.words.vectors import WordEncoder
from tests.inference.test_export import finished_run
from tests.tfrecords.segments import make_corpus
from tests.words.records import COLUMNS, piece_segments, write_piece_records
from tests.words.tiny import make_tiny_encoder
from tfrecords.manifest import TextColumns

CASES = {
    "mean": {"recipe": "T", "recurrent": False, "pooling": "mean"},
    "joined": {"recipe": "concat(A,T)", "bidirectional": True},
    "fused": {"recipe": "tfn(A,T)", "fusion_units": 3, "fused_units": 5},
    "attended": {"recipe": "mult(A,T)", "fusion_units": 4, "fusion_heads": 2, "fusion_layers": 1},
    "split": {"recipe": "misa(A,T)", "fusion_units": 4, "fusion_heads": 2},
    "both": {"recipe": "T->A", "representation": "both"},
    "chain": {"recipe": "embed(T,A)->A", "representation": "final", "bottleneck": "vae", "latent_units": 2},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return open_folder(make_tiny_encoder(tmp_path_factory.mktemp("words") / "encoder"))


@pytest.fixture(scope="module")
def runs(folder, tmp_path_factory):
    """A run of random weights of each case."""
    directory = tmp_path_factory.mktemp("parts")
    records = Records.open(write_piece_records(folder.path, directory / "records"), splits=("train", "valid"))
    sizes = {"units": 4, "attention_units": 3, "decoder_units": 5, "regressor_units": 6}
    return {
        name: finished_run(directory / name, Config(**{**sizes, **fields}), records) for name, fields in CASES.items()
    }


@pytest.fixture(scope="module")
def segments(folder):
    return list(piece_segments(folder, number=6))


def text_of(folder):
    return TextColumns(folder.name, folder.sha256, (), folder.settings.width, pieces=COLUMNS, glove=2)


def influences(model, segments, folder):
    corpus = make_corpus(segments, text=text_of(folder))
    found = [each.influence for each in predict(Scorer.open(model), corpus, influence=True)]
    assert not corpus.trouble
    return found


def test_influence_leaves_the_vectors_of_the_other_words_as_they_are(runs, segments, folder):
    linear = runs["mean"].load_regressor().model.get_layer("linear")
    kernel, bias = (np.asarray(weight, np.float64) for weight in linear.get_weights())
    encoder = WordEncoder(folder, [folder.settings.num_layers])
    found = influences(runs["mean"].path, segments, folder)
    for segment, influence in zip(segments, found, strict=True):
        (vectors,) = encoder.encode([list(segment.tokens)])
        steps = np.concatenate([vectors, segment.features["text"][:, COLUMNS:]], 1) @ kernel[:, 0] + bias[0]
        without = [np.delete(steps, step).mean() for step in range(len(steps))]
        np.testing.assert_allclose(influence, steps.mean() - without, atol=2e-5)
        # To read the shorter text anew gives something else.
        (anew,) = encoder.encode([list(segment.tokens[1:])])
        assert np.abs(anew - vectors[1:]).max() > 1e-2


def test_without_parts_the_shorter_text_is_read_anew_and_that_is_said(runs, segments, folder):
    scorer = replace(Scorer.open(runs["mean"].path), parts=None)
    corpus = make_corpus(segments[:1], text=text_of(folder))
    (prediction,) = predict(scorer, corpus, influence=True)
    shorter = {"text": segments[0].features["text"][1:]}
    assert prediction.influence[0] == pytest.approx(prediction.score - scorer.score([shorter])[0][0], abs=1e-6)
    assert corpus.trouble == [READ_ANEW]


@pytest.mark.parametrize("name", ["joined", "chain", "fused"])
def test_the_parts_give_what_the_whole_gives(runs, segments, name):
    scorer = Scorer.open(runs[name].path)
    widest = max(len(segment.tokens) for segment in segments)
    inputs = {
        modality: np.stack([np.pad(s.features[modality], ((0, widest - len(s.tokens)), (0, 0))) for s in segments])
        for modality in scorer.modalities
    }
    length = np.array([len(segment.tokens) for segment in segments], np.int32)
    features = scorer.parts.features(**inputs, length=length)["features"]
    whole, rest = scorer.function(**inputs, length=length), scorer.parts.rest(features=features, length=length)
    np.testing.assert_allclose(rest["score"], whole["score"], atol=1e-5)
    np.testing.assert_allclose(rest["attention_weights"], whole["attention_weights"], atol=1e-5)
    assert np.ptp(whole["score"].numpy()) > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fused", pytest.param("attended", marks=pytest.mark.once)])
def test_an_export_has_the_parts_too(runs, segments, folder, tmp_path, name):
    export(runs[name], tmp_path / "export")
    signature, _, parts = open_export(tmp_path / "export")
    assert {"features", "sentiment_of_features"} <= signature["signatures"].keys()
    assert parts is not None
    expected, found = (influences(model, segments, folder) for model in (runs[name].path, tmp_path / "export"))
    np.testing.assert_allclose(np.concatenate(found), np.concatenate(expected), atol=1e-5)
    assert np.abs(np.concatenate(expected)).max() > 1e-4
