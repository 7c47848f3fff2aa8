import pytest

from mmtrans.cli.main import main
from mmtrans.cli.parser import Parser, add_config_flags, config_from
from mmtrans.config import Config
from mmtrans.config.effect import changed, check_consistent
from mmtrans.config.files import load_preset, preset_names
from mmtrans.grid.recipes import PAPER
from mmtrans.notebook.given import configuration


def parse(*argv):
    parser = Parser(prog="test")
    add_config_flags(parser)
    return config_from(parser.parse_args(argv))


def test_the_papers_model_is_read_literally():
    fields = load_preset("paper")
    assert changed(Config(**fields)) == {"max_distance": 0, "feature_sampling": 0.0}
    # What the paper says stands there, whatever the defaults become.
    assert fields.items() >= {
        ("objective", "sequential"),
        ("attention", "bahdanau"),
        ("finetune", False),
        ("representation", "sequence"),
        ("pooling", "attention"),
        ("sentiment_loss", "mae"),
        ("bottleneck", "none"),
        ("cycle_weight", 0.0),
    }


def test_the_best_preset_reads_the_source_beside_an_encoder_that_learned_before():
    fields = load_preset("best")
    assert changed(Config(**fields)) == {"representation": "both"}
    assert fields.items() >= {("objective", "sequential"), ("max_distance", 16), ("finetune", False)}
    # What was not compared is left to whoever trains.
    assert not fields.keys() & {"recipe", "units", "epochs", "patience", "schedule", "learning_rate", "batch_size"}


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_suits_every_row_of_the_paper(name):
    for recipe in PAPER:
        check_consistent(Config(**{**load_preset(name), "recipe": recipe}))


def test_a_file_overrides_a_preset_and_flags_override_both(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("decoder: {max_distance: 3}\nunits: 8\n", encoding="utf-8")
    plain, flags = ["--preset", "paper"], ["--max-distance", "5"]
    assert changed(parse(*plain, "--config", str(file))) == {"max_distance": 3, "units": 8, "feature_sampling": 0.0}
    assert changed(parse("--config", str(file), *flags, *plain))["max_distance"] == 5
    assert configuration(file, "paper", {"units": 9}) == parse(*plain, "--config", str(file), "--units", "9")


@pytest.mark.parametrize(
    ("name", "shown"),
    [("paper", ("max_distance: 0", "feature_sampling: 0.0")), ("best", ("representation: both", "max_distance: 16"))],
)
def test_print_config_shows_a_preset(name, shown, capsys):
    assert main(["train", "--preset", name, "--print-config"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {f"  {line}" for line in shown} <= set(lines)


@pytest.mark.parametrize("command", ["train", "grid", "tune"])
def test_an_unknown_preset_is_refused(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([command, "--preset", "papers"])
    assert stopped.value.code == 2
    assert "Did you mean paper?" in capsys.readouterr().err


def test_from_python_an_unknown_preset_and_one_beside_a_whole_configuration_are_refused():
    with pytest.raises(ValueError, match=r"Expected one of \['best', 'paper'\]\. Received: preset='worst'\."):
        configuration(None, "worst", {})
    with pytest.raises(ValueError, match=r"Expected one of them\. Received: preset='paper' and a Config\. Leave one"):
        configuration(Config(), "paper", {})
