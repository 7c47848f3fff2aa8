"""Plots are read back from the figure that was drawn: what they show must be the numbers that they got."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from mmtrans.config import Config
from mmtrans.evaluation.metrics import sentiment_metrics
from mmtrans.evaluation.plots.history import loss_names, plot_history
from mmtrans.evaluation.plots.scores import lattice_step, plot_confusion, plot_predictions
from mmtrans.plotting import new_figure, save
from mmtrans.plotting.attention import plot_attention
from mmtrans.runs.phases import phases_of
from tfrecords.schema import LabelScale

MOSI = LabelScale("sentiment", -3.0, 3.0, 0.0)
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are saved, in order."""
    figures = []
    save = Figure.savefig

    def keep(figure, *args, **kwargs):
        save(figure, *args, **kwargs)
        figures.append(figure)

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures


def texts(axes):
    return [text.get_text() for text in axes.texts]


def is_png(path):
    return path.read_bytes().startswith(b"\x89PNG\r\n") and path.stat().st_size > 5000


def test_predictions_show_every_segment_and_the_identity_line(tmp_path, drawn):
    rng = np.random.default_rng(0)
    labels = np.round(rng.uniform(-3, 3, 40) * 5) / 5
    predictions = labels + rng.normal(size=40)
    plot_predictions(tmp_path / "p.png", predictions, labels, ["a"] * 25 + ["b"] * 15, "T->A, test")
    assert is_png(tmp_path / "p.png")
    top, main, right = drawn[0].axes
    points = main.collections[0].get_offsets()
    np.testing.assert_allclose(points[:, 1], predictions)
    np.testing.assert_allclose(points[:, 0], labels, atol=0.1)
    line_x, line_y = main.lines[0].get_data()
    np.testing.assert_array_equal(line_x, line_y)
    measured = sentiment_metrics(predictions, labels, MOSI)
    assert texts(top)[0] == "T->A, test"
    assert texts(top)[1].split("    ") == [
        "N = 40 segments of 2 videos",
        f"r = {measured['pearson']:.3f}",
        f"MAE = {measured['mae']:.3f}",
    ]
    assert main.get_xlim() == main.get_ylim()
    assert sum(bar.get_height() for bar in top.patches) == sum(bar.get_width() for bar in right.patches) == 40


def test_constant_predictions_are_drawn_without_a_correlation(tmp_path, drawn):
    plot_predictions(tmp_path / "p.png", np.ones(1), np.ones(1), ["a"], "T, valid")
    assert "r = undefined" in texts(drawn[0].axes[0])[1]


def test_confusion_shows_counts_and_row_shares(tmp_path, drawn):
    labels = np.array([-3.0, -3, 0, 0, 0, 0, 2.5, 3])
    predictions = np.array([-3.0, -1, 0.4, 0.5, 1, -2, 2, 9])
    plot_confusion(tmp_path / "c.png", predictions, labels, MOSI, "T->A, test")
    assert is_png(tmp_path / "c.png")
    axes = drawn[0].axes[0]
    expected = np.zeros((7, 7))
    for true, predicted in ((0, 0), (0, 2)):
        expected[true, predicted] = 0.5
    expected[3, [3, 4, 1]] = 0.5, 0.25, 0.25
    expected[5, 5] = expected[6, 6] = 1
    np.testing.assert_allclose(axes.images[0].get_array(), expected)
    cells = {text.get_position(): text.get_text() for text in axes.texts}
    assert cells[3, 3 - 0.08] == "2"
    assert cells[3, 3 + 0.27] == "50%"
    assert [label.get_text() for label in axes.get_yticklabels()][3] == "0  (n = 4)"
    assert "N = 8 segments    Acc-7 = 62.5%" in texts(axes)


def history(phase, valid, **columns):
    rows = enumerate(valid, start=1)
    return [{"phase": phase, "epoch": e, "loss": v / 2, "valid_loss": v, **columns} for e, v in rows]


def test_history_has_a_panel_a_phase_with_its_best_epoch(tmp_path, drawn):
    rows = history("1-translate", [3.0, 1.0, 2.0], learning_rate=0.001) + history("2-regress", [0.5, 0.4])
    plot_history(tmp_path / "h.png", rows)
    assert is_png(tmp_path / "h.png")
    first, rate, second = drawn[0].axes
    assert texts(first) == ["1-translate", "3 epochs    best valid loss 1 at epoch 2"]
    assert texts(second) == ["2-regress", "2 epochs    best valid loss 0.4 at epoch 2"]
    lines = {line.get_label(): line.get_xydata().tolist() for line in first.lines}
    assert lines["train"] == [[1, 1.5], [2, 0.5], [3, 1]]
    assert lines["valid"] == [[1, 3], [2, 1], [3, 2]]
    assert lines["best valid"] == [[2, 1]]
    np.testing.assert_array_equal(rate.lines[0].get_ydata(), [0.001] * 3)


