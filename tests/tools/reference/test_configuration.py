"""The page of the configuration tells of each field what its declaration says."""

from dataclasses import dataclass
from typing import Literal

import pytest

from mmtrans.config import FIELDS
from mmtrans.config.conditions import BOTH
from mmtrans.config.fields import Section, option
from tools.reference.configuration import _section, configuration_page, reasons, values


def test_every_field_has_one_row():
    rows = [line for line in configuration_page().splitlines() if line.startswith("| `")]
    assert [name for name in FIELDS if sum(row.startswith(f"| `{name}` | ") for row in rows) != 1] == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("units", "whole number, 1 to 1,000,000"),
        ("seed", "whole number, 0 to 2,147,483,647"),
        ("epochs", "whole number, 1 or more"),
        ("ema", "number, 0 to 0.99999"),
        ("cell", "`lstm`, `gru`"),
        ("stop", "`true`, `false`"),
        ("recipe", "text"),
    ],
)
def test_the_values_of_a_field(name, expected):
    assert values(FIELDS[name]) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("seed", []),
        ("decay_epochs", ["`schedule: constant`"]),
        ("finetune", ["`pretrain: true`", "the recipe translates nothing", "`objective: joint`"]),
        ("translation_loss", ["the recipe translates nothing", "`target: tokens`, without a cycle"]),
        ("free_bits", ["the recipe translates nothing", "`bottleneck: none`", "`kl_weight: 0.0`"]),
        ("freeze", ["the recipe translates nothing", '`init: ""`']),
        ("sampling_steps", ["the recipe translates nothing", "true frames and tokens alone are fed"]),
    ],
)
def test_when_a_field_has_no_effect(name, expected):
    assert reasons(FIELDS[name]) == expected


@dataclass(frozen=True, kw_only=True)
class Sizes(Section):
    """How large it is."""

    width: int = option(3, "units a|b", ("translation",), low=1)
    kind: Literal["a", "b"] = option("b", "which <one>", BOTH)


@dataclass(frozen=True, kw_only=True)
class Written(Section):
    """What is written."""

    rate: float = option(0.5, "rate", ("translation",), low=0.0, high=1.0)


def test_what_all_fields_of_a_section_need_is_told_once():
    assert _section("sizes", Sizes)[1:] == (
        "How large it is.",
        "| field | default | what it is | values | no effect if |\n| --- | --- | --- | --- | --- |\n"
        "| `width` | `3` | units a&#124;b | whole number, 1 or more | the recipe translates nothing |\n"
        "| `kind` | `b` | which &lt;one> | `a`, `b` |  |",
    )
    title, text, rows = _section("written", Written)
    assert (title, text) == (
        "## written",
        "What is written. No field of it has an effect if the recipe translates nothing.",
    )
    assert rows.splitlines()[-1] == "| `rate` | `0.5` | rate | number, 0 to 1 |  |"
