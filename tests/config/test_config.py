import dataclasses
import math
import pickle

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtrans.config import FIELDS, Config, digest, sections_of
from mmtrans.config.fields import fields_in
from mmtrans.config.files import dump_yaml, known_fields, load_yaml
from mmtrans.config.translation import EncoderConfig


def values_of(field):
    """A strategy for the values that a field accepts."""
    kind = field.kind
    if field.choices:
        return st.sampled_from(field.choices)
    if kind is int:
        return st.integers(field.low, field.high if field.high is not None else 10**6)
    if kind is float:
        return st.floats(field.low, field.high if field.high is not None else 1e6)
    if field.name == "tune_text_encoder":
        return st.sampled_from(["0", 3, "12", "all"])
    if field.name == "valid_label_fraction":
        return st.sampled_from(["same", "0.5", 0.25, 1])
    return {bool: st.booleans(), str: st.sampled_from(["T->A", "concat(T,V)", "embed(T,A)->V"])}[kind]


configs = st.fixed_dictionaries({}, optional={name: values_of(field) for name, field in FIELDS.items()})


@settings(deadline=None, max_examples=15)
@given(configs)
def test_yaml_round_trips(tmp_path_factory, fields):
    config = Config(**fields)
    path = tmp_path_factory.getbasetemp() / "config.yaml"
    for written in (config.to_sections(), config.to_dict()):
        path.write_text(dump_yaml(written), encoding="utf-8")
        assert Config(**load_yaml(path)) == config
        assert list(load_yaml(path)) == list(FIELDS)


def test_every_field_says_what_it_is():
    for name, field in FIELDS.items():
        assert field.help, name
        assert set(field.phases) <= {"translation", "sentiment", "joint"}, name
        assert field.choices or field.kind in (int, float, bool, str)
        assert field.default == field.checked(field.default)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"cell": "rnn"}, r"Unknown cell\. Expected one of \['lstm', 'gru'\]\. Received: cell='rnn'\."),
        ({"cell": ["lstm"]}, r"Unknown cell\. .*Received: cell=\['lstm'\]\."),
        (
            {"target": "words"},
            r"Unknown target\. Expected one of \['features', 'tokens'\]\. Received: target='words'\.",
        ),
        ({"units": 0}, r"units is out of range\. Expected at least 1\. Received: units=0\."),
        ({"units": 8.0}, r"Wrong type\. Expected int\. Received: units=8\.0\."),
        ({"units": True}, r"Wrong type\. Expected int\. Received: units=True\."),
        ({"dropout": True}, r"Wrong type\. Expected float\. Received: dropout=True\."),
        ({"dropout": "0.3"}, r"Wrong type\. Expected float\. Received: dropout='0\.3'\."),
        ({"dropout": 1}, r"dropout is out of range\. Expected a value between 0\.0 and 0\.95\. Received: dropout=1\.0"),
        ({"dropout": math.nan}, r"dropout is out of range\. .*Received: dropout=nan\."),
        ({"clip_norm": math.nan}, r"clip_norm is out of range\. Expected at least 1e-06\. Received: clip_norm=nan\."),
        ({"clip_norm": math.inf}, r"clip_norm is out of range\. Expected at most 1e\+30\. Received: clip_norm=inf\."),
        ({"kl_weight": 10**400}, r"kl_weight is out of range\. Expected at most 1e\+30\. Received: kl_weight=inf\."),
        ({"decoder_units": 10**9}, r"decoder_units is out of range\. Expected at most 1000000\."),
        ({"patience": 10**20}, r"patience is out of range\. Expected at most 2147483647\."),
        ({"seed": -1}, r"seed is out of range\. Expected a value between 0 and 2147483647\. Received: seed=-1\."),
        ({"finetune": 1}, r"Wrong type\. Expected bool\. Received: finetune=1\."),
        ({"patience": None}, r"Wrong type\. Expected int\. Received: patience=None\."),
        ({"recipe": 3}, r"Wrong type\. Expected str\. Received: recipe=3\."),
        (
            {"valid_label_fraction": "few"},
            r"valid_label_fraction is no share\. Expected 0\.01 to 1, or same\. .*='few'\. Give the share",
        ),
        ({"valid_label_fraction": 0}, r"valid_label_fraction is out of range\. .*Received: valid_label_fraction=0"),
        ({"valid_label_fraction": "nan"}, r"valid_label_fraction is out of range\."),
        ({"tune_text_encoder": True}, r"Wrong type\. Expected str\. Received: tune_text_encoder=True\."),
        ({"tune_text_encoder": "-1"}, r"tune_text_encoder is no number of layers\. Expected 0 to 1000, or all\."),
        ({"tune_text_encoder": 1001}, r"tune_text_encoder is no number of layers\. .*='1001'\. Give how many"),
        ({"recipe": "T->Z"}, r"Not a recipe\. .*character 4\. Received: 'Z'"),
    ],
)
def test_wrong_values_are_refused(fields, message):
    with pytest.raises(ValueError, match="^" + message):
        Config(**fields)


