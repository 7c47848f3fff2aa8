"""Segments that lack what is translated into: sentiment and translations need the source alone."""

import json
import re

import numpy as np
import pytest

from mmtrans.cli.main import main
from mmtrans.conversion.convert import convert
from mmtrans.data.batch import Selection
from mmtrans.data.records import Records
from mmtrans.decoding.options import SearchOptions
from mmtrans.evaluation.ensemble import evaluate_ensemble
from mmtrans.evaluation.evaluate import evaluate
from mmtrans.evaluation.robustness import evaluate_robustness
from mmtrans.evaluation.suitability import check_features
from mmtrans.inference.translate import selections, translate
from mmtrans.runs.run import Run
from mmtrans.training.train import train
from tests.tfrecords.segments import make_corpus, make_segment, make_segments


@pytest.fixture(scope="module")
def records_path(tmp_path_factory):
    """Records whose six test segments have words alone; two of ten valid ones, too."""
    segments = [s for s in make_segments(40) if s.video_id != "v3"]
    segments += [make_segment(i, 2 + i, video="v3", modalities=("text",), label=i / 3) for i in range(6)]
    segments += [make_segment(50 + i, 3 + i, video="v2", modalities=("text",), label=i - 0.5) for i in range(2)]
    path = tmp_path_factory.mktemp("wordless") / "records"
    convert(make_corpus(segments), path)
    return path


def trained(path, records_path, config):
    records = Records.open(records_path, splits=("train", "valid"))
    run = Run.open_or_create(path, config, records)
    train(run, records, quiet=True)
    return run


@pytest.fixture(scope="module")
def run(records_path, tiny, tmp_path_factory):
    return trained(tmp_path_factory.mktemp("runs") / "run", records_path, tiny(recipe="T->A", epochs=1))


def test_sentiment_is_scored_and_the_translation_is_null_with_a_note(run, records_path):
    records = Records.open(records_path)
    result = evaluate(run, records, "test")
    assert (result["segments"], result["translation"]) == (6, None)
    assert "No quality of the translation: no segment of the test split has audio beside its source." in result["notes"]
    assert json.loads((run.path / "metrics.json").read_text())["test"] == result
    curves = evaluate_robustness(run, records, "test")["curves"]
    assert curves["missing"]["text"]["metrics"]["mae"][0] == pytest.approx(result["mae"])


def test_a_translation_is_judged_on_the_segments_that_have_its_target(run, records_path):
    records = Records.open(records_path)
    result = evaluate(run, records, "valid")
    assert result["segments"] == 12
    frames = sum(s for s in (1 + (5 * i) % 14 for i in range(40) if i % 4 == 2))
    assert result["translation"]["frames"] == frames
    assert not any("translation" in note for note in result["notes"])


def test_every_segment_is_translated(run, records_path):
    records = Records.open(records_path)
    decoded = list(translate(run, records, "valid", SearchOptions()))
    assert len({item.id for item in decoded}) == len(decoded) == 12
    assert {item.id for item in decoded[-2:]} == {"v2[50]", "v2[51]"}  # those without the target
    test = list(translate(run, records, "test", SearchOptions()))
    assert sorted((item.id, item.hypotheses[0].frames.shape) for item in test) == [
        (f"v3[{i}]", (2 + i, 2)) for i in range(6)
    ]
    assert selections(run.recipe, records, "train") == [Selection("train", ("text",), ("audio",))]


def test_records_that_have_no_such_modality_at_all_will_do(run, tmp_path):
    segments = [make_segment(i, 2 + i % 5, video=f"w{i % 4}", modalities=("text",), label=i % 3) for i in range(16)]
    convert(make_corpus(segments), tmp_path / "words")
    records = Records.open(tmp_path / "words")
    result = evaluate(run, records, "test", tmp_path / "out")
    assert (result["segments"], result["translation"]) == (4, None)
    assert len(list(translate(run, records, "test", SearchOptions()))) == 4
    ensemble = evaluate_ensemble([run], records, "test", tmp_path / "ensemble")
    assert ensemble["mae"] == pytest.approx(result["mae"])


