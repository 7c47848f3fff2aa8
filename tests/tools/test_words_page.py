"""The page of what words in context are worth: its tables are those of the files beside it."""

import json

from tools.words_page import DOCS, ensemble, with_tables


def test_the_tables_of_the_page_are_those_of_the_results():
    page = (DOCS / "words.md").read_text(encoding="utf-8")
    assert with_tables(page, DOCS / "results") == page
    named = {file.name for file in (DOCS / "results").glob("mosi-*.json")}
    assert named == {line[5:-4] for line in page.splitlines() if line.startswith("<!-- ")}


def test_a_table_of_ensembles(tmp_path):
    figures = {"pearson": 0.75, "acc2_has0": 0.8125, "acc2_non0": 0.875}
    valid = {
        **figures,
        **{"mae": 0.5, "mae_low": 0.25, "mae_high": 0.75, "members_mean": {"mae": 0.625}},
        "members": [{"seed": 10, "mae": 0.5}, {"seed": 2, "mae": 0.75}],
    }
    content = {
        "two": ensemble({"valid": valid}),
        "one": ensemble({"valid": {**valid, "members": [valid | {"seed": 3}]}}),
    }
    (tmp_path / "valid.json").write_text(json.dumps(content))
    page = "Before.\n\n<!-- valid.json -->\n| old |\n|---|\n\nAfter | it.\n"
    assert with_tables(page, tmp_path).splitlines()[2:] == [
        "<!-- valid.json -->",
        "| MAE | seed 2 | seed 3 | seed 10 | mean | ensemble | r | Acc-2 (≥0) | Acc-2 (≠0) |",
        "|---|---|---|---|---|---|---|---|---|",
        "| two | 0.750 |  | 0.500 | 0.625 | 0.500 [0.250, 0.750] | 0.750 | 0.812 | 0.875 |",
        "| one |  | 0.500 |  | 0.625 | 0.500 [0.250, 0.750] | 0.750 | 0.812 | 0.875 |",
        "",
        "After | it.",
    ]
