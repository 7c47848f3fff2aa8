"""A hostile corpus goes all the way through: nothing that it says is obeyed by a terminal, a page or a file system."""

import json
import re
from importlib import resources

import pytest
from tensorflow.python.summary.summary_iterator import summary_iterator

from mmtrans.cli.main import main
from mmtrans.system.escape import for_terminal
from tests.hostile import write_hostile_corpus
from tests.system.test_escape import HOSTILE, Page

#: Tags of a report's page, and of its pictures.
TAGS = {
    *("html", "head", "meta", "title", "style", "body", "h1", "h2", "div", "ul", "ol", "li", "nav", "a", "figure"),
    *("figcaption", "p", "table", "thead", "tbody", "tr", "th", "td", "br", "span", "details", "summary"),
    *("dl", "dt", "dd"),
    *("svg", "metadata", "defs", "g", "path", "use", "text", "tspan", "image", "clippath", "rect", "pattern"),
    *("rdf:rdf", "cc:work", "dc:type", "dc:date", "dc:format", "dc:creator", "cc:agent", "dc:title"),
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_hostile_corpus(tmp_path_factory.mktemp("hostile") / "corpus")


@pytest.fixture
def run(capfd):
    """`run(*argv)`: the lines of stdout of a command, of whose output a terminal obeys nothing."""

    def command(*argv):
        capfd.readouterr()
        code = main([str(part) for part in argv])
        out, err = capfd.readouterr()
        assert code == 0, err
        for line in (out + err).split("\n"):
            assert for_terminal(line) == line
        return out.splitlines()

    return command


def check_markdown(text):
    text = re.sub("```.*?```", "", text, flags=re.S)
    assert all(for_terminal(line) == line for line in text.split("\n"))
    assert not re.search(r"(?<!\\)\]\(", text)
    assert "<" not in text


def check_page(text):
    # The one script is the template's own, to the letter.
    template = resources.files("mmtrans.report").joinpath("page.html.j2").read_text(encoding="utf-8")
    own = re.findall("<script>.*?</script>", template, flags=re.S)
    assert re.findall("<script.*?</script>", text, flags=re.S) == own
    page = Page(text.replace(own[0], ""))
    assert {tag for tag, _ in page.tags} <= TAGS
    assert not [name for _, attributes in page.tags for name, _ in attributes if name.startswith("on")]
    links = [value for tag, attributes in page.tags for name, value in attributes if tag == "a" and name == "href"]
    assert all(link.startswith("#") for link in links)


def texts_of(directory):
    """Texts that TensorBoard shows, by tag."""
    texts = {}
    for path in directory.rglob("events.out.*"):
        for event in summary_iterator(str(path)):
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == "text":
                    texts[value.tag] = value.tensor.string_val[0].decode("utf-8")
    return texts


def test_conversion_shows_what_the_corpus_says(corpus, run, tmp_path):
    lines = run("convert", corpus, tmp_path / "records")
    assert any(r"\x1b]0;title\x07\x1b[31mred" in line for line in lines)
    assert run("inspect", tmp_path / "records", "--verify")[-1].startswith("Verified")


@pytest.mark.slow
def test_training_to_prediction(corpus, run, flags, tmp_path):
    records, grid, recipes = tmp_path / "records", tmp_path / "<b>$\\x{$[x](y)", tmp_path / "recipes.txt"
    recipes.write_text("A->T\n")
    run("convert", corpus, records)
    sizes = [flag for flag in flags if flag not in ("--epochs", "2")]
    tokens = ("--target", "tokens", "--min-count", "1", "--epochs", "1")
    run("grid", "--data", records, "--out", grid, "--recipes", recipes, "--seeds", "1", *sizes, *tokens)
    (trained,) = [path for path in (grid / "runs").iterdir() if (path / "config.yaml").is_file()]

    run("evaluate", trained)
    lines = run("translate", trained, "--split", "train", "--plot-attention", "20", "--out", tmp_path / "t.jsonl")
    assert lines == [f"Wrote 20 segments to {tmp_path}/t.jsonl."]
    translated = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {item["id"].rsplit("[", 1)[0] for item in translated} <= set(HOSTILE)
    plots = sorted(path.name for path in (trained / "plots").iterdir())
    assert len([name for name in plots if name.startswith("attention-")]) == 20
    assert all(re.fullmatch(r"[\w.\[\]-]+\.png", name) for name in plots)
    assert sorted(path.suffix for path in tmp_path.rglob("*.png") if path.parent.name != "plots") == []
    for tag, text in texts_of(trained).items():
        assert for_terminal(tag) == tag
        check_markdown(text.replace("\n\n", " "))

    run("report", grid)
    check_page((grid / "report.html").read_text(encoding="utf-8"))
    check_markdown((grid / "report.md").read_text(encoding="utf-8"))

    run("export", trained, tmp_path / "export")
    card = (tmp_path / "export" / "model_card.md").read_text(encoding="utf-8")
    assert r"\\x1b\]0;title" in card
    check_markdown(card)
    rows = run("predict", tmp_path / "export", corpus)
    assert len(rows) == 1 + 2 * len(HOSTILE)
