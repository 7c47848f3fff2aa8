"""The three forms of a report, and what its sentences say."""

import csv
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from mmtrans.cli.main import main
from mmtrans.grid.paper import is_papers
from mmtrans.report.collect import Variant, collect
from mmtrans.report.compare import compute
from mmtrans.report.latex import to_latex
from mmtrans.report.numbers import NONE, number_text, p_value_text
from mmtrans.report.render import make_report, to_csv, to_html, to_markdown
from tests.report.grids import MOSI, describe, segments, write_grid, write_robustness

RECIPES = ("T", "A", "concat(T,A)", "T->A", "A->T")


def noise(variant):
    return {"T": 0.4, "A": 1.6}.get(variant.recipe, 0.8) + variant.untrained


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    path = tmp_path_factory.mktemp("render") / "grid"
    description = describe(RECIPES, controls=True, fractions=[0.25])
    write_grid(path, description, segments(), noise, skip={(Variant("A"), 1)})
    (path / "failures.json").write_text(json.dumps({"A-seed-1": {"reason": "Loss <nan> | step 3.", "log": "x"}}))
    return collect(path)


@pytest.fixture(scope="module")
def results(grid):
    return compute(grid, draws=200)


@pytest.fixture(scope="module")
def report(grid, results):
    return make_report(grid, results)


def simple(tmp_path, seeds=(0, 1), data=None, split="test"):
    """The sentences of a small report."""
    path = write_grid(tmp_path / "grid", describe(["T", "T->A"], seeds, split=split), data or segments(), noise)
    grid = collect(path)
    return make_report(grid, compute(grid, draws=50))


class Page(HTMLParser):
    """Checks that elements nest, and keeps what a page asks for from elsewhere."""

    VOID = ("meta", "br", "path", "use", "image", "rect", "circle", "line", "stop")

    def __init__(self):
        super().__init__()
        self.open, self.outside, self.tags = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attributes:
            if name in ("src", "href", "xlink:href") and not value.startswith(("#", "data:")):
                self.outside.append(value)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_else(report):
    page = Page()
    text = to_html(report)
    page.feed(text)
    assert (page.open, page.outside) == ([], [])
    # One script, which sorts tables: it is in the page, as `outside` says.
    assert page.tags.count("script") == 1
    assert page.tags.count("svg") == 3
    assert "Loss &lt;nan&gt;" in text
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)


def test_equal_numbers_give_equal_pages(grid, results, report):
    assert to_html(make_report(grid, results)) == to_html(report)


def test_the_paper_stands_beside_the_measured(report, results):
    table = next(t for t in report.tables if t.title == "Paper beside measured: binary")
    row = next(r for r in table.rows if r[0].startswith("T->A"))
    f1 = results.rows[Variant("T->A")].figures["binary_f1"]
    assert row[1] == "T"
    assert row[table.columns.index("F1 paper")] == ".65"
    assert row[table.columns.index("F1 ours")] == f"{number_text(f1.mean)} ± {number_text(f1.std)}"
    assert row[-1] == "0 of 2"
    assert [cells[0] for cells in table.beneath] == ["constant: mean", "constant: median", "constant: majority"]
    marked = next(r[0] for r in table.rows if r[0].startswith("concat(T,A)"))
    assert marked == "concat(T,A) ²"
    assert "constant predictor" in table.notes[1]


def test_markdown_tables_are_rectangular(report):
    lines = to_markdown(report).splitlines()
    tables = 0
    for i, line in enumerate(lines):
        if line.startswith("| :--"):
            tables += 1
            width = line.count("|")
            block = [lines[i - 1]]
            for row in lines[i + 1 :]:
                if not row.startswith("|"):
                    break
                block.append(row)
            assert {len(re.findall(r"(?<!\\)\|", row)) for row in block} == {width}
    assert tables == len(report.tables)
    assert "Robustness" not in {table.title for table in report.tables}


