"""The pages of Python names list what there is, with its first sentence."""

import ast
import re

import pytest

from tools.reference.python import API, api_page, docstring_of, example_of, room_page, tree_of

ROWS = re.compile(r"^\| \[`(\w+)`\]\(#([\w.]+)\) \| (.*) \|$", re.MULTILINE)


def names_of_api():
    lists = [node.value for node in tree_of("mmtrans.api").body if ast.unparse(node).startswith("__all__")]
    return ast.literal_eval(lists[0])


def test_each_name_of_the_api_stands_in_one_part():
    assert sorted(name for names in API.values() for name in names) == sorted(names_of_api())


@pytest.mark.parametrize(
    "text", [api_page(), room_page("Layers", "mmtrans.layers", (ast.ClassDef,))], ids=["api", "layers"]
)
def test_each_name_has_a_row_and_a_place_to_which_it_leads(text):
    rows = ROWS.findall(text)
    assert [identifier for _, identifier, what in rows if not what] == []
    assert [identifier for _, identifier, _ in rows] == re.findall(r"^::: (.+)$", text, re.MULTILINE)
    assert len(rows) == len(set(rows)) > 10


def test_a_room_lists_what_is_asked_for_and_public():
    layers = dict(row[::2] for row in ROWS.findall(room_page("Layers", "mmtrans.layers", (ast.ClassDef,))))
    assert layers["MeanPooling"] == "Mean over time."
    assert not {"masked_softmax", "_halves"} & set(layers)
    functions = dict(row[:2] for row in ROWS.findall(room_page("Layers", "mmtrans.layers", (ast.FunctionDef,))))
    assert functions["masked_softmax"] == "mmtrans.layers.attention.masked_softmax"
    assert not {"MeanPooling", "_halves"} & set(functions)


def test_what_is_overloaded_is_told_by_its_last_docstring():
    assert docstring_of("mmtrans.notebook.entries", "convert").startswith("Converts a corpus into records.")


def test_each_name_of_the_api_and_each_layer_has_its_example_below_it():
    example = r"^::: ([\w.]+)\n\n```pycon\n>>> "
    api = re.findall(example, api_page(), re.MULTILINE)
    assert sorted(identifier.split(".")[-1] for identifier in api) == sorted(names_of_api())
    layers = re.findall(example, room_page("Layers", "mmtrans.layers", (ast.ClassDef,)), re.MULTILINE)
    assert {"mmtrans.layers.encoder.Encoder", "mmtrans.layers.attention.MeanPooling"} <= set(layers)


def test_an_example_is_what_the_docstring_has():
    text = """Doubles.

    Returns:
        twice the number.

    Example:
        ```pycon
        >>> for number in (2,):
        ...     double(number)

        4
        ```

    Raises:
        ValueError: never.
    """
    assert example_of(text) == "```pycon\n>>> for number in (2,):\n...     double(number)\n\n4\n```"
    assert example_of("Doubles.") == ""