@pytest.mark.parametrize("name", sorted(name for name, field in FIELDS.items() if field.low is not None))
def test_bounds_are_inclusive(name):
    field = FIELDS[name]
    for bound, outside in ((field.low, -1), (field.high, 1)):
        if bound is None:
            continue
        assert Config(**{name: bound}).to_dict()[name] == bound
        beyond = bound + outside if field.kind is int else math.nextafter(bound, outside * math.inf)
        with pytest.raises(ValueError, match=rf"^{name} is out of range\."):
            Config(**{name: beyond})


def test_values_are_canonical():
    config = Config(recipe=" embed( T,A ) ->V ", learning_rate=1)
    assert config.plan.recipe == "embed(T,A)->V"
    assert config.optimisation.learning_rate == 1.0
    assert isinstance(config.optimisation.learning_rate, float)
    assert config.digest() == Config(recipe="embed(T,A)->V", learning_rate=1.0).digest()


def test_the_share_of_the_valid_labels_may_be_that_of_train():
    shares = {value: Config(label_fraction=0.2, valid_label_fraction=value).plan.valid_share for value in ("same", 0.5)}
    assert shares == {"same": 0.2, 0.5: 0.5}
    assert Config(valid_label_fraction=1).digest() == Config().digest()
    assert Config(valid_label_fraction="5e-1") == Config(valid_label_fraction=0.5)


def test_a_fixed_number_of_steps_is_that_of_the_sentiment_in_whole_epochs():
    config = Config(epochs=9, fixed_steps=7)
    assert (config.for_phase(False, 3).optimisation.epochs, config.for_phase(False, 3).optimisation.fixed_steps) == (
        9,
        0,
    )
    assert [config.for_phase(True, steps).optimisation.epochs for steps in (1, 3, 7, 8)] == [7, 3, 1, 1]
    assert config.for_phase(True, 3).optimisation.fixed_steps == 7
    assert Config(epochs=9).for_phase(True, 3) == Config(epochs=9)
    assert "fixed_steps" not in Config().read_by("sentiment")
    assert config.read_by("translation") == Config().read_by("translation")


def test_a_config_cannot_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().encoder.units = 3
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().encoder = Config().encoder


def other_value(name):
    """A value that is not the field's default."""
    kind, default = FIELDS[name].kind, FIELDS[name].default
    if FIELDS[name].choices:
        return next(choice for choice in FIELDS[name].choices if choice != default)
    if kind is str:
        return {"tune_text_encoder": "2", "valid_label_fraction": "same"}.get(name, "A")
    return {bool: not default, int: default + 1, float: default / 2 or 0.25}[kind]


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_the_digest_knows_every_field(name):
    differs = Config(**{name: other_value(name)}).digest() != Config().digest()
    assert differs == (name != "epochs")  # a run that is told to go on for longer is the same run


def test_the_digest_is_stable():
    assert digest({"b": 1, "a": [2]}) == digest({"a": [2], "b": 1}) != digest({"a": 1, "b": [2]})
    assert len(Config().digest()) == 8
    assert set(Config().digest()) <= set("0123456789abcdef")