def test_csv_has_one_row_a_variant_with_all_numbers(results):
    rows = list(csv.DictReader(io.StringIO(to_csv(results))))
    assert len(rows) == len(results.rows) == 14
    row = next(r for r in rows if (r["recipe"], r["untrained"], r["label_fraction"]) == ("T->A", "False", "1.0"))
    mae, comparison = results.rows[Variant("T->A")].figures["mae"], results.comparisons["source"]["T->A"]
    assert [float(row[f"mae_{end}"]) for end in ("mean", "std", "low", "high")] == [
        mae.mean,
        mae.std,
        mae.low,
        mae.high,
    ]
    assert float(row["source_p_holm"]) == comparison.adjusted
    assert (row["source_baseline"], row["concat_baseline"]) == ("T", "concat(T,A)")
    assert (row["seeds"], row["paper_seven_f1"]) == ("0 1", "0.18")
    control = next(r for r in rows if r["untrained"] == "True")
    assert (control["paper_seven_f1"], control["source_p_holm"]) == ("", "")


def test_sentences_say_what_came_out_with_its_sign(report):
    text = " ".join(report.summary)
    assert "The grid is not finished: 27 of 28 runs are there, 1 failed." in report.summary
    assert "The lowest mean absolute error is" in text
    assert ", of T;" in text
    source = next(s for s in report.summary if "source alone" in s)
    # A->T beats A, T->A loses to T.
    assert "1 of 2 translations have a lower error; after Holm's correction 1 are better and 1 worse" in source
    untrained = next(s for s in report.summary if "left untrained" in s)
    assert "2 of 2 translations have a lower error; after Holm's correction 2 are better and 0 worse" in untrained


def test_a_grid_of_few_videos_says_so_and_tests_nothing(tmp_path):
    report = simple(tmp_path, data=segments(num_videos=6))
    assert report.summary[0] == (
        "There are no intervals and no tests: the test split has 6 videos, and resampling videos needs at least 10."
    )
    assert "[" not in to_markdown(report).replace(r"\[-3, 3\]", "")
    assert "Holm's correction" not in " ".join(report.summary)
    to_html(report)


def test_whether_one_segment_has_collapsed_is_a_dash(tmp_path):
    report = simple(tmp_path, data=(["v[0]"], ["v"], np.array([1.0])))
    (table,) = (table for table in report.tables if table.title == "Every run")
    assert {row[-1] for row in table.rows} == {NONE}


def test_robustness_is_the_mean_over_the_seeds_that_have_it(tmp_path):
    path = write_grid(tmp_path / "grid", describe(["T", "T->A"], seeds=(0, 1, 2)), segments(), noise)
    for seed, area in enumerate((1.0, 1.5)):
        run = path / "runs" / f"T_to_A-False-1.0-seed-{seed}"
        write_robustness(run, {"text": (0.5, area), "audio": None})
    write_robustness(path / "runs" / "T-False-1.0-seed-0", {"text": (0.25, 0.75)}, split="valid")
    grid = collect(path)
    results = compute(grid, draws=50)
    curves = {row.variant.recipe: row.curves for row in results.rows.values()}
    assert curves["T"] == {}
    assert curves["T->A"] == {
        kind: {"text": ([0.0, 1.0], [0.5, 1.25 + place])}
        for place, kind in enumerate(("missing", "dropped", "noise", "shuffled"))
    }
    report = make_report(grid, results)
    table = next(table for table in report.tables if table.title == "Robustness")
    assert table.columns == ["run", "modality", "MAE clean ↓", "missing", "steps dropped", "noise", "steps shuffled"]
    spread = [".500 ± .000", "1.250 ± .354", "2.250 ± .354", "3.250 ± .354", "4.250 ± .354"]
    assert table.rows == [["T->A", "text", *spread]]
    for text in ("T-&gt;A", "steps dropped", "train standard deviations", "best constant", "text"):
        assert text in report.plots["Robustness"].svg
    assert report.plots["Robustness"].svg in to_html(report)


