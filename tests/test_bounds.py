import math

import pytest

from mmtrans.bounds import MOST_REAL, MOST_WHOLE, check_number


@pytest.mark.parametrize(
    ("value", "bounds"),
    [
        (0, {}),
        (-MOST_WHOLE, {}),
        (MOST_WHOLE, {"low": 1}),
        (MOST_REAL, {"low": 0.0}),
        (-2.5, {"low": -2.5, "high": 2.5}),
        (7, {"low": 1, "most": 7}),
    ],
)
def test_bounds_are_inclusive(value, bounds):
    check_number("size", value, **bounds)


@pytest.mark.parametrize(
    ("value", "bounds", "message"),
    [
        (0, {"low": 1}, "Expected at least 1. Received: size=0. Give a larger one."),
        (8, {"low": 1, "most": 7}, "Expected at most 7. Received: size=8. Give a smaller one."),
        (10**35, {"low": 0}, f"Expected at most 2147483647. Received: size={10**35}. Give a smaller one."),
        (math.inf, {"low": 0.5}, "Expected at most 1e+30. Received: size=inf. Give a smaller one."),
        (math.nan, {"low": 0.5}, "Expected at least 0.5. Received: size=nan. Give a number."),
        (math.nan, {}, "Expected a finite number. Received: size=nan. Give a number."),
        (-math.inf, {}, "Expected at least -1e+30. Received: size=-inf. Give a larger one."),
        (-(10**35), {}, f"Expected at least -2147483647. Received: size={-(10**35)}. Give a larger one."),
        (
            math.nan,
            {"low": 0.0, "high": 0.9},
            "Expected a value between 0.0 and 0.9. Received: size=nan. Give a number.",
        ),
        (
            1.5,
            {"low": 0.0, "high": 0.9},
            "Expected a value between 0.0 and 0.9. Received: size=1.5. Give a smaller one.",
        ),
    ],
)
def test_what_is_beyond_is_named(value, bounds, message):
    with pytest.raises(ValueError, match=r"^size is out of range\. ") as caught:
        check_number("size", value, **bounds)
    assert str(caught.value).endswith(message)


def test_a_flag_is_named_as_it_was_written():
    with pytest.raises(
        ValueError, match=r"^--label-shift is out of range\. .*Received: label_shift=nan\. Give a number\.$"
    ):
        check_number("--label-shift", math.nan)
