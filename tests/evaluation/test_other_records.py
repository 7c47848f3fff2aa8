"""Whose records a result is of: replaced, moved, foreign and refolded ones, and what a run was trained on."""

import csv
import dataclasses
import json
import shutil

import numpy as np
import pytest

from mmtrans.cli.main import main
from mmtrans.conversion.convert import convert
from mmtrans.data.records import Records
from mmtrans.evaluation.ensemble import evaluate_ensemble
from mmtrans.evaluation.evaluate import evaluate
from mmtrans.evaluation.robustness import evaluate_robustness
from mmtrans.evaluation.suitability import check_features, check_label, open_records, unseen
from mmtrans.inference.signature import describe_export
from mmtrans.runs.run import Run
from mmtrans.training.train import train
from tests.tfrecords.segments import make_corpus, make_segment, make_segments
from tfrecords.schema import LabelScale

#: Train was v0 and v1, valid v2.
REFOLDED = {"train": ["v2"], "valid": ["v1"], "test": ["v3", "v0"]}


def write(path, segments=None, **options):
    convert(make_corpus(segments or make_segments(40), **options), path, overwrite=True)
    return path


@pytest.fixture(scope="module")
def original(tiny, tmp_path_factory):
    """A finished run of `T`, evaluated on valid, and its records: videos v0 to v3 of ten segments."""
    path = tmp_path_factory.mktemp("original")
    records = Records.open(write(path / "records"), splits=("train", "valid"))
    run = Run.open_or_create(path / "run", tiny(epochs=1), records)
    train(run, records, quiet=True)
    evaluate(run, records, "valid")
    return path


@pytest.fixture
def place(original, tmp_path):
    """A copy of both, which know of each other."""
    shutil.copytree(original, tmp_path, dirs_exist_ok=True)
    environment = json.loads((tmp_path / "run" / "environment.json").read_text())
    (tmp_path / "run" / "environment.json").write_text(
        json.dumps({**environment, "records": str(tmp_path / "records")})
    )
    return tmp_path