def test_one_seed_and_the_valid_split_are_said(tmp_path):
    text = " ".join(simple(tmp_path, seeds=(4,), split="valid").summary)
    assert "There is one seed, so only videos are resampled" in text
    assert "of the valid split, which also stopped the training" in text
    assert "held against its own encoder left untrained: the grid has no such run." in text


def test_a_tie_is_neither_better_nor_worse(tmp_path):
    data = segments()
    path = write_grid(tmp_path / "grid", describe(["T", "T->A"]), data, lambda _: 0.0)
    grid = collect(path)
    results = compute(grid, draws=50)
    assert results.comparisons["source"]["T->A"].difference.p_value == 1.0
    sentence = next(s for s in make_report(grid, results).summary if "source alone" in s)
    assert "0 of 1 translations have a lower error; after Holm's correction 0 are better and 0 worse" in sentence


def test_numbers_are_short():
    assert [number_text(v) for v in (0.9614, -0.05, 1.0, -0.0001, None)] == [".961", "−.050", "1.000", ".000", NONE]  # noqa: RUF001
    assert [p_value_text(v) for v in (0.0004, 0.05, 1.0, None)] == ["<.001", ".050", "1.000", NONE]


def test_the_command_writes_four_files(grid, tmp_path, capsys):
    out = tmp_path / "page.html"
    assert main(["report", str(grid.path), "--out", str(out), "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.csv", "page.html", "page.md", "page.tex"]
    assert (result["runs"], result["expected"]) == (27, 28)
    assert set(result["mae"]) >= {"T->A", "T->A, untrained", "T, 25 % of the labels"}
    assert out.read_text().startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("out", "message"),
    [("page.pdf", "Expected a file that ends in .html"), ("no/page.html", "No such directory")],
)
def test_a_page_that_cannot_be_written_is_refused_first(grid, tmp_path, capsys, out, message):
    assert main(["report", str(grid.path), "--out", str(tmp_path / out)]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def end(run, phases):
    """Gives a run of a grid the files of its phases: `(name, epochs, limit, stopped_by, valid losses)`."""
    for name, epoch, limit, stopped_by, losses in phases:
        rows = [{"epoch": number, "valid_loss": loss} for number, loss in enumerate(losses, 1)]
        outcome = {"epochs": limit, "stopped_by": stopped_by, "epoch": epoch, "best_loss": min(losses), "history": rows}
        (run / "phases" / name).mkdir(parents=True)
        stored = {"key": "k", "inherited": None, "finished": True, **outcome}
        (run / "phases" / name / "phase.json").write_text(json.dumps(stored))


@pytest.fixture
def trained(tmp_path):
    """A grid whose runs tell how they were trained: of four two ended at the limit."""
    path = write_grid(tmp_path / "grid", describe(["T", "T->A"]), segments(), noise)
    for seed in (0, 1):
        end(path / "runs" / f"T-False-1.0-seed-{seed}", [("1-sentiment-T", 4, 5, "patience", [2.0, 1.0, 1.5, 1.25])])
        phases = [
            ("1-translation-T_to_A", 5, 5, "epochs", [0.9] * 4 + [0.8]),
            ("2-sentiment-T_to_A", 2 + seed, 5, "patience", [1.0, 2.0]),
        ]
        end(path / "runs" / f"T_to_A-False-1.0-seed-{seed}", phases)
    return path


def test_training_is_told_by_run_by_recipe_and_at_the_top(trained):
    grid = collect(trained)
    report = make_report(grid, compute(grid, draws=20))
    assert report.summary[0].startswith("Stopped by the epoch limit: 2 of 4 runs reached the limit of 5 epochs")
    assert report.facts["training"] == (
        "at most 60 epochs a phase, patience 8; median 4 epochs, 2 of 6 phases stopped by the limit"
    )
    tables = {table.title: table for table in report.tables}
    assert tables["Training"].rows == [["T", "4", "0 of 2"], ["T->A", "5, then 2 to 3", "2 of 2"]]
    runs = tables["Every run"]
    assert [row[1] for row in runs.rows] == ["4/5 patience"] * 2 + [
        "5/5 limit, 2/5 patience",
        "5/5 limit, 3/5 patience",
    ]
    svg = report.plots["Training"].svg
    for title in ("sentiment T", "translation T-&gt;A", "sentiment T-&gt;A"):
        assert f">{title}<" in svg


def test_few_runs_at_the_limit_are_not_at_the_top(trained):
    for name in ("T_to_A-False-1.0-seed-0", "T_to_A-False-1.0-seed-1"):
        file = trained / "runs" / name / "phases" / "1-translation-T_to_A" / "phase.json"
        file.write_text(file.read_text().replace('"epochs", "epoch"', '"patience", "epoch"'))
    grid = collect(trained)
    assert not any("epoch limit" in sentence for sentence in make_report(grid, compute(grid, draws=20)).summary)


def test_a_run_leads_to_its_explorer_page(trained, tmp_path):
    (trained / "runs" / "T-False-1.0-seed-1" / "explore-test.html").write_text("<html>")
    grid = collect(trained)
    results = compute(grid, draws=20)
    page = Page()
    page.feed(to_html(make_report(grid, results)))
    assert page.outside == ["runs/T-False-1.0-seed-1/explore-test.html"]
    report = make_report(grid, results, tmp_path / "elsewhere")
    assert next(t for t in report.tables if t.title == "Every run").links == {
        1: "../grid/runs/T-False-1.0-seed-1/explore-test.html"
    }


@pytest.mark.parametrize("known", [True, False])
def test_on_another_corpus_the_paper_is_no_contest(tmp_path, known):
    path = write_grid(tmp_path / "grid", describe(RECIPES), segments(), noise)
    for file in path.glob("runs/*/environment.json"):
        content = json.loads(file.read_text())
        if known:
            content["data"]["corpus"]["splits"]["train"]["videos"] = 51
        else:
            del content["data"]["corpus"]
        file.write_text(json.dumps(content))
    grid = collect(path)
    report = make_report(grid, compute(grid, draws=20))
    begins = "This is not the corpus of the paper. The runs here are of csd, official MOSI folds: train 51 videos"
    assert report.banner.startswith(begins if known else "Nobody knows which corpus this is")
    assert report.title == "Multimodal translation for sentiment: measured"
    assert not any("paper" in heading for table in report.tables for heading in table.columns)
    assert [table.title for table in report.tables if "paper" in table.title.lower()] == [
        "The paper's numbers, of another corpus"
    ]
    assert not any("published" in sentence for sentence in report.summary)
    for text in (to_html(report), to_markdown(report)):
        assert report.banner[:30] in text


def test_the_papers_corpus_has_no_banner(report):
    assert report.banner == ""
    assert report.facts["corpus"].startswith("CMU-MOSI, as in the paper; train 52 videos (1,284 segments)")
    assert report.facts["versions"] == "mmtrans 0.1.0, python 3.11, tensorflow 2.21, keras 3.15"
    assert [is_papers(splits) for splits in (MOSI["splits"], {"test": MOSI["splits"]["test"]})] == [True, False]


def test_plots_are_images_with_titles(report):
    for plot in report.plots.values():
        head = plot.svg[: plot.svg.index("</title>")]
        assert 'role="img" aria-label="' in head
        assert "<title>" in head


def test_empty_cells_of_the_heat_map_have_no_colour_of_a_value(report):
    svg = report.plots["Measured, with intervals"].svg
    assert "<pattern" in svg
    assert "a hatched cell has no recipe" in report.plots["Measured, with intervals"].caption


def test_latex_holds_the_tables_that_are_not_folded(report):
    text = to_latex(report.tables)
    assert text.count(r"\begin{table}") == sum(not table.folded for table in report.tables)
    row = next(line for line in text.splitlines() if line.startswith("{T{-}$>$A}"))
    assert row.endswith(r" \\")
    assert r"$\pm$" in row
    environments = re.findall(r"\\(begin|end)\{(\w+)\}", text)
    opened = []
    for what, name in environments:
        opened.append(name) if what == "begin" else opened.remove(name)
    assert opened == []
