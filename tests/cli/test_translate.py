import json
import os

import numpy as np
import pytest

from mmtrans.cli.main import main
from mmtrans.decoding.options import SearchOptions
from mmtrans.evaluation.attention_prior import prior_weights
from mmtrans.evaluation.suitability import open_records
from mmtrans.inference.translate import features_r2, translate
from mmtrans.runs.run import Run
from mmtrans.system.escape import for_file_name


@pytest.fixture(scope="module")
def words_run(records_dir, flags, tmp_path_factory):
    """A finished run of `A->T` into words."""
    path = tmp_path_factory.mktemp("runs") / "words"
    command = [
        "train",
        "--data",
        str(records_dir),
        "--recipe",
        "A->T",
        "--target",
        "tokens",
        "--run",
        str(path),
        *flags,
    ]
    assert main(command) == 0
    return path


def lines_of(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def refused(argv, capsys):
    assert main([str(argument) for argument in argv]) == 2
    error = capsys.readouterr().err.strip()
    assert error.count("\n") == 0
    return error


@pytest.mark.slow
def test_words_are_decoded_as_json_lines(words_run, tmp_path, capsys):
    out, features = tmp_path / "out.jsonl", tmp_path / "features.npz"
    command = [
        "translate",
        words_run,
        "--out",
        out,
        "--n-best",
        "3",
        "--beam-width",
        "4",
        "--features",
        features,
        "--json",
    ]
    assert main([str(argument) for argument in command]) == 0
    summary = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    translated = lines_of(out)
    assert summary["split"] == "test"
    assert summary["segments"] == len(translated)
    assert 0 <= summary["chrf"] <= 100
    arrays = np.load(features)
    for item in translated:
        assert set(item) == {"id", "words", "hypotheses", "reference"}
        assert len(item["hypotheses"]) == 3
        scores = [hypothesis["score"] for hypothesis in item["hypotheses"]]
        assert scores == sorted(scores, reverse=True)
        for hypothesis in item["hypotheses"]:
            assert len(hypothesis["tokens"]) == hypothesis["length"] == len(item["words"]) == len(item["reference"])
        assert arrays[item["id"]].shape == (len(item["words"]), 300)
    metrics = json.loads((words_run / "metrics.json").read_text())["valid"]["translation"]
    assert {"perplexity", "unigram_perplexity", "repeat_last_accuracy", "quantization_r2", "codewords_used"} <= set(
        metrics
    )


@pytest.mark.slow
def test_free_length_sampling_and_plots(words_run, tmp_path, capsys):
    for name in ("a", "b"):
        command = [
            "translate",
            words_run,
            "--out",
            tmp_path / name,
            "--length",
            "free",
            "--sample-top-k",
            "5",
            "--seed",
            "3",
        ]
        assert main([str(argument) for argument in [*command, "--split", "valid", "--plot-attention", "1"]]) == 0
    assert (tmp_path / "a").read_text() == (tmp_path / "b").read_text()
    lengths = {(len(item["words"]), item["hypotheses"][0]["length"]) for item in lines_of(tmp_path / "a")}
    assert any(source != target for source, target in lengths)
    assert len(list((words_run / "plots").glob("attention-*.png"))) == 1


def test_features_are_rolled_out(translation_run, tmp_path, capsys):
    out, features = tmp_path / "out.jsonl", tmp_path / "new" / "features.npz"
    command = ["translate", translation_run, "--split", "valid", "--out", out, "--features", features, "--json"]
    assert main([str(argument) for argument in command]) == 0
    captured = capsys.readouterr()
    quality = json.loads((translation_run / "metrics.json").read_text())["valid"]["translation"]
    r2 = json.loads(captured.out.splitlines()[-1])["r2"]
    assert r2 == pytest.approx(quality["r2"], abs=1e-4)
    assert f"R² of the frames, free-running: {r2:.3f} (1 is perfect, 0 the train mean)." in captured.err
    assert f"They are in the lines of JSON and in {features}." in captured.err
    for item in lines_of(out):
        (hypothesis,) = item["hypotheses"]
        assert (hypothesis["tokens"], hypothesis["score"], hypothesis["length"]) == ([], None, len(item["words"]))
        assert np.load(features)[item["id"]].shape == (len(item["words"]), 74)
        np.testing.assert_allclose(hypothesis["frames"], np.load(features)[item["id"]], rtol=1e-5)


def test_what_cannot_be_done_is_one_sentence(translation_run, baseline_run, capsys):
    assert "Beam search needs a distribution" in refused(["translate", translation_run, "--beam-width", "3"], capsys)
    sentence = refused(["translate", translation_run, "--length", "free"], capsys)
    assert sentence.startswith("mmtrans: The model has not learned when to stop.")
    assert sentence.endswith("or decode with --length source.")
    assert "translates nothing" in refused(["translate", baseline_run], capsys)
    assert "No run there" in refused(["translate", "nowhere"], capsys)
    assert "at most its width" in refused(["translate", translation_run, "--n-best", "9"], capsys)
    drawn = ["translate", translation_run, "--sample-top-k", "2"]
    assert "Drawing has no beam." in refused([*drawn, "--beam-width", "4"], capsys)
    assert "Beam search needs a distribution" in refused([*drawn, "--n-best", "9"], capsys)


@pytest.mark.parametrize("flag", ["--out", "--features"])
def test_a_place_for_no_file_is_refused_before_the_work(flag, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    for place, problem in (("", "it is a folder"), ("file/x", "file is no folder"), ("file/x/y", "is no folder")):
        error = refused(["translate", "nowhere", flag, tmp_path / place], capsys)
        assert error.startswith("mmtrans: No file can be written there.")
        assert problem in error
    os.mkfifo(tmp_path / "pipe")  # a rename would put a file in its place, and in that of a device
    assert "no regular file" in refused(["translate", "nowhere", flag, tmp_path / "pipe"], capsys)
    assert "No run there" in refused(["translate", "nowhere", flag, tmp_path / "new" / "x"], capsys)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "pipe"]
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize(
    ("flag", "value", "expected"),
    [
        (
            "--temperature",
            "0",
            "Expected a value between 0.001 and 1000.0. Received: temperature=0.0. Give a larger one.",
        ),
        (
            "--temperature",
            "1e-38",
            "Expected a value between 0.001 and 1000.0. Received: temperature=1e-38. Give a larger one.",
        ),
        (
            "--length-penalty",
            "nan",
            "Expected a value between -5.0 and 5.0. Received: length_penalty=nan. Give a number.",
        ),
        (
            "--coverage-penalty",
            "inf",
            "Expected a value between -100.0 and 100.0. Received: coverage_penalty=inf. Give a smaller one.",
        ),
        ("--beam-width", "0", "Expected at least 1. Received: beam_width=0. Give a larger one."),
        ("--n-best", str(10**35), f"Expected at most 10000. Received: n_best={10**35}. Give a smaller one."),
        ("--sample-top-k", "-3", "Expected at least 0. Received: sample_top_k=-3. Give a larger one."),
        ("--seed", "2147483648", "Expected at most 2147483647. Received: seed=2147483648. Give a smaller one."),
        ("--plot-attention", "-1", "Expected at least 0. Received: plot_attention=-1. Give a larger one."),
    ],
)
def test_numbers_out_of_range_are_refused(flag, value, expected, capsys):
    assert refused(["translate", "nowhere", flag, value], capsys) == f"mmtrans: {flag} is out of range. {expected}"


def test_named_and_worst_segments_are_drawn(translation_run, tmp_path, capsys):
    out, features = tmp_path / "out.jsonl", tmp_path / "f.npz"
    command = ["translate", translation_run, "--split", "valid", "--out", out]
    assert main([str(argument) for argument in [*command, "--features", features]]) == 0
    ids = [line["id"] for line in lines_of(out)]
    plots = tmp_path / "plots"
    chosen = [*command, "--plots", plots, "--segments", f"{ids[4]},{ids[2]}", "--worst", "3"]
    assert main([str(argument) for argument in chosen]) == 0
    run = Run.open(translation_run)
    translated = list(translate(run, open_records(run), "valid", SearchOptions()))
    order = sorted(translated, key=lambda item: features_r2(run, [item]))
    wanted = {ids[4], ids[2], *(item.id for item in order[:3])}
    assert {path.name for path in plots.iterdir()} == {f"attention-{for_file_name(id_)}.png" for id_ in wanted}
    assert f"Drew the attention of {len(wanted)} segments in {plots}." in capsys.readouterr().err
    error = refused([*command, "--segments", "nobody[7]"], capsys)
    assert "No such segments. Expected ids of the valid split. Received: --segments nobody[7]." in error


def test_positions_of_a_translation_give_the_prior_of_its_attention(translation_run):
    run = Run.open(translation_run)
    item = next(translate(run, open_records(run), "valid", SearchOptions()))
    steps, source_steps = item.hypotheses[0].attention_weights.shape
    assert item.positions.tolist() == list(range(steps))
    prior = prior_weights(item.positions[None], np.ones((1, 1, source_steps), bool))[0]
    assert prior.sum(1) == pytest.approx(1)
    assert prior.argmax(1).tolist() == list(range(steps))
