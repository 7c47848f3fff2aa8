import gzip
import io
import os
import re
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtrans.sources.glove import read_glove


def write(tmp_path, content):
    path = tmp_path / "glove.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_only_the_vocabulary_is_loaded_and_other_lines_are_not_parsed(tmp_path):
    path = write(tmp_path, "good 1 2 3\nbad x y z\nfilm -1 .5 1e2\n")
    vectors, dim = read_glove(path, {"film", "good", "missing"})
    assert dim == 3
    assert sorted(vectors) == ["film", "good"]
    assert vectors["film"].dtype == np.float32
    np.testing.assert_array_equal(vectors["film"], np.array([-1, 0.5, 100], np.float32))


def test_words_with_spaces_are_read_from_the_right(tmp_path):
    path = write(tmp_path, "a 1 2 3\n. . . 4 5 6\nat name@domain.com 7 8 9\n")
    vectors, _ = read_glove(path, {". . .", "at name@domain.com", "."})
    assert {word: vector.tolist() for word, vector in vectors.items()} == {
        ". . .": [4, 5, 6],
        "at name@domain.com": [7, 8, 9],
    }


def test_a_first_word_with_spaces_does_not_change_the_dimension(tmp_path):
    vectors, dim = read_glove(write(tmp_path, ". . 1 2\nb 3 4\n"), {"b", ". ."})
    assert dim == 2
    assert vectors["b"].tolist() == [3, 4]
    assert vectors[". ."].tolist() == [1, 2]


def test_a_word2vec_header_blank_lines_and_bytes_that_are_no_text_are_understood(tmp_path):
    vectors, dim = read_glove(write(tmp_path, b"2 2\r\n\xff\xfe 1 2\r\n\r\na 3 4\r\n"), {"a"})
    assert dim == 2
    assert vectors["a"].tolist() == [3, 4]


def test_the_first_of_two_vectors_counts(tmp_path):
    vectors, _ = read_glove(write(tmp_path, "a 1 2\na 3 4\n"), {"a"})
    assert vectors["a"].tolist() == [1, 2]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"There is no file of word vectors at .*none\.txt\. Expected a GloVe text file"
    ):
        read_glove(tmp_path / "none.txt", {"a"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("word\n", "must be a word and its numbers. Received: 'word'"),
        ("9 99999999999999999999\n", "must be a word and its numbers."),
        ("a 1 2 3\nb 1 2\n", "must be a word and 3 numbers. Received: 'b 1 2'"),
        ("a 1 2 3\nb 1 2 x\n", "must consist of finite numbers. Received: '1 2 x'"),
        ("a 1 2 3\nb 1 2 nan\n", "must consist of finite numbers. Received: '1 2 nan'"),
        ("a 1 2 3\nb 1 2 1e99\n", "must consist of finite numbers."),
        ("a 1 2 3\nb 1 2_0 3\n", "must consist of finite numbers. Received: '1 2_0 3'"),
        ("a 1 2 3\nb 1  3\n", "must consist of finite numbers. Received: '1  3'"),
    ],
)
def test_a_malformed_line_is_named_in_one_sentence(tmp_path, content, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        read_glove(write(tmp_path, content), {"a", "b"})
    assert "\n" not in str(caught.value)
    if content.startswith("a"):
        assert "line 2)" in str(caught.value)


PLAIN = b"good 1 2 3\nfilm -1 .5 4\ncaf\xc3\xa9 7 8 9\n"
VECTORS = {"good": [1, 2, 3], "film": [-1, 0.5, 4], "café": [7, 8, 9]}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(PLAIN, id="plain"),
        pytest.param(b"\xef\xbb\xbf" + PLAIN, id="byte order mark"),
        pytest.param(b"\xef\xbb\xbf3 3\n" + PLAIN, id="byte order mark and header"),
        pytest.param(PLAIN.replace(b" ", b"\t"), id="tabs"),
        pytest.param(b"3\t3\n" + PLAIN.replace(b" ", b"\t"), id="tabs and header"),
        pytest.param(b"3 3\n" + PLAIN.replace(b"d ", b"d\t"), id="some tabs after a header"),
        pytest.param(PLAIN.replace(b"\n", b"\r\n"), id="line ends of Windows"),
        pytest.param(PLAIN.replace(b"\n", b" \t \r\n"), id="blanks at the end"),
        pytest.param(b"\n" + PLAIN.replace(b"\n", b"\n\n"), id="blank lines"),
        pytest.param(PLAIN + b"film 0 0 0\nodd nan nan nan\n", id="a word again, NaN in a word that nobody wants"),
        pytest.param("cafe\u0301 7 8 9\ngood 1 2 3\nfilm -1 .5 4\n".encode(), id="characters composed otherwise"),
        pytest.param(PLAIN.rstrip(b"\n"), id="no line end at the end"),
    ],
)
def test_files_as_people_have_them_give_every_vector(tmp_path, content):
    vectors, dim = read_glove(write(tmp_path, content), VECTORS)
    assert dim == 3
    assert {word: vector.tolist() for word, vector in vectors.items()} == VECTORS


def zipped(content):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("glove.txt", content)
    return stream.getvalue()


BINARY = b"2 3\n" + b"good " + np.float32([1, 2, 3]).tobytes() + b"\nfilm " + np.float32([0, 0, 1]).tobytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(PLAIN), "it is a file compressed with gzip. .* Unpack it"),
        (zipped(PLAIN), "it is a zip archive. .* Unpack it"),
        (BINARY, r"it is word2vec's binary format. .* gensim"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "it is a pointer of git-lfs"),
        (b"<!DOCTYPE html><html>", "it is a web page"),
        (PLAIN.decode().encode("utf-16"), "it is text in UTF-16. .* Save it as UTF-8"),
        (b"good \0\0\0\n", "it is a binary file"),
        (b"", "it is an empty file"),
        (b"\xef\xbb\xbf\r\n \n", "is empty"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",  # archives hold times, which differ between workers
)
def test_a_file_of_another_kind_is_called_by_name(tmp_path, content, message):
    with pytest.raises(ValueError, match=rf"^The file of word vectors .*{message}[^\n]*$"):
        read_glove(write(tmp_path, content), {"good"})


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "glove.txt")
    with pytest.raises(ValueError, match=r"The file of word vectors cannot be read: it is a pipe\."):
        read_glove(tmp_path / "glove.txt", {"good"})


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_with_a_sentence(tmp_path_factory, content):
    path = write(tmp_path_factory.mktemp("glove"), content)
    assert outcome_of(path) is None


def outcome_of(path):
    """What is wrong with the way in which a file is read or refused, or `None`."""
    try:
        vectors, dim = read_glove(path, {"a", "0"})
    except ValueError as error:
        return None if re.fullmatch(r"[^\n]*word vector[^\n]*", str(error)) else str(error)
    return None if all(v.shape == (dim,) and np.isfinite(v).all() for v in vectors.values()) else vectors
