import math
from dataclasses import replace

import pytest

from mmtrans.config import Config
from mmtrans.search.oracles import to_keras_tuner
from mmtrans.search.space import (
    DEFAULTS,
    Choices,
    Interval,
    check_effect,
    default_space,
    from_keras_tuner,
    parse_space,
)

TRANSLATION = Config(recipe="T->A")


def parse(specs, config=TRANSLATION):
    return parse_space(specs, config, "here")


def test_the_default_space_is_a_space_of_what_the_recipe_reads():
    weights = {"similarity_weight", "difference_weight", "reconstruction_weight"}
    others = {"fusion_layers", "fusion_dropout", "fusion_topology", *weights}
    sizes = {"fusion_units", "fused_units", "fusion_rank", *others}
    assert list(default_space(TRANSLATION)) == [name for name in DEFAULTS if name not in sizes]
    assert list(parse(default_space(TRANSLATION))) == list(default_space(TRANSLATION))
    encoder = {"units", "num_layers", "attention_units", "dropout"}
    baseline, fusion = Config(recipe="T"), Config(recipe="lmf(T,A)")
    assert set(DEFAULTS) - set(default_space(baseline)) == encoder | sizes
    assert set(DEFAULTS) - set(default_space(fusion)) == {*encoder, *others}
    parse(default_space(fusion), fusion)
    parse(default_space(baseline), baseline)
    assert "attention_units" not in default_space(replace(TRANSLATION, attention="none"))
    assert "cell" not in default_space(TRANSLATION, fixed=["cell"])


@pytest.mark.parametrize(
    ("name", "spec", "expected"),
    [
        ("units", {"low": 16, "high": 128, "sampling": "log"}, Choices((16, 32, 64, 128))),
        ("units", {"low": 10, "high": 100, "step": 3, "sampling": "log"}, Choices((10, 30, 90))),
        ("units", {"low": 3, "high": 6}, Choices((3, 4, 5, 6))),
        ("units", [8, 8, 4], Choices((8, 4))),
        ("units", 7, Choices((7,))),
        ("dropout", {"low": 0, "high": 0.3, "step": 0.1}, Choices((0.0, 0.1, 0.2, 0.3))),
        ("dropout", [0, 0.5], Choices((0.0, 0.5))),
        ("learning_rate", {"low": "1e-4", "high": "1e-2", "sampling": "log"}, Interval(1e-4, 1e-2, "log")),
        ("learning_rate", ["1e-3", 0.01], Choices((1e-3, 1e-2))),
        ("cell", ["lstm", "gru"], Choices(("lstm", "gru"))),
        ("bidirectional", [True, False], Choices((True, False))),
    ],
)
def test_what_is_tried(name, spec, expected):
    assert parse({name: spec}) == {name: expected}


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        (
            {"epochs": 3, "seed": [1]},
            r"cannot be searched\. .*Received: \['epochs', 'seed'\] \(here\)\. Use --recipe, --seed",
        ),
        ({"unit": 3, 3: 4}, r"Unknown configuration fields\. .*Received: \['3', 'unit'\] \(here\)"),
        ({"units": [0]}, r"units is out of range\. .*units=0\. Give a larger one\. Correct the space \(here\)"),
        ({"units": [4.5]}, r"Wrong type\. Expected int\. Received: units=4\.5"),
        ({"units": None}, r"Wrong type\. .*units=None"),
        ({"units": []}, r"units has no values"),
        ({"cell": ["rnn"]}, r"Unknown cell"),
        ({"cell": {"low": 1, "high": 2}}, r"cell has no range"),
        ({"bidirectional": {"low": 0, "high": 1}}, r"bidirectional has no range"),
        ({"dropout": {"low": 0.5, "high": 0.99}}, r"dropout is out of range\. .*dropout=0\.99"),
        ({"dropout": {"low": 0.5, "high": 0.5}}, r"dropout is not a range"),
        ({"dropout": {"low": 0, "high": 0.5, "sampling": "log"}}, r"dropout is not a range"),
        ({"dropout": {"low": 0.1, "high": math.inf}}, r"dropout is not a range"),
        ({"dropout": {"low": 0.1}}, r"dropout is not a range\. .*Received: \{'low': 0\.1\} \(here\)"),
        ({"dropout": {"low": 0.1, "high": 0.2, "max": 1}}, r"dropout is not a range"),
        ({"dropout": {"low": 0.1, "high": 0.2, "step": 0}}, r"dropout is not a range"),
        ({"units": {"low": 1, "high": 9, "step": 1, "sampling": "log"}}, r"units is not a range"),
        ({"units": {"low": 1.5, "high": 9}}, r"units is not a range\. Expected low < high, whole"),
        ({"units": {"low": True, "high": 9}}, r"units is not a range"),
        ({"units": {"low": 1, "high": 10**400}}, r"units is not a range"),
        (
            {"cycle_weight": {"low": 1e-3, "high": 1e300, "step": 1e200, "sampling": "log"}},
            r"cycle_weight is not a range",
        ),
        ({"clip_norm": [math.inf]}, r"clip_norm is out of range\. Expected at most 1e\+30\. Received: clip_norm=inf"),
        ({"units": {"low": 1, "high": 2**31}}, r"units has too many values"),
    ],
)
def test_bad_spaces_are_refused(specs, message):
    with pytest.raises(ValueError, match=message):
        parse(specs)


def test_a_field_without_effect_is_refused():
    with pytest.raises(
        ValueError,
        match=r"no effect here\..*Received: attention_units \(T .*\), units \(T translates nothing\) \(here\)",
    ):
        check_effect({"units": [1, 2], "attention_units": [1, 2]}, Config(recipe="T"), "here")
    with pytest.raises(ValueError, match=r"Received: kl_weight \(bottleneck='none'\) \(here\)"):
        check_effect({"kl_weight": [0.1, 1]}, TRANSLATION, "here")
    # What gives it an effect is searched, too.
    check_effect({"bottleneck": ["none", "vae"], "kl_weight": [0.1, 1]}, TRANSLATION, "here")


def test_a_space_may_be_written_by_sections():
    assert parse({"encoder": {"units": [3, 4]}, "dropout": 0.1}) == parse({"units": [3, 4], "dropout": 0.1})


def test_values_outlive_the_wire_of_keras_tuner():
    space = parse(
        {
            "dropout": [0.1, 0.2],
            "bidirectional": [True, False],
            "units": [3, 4],
            "learning_rate": {"low": 1e-4, "high": 0.0123457, "sampling": "log"},
        }
    )
    values = {"dropout": "0.1", "bidirectional": "False", "units": "4", "learning_rate": 0.012345612}
    hyperparameters = to_keras_tuner(space)
    hyperparameters.values = values
    received = type(hyperparameters).from_proto(hyperparameters.to_proto()).values
    expected = {"dropout": 0.1, "bidirectional": False, "units": 4, "learning_rate": 0.0123456}
    assert from_keras_tuner(space, values) == from_keras_tuner(space, received) == expected
    # Rounded beyond its end.
    assert from_keras_tuner(space, {**values, "learning_rate": 0.01234574})["learning_rate"] == 0.0123457
