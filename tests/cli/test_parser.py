import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtrans.cli.main import COMMANDS, main, module
from mmtrans.cli.parser import Parser, add_config_flags, config_from
from mmtrans.config import FIELDS, Config
from mmtrans.config.files import dump_yaml


def parse(*argv):
    parser = Parser(prog="mmtrans train")
    add_config_flags(parser)
    parser.add_help_flags()
    return config_from(parser.parse_args(argv))


def test_without_flags_the_defaults_hold():
    assert parse() == Config()


@pytest.mark.parametrize("field", FIELDS.values(), ids=lambda field: field.name)
def test_every_field_has_a_hyphenated_flag(field):
    kind, flag = field.kind, "--" + field.name.replace("_", "-")
    if kind is bool:
        assert parse(flag).to_dict()[field.name] is True
        assert parse(flag.replace("--", "--no-", 1)).to_dict()[field.name] is False
        return
    # A text that is a number stays one.
    text = {"0": "7", "1.0": "0.5"}.get(str(field.default), "V")
    values = field.choices or {int: [7], float: [0.5], str: [text]}[kind]
    for value in values:
        received = parse(flag, str(value)).to_dict()[field.name]
        assert (received, type(received)) == (value, type(value))


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 999), st.floats(0, 0.95), st.booleans(), st.sampled_from(["lstm", "gru"]), st.integers(0, 2**31 - 1)
)
def test_flags_round_trip(units, dropout, bidirectional, cell, seed):
    argv = ["--units", str(units), "--dropout", repr(dropout), "--cell", cell, "--seed", str(seed)]
    argv.append("--bidirectional" if bidirectional else "--no-bidirectional")
    expected = Config(units=units, dropout=dropout, bidirectional=bidirectional, cell=cell, seed=seed)
    assert parse(*argv) == expected


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["train", "--epoch", "3"], "arguments: --epoch 3. Did you mean --epochs? See `mmtrans train --help`.\n"),
        (["train", "--unit=3", "--bach-size", "4"], "Did you mean --units and --batch-size? See"),
        (["train", "--zzz"], "mmtrans train: Unrecognized arguments: --zzz. See `mmtrans train --help`.\n"),
        (["extract", "a", "b", "--fps", "3"], "Did you mean --face-fps? See `mmtrans extract --help`.\n"),
        (["synthesise", "a"], "Did you mean synthesize? See `mmtrans --help`.\n"),
    ],
)
def test_what_was_meant_is_asked(argv, sentence, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(argv)
    assert stopped.value.code == 2
    assert sentence in capsys.readouterr().err


def test_flags_override_the_file_and_the_file_the_defaults(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(dump_yaml({"units": 5, "cell": "gru"}))
    config = parse("--config", str(path), "--units", "9")
    assert config == Config(units=9, cell="gru")
    path.write_text(dump_yaml(config.to_dict()))
    assert parse("--config", str(path)) == config


def test_a_flag_given_at_its_default_still_overrides_the_file(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("units: 5\n")
    assert parse("--config", str(path), "--units", str(FIELDS["units"].default)) == Config()


def test_values_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"dropout is out of range.*between 0\.0 and 0\.95.*dropout=1\.5"):
        parse("--dropout", "1.5")


def test_a_parser_error_is_one_sentence(capsys):
    with pytest.raises(SystemExit) as stopped:
        parse("--units")
    assert stopped.value.code == 2
    assert capsys.readouterr().err == (
        "mmtrans train: Argument --units: expected one argument. See `mmtrans train --help`.\n"
    )


def test_what_follows_two_hyphens_is_no_value_of_theirs():
    parser = Parser(prog="mmtrans")
    parser.add_argument("--range")
    parser.add_argument("places", nargs="*")
    assert vars(parser.parse_args(["--range", "-3,3"])) == {"range": "-3,3", "places": []}
    assert vars(parser.parse_args(["--", "-3,3"])) == {"range": None, "places": ["-3,3"]}


def test_help_names_every_default(capsys):
    with pytest.raises(SystemExit):
        parse("--help-all")
    out = " ".join(capsys.readouterr().out.split())
    for field in FIELDS.values():
        # Neither an empty text nor a switch that is off is worth a line.
        assert field.default in ("", False) or f"(default: {field.default})" in out


def number_flags():
    """Every flag of every command that takes a number: `(command, positionals, flag, kind)`."""
    for command in COMMANDS:
        parser = Parser(prog=command)
        module(command).add_arguments(parser)
        names = ["nowhere" for action in parser._actions if not action.option_strings]
        for action in parser._actions:
            if getattr(action.type, "__name__", "") in ("int", "float"):
                yield command, names, action.option_strings[0], action.type.__name__


@pytest.mark.parametrize(("command", "names", "flag", "kind"), number_flags())
def test_every_number_on_a_command_line_has_bounds(command, names, flag, kind, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    required = {"grid": ["--data", "nowhere", "--out", "o"], "tune": ["--data", "nowhere", "--out", "o"]}
    strategy = ["--strategy", "mirrored"] if flag == "--workers" and command == "train" else []
    for value in ("nan", "inf", "-inf", "1e400") if kind == "float" else ("9" * 35, "-" + "9" * 35):
        assert main([command, *names, *required.get(command, []), *strategy, f"{flag}={value}"]) == 2
        error = capsys.readouterr().err
        assert "is out of range. Expected" in error
        assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_every_command_with_numbers_is_looked_at():
    found = {(command, flag) for command, _, flag, _ in number_flags()}
    expected = {("train", "--clip-norm"), ("convert", "--label-shift"), ("predict", "--workers"), ("grid", "--jobs")}
    assert expected | {("tune", "--trials"), ("translate", "--plot-attention"), ("synthesize", "--videos")} <= found


@pytest.mark.parametrize("text", ["1_0", "ten", "0x10", "1.5"])
def test_a_whole_number_is_written_in_digits(text, capsys):
    with pytest.raises(SystemExit):
        main(["tune", "--trials", text])
    assert f"Argument --trials: invalid int value: '{text}'." in capsys.readouterr().err


def text_arguments():
    """Every argument of every command that takes a text: `(command, its place or flag)`."""
    for command in COMMANDS:
        parser = Parser(prog=command)
        module(command).add_arguments(parser)
        for action in parser._actions:
            if action.type is None and action.nargs in (None, "+") and action.metavar:
                yield command, action.option_strings[0] if action.option_strings else action.metavar


@pytest.mark.parametrize(("command", "name"), text_arguments())
def test_no_path_and_no_name_is_empty(command, name, tmp_path, monkeypatch, capsys):
    """An empty path is the working directory to Python; to a script it is a variable that was never set."""
    monkeypatch.chdir(tmp_path)
    parser = Parser(prog=command)
    module(command).add_arguments(parser)
    places = [action.metavar for action in parser._actions if not action.option_strings]
    given = ["" if place == name else "nowhere" for place in places] + ([name, ""] if name.startswith("--") else [])
    with pytest.raises(SystemExit) as caught:
        main([command, *given])
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(f"mmtrans {command}: Argument {name}")
    assert "expected a name, received ''." in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_every_path_is_looked_at():
    expected = {("convert", "SOURCE"), ("convert", "RECORDS"), ("predict", "RUN|SAVED_MODEL"), ("train", "--init")}
    assert expected | {("train", "--run"), ("tune", "--space"), ("grid", "--variants")} <= set(text_arguments())


@pytest.mark.parametrize(
    ("argv", "found"),
    [
        (["a", "b", "--flag", "1"], ("a", "b", "1")),
        (["a", "--flag", "1", "b"], ("a", "b", "1")),
        (["--flag", "1", "a", "b"], ("a", "b", "1")),
        (["a", "--flag", "1"], ("a", None, "1")),
    ],
)
def test_an_argument_that_may_be_left_out_stands_anywhere(argv, found):
    parser = Parser()
    parser.add_argument("first")
    parser.add_argument("second", nargs="?")
    parser.add_argument("--flag")
    arguments = parser.parse_args(argv)
    assert (arguments.first, arguments.second, arguments.flag) == found


def test_an_argument_too_many_is_refused(capsys):
    parser = Parser(prog="p")
    parser.add_argument("second", nargs="?")
    with pytest.raises(SystemExit):
        parser.parse_args(["a", "b"])
    assert "Unrecognized arguments: b" in capsys.readouterr().err
