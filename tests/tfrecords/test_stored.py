import json
import os
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import pytest

from tfrecords.stored import Count, Finite, read_csv, read_json, read_npz

REMEDY = "Make it again."


@dataclass(frozen=True)
class Part:
    size: Count
    share: Finite = 0.5


@dataclass(frozen=True)
class Whole:
    parts: dict[str, Part]
    rows: tuple[Part, ...] = ()

    def __post_init__(self):
        if len(self.parts) == 5:
            raise ValueError("Five parts are too many.")


class Status(TypedDict):
    done: bool


def read(tmp_path, content, shape=Whole):
    path = tmp_path / "whole.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return read_json(path, shape, REMEDY)


def sentence(tmp_path, content, shape=Whole):
    with pytest.raises(ValueError, match=r"A file is damaged\. Expected .* Received: .*whole\.json") as caught:
        read(tmp_path, content, shape)
    message = str(caught.value)
    assert message.endswith(f"whole.json). {REMEDY}")
    assert "\n" not in message
    assert len(message) < 700 + len(str(tmp_path))
    return message


def test_a_dataclass_has_defaults_for_what_lacks_and_leaves_out_what_it_does_not_know(tmp_path):
    content = {"parts": {"a": {"size": 3, "colour": "red"}}, "later": [1]}
    assert read(tmp_path, content) == Whole({"a": Part(3, 0.5)})


def test_a_typed_dict_keeps_what_it_does_not_know(tmp_path):
    assert read(tmp_path, {"done": True, "later": [1]}, Status) == {"done": True, "later": [1]}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "Expected JSON. Received: an empty file"),
        (b" \n", "Expected JSON. Received: an empty file"),
        (b"[" * 3000 + b"]" * 3000, "Expected JSON. Received: RecursionError"),
        (b'{"a":' * 3000 + b"1" + b"}" * 3000, "Expected JSON. Received: RecursionError"),
        (b'{"parts": {"a"', "Expected JSON. Received: JSONDecodeError"),
        (b'{"parts": "\xff"}', "Expected JSON. Received: UnicodeDecodeError"),
        (b"1" * 5000, "Expected JSON. Received: ValueError Exceeds the limit"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "Expected JSON. Received: JSONDecodeError"),
        (b'{"parts": ' + b"[" * 400 + b"]" * 400 + b"}", "Expected a mapping. Received: parts=[[[...]]]"),
        ([], "Expected a mapping. Received: content=[]"),
        ({}, "Expected the key parts. Received: content without it"),
        ({"parts": 7}, "Expected a mapping. Received: parts=7"),
        ({"parts": {"a": {"size": 1}, "b": {}}}, "Expected the key size. Received: parts.b without it"),
        ({"parts": {"a": {"size": 1}, "b": None}}, "Expected a mapping. Received: parts.b=None"),
        ({"parts": {"a": {"size": 1}, "b": {"size": True}}}, "Expected a whole number. Received: parts.b.size=True"),
        ({"parts": {"a": {"size": -4}}}, "Expected a whole number >= 0. Received: parts.a.size=-4"),
        ({"parts": {"a": {"size": 10**34}}}, "Received: parts.a.size=10000000000000000000000000000000000 "),
        ({"parts": {}, "rows": [{"size": 1}, {"size": "1"}]}, "a whole number. Received: rows[1].size='1'"),
        ({"parts": {"a": {"size": 1, "share": float("nan")}}}, "a finite number. Received: parts.a.share=nan"),
        ({"parts": {"a": {"size": 1, "share": 10**400}}}, "parts.a"),
        ({"parts": {"x" * 900: 1}}, "Expected a mapping. Received: parts.xxx"),
        ({"parts": {k: {"size": 1} for k in "abcde"}}, "Received: content: Five parts are too many."),
    ],
)
def test_damage_is_one_sentence_that_names_file_and_key(tmp_path, content, expected):
    assert expected in sentence(tmp_path, content)


@pytest.mark.parametrize("length", range(1, 40))
def test_a_truncated_file_is_one_sentence(tmp_path, length):
    whole = json.dumps({"parts": {"a": {"size": 3, "share": 0.25}}}).encode()
    assert len(whole) > 40
    assert "Expected JSON" in sentence(tmp_path, whole[:length])