def test_phases_read_their_fields():
    translation, sentiment, joint = (Config().read_by(kind) for kind in ("translation", "sentiment", "joint"))
    assert {"decoder_units", "attention", "feature_sampling", "translation_loss"} <= set(translation) - set(sentiment)
    assert {"regressor_units", "pooling", "finetune", "representation"} <= set(sentiment) - set(translation)
    assert {"units", "cell", "batch_size", "learning_rate"} <= set(translation) & set(sentiment)
    for name in ("seed", "recipe", "epochs"):
        assert name not in {**translation, **sentiment}
    assert set(joint) == {*translation, *sentiment, "translation_weight", "sentiment_weight", "joint_warmup_steps"}
    assert Config(units=7).read_by("translation")["units"] == 7


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"There is no configuration file at .*absent\.yaml\. Expected a YAML file"
    ):
        load_yaml(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"units: \xff\xfe",
            r"The configuration file cannot be read: it is not UTF-8\..*byte 0xff .*bad\.yaml, line 1",
        ),
        (b"", "The configuration file cannot be read: it is an empty file"),
        (b"units: [1", r"Not a YAML file\..* Received: config=.*bad\.yaml \(ParserError"),
        (b"units: " + b"[" * 3000, r"Not a YAML file\..* Received: config=.*bad\.yaml \(RecursionError"),
        (b"{a: " * 3000, r"Not a YAML file\..* Received: config=.*bad\.yaml \(RecursionError"),
        (b"units: !!int ''", r"Not a YAML file\..*bad\.yaml \(IndexError"),
        (b"cell: !!bool lstm", r"Not a YAML file\..*bad\.yaml \(KeyError"),
        (b"units: !!timestamp 3", r"Not a YAML file\..*bad\.yaml \(AttributeError"),
        (b"init: 2020-13-45", r"Not a YAML file\..*bad\.yaml \(ValueError: month"),
        (b"units: 3\ncell: gru\nunits: 4\n", r"A name is used twice\..*\['units'\] \(.*bad\.yaml\)"),
        (b"units: 1" + b"0" * 34, r"units is out of range\. Expected at most 1000000\..*in .*bad\.yaml"),
        (b"units: 1" + b"0" * 5000, r"Not a YAML file\..*bad\.yaml \(ValueError: Exceeds"),
        (b"decay_epochs: 1e999", r"decay_epochs is out of range\..*=inf\. .*The value stands in .*bad\.yaml"),
        (b"kl_weight: .nan", r"kl_weight is out of range\..*=nan\. .*The value stands in .*bad\.yaml"),
        (b"units: &a [*a]", r"Wrong type\. Expected int\. Received: units=\[\[.*The value stands in .*bad\.yaml"),
        (b"recipe: T->", r"Not a recipe\..*The value stands in .*bad\.yaml"),
        (b"- units\n- cell\n", r"must be a mapping of field: value\. Received: list"),
        (b"zebra: 1\nunits: 3\n7: 2\nanna: 1\n", r"Unknown configuration fields\..*Received: \['7', 'anna', 'zebra'\]"),
        (b"a: !!python/object/apply:os.system [true]\n", r"Not a YAML file\."),
    ],
)
def test_bad_files_are_refused(tmp_path, content, message):
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        load_yaml(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("encoder: {units: 3}\nunits: 4\n", r"A field is given twice\..*Received: \['units'\] \(.*sections\.yaml\)"),
        ("encoder: {decoder_units: 3}\nzebra: 1", r"Unknown .*Received: \['encoder\.decoder_units', 'zebra'\]"),
        ("encoder: 3", r"Unknown configuration fields\. .*Received: \['encoder'\]"),
        ("encoder: {units: 0}", r"units is out of range\. .*The value stands in .*sections\.yaml"),
        ("units: {encoder: 3}", r"Wrong type\. Expected int\."),
    ],
)
def test_bad_sections_are_refused(tmp_path, content, message):
    path = tmp_path / "sections.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        load_yaml(path)


def test_sections_and_fields_may_stand_side_by_side(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("plan: {recipe: A->T}\nencoder:\n  units: 12\ndecoder:\nbatch_size: 3\n", encoding="utf-8")
    assert load_yaml(path) == {"recipe": "A->T", "units": 12, "batch_size": 3}


def test_a_file_may_use_the_name_of_an_earlier_version(monkeypatch):
    monkeypatch.setattr("mmtrans.config.files.RENAMED", {"hidden": "units"})
    assert known_fields({"hidden": 3}, "here") == known_fields({"encoder": {"hidden": 3}}, "here") == {"units": 3}
    with pytest.raises(ValueError, match=r"given twice\. .*\['units'\]"):
        known_fields({"hidden": 3, "units": 3}, "here")


def test_a_configuration_is_made_of_fields_and_of_sections():
    config = Config(encoder=EncoderConfig(units=3, cell="gru"), cell="lstm", recipe="T")
    assert config == Config(units=3, recipe="T")
    assert dataclasses.replace(config, units=5, encoder=config.encoder) == Config(units=5, recipe="T")
    assert config.to_sections()["encoder"] == dataclasses.asdict(config.encoder)
    assert pickle.loads(pickle.dumps(config)) == config
    with pytest.raises(TypeError, match=r"no such fields: \['unit'\]"):
        Config(unit=3)


def test_no_name_is_used_twice():
    names = [name for section in sections_of(Config).values() for name in fields_in(section)]
    assert sorted(names) == sorted(FIELDS)
    assert not set(names) & set(sections_of(Config))


def test_a_file_may_name_some_fields(tmp_path):
    path = tmp_path / "some.yaml"
    path.write_text("# mine\nunits: 12\nrecipe: A->T\n", encoding="utf-8")
    assert load_yaml(path) == {"units": 12, "recipe": "A->T"}
    assert Config(**load_yaml(path)) == Config(units=12, recipe="A->T")


def test_yaml_text_keeps_the_order():
    assert list(yaml.safe_load(dump_yaml({"units": 1, "cell": "gru", "dropout": 0.5}))) == ["units", "cell", "dropout"]


def test_yaml_reads_exponents_without_a_dot(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("learning_rate: 1e-3\nrecipe: T\n", encoding="utf-8")
    assert load_yaml(path) == {"learning_rate": 1e-3, "recipe": "T"}


def test_a_digest_names_configuration_and_records_but_not_how_long():
    assert Config(epochs=3).digest("a") == Config(epochs=4).digest("a")
    assert Config().digest("a") != Config().digest("b")
    assert Config(units=3).digest("a") != Config(units=4).digest("a")
