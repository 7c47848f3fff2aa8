import pytest

from mmtrans.cli.show import format_number, show_metrics, show_records
from mmtrans.evaluation.metrics import FIELD_METRICS
from tfrecords.manifest import DroppedSegment


def make_result(**changes):
    values = dict.fromkeys(FIELD_METRICS, 0.25)
    bounds = {f"{name}_{end}": value for name in FIELD_METRICS for end, value in (("low", 0.125), ("high", 0.375))}
    baselines = {name: dict.fromkeys(FIELD_METRICS, 0.5) for name in ("mean", "median")}
    return {**values, **bounds, "baselines": baselines, "segments": 7, "videos": 3, "notes": [], **changes}


def make_description(**changes):
    split = {"segments": 7, "videos": 3, "labelled": 6, "modalities": {"text": 5}}
    return {
        "source": "csd",
        "folds": "given",
        "label": {"name": "sentiment", "low": -3.0, "high": 3.0},
        "splits": {"train": split},
        "modalities": {"text": {"dim": 300, "aligned": True}, "audio": {"dim": 74, "aligned": False}},
        "text": None,
        "cleaning": {"audio: frames with NaN": 12},
        "truncated": {"aligned": 2},
        "max_steps": {"aligned": 50},
        "notes": [],
        **changes,
    }


@pytest.mark.parametrize(("value", "text"), [(None, "-"), (0.0, "0.000"), (-0.12345, "-0.123"), (1, "1.000")])
def test_numbers(value, text):
    assert format_number(value) == text


def test_metrics_stand_beside_intervals_and_baselines(capsys):
    show_metrics(make_result(pearson=None, acc7_low=None), "T on valid")
    rows = {
        line.split("│")[1].strip(): line.split("│")[2:-1]
        for line in capsys.readouterr().out.splitlines()
        if "│" in line
    }
    assert [cell.strip() for cell in rows["MAE ↓"]] == ["0.250", "0.125 to 0.375", "0.500", "0.500"]
    assert rows["r"][0].strip() == "-"
    assert rows["Acc-7"][1].strip() == "-"
    headings = ["MAE ↓", "r", "Acc-2 (≥0)", "Acc-2 (≠0)", "F1 (≥0)", "F1 (≠0)", "Acc-5", "Acc-7"]
    assert [heading for heading in rows if heading] == headings


def test_translation_and_notes_follow(capsys):
    quality = {"r2": 0.5, "source_shuffled_r2": -0.25, "teacher_forced_r2": 0.75, "copy_last_r2": None}
    show_metrics(make_result(translation=quality, notes=["No intervals: few videos."]), "T->A on valid")
    out = " ".join(capsys.readouterr().out.split())
    assert "R² 0.500 (sources shuffled -0.250, teacher-forced 0.750, copying the last frame -)" in out
    assert "7 segments of 3 videos" in out
    assert "Note: No intervals: few videos." in out


def test_brackets_and_colons_in_names_are_shown_as_they_are(capsys):
    show_metrics(make_result(notes=["see [/tmp] and :smile:"]), "T on data[/x][v2]")
    dropped = [DroppedSegment("v[bold][3]", "no words [/bold]")]
    show_records(make_description(folds="file a[b].json", notes=["[red]"]), dropped)
    out = capsys.readouterr().out
    for text in ("data[/x][v2]", "[/tmp] and :smile:", "v[bold][3]: no words [/bold]", "a[b].json", "Note: [red]"):
        assert text in out


def test_records_tell_all_that_was_changed(capsys):
    show_records(make_description(), [DroppedSegment(f"v[{i}]", "no words") for i in range(12)])
    out = capsys.readouterr().out
    assert "Modalities: text 300, audio 74 (own steps). Label: sentiment in [-3, 3]." in out
    assert "Cleaned: audio: frames with NaN: 12" in out
    assert "Truncated to 50 steps (aligned): segments: 2" in out
    assert "Dropped: v[9]: no words" in out
    assert "v[10]" not in out
    assert "… and 2 more dropped segments" in out
    row = next(line for line in out.splitlines() if "│ train" in line)
    assert [cell.strip() for cell in row.split("│")[1:-1]] == ["train", "7", "3", "6", "-", "-", "-"]
    row = next(line for line in out.splitlines() if "│ text" in line)
    assert [cell.strip() for cell in row.split("│")[1:-1]] == ["text", "300", "5", "-", "-", "-"]
