"""The account's keys, its words, which stand in manifests, and the way back."""

import json

import pytest

from mmtrans.sources.account import LABELS, WORDS, Account, Cleaned, DropReason, Treated, treated_of
from mmtrans.sources.untrusted.wire import account_of, decode, encode_account
from tfrecords.manifest import DroppedSegment


@pytest.mark.parametrize("what", Cleaned)
@pytest.mark.parametrize("of", ["text", "audio", "video", WORDS, LABELS])
def test_keys_are_read_back_from_their_words(what, of):
    detail = "-3 to 3" if "{}" in what.value else ""
    assert treated_of(Treated(of, what, detail).words) == Treated(of, what, detail)


@pytest.mark.parametrize("words", ["audio: frames of another version", "audio", "frames with NaN", ""])
def test_words_of_another_version_are_no_key(words):
    assert treated_of(words) is None


def test_the_words_that_stand_in_manifests_stay_what_they_are():
    words = [what.value for what in Cleaned] + [reason.value for reason in DropReason]
    assert words == [
        "frames with NaN",
        "frames with infinity",
        "frames with whole numbers beyond 16777216, rounded",
        "words with cleaned frames",
        "words without frames set to 0",
        "cells without a finite value set to 0",
        "cells whose mean is not finite set to 0",
        "rows that the SDK would leave out",
        "entries with other columns than most, left out",
        "segments without it",
        "segments where it is all zero, taken as without it",
        "segments with other columns than most, taken as without it",
        "words without a vector set to 0",
        "different words without a vector",
        "pauses (sp) removed",
        "marks of noise (NW, {LG}, …) removed",
        "missing (None or NaN) removed",
        "of no length removed",
        "not UTF-8, read as Windows-1252",
        "segments without a transcript",
        "not finite, kept without a label",
        "beyond {}, where whole numbers are rounded",
        "beyond {}, set to the nearer end",
        "duplicate id, the first is kept",
        "its video is in no fold",
        "lengths disagree: {}",
        "no steps",
        "no word of it is spoken",
        "every modality is zero throughout",
        "no features that are not zero",
        "no modality is other than zero, with the columns of most",
        "its interval has no length",
        "no word lies in its interval",
        "no frame lies in its interval",
        "{} has no frame in its interval",
        "{} has no rows for its video",
    ]


def _filled():
    account = Account()
    account.count(Cleaned.BEYOND_SCALE, LABELS, 2, detail="1 to {5}")
    account.count(Cleaned.FRAMES_WITH_NAN, "audio", 3)
    account.count(Cleaned.FRAMES_WITH_NAN, "audio", 4)
    account.count(Cleaned.PAUSES, WORDS, 0)
    account.drop("v[1]", DropReason.NO_ROWS_IN, "wörds{}.csd")
    return account


def test_an_account_in_words():
    account = _filled()
    assert account.cleaning() == {"audio: frames with NaN": 7, "labels: beyond 1 to {5}, set to the nearer end": 2}
    assert list(account.cleaning()) == sorted(account.cleaning())
    assert account.dropped() == (DroppedSegment("v[1]", "wörds{}.csd has no rows for its video"),)
    account.clear()
    assert account == Account()


def test_a_pipe_carries_keys():
    _, text, *arrays = encode_account(_filled())
    header, _ = decode(text, bytearray())
    assert arrays == []
    assert account_of(header) == _filled()
    assert "frames with NaN" not in json.dumps(header)
