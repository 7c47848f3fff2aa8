"""The one rule for words: what is spoken, what is silence or noise, what is missing, in what bytes."""

from collections import Counter

import numpy as np
import pytest

from mmtrans.sources import words as rules
from mmtrans.sources.words import is_missing, read_transcript, read_words


def test_marks_are_told_from_words_whatever_their_case():
    counts = Counter()
    cells = ["SP", "sil", "nW", "{LG}", " ", "spn", "spa", "lg", "<unk>", "{x}", "(uhh)"]
    words, is_spoken = read_words(cells, counts)
    assert np.array(words)[is_spoken].tolist() == ["spa", "lg", "<unk>", "{x}", "(uhh)"]
    assert counts == {rules.PAUSES_REMOVED: 3, rules.NOISES_REMOVED: 3}


@pytest.mark.parametrize("value", [None, float("nan"), np.nan, np.float32("nan")])
def test_missing_is_none_and_nan_and_not_their_names(value):
    counts = Counter()
    words, is_spoken = read_words([value, "nan", "None"], counts)
    assert (words, is_spoken.tolist(), counts) == (["", "nan", "None"], [False, True, True], {rules.MISSING_REMOVED: 1})
    assert is_missing(value)
    assert not is_missing(0.0)


def test_bytes_are_utf_8_or_counted():
    counts = Counter()
    cells = ["ñ".encode(), "ñ".encode("latin-1"), b"don\x92t", b"\x81", "Ã±", "é", b"a\0\0", "\ufeffb", "\u3000c"]
    words, _ = read_words(cells, counts)
    assert words == ["ñ", "ñ", "don\u2019t", "\x81", "ñ", "é", "a", "b", "c"]
    assert counts == {rules.NOT_UTF_8: 3}


@pytest.mark.parametrize(
    ("value", "tokens"),
    [
        ("It WAS  good", ("it", "was", "good")),
        (b"caf\xc3\xa9 sp", ("café",)),
        (["It", "was", None], ("it", "was")),
        (np.array(["one text here"], object), ("one", "text", "here")),
        (np.array([["a", "b"]]), ("a", "b")),
    ],
)
def test_a_transcript_is_a_text_or_a_list_of_words(value, tokens):
    assert read_transcript(value, Counter()) == tokens


@pytest.mark.parametrize("value", [None, float("nan"), "", "  ", [], [None], np.array([np.nan], object)])
def test_a_transcript_that_is_missing_is_counted(value):
    counts = Counter()
    assert read_transcript(value, counts) == ()
    assert counts == {rules.NO_TRANSCRIPT: 1}


def test_half_characters_become_escapes_that_can_be_stored():
    assert read_words(["d\udc80"], Counter())[0] == ["d\\udc80"]
    assert read_transcript("A \ud800b", Counter()) == ("a", "\\ud800b")