def test_history_reads_the_text_of_a_csv_file(tmp_path, drawn):
    text = "phase,epoch,loss,valid_loss,learning_rate,note\nT,1,2.5,,0.0,x\nT,2,1.5,1.25,0.1,\n"
    plot_history(tmp_path / "h.png", list(csv.DictReader(text.splitlines())))
    axes = drawn[0].axes[0]
    assert texts(axes)[1] == "2 epochs    best valid loss 1.25 at epoch 2"
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), [np.nan, 1.25])


def test_history_without_valid_marks_nothing(tmp_path, drawn):
    plot_history(tmp_path / "h.png", [{"phase": "T", "epoch": 1, "loss": 2.0}])
    assert texts(drawn[0].axes[0]) == ["T", "1 epoch"]
    assert [line.get_label() for line in drawn[0].axes[0].lines] == ["train"]


@pytest.mark.parametrize("phases", [1, 2, 3, 4, 5])
def test_any_number_of_phases_fits(tmp_path, drawn, phases):
    plot_history(tmp_path / "h.png", [row for i in range(phases) for row in history(f"{i}-phase", [1.0])])
    assert [texts(axes)[0] for axes in drawn[0].axes] == [f"{i}-phase" for i in range(phases)]


def test_bad_input_is_refused_and_writes_nothing(tmp_path):
    path = tmp_path / "x.png"
    with pytest.raises(ValueError, match=r"no seven classes\. .*Received: persuasion \[1, 7\]\. Plot"):
        plot_confusion(path, np.ones(2), np.ones(2), LabelScale("persuasion", 1, 7, 4))
    with pytest.raises(ValueError, match=r"predictions\[0\]=nan"):
        plot_confusion(path, np.full(2, np.nan), np.ones(2), MOSI)
    with pytest.raises(ValueError, match=r"differ in number"):
        plot_predictions(path, np.ones(2), np.ones(3), list("abc"), "T, test")
    with pytest.raises(ValueError, match=r"history is empty\. .*Received: rows=0"):
        plot_history(path, [])
    with pytest.raises(
        ValueError, match=r"lacks columns\. .*Received: missing=\['loss'\] of columns=\['epoch', 'phase'\]"
    ):
        plot_history(path, [{"phase": "T", "epoch": 1}])
    assert not path.exists()


def test_drawing_never_loads_pyplot(tmp_path):
    code = (
        "import sys, numpy as np\n"
        "from mmtrans.evaluation.plots.scores import plot_predictions\n"
        f"plot_predictions({str(tmp_path / 'p.png')!r}, np.arange(3.), np.arange(3.), ['a'] * 3, 'T, test')\n"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_picture_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    figure, path = new_figure(2, 2), tmp_path / "x.png"
    save(figure, path)
    before = path.read_bytes()

    def half(figure, file, **options):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(Figure, "savefig", half)
    with pytest.raises(KeyboardInterrupt):
        save(figure, path)
    assert path.read_bytes() == before


@pytest.mark.filterwarnings("error")
def test_attention_names_steps_as_the_corpus_spells_them(tmp_path, drawn):
    words = ["$\\x{$", "_a", "b\nc", "字🙂", "d" * 99]
    plot_attention(tmp_path / "a.png", np.eye(2, 5), words, ["x$y"], "\x1b[31m$v$[0]")
    axes = drawn[0].axes[0]
    shown = [label.get_text() for label in axes.get_xticklabels()]
    assert shown == [r"\$\x{\$", " _a", r"b\nc", "字🙂", "d" * 23 + "…"]
    assert [label.get_text() for label in axes.get_yticklabels()] == [r"x\$y", "<eos>"]
    assert texts(axes)[0] == r"\x1b[31m\$v\$[0]"


def test_attention_over_thousands_of_steps_is_drawn(tmp_path, drawn):
    plot_attention(tmp_path / "a.png", np.ones((3, 3000)), ["w"] * 3000, (), "v[0]")
    assert is_png(tmp_path / "a.png")
    axes = drawn[0].axes[0]
    assert max(drawn[0].get_size_inches()) == 40
    assert [label.get_text() for label in axes.get_xticklabels()][:2] == ["1", "61"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["1", "2", "3"]


@pytest.mark.filterwarnings("error")
def test_a_history_of_a_stranger_is_text(tmp_path, drawn):
    plot_history(tmp_path / "h.png", [{"phase": "$\\x{$\n", "epoch": 1, "loss": 0.5}])
    assert texts(drawn[0].axes[0])[0] == r"\$\x{\$\n"


def test_attention_stands_beside_what_is_left_without_its_prior(tmp_path, drawn):
    weights = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3]])
    prior = np.array([[0.6, 0.3, 0.1], [0.2, 0.6, 0.2]])
    plot_attention(tmp_path / "a.png", weights, "abc", (), "v[0]", prior=prior, r2=-0.1234)
    first, second = drawn[0].axes[:2]
    np.testing.assert_allclose(first.images[0].get_array(), weights)
    np.testing.assert_allclose(second.images[0].get_array(), weights - prior)
    low, high = second.images[0].get_clim()
    assert high == -low == pytest.approx(0.1)
    correlation = np.corrcoef(weights.ravel(), prior.ravel())[0, 1]
    assert texts(first) == ["v[0]", "2 target by 3 source steps    R² -0.123"]
    assert texts(second) == ["less the distance", f"r = {correlation:.3f} with the distance alone"]


