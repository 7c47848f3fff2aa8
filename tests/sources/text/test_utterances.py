import re

import pytest

from mmtrans.sources.account import DropReason
from mmtrans.sources.text.utterances import (
    Utterance,
    is_table_of_text,
    lines_of,
    numbered,
    open_utterances,
    read_lines,
    read_rows,
)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("a b\nc", ["a b", "c"]),
        ("a b\nc\n", ["a b", "c"]),
        ("\n\na\n", ["", "", "a"]),
        ("a\x0bb\u2028c\r\nd\n", ["a\x0bb\u2028c\r", "d"]),
    ],
)
def test_each_line_end_ends_an_utterance(text, lines, tmp_path):
    assert lines_of(text) == numbered(lines)
    (tmp_path / "lines.txt").write_bytes(text.encode())
    assert read_lines(tmp_path / "lines.txt") == numbered(lines)


def test_a_byte_order_mark_is_no_word(tmp_path):
    (tmp_path / "lines.txt").write_bytes(b"\xef\xbb\xbfgood\n")
    assert read_lines(tmp_path / "lines.txt") == [Utterance("1", "good")]


def test_a_file_that_is_no_text(tmp_path):
    (tmp_path / "lines.txt").write_bytes(b"good\nna\xefve\n")
    with pytest.raises(ValueError, match=r"The text cannot be read: it is not UTF-8\..*byte 0xef \(.*line 2\)"):
        read_lines(tmp_path / "lines.txt")
    with pytest.raises(FileNotFoundError, match=r"There is no text at .*none\.txt\. Expected a text file with an utt"):
        read_lines(tmp_path / "none.txt")


def table(tmp_path, text, name="table.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('id,text\na7,"good, very good"\n,bad\n', [("a7", "good, very good"), ("2", "bad")]),
        ("label,ID, Transcript \nnice,x,good\n", [("x", "good")]),
        ("text\ngood\nbad\n", [("1", "good"), ("2", "bad")]),
        ("id,text\nx\n", [("x", "")]),
        ("text\n", []),
    ],
)
def test_rows_of_a_table(text, rows, tmp_path):
    path = table(tmp_path, text)
    assert is_table_of_text(path)
    assert [tuple(row) for row in read_rows(path)] == rows


@pytest.mark.parametrize(
    ("text", "received"),
    [
        ("id,label\na,good\n", "columns=['id', 'label']"),
        ("text,text\na,good\n", "columns=['text', 'text']"),
        ("text\ngood, very good\n", "more cells than columns"),
    ],
)
def test_a_table_that_cannot_be_read(text, received, tmp_path):
    with pytest.raises(ValueError, match=r"The table of text cannot be read\..*" + re.escape(received)):
        read_rows(table(tmp_path, text))


def test_what_is_no_table_of_text(tmp_path):
    assert not is_table_of_text(table(tmp_path, "id,words,text\n"))
    assert not is_table_of_text(table(tmp_path, "text\n", "table.txt"))
    assert not is_table_of_text(table(tmp_path, ""))
    assert not is_table_of_text(tmp_path)
    assert not is_table_of_text(tmp_path / "none.csv")


def test_words_are_those_of_transcripts_that_are_converted():
    utterances = numbered(["I  loved\tit", "sp {LG}", "", "caf\u00e9 sp ok!"])
    corpus = open_utterances(utterances, "--text")
    for _ in range(2):
        segments = list(corpus.read())
        assert [(s.id, s.video_id, s.tokens) for s in segments] == [
            ("1[0]", "1", ("I", "loved", "it")),
            ("4[0]", "4", ("caf\u00e9", "ok!")),
        ]
        assert [(left.id, left.reason) for left in corpus.account.left] == [
            ("2", DropReason.NOTHING_SPOKEN),
            ("3", DropReason.NOTHING_SPOKEN),
        ]
        assert corpus.cleaning == {
            "words: pauses (sp) removed": 2,
            "words: marks of noise (NW, {LG}, …) removed": 1,
        }
    assert corpus.vocabulary == {"i", "loved", "it", "sp", "{lg}", "caf\u00e9", "ok!"}
