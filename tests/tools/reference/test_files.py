"""The page of files tells every key of what is written."""

from dataclasses import fields

import pytest

from mmtrans.runs.phase_file import Outcome
from tfrecords.manifest import Manifest, ModalityInfo, Shard, Summary, TextColumns
from tools.reference.files import files_page, keys_of


@pytest.mark.parametrize("kind", [Manifest, ModalityInfo, Shard, Summary, TextColumns, Outcome])
def test_each_key_is_told(kind):
    told = keys_of(kind.__doc__ or "")
    assert set(told) == {field.name for field in fields(kind)}
    assert [key for key, what in told.items() if f"| `{key}` | " not in files_page() or not what] == []


def test_keys_of_a_docstring():
    text = """Something.

    Attributes:
        one: what it is,
            in two lines: here.
        two, three: of both.

    Raises:
        ValueError: never.
    """
    assert keys_of(text) == {"one": "what it is, in two lines: here.", "two": "of both.", "three": "of both."}
    assert keys_of("Nothing more.") == {}


def test_the_inputs_of_an_export_are_told():
    assert "| `beam_width` | hypotheses kept at each step, 1 to 10000 |" in files_page()
