import csv
import io
import json
import sys

import numpy as np
import pytest

from mmtrans.cli.main import main
from mmtrans.cli.scored import words_of
from mmtrans.inference.predict import Prediction
from tests.cli.spoken import make_spoken
from tests.cli.test_export import refused


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    return make_spoken(tmp_path_factory.mktemp("spoken"), with_encoder=True)


@pytest.fixture
def argv(spoken):
    return ["predict", str(spoken.run), "--glove", str(spoken.glove)]


TEXTS = ["I loved every minute of it", "sp", "the movie was bad"]


def test_texts_are_shown_with_what_each_word_adds(argv, capsys):
    assert main([*argv, *(f"--text={text}" for text in TEXTS), "--json"]) == 0
    captured = capsys.readouterr()
    *lines, last = captured.out.splitlines()
    told = json.loads(last)
    assert {name: told[name] for name in ("predicted", "cut", "without_words", "words_cut")} == {
        "predicted": 2,
        "cut": 0,
        "without_words": 1,
        "words_cut": 0,
    }
    first, third = told["predictions"]
    assert [first["id"], third["id"]] == ["1", "3"]
    assert first["words"] == TEXTS[0].split()
    assert len(first["influence"]) == len(first["attention"]) == 6
    assert lines[0] == f"{first['score']:+.2f} {first['polarity']}"
    assert [word for word in lines[1].split() if not word.startswith("(")] == first["words"]
    assert "1 texts have no words and get no score: 2." in captured.err
    assert "words: pauses (sp) removed: 1." in captured.err
    assert "text: words without a vector in GloVe's columns, set to 0: 2." in captured.err


@pytest.mark.parametrize(
    ("influence", "line"),
    [
        ([0.5, -0.034, 0.029, float("nan")], "  good (+0.50) \\x1bbad (-0.03) [b]it was"),
        (None, "  good \\x1bbad [b]it was"),
    ],
)
def test_words_stand_with_what_they_add(influence, line):
    influence = None if influence is None else np.float32(influence)
    words = ("good", "\x1bbad", "[b]it", "was")
    shown = words_of(Prediction("1", 0.4, "positive", words, np.float32([0.25] * 4), influence), 0.03)
    assert shown.plain == line
    bold = [shown.plain[span.start : span.end] for span in shown.spans if "bold" in str(span.style)]
    assert bold == ([] if influence is None else ["good (+0.50)"])


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_lines_rows_and_standard_input_say_the_same(argv, tmp_path, monkeypatch):
    (tmp_path / "lines.txt").write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    rows = "".join(f"{number},{text}\n" for number, text in enumerate(TEXTS, start=1))
    (tmp_path / "table.csv").write_text(f"id,text\n{rows}", encoding="utf-8")
    outs = [tmp_path / f"{number}.csv" for number in range(3)]
    assert main([*argv, "--text-file", str(tmp_path / "lines.txt"), "--out", str(outs[0])]) == 0
    assert main([*argv, str(tmp_path / "table.csv"), "--out", str(outs[1])]) == 0
    content = "\ufeff" + "\r\n".join(TEXTS)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    assert main([*argv, "--text-file", "-", "--out", str(outs[2])]) == 0
    assert [row["id"] for row in rows_of(outs[0])] == ["1", "3"]
    assert rows_of(outs[0]) == rows_of(outs[1]) == rows_of(outs[2])
    assert "influence" not in rows_of(outs[0])[0]


def test_a_corpus_of_words_gets_the_vectors_of_the_run(spoken, argv, tmp_path):
    assert main(["evaluate", str(spoken.run)]) == 0
    evaluated = {row["id"]: float(row["prediction"]) for row in rows_of(spoken.run / "predictions.csv")}
    assert main([*argv, str(spoken.source), "--out", str(tmp_path / "p.csv")]) == 0
    predicted = {row["id"]: float(row["score"]) for row in rows_of(tmp_path / "p.csv")}
    assert len(predicted) == 18
    assert evaluated
    for id, score in evaluated.items():
        assert predicted[id] == pytest.approx(score, abs=1e-5)


def test_words_beyond_the_steps_of_training_are_counted(argv, capsys):
    assert main([*argv, "--text", " ".join(["good"] * 53), "--json"]) == 0
    captured = capsys.readouterr()
    told = json.loads(captured.out.splitlines()[-1])
    assert (told["cut"], told["words_cut"], len(told["predictions"][0]["words"])) == (1, 3, 50)
    assert "3 words lie beyond the steps that training read." in captured.err


@pytest.mark.parametrize(
    ("flags", "received"),
    [
        ([], "none of them"),
        (["corpus", "--text", "a"], "SOURCE and --text"),
        (["--text-file", "a", "--text", "a"], "--text and --text-file"),
    ],
)
def test_one_thing_is_predicted_at_a_time(argv, flags, received, capsys):
    message = refused([*argv, *flags], capsys)
    assert f"Expected one of SOURCE, --text TEXT and --text-file FILE. Received: {received}." in message


def test_bad_text_is_one_line(argv, tmp_path, capsys, monkeypatch):
    assert "There is no text at" in refused([*argv, "--text-file", tmp_path / "none.txt"], capsys)
    (tmp_path / "empty.txt").write_text("")
    assert "The source gives no segments." in refused([*argv, "--text-file", tmp_path / "empty.txt"], capsys)
    assert "The source gives no segments." in refused([*argv, "--text", ""], capsys)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"na\xefve")))
    assert "Standard input cannot be read: it is not UTF-8." in refused([*argv, "--text-file", "-"], capsys)


def test_no_word_moves_the_terminal(argv, capsys):
    assert main([*argv, "--text", "good \x1b[31m [bold]bad[/bold]"]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\\x1b[31m" in shown
    assert "[bold]bad[/bold]" in shown
