"""Numbers as text and in pickles: what is one, and what Python alone takes for one."""

import math

import numpy as np
import pytest

from mmtrans.sources.numerals import parse_number, to_numbers


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


@pytest.mark.parametrize(
    "value",
    [[[1.0, 2.5]], [[1, 2.5]], [["1.0", b"2.5"]], np.array([["1", "2.5"]]), np.array([[b" 1", b"2.5"]])],
)
def test_text_in_pickles_is_read_by_the_same_rule(value):
    assert to_numbers(value).tolist() == [[1.0, 2.5]]


@pytest.mark.parametrize("row", [list, tuple, np.float32, lambda cells: np.array(cells, object)])
def test_an_array_of_objects_is_read_as_a_list_of_them(row):
    objects = np.empty(2, object)
    objects[:] = [row([1.0, 2.5]), row([-3.0, 0.0])]
    assert to_numbers(objects).tolist() == [[1.0, 2.5], [-3.0, 0.0]]
    objects[1] = row([1.0])
    with pytest.raises(ValueError, match=r"inhomogeneous|sequence|broadcast"):
        to_numbers(objects)


def test_none_is_nan_and_whole_arrays_are_not_copied():
    np.testing.assert_array_equal(to_numbers([None, 1.5, True, "nan"]), [np.nan, 1.5, 1.0, np.nan])
    array = np.ones((2, 3))
    assert to_numbers(array) is array


@pytest.mark.parametrize(
    "value",
    ["1_0", ["1_0"], np.array([b"1_0"]), [None, "\uff11"], [[1], [1, 2]], [1j], np.array(["2020"], "M8[Y]"), [{}]],
)
def test_what_is_no_number_in_a_pickle_is_refused(value):
    with pytest.raises((ValueError, TypeError)):
        to_numbers(value)
