"""The one rule for words: what is spoken, what is silence or noise, what is missing, in what bytes."""

import numpy as np
import pytest

from mmtrans.sources.account import WORDS, Account, Cleaned, Treated
from mmtrans.sources.words import is_missing, read_transcript, read_words


def test_marks_are_told_from_words_whatever_their_case():
    account = Account()
    cells = ["SP", "sil", "nW", "{LG}", " ", "spn", "spa", "lg", "<unk>", "{x}", "(uhh)"]
    words, is_spoken = read_words(cells, account)
    assert np.array(words)[is_spoken].tolist() == ["spa", "lg", "<unk>", "{x}", "(uhh)"]
    assert account.treated == {Treated(WORDS, Cleaned.PAUSES): 3, Treated(WORDS, Cleaned.NOISES): 3}


@pytest.mark.parametrize("value", [None, float("nan"), np.nan, np.float32("nan")])
def test_missing_is_none_and_nan_and_not_their_names(value):
    account = Account()
    words, is_spoken = read_words([value, "nan", "None"], account)
    assert (words, is_spoken.tolist()) == (["", "nan", "None"], [False, True, True])
    assert account.treated == {Treated(WORDS, Cleaned.MISSING): 1}
    assert is_missing(value)
    assert not is_missing(0.0)


def test_bytes_are_utf_8_or_counted():
    account = Account()
    cells = ["ñ".encode(), "ñ".encode("latin-1"), b"don\x92t", b"\x81", "Ã±", "é", b"a\0\0", "\ufeffb", "\u3000c"]
    words, _ = read_words(cells, account)
    assert words == ["ñ", "ñ", "don\u2019t", "\x81", "ñ", "é", "a", "b", "c"]
    assert account.treated == {Treated(WORDS, Cleaned.NOT_UTF_8): 3}


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
    assert read_transcript(value, Account()) == tokens


@pytest.mark.parametrize("value", [None, float("nan"), "", "  ", [], [None], np.array([np.nan], object)])
def test_a_transcript_that_is_missing_is_counted(value):
    account = Account()
    assert read_transcript(value, account) == ()
    assert account.treated == {Treated(WORDS, Cleaned.NO_TRANSCRIPT): 1}


def test_half_characters_become_escapes_that_can_be_stored():
    assert read_words(["d\udc80"], Account())[0] == ["d\\udc80"]
    assert read_transcript("A \ud800b", Account()) == ("a", "\\ud800b")