def test_attention_that_is_its_prior_leaves_nothing(tmp_path, drawn):
    prior = np.array([[0.6, 0.3, 0.1], [0.2, 0.6, 0.2]])
    plot_attention(tmp_path / "a.png", prior, "abc", (), "v[0]", prior=prior)
    second = drawn[0].axes[1].images[0]
    assert not np.any(second.get_array())
    assert second.get_clim() == (-0.05, 0.05)


@pytest.mark.parametrize(
    ("labels", "step"),
    [
        ([-3, 2, 1, 0], 1.0),
        ([-2.4, 0.2, 1.0, 2.8], 0.2),
        ([1 / 3, 2 / 3, -1, 2], 1 / 3),
        (np.linspace(0, 1, 7919), None),
        # Means over five people, and one over three.
        ([*np.arange(-15, 15) / 5, 1 / 3], 0.2),
    ],
)
def test_the_lattice_of_labels_is_found(labels, step):
    assert lattice_step(np.array(labels, dtype=np.float64)) == step


def test_bins_lie_on_the_lattice_of_the_labels_and_lines_at_the_neutral_point(tmp_path, drawn):
    labels = np.array([3.2, 3.4, 4.0, 6.8])
    plot_predictions(tmp_path / "p.png", labels + 0.05, labels, list("abcd"), "T, test", neutral=4.0)
    top, main, _ = drawn[0].axes
    edges = np.array([bar.get_x() for bar in top.patches])
    np.testing.assert_allclose((edges + 0.1) / 0.2, np.round((edges + 0.1) / 0.2), atol=1e-9)
    assert [line.get_ydata()[0] for line in main.lines[1:2]] == [4.0]
    assert [line.get_xdata()[0] for line in main.lines[2:3]] == [4.0]
    offset = np.abs(main.collections[0].get_offsets()[:, 0] - labels).max()
    assert 0 < offset < 0.03
    assert "points spread sideways by up to 0.022" in main.get_xlabel()


def test_labels_on_no_lattice_are_not_spread(tmp_path, drawn):
    labels = np.linspace(0, 1, 97) ** 2
    plot_predictions(tmp_path / "p.png", labels, labels, ["a"] * 97, "T, test")
    main = drawn[0].axes[1]
    np.testing.assert_array_equal(main.collections[0].get_offsets()[:, 0], labels)
    assert main.get_xlabel() == "true sentiment (label units)"


def test_curves_name_their_loss(tmp_path, drawn):
    plot_history(tmp_path / "h.png", history("1-x", [1.0]) + history("2-y", [1.0]), {"1-x": "cross-entropy"})
    assert [axes.get_ylabel() for axes in drawn[0].axes] == ["mean loss (cross-entropy)", "mean loss"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ["mse", "mae"]),
        ({"target": "tokens", "sentiment_loss": "huber"}, ["cross-entropy", "huber"]),
        ({"translation_loss": "cosine", "cycle_weight": 0.5}, ["cosine, with its way back", "mae"]),
        ({"objective": "joint"}, ["mse and mae, weighted"]),
    ],
)
def test_losses_of_phases(fields, expected):
    config = Config(recipe="T->A", **fields)
    assert list(loss_names(phases_of(config, "hash"), config).values()) == expected