def refused(argv, capsys):
    assert main([str(argument) for argument in argv]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def files_of(path):
    return {file.relative_to(path): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def rows_of(path):
    with open(path / "predictions.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_replaced_records_are_refused_and_named_ones_stand_apart(place, capsys):
    run, records = place / "run", write(place / "records", folds=REFOLDED)
    before = files_of(run)
    message = refused(["evaluate", run], capsys)
    hashes = Run.open(run).manifest_hash, Records.open(records).manifest.manifest_hash
    assert f"The run's records are others by now. Expected manifest {hashes[0][:12]}" in message
    assert f"Received: {hashes[1][:12]} ({records}" in message
    assert "--data" in message
    assert files_of(run) == before

    assert main(["evaluate", str(run), "--data", str(records), "--corrupt", "--json"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    apart = run / "other-records" / hashes[1][:12]
    assert {name: data for name, data in files_of(run).items() if "other-records" not in name.parts} == before
    assert lines[-1].startswith(f"Written: {apart}/metrics.json")
    result = json.loads((apart / "metrics.json").read_text())["test"]
    assert json.loads(last)["left_out"] == result["left_out"] == 10
    assert result["records"] == json.loads((apart / "robustness.json").read_text())["test"]["records"] == hashes[1]
    rows = rows_of(apart)
    assert sorted(row["id"] for row in rows) == [f"v3[{i}]" for i in range(10)]
    curves = json.loads((apart / "robustness.json").read_text())["test"]
    assert result["segments"] == curves["segments"] == 10
    assert set(curves["notes"]) < set(result["notes"])
    assert len(curves["notes"]) == 2
    assert result["mae"] == pytest.approx(np.mean([abs(float(r["label"]) - float(r["prediction"])) for r in rows]))
    notes = " ".join(result["notes"])
    assert "Left out, as the run was trained on them: 10 of 20 segments." in notes
    assert f"Other records than those that the run was trained on: manifest {hashes[1][:12]}" in notes


def test_moved_records_are_the_runs_own(place, tmp_path_factory, capsys):
    moved = tmp_path_factory.mktemp("moved") / "elsewhere"
    shutil.move(place / "records", moved)
    assert "The run's records are gone." in refused(["evaluate", place / "run"], capsys)
    assert main(["evaluate", str(place / "run"), "--data", str(moved)]) == 0
    result = json.loads((place / "run" / "metrics.json").read_text())
    assert list(result) == ["valid", "test"]
    assert (result["test"]["segments"], result["test"]["left_out"]) == (10, 0)
    assert not (place / "run" / "other-records").exists()


def test_segments_that_choose_the_weights_are_seen_too_and_nothing_may_remain(place):
    run = Run.open(place / "run")
    records = Records.open(write(place / "other", folds={"train": ["v3", "v1"], "valid": ["v0"], "test": ["v2"]}))
    before = files_of(place / "run")
    for act in (evaluate, evaluate_robustness):
        with pytest.raises(ValueError, match=r"trained on all of these segments.*10 of 10 segments seen, split=test"):
            act(run, records, "test")
    with pytest.raises(ValueError, match=r"10 of 10 segments seen, split=valid"):
        evaluate_ensemble([run], records, "valid", place / "out")
    assert files_of(place / "run") == before
    assert not (place / "out").exists()


def test_a_later_part_of_a_known_video_is_counted(place):
    more = [make_segment(50 + i, 4, video="v1", label=i) for i in range(3)]
    folds = {"train": ["v2", "v0"], "test": ["v3", "v1"]}
    records = Records.open(write(place / "other", [*make_segments(40), *more], folds=folds))
    result = evaluate(Run.open(place / "run"), records, "test")
    assert (result["segments"], result["left_out"]) == (13, 10)
    assert "Of videos of which the run was trained on other segments: 3 of 13 segments." in result["notes"]


def test_a_run_that_does_not_say_is_asked_through_its_records(place):
    (place / "run" / "segments.json").unlink()
    other = Records.open(write(place / "other", folds=REFOLDED))
    assert evaluate(Run.open(place / "run"), other, "test")["left_out"] == 10
    write(place / "records", make_segments(32))
    result = evaluate(Run.open(place / "run"), other, "test")
    assert (result["left_out"], result["segments"]) == (None, 20)
    assert any("It is not known which segments the run was trained on" in note for note in result["notes"])
    shutil.rmtree(place / "records")
    assert unseen([Run.open(place / "run")], other, "test").left_out is None


def test_what_a_run_began_from_is_seen_too(tiny, tmp_path):
    pretrained = Records.open(write(tmp_path / "big", make_segments(48, videos=6)), splits=("train", "valid"))
    first = Run.open_or_create(tmp_path / "first", tiny(recipe="T->A", pretrain=True), pretrained)
    train(first, pretrained, quiet=True)
    # Its train holds v0 to v3, its valid v4; the second run's test is v3 and w.
    segments = [*make_segments(40), *(make_segment(i, 3 + i, video="w", label=i / 4) for i in range(5))]
    folds = {"train": ["v0", "v1"], "valid": ["v2"], "test": ["v3", "w"]}
    records = Records.open(write(tmp_path / "records", segments, folds=folds))
    config = tiny(recipe="T->A", init=str(tmp_path / "first"))
    second = Run.open_or_create(tmp_path / "second", config, records)
    assert second.seen >= {"v3[0]", "v0[9]"}
    chosen = unseen([second], records, "test")
    assert (chosen.left_out, chosen.records.count("test")) == (8, 7)
    assert unseen([second], records, "valid").left_out == 0
    assert second.init.seen == first.seen
    result = evaluate(first, records, "test")
    assert result["left_out"] == 8
    assert "Left out, as the run was trained on them: 8 of 15 segments." in result["notes"]
    assert "notes" not in evaluate(first, pretrained, "valid")
    (tmp_path / "second" / "init" / "segments.json").unlink()
    shutil.rmtree(tmp_path / "big")
    assert unseen([Run.open(second.path)], records, "test").left_out is None


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"aligned": {"audio": False, "text": False}},
            r"Expected text with one step a word\. Received: steps at their",
        ),
        ({"feature_names": {"text": ["a", "c", "b"]}}, r"Expected column 1 of text to be 'b'\. Received: 'c'"),
    ],
)
def test_other_features_are_refused(tmp_path, tiny, options, sentence):
    named = Records.open(write(tmp_path / "records", feature_names={"text": ["a", "b", "c"]}))
    run = Run.open_or_create(tmp_path / "run", tiny(), named)
    check_features(run, Records.open(write(tmp_path / "nameless", make_segments(24))))
    other = Records.open(write(tmp_path / "other", make_segments(24), **options))
    with pytest.raises(ValueError, match=sentence):
        check_features(run, other)


def frames_of(rate, number=24):
    """Segments of 3 words with so many frames of audio a word."""
    segments = [make_segment(i // 4, 3, video=f"v{i % 4}", label=i % 3) for i in range(number)]
    frames = [make_segment(i, 3 * rate).features["audio"] for i in range(number)]
    pairs = zip(segments, frames, strict=True)
    return [dataclasses.replace(s, features={**s.features, "audio": audio}) for s, audio in pairs]


def test_another_frame_rate_is_refused(tmp_path, tiny):
    unaligned = {"aligned": {"text": True, "audio": False}}
    records = Records.open(write(tmp_path / "records", frames_of(5), **unaligned))
    run = Run.open_or_create(tmp_path / "run", tiny(recipe="A"), records)
    assert run.data["steps_per_word"] == {"audio": 5.0}
    check_features(run, Records.open(write(tmp_path / "near", frames_of(6), **unaligned)))
    with pytest.raises(ValueError, match=r"Expected about 5 steps of audio a word\. Received: 12 "):
        check_features(run, Records.open(write(tmp_path / "far", frames_of(12), **unaligned)))
    with pytest.raises(ValueError, match=r"Expected audio with steps at their own rate\. Received: one step a word"):
        check_features(run, Records.open(write(tmp_path / "words")))


@pytest.mark.parametrize("scale", [(1, 5, 3), (-3, 3, 1)])
def test_another_scale_is_refused(place, scale, capsys):
    segments = [dataclasses.replace(s, label=3.0 - i % 2) for i, s in enumerate(make_segments(40))]
    corpus = make_corpus(segments)
    corpus.label = LabelScale("sentiment", *map(float, scale))
    convert(corpus, place / "other")
    before = files_of(place / "run")
    expected = rf"Expected [-3, 3], neutral 0. Received: [{scale[0]}, {scale[1]}], neutral {scale[2]}"
    assert expected in refused(["evaluate", place / "run", "--data", place / "other"], capsys)
    with pytest.raises(ValueError, match="The label has another scale than the run's"):
        evaluate_ensemble([Run.open(place / "run")], Records.open(place / "other"), "test", place / "out")
    assert files_of(place / "run") == before


def test_what_differs_without_harm_is_said(place):
    corpus = make_corpus(make_segments(40), folds=REFOLDED)
    corpus.label = LabelScale("happiness", -3.0, 3.0, 0.0)
    convert(corpus, place / "other", max_steps={"aligned": 9})
    notes = evaluate(Run.open(place / "run"), Records.open(place / "other"), "test")["notes"]
    assert "The label is called happiness here, and sentiment where the run was trained." in notes
    assert "Steps that conversion kept (aligned): 9 here, 50 where the run was trained." in notes
    check_label(Run.open(place / "run"), Records.open(place / "other"))


def test_ensembles_leave_out_what_a_member_knows_and_keep_records_apart(place, tiny):
    own = Records.open(place / "records")
    first, config = Run.open(place / "run"), tiny(epochs=1, seed=1)
    second = Run.open_or_create(place / "second", config, own)
    train(second, Records.open(place / "records", splits=("train", "valid")), quiet=True)
    other = Records.open(write(place / "other", folds=REFOLDED))
    result = evaluate_ensemble([first, second], other, "test", place / "out")
    assert (result["records"], result["left_out"]) == (other.manifest.manifest_hash, 10)
    assert {row["video_id"] for row in rows_of(place / "out")} == {"v3"}
    with pytest.raises(ValueError, match=r"The directory holds something else\. .*same runs and records"):
        evaluate_ensemble([first, second], own, "test", place / "out")


def test_translate_takes_the_same_records(tiny, tmp_path, capsys):
    records = Records.open(write(tmp_path / "records"), splits=("train", "valid"))
    run = Run.open_or_create(tmp_path / "run", tiny(recipe="T->A", epochs=1), records)
    train(run, records, quiet=True)
    write(tmp_path / "records", folds=REFOLDED)
    capsys.readouterr()
    command = ["translate", str(tmp_path / "run"), "--out", str(tmp_path / "lines"), "--plot-attention", "1"]
    assert "The run's records are others by now." in refused(command, capsys)
    assert main([*command, "--data", str(tmp_path / "records"), "--json"]) == 0
    captured = capsys.readouterr()
    assert "Left out, as the run was trained on them: 10 of 20 segments." in captured.err
    summary = json.loads(captured.out.splitlines()[-1])
    assert (summary["segments"], summary["left_out"]) == (10, 10)
    assert {json.loads(line)["id"][:2] for line in (tmp_path / "lines").read_text().splitlines()} == {"v3"}
    apart = tmp_path / "run" / "other-records" / summary["records"][:12] / "plots"
    assert len(list(apart.iterdir())) == 1
    assert not list((tmp_path / "run").glob("plots/attention*"))
    assert main([*command, "--data", str(tmp_path / "records"), "--plots", str(tmp_path / "p" / "q")]) == 0
    assert len(list((tmp_path / "p" / "q").iterdir())) == 1


def test_the_own_records_are_opened_as_they_were(place):
    run = Run.open(place / "run")
    assert open_records(run, splits=("train", "test")).splits == ("train", "test")
    assert open_records(run, place / "records").directory == place / "records"


def test_an_export_says_nothing_of_other_records(place):
    path = place / "run" / "metrics.json"
    metrics = json.loads(path.read_text())
    unsaid = {name: value for name, value in metrics["valid"].items() if name not in ("records", "left_out")}
    path.write_text(json.dumps({"train": unsaid, **metrics, "test": {**metrics["valid"], "records": "ef" * 32}}))
    assert list(describe_export(Run.open(place / "run"), {})["metrics"]) == ["train", "valid"]