def with_other_audio(kind):
    """A corpus whose words are as ever, and whose audio is not that of the run."""
    segments = [make_segment(i, 2 + i % 5, video=f"w{i % 4}", label=i % 3) for i in range(16)]
    if kind == "columns":
        for segment in segments:
            segment.features["audio"] = np.tile(segment.features["audio"], 2)
        return make_corpus(segments)
    return make_corpus(segments, aligned={"text": True, "audio": False})


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("columns", "The records do not fit the run. Expected 2 columns of audio. Received: dim=4 ("),
        (
            "steps",
            "The records have other steps than the run's. Expected audio with one step a word. Received: steps at",
        ),
    ],
)
def test_another_target_leaves_the_sentiment_as_it_is(run, kind, sentence, tmp_path):
    segments = [make_segment(i, 2 + i % 5, video=f"w{i % 4}", modalities=("text",), label=i % 3) for i in range(16)]
    convert(make_corpus(segments), tmp_path / "words")
    convert(with_other_audio(kind), tmp_path / "other")
    words, other = Records.open(tmp_path / "words"), Records.open(tmp_path / "other")
    result = evaluate(run, other, "test", tmp_path / "out")
    assert result["translation"] is None
    (note,) = [note for note in result["notes"] if "translation" in note]
    assert note.startswith(f"No quality of the translation. {sentence}")
    assert (result["segments"], result["mae"]) == (4, evaluate(run, words, "test", tmp_path / "alone")["mae"])
    assert evaluate_ensemble([run], other, "test", tmp_path / "ensemble")["mae"] == pytest.approx(result["mae"])
    assert evaluate_robustness(run, other, "test", tmp_path / "out")["segments"] == 4
    with pytest.raises(ValueError, match=re.escape(sentence)):
        check_features(run, other)


def test_a_source_that_is_lacking_is_named(run, tmp_path):
    segments = [make_segment(i, 3, video=f"w{i % 4}", modalities=("audio",), label=i % 3) for i in range(16)]
    convert(make_corpus(segments), tmp_path / "audio")
    for act in (evaluate, lambda *args: list(translate(*args, SearchOptions()))):
        with pytest.raises(ValueError, match=r"The records have no text\. Expected one of \['audio'\]"):
            act(run, Records.open(tmp_path / "audio"), "test")


@pytest.mark.slow
def test_tokens_without_a_true_target_have_no_reference(records_path, tiny, tmp_path):
    config = tiny(recipe="T->A", epochs=1, target="tokens", codebook_size=4)
    run = trained(tmp_path / "run", records_path, config)
    decoded = list(translate(run, Records.open(records_path), "valid", SearchOptions(beam_width=2)))
    assert [len(item.reference) == 0 for item in decoded] == [False] * 10 + [True] * 2
    assert all(len(item.hypotheses[0].tokens) == len(item.words) for item in decoded)


@pytest.mark.slow
@pytest.mark.once
def test_a_grid_trains_evaluates_and_reports_it(records_path, tmp_path, flags, capsys):
    (tmp_path / "recipes").write_text("T->A\nT\n")
    grid = tmp_path / "grid"
    common = ["--recipes", str(tmp_path / "recipes"), "--seeds", "1"]
    assert main(["grid", "--data", str(records_path), "--out", str(grid), *common, *flags]) == 0
    metrics = json.loads((grid / "runs" / "T_to_A-seed-0" / "metrics.json").read_text())
    assert metrics["test"]["translation"] is None
    assert metrics["valid"]["translation"]["r2"] is not None
    assert main(["report", str(grid)]) == 0
    assert main(["export", str(grid / "runs" / "T_to_A-seed-0"), str(tmp_path / "export")]) == 0
    card = (tmp_path / "export" / "model_card.md").read_text()
    assert "Translation, valid" in card
    assert "Translation, test" not in card