@pytest.mark.parametrize("read", [read_json, read_npz, read_csv])
@pytest.mark.parametrize(
    ("make", "what"),
    [
        (os.mkfifo, "a pipe or a device"),
        (os.mkdir, "a folder"),
        (lambda path: path.symlink_to("/dev/zero"), "a pipe or a device"),
    ],
)
def test_what_is_no_file_is_not_waited_for(tmp_path, read, make, what):
    path = tmp_path / "stored"
    make(path)
    shape = dict if read is read_json else {}
    with pytest.raises(ValueError, match=rf"A file is damaged\. .*Received: {what} \(.*stored\)\. {REMEDY}"):
        read(path, shape, REMEDY)


def write_npz(path):
    np.savez(path, **{"mean/audio": np.arange(3.0), "names": np.array(["a", "ü"])})
    return path.read_bytes()


def test_arrays_come_back(tmp_path):
    write_npz(tmp_path / "a.npz")
    arrays = read_npz(tmp_path / "a.npz", ["names"], REMEDY)
    assert arrays["mean/audio"].tolist() == [0.0, 1.0, 2.0]
    assert arrays["names"].tolist() == ["a", "ü"]


@pytest.mark.parametrize("bits", [0x01, 0xFF])
def test_a_flipped_byte_anywhere_is_one_sentence_or_changes_nothing(tmp_path, bits):
    path = tmp_path / "a.npz"
    whole = write_npz(path)
    refused = []
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ bits]) + whole[place + 1 :])
        try:
            arrays = read_npz(path, ["mean/audio", "names"], REMEDY)
        except ValueError as error:
            refused.append(str(error))
            continue
        # Such bytes hold no data: times of files, attributes, versions.
        assert arrays["mean/audio"].tolist() == [0.0, 1.0, 2.0]
        assert arrays["names"].tolist() == ["a", "ü"]
    assert len(refused) > 0.6 * len(whole)
    assert all(text.startswith("A file is damaged. Expected ") for text in refused)
    assert all(text.endswith(f"({path}). {REMEDY}") for text in refused)


def test_an_archive_cut_anywhere_is_one_sentence(tmp_path):
    path = tmp_path / "a.npz"
    whole = write_npz(path)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"A file is damaged\. Expected an \.npz archive\. Received: .*a\.npz"):
            read_npz(path, [], REMEDY)


def test_objects_and_missing_arrays_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, a=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match=r"Expected an \.npz archive\. Received: ValueError Object arrays.*a\.npz"):
        read_npz(path, [], REMEDY)
    write_npz(path)
    with pytest.raises(ValueError, match=r"Expected the arrays \['names', 'scale'\]. Received: missing=\['scale'\]"):
        read_npz(path, ["names", "scale"], REMEDY)


COLUMNS = {"id": str, "score": float}


def read_table(tmp_path, text):
    path = tmp_path / "table.csv"
    path.write_bytes(text)
    return read_csv(path, COLUMNS, REMEDY)


def test_rows_are_text_and_keep_columns_of_a_later_version(tmp_path):
    rows = read_table(tmp_path, b'id,score,later\n"a,b",1.50,x\nc,-2,\n')
    assert rows == [
        {"id": "a,b", "score": "1.50", "later": "x"},
        {"id": "c", "score": "-2", "later": ""},
    ]
    assert read_table(tmp_path, b"id,score\n") == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", r"Expected the columns \['id', 'score'\]. Received: missing=\['id', 'score'\]"),
        (b"id,mark\n", r"missing=\['score'\]"),
        (b"id,score\na\n", "Expected as many cells in each row as in the header. Received: line 2"),
        (b"id,score\na,1\nb,2,3\n", "as in the header. Received: line 3"),
        (b"id,score\na,1\nb,two\n", "Expected a number. Received: score='two', line 3"),
        (b"id,score\na,nan\n", "score='nan', line 2"),
        (b"id,score\na,1e999\n", "score='1e999', line 2"),
        (b"id,score\n\xff,1\n", "Expected a CSV file in UTF-8. Received: UnicodeDecodeError"),
        (b"id,score\n" + b"x" * 200_000 + b",1\n", "Expected a CSV file in UTF-8. Received: Error field larger"),
        (b'id,score\n"a', "Expected a CSV file in UTF-8. Received: Error unexpected end"),
    ],
)
def test_a_damaged_table_is_one_sentence(tmp_path, content, expected):
    with pytest.raises(ValueError, match=rf"A file is damaged\. .*{expected}.*table\.csv\)\. {REMEDY}"):
        read_table(tmp_path, content)
