"""Numbers as text: what is one, and what Python alone takes for one."""

import math

import pytest

from mmtrans.sources.numerals import parse_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("10", 10.0),
        (" -0.5\t", -0.5),
        ("+.5", 0.5),
        ("3.", 3.0),
        ("1E-3", 0.001),
        ("-INF", -math.inf),
        ("1e999", math.inf),
    ],
)
def test_numbers(text, number):
    assert parse_number(text) == number


def test_nan():
    assert math.isnan(parse_number("NaN"))


@pytest.mark.parametrize("text", ["", "1_0", "\u0663", "\uff11", "0x1", "1,5", "1e", ".", "- 1", "1 2", "none"])
def test_what_is_no_number_is_refused(text):
    with pytest.raises(ValueError, match="A number is not understood"):
        parse_number(text)
