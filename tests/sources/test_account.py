"""The account's keys, its words, which stand in manifests, and the way back."""

import json

import pytest

from mmtrans.sources.account import (
    LABELS,
    WORDS,
    Account,
    Cleaned,
    DropReason,
    Note,
    Noted,
    Treated,
    list_some,
    note,
    treated_of,
)
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
        "windows with cleaned frames",
        "windows without frames set to 0",
        "cells without a finite value set to 0",
        "cells whose mean is not finite set to 0",
        "rows that the SDK would leave out",
        "entries with other columns than most, left out",
        "segments without it",
        "segments where it is all zero, taken as without it",
        "segments with other columns than most, taken as without it",
        "words without a vector set to 0",
        "different words without a vector",
        "words of which the encoder has no piece, set to 0",
        "sentences longer than the encoder reads at once, read in overlapping parts",
        "sentences longer than the encoder reads at once, cut",
        "further pieces of words, left out",
        "words without a vector in GloVe's columns, set to 0",
        "different words without a vector in GloVe's columns",
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


def test_the_sentences_that_stand_in_manifests_stay_what_they_are():
    assert [what.value for what in Noted] == [
        "{file} is left aside: phones are not used.",
        "{file} is left aside: nothing tells what its {columns} columns are.",
        "{file} is left aside: its name does not tell its part and split, as text_train_emb does.",
        "{file} is left aside: {split} has labels and no features.",
        "Links to nothing, or to a folder above, are left aside: {count} ({listed}).",
        "{file} is not used: its name tells no modality, as text.npz, audio.npz, video.npz do.",
        "Parts of the file that are not used: {parts}.",
        "Columns of {file} that are not used: {columns}.",
        "Arrays of segments/*.npz that are not used: {arrays}.",
        "{count} arrays belong to no segment of the table and are not used.",
        "{count} files of segments/*.npz belong to no segment of the table and are not used.",
        "{text} holds the numbers of tokens, and no vectors: no text modality.",
        "{file} is left aside: the words get their vectors from {vectors}.",
        "The text of {file} is left aside: the words get their vectors from {vectors}.",
        "{vectors} is not used: the {format} format {reason}.",
        "{vectors} is not used: there is no sequence of words.",
        "The files hold no actual words: --glove was not used.",
        "{vectors} cannot be compared with the file of training: the model does not tell it.",
        "{count} of {words} words ({share:.2%}) have no vector in {file} and are zeros.",
        "raw_text gives no words: the steps of the features are not its words.",
        "{split}: the padding is on different sides ({sides}); the real ends are laid together.",
        "{split}: {count} of {segments} stored lengths of {modality} differ from the real ones (its padding: "
        "{side}), which are used.",
        "{modality} is unaligned: {count} segments have other numbers of steps than words.",
        "The label times do not fit the words: after {going_on:.0%} of the segments' ends speech goes on, and "
        "{cut_share:.0%} of their edges cut through a word; moved by {shift_seconds:+.2f} s it would go on after "
        "{shifted_going_on:.0%}. Convert with --label-shift {shift_seconds:+.2f} if the words' times are right.",
        "Videos without labels, which are left out: {count} ({listed}).",
        "{file}: entries with other columns than most, left out: {count} ({example}, …).",
        "The {columns} label columns have no names and are taken for MOSEI's: column {column} is read as {label}. "
        "Choose another with --label N, and its scale with --label-range LOW,HIGH[,NEUTRAL].",
        "The label's scale in the source, {low:g} to {high:g} with neutral point {neutral:g}, gives way to the "
        "stated one.",
        "The labels are on no scale that is known: {label} is taken from {low:g} to {high:g}, with neutral point "
        "{neutral:g}. State another with --label-range LOW,HIGH[,NEUTRAL].",
        "All labels are {value:g}: {label} is taken from {low:g} to {high:g}, with neutral point {neutral:g}. "
        "State another with --label-range LOW,HIGH[,NEUTRAL].",
        "Train and valid have no labels: {label} is taken from {low:g} to {high:g}, with neutral point "
        "{neutral:g}. State another with --label-range LOW,HIGH[,NEUTRAL].",
        "All labels lie within -1 and 1: {label} is taken from {low:g} to {high:g}, with neutral point "
        "{neutral:g}. State another with --label-range LOW,HIGH[,NEUTRAL].",
        "Many labels lie beyond -3 and 3: {label} is taken from {low:g} to {high:g}, with neutral point "
        "{neutral:g}. State another with --label-range LOW,HIGH[,NEUTRAL].",
        "{count} of {labels} labels lie beyond the stated {low:g} to {high:g}: they range from {least:g} to {most:g}.",
        "There are no segment ids: every segment counts as a video of its own, so intervals by video are "
        "intervals by segment.",
        "Segments without an id, each a video of its own: {count} ({listed}).",
        "The ids have no index: it is the rank in time within the video.",
        "The ids (like {example!r}) count from 0 in a style that counts from 1 elsewhere: they are read from 0.",
        "The ids (like {example!r}) repeat: each is a video, and the index is the place within it.",
        "Most ids of a split (like {example!r}) stand in another one too, and no other labels tell them apart: "
        "the first of each is kept.",
        "Most ids of a split (like {example!r}) stand in another one too, with other labels: each video counts "
        "within its split, like {video!r}.",
        "The ids (like {examples}) are of no known style: each counts as a video of its own{within}, in records "
        "{record}[0], so intervals by video are intervals by segment.",
        "The ids (like {examples}) stand in several splits: each counts as a video of its own{within}, in records "
        "{record}[0], so intervals by video are intervals by segment.",
        "The ids (like {examples}) would be fewer segments than ids, as 01 and 1 are one number: each counts as a "
        "video of its own{within}, in records {record}[0], so intervals by video are intervals by segment.",
        "The ids (like {examples}) would make {video!r} one video in several splits: each counts as a video of "
        "its own{within}, in records {record}[0], so intervals by video are intervals by segment.",
        "The ids (like {examples}) would all be of one video, {video!r}: each counts as a video of its "
        "own{within}, in records {record}[0], so intervals by video are intervals by segment.",
        "Not every segment has a split: folds are taken from elsewhere.",
        "The name of no file says its fold: folds are taken from elsewhere.",
        "{count} of {videos} videos have segments in several splits ({listed}): the file's splits would leak, and "
        "folds are taken from elsewhere. Name folds of videos with --folds FILE.",
        "Videos in no fold ({origin}), which are left out: {count} ({listed}).",
        "No segment has a label: only translations can be trained on these records.",
        "The words have no vectors, so that there is no text modality. Recipes cannot read T.",
        "The words have no vectors, so that there is no text modality. Give word vectors with --glove FILE.",
        "No segment has {lacking}.",
        "No segment of {split} has {lacking}.",
        "{modality}: columns that are constant in train: {count} of {columns} ({listed}).",
    ]


def test_a_note_in_words():
    found = note(Noted.SCALE_OF_ONE_VALUE, label="{joy}", low=2.0, high=4.0, neutral=3.0, value=3.0)
    assert found == Note(Noted.SCALE_OF_ONE_VALUE, {"label": "{joy}", "low": 2, "high": 4, "neutral": 3, "value": 3})
    assert found.words == (
        "All labels are 3: {joy} is taken from 2 to 4, with neutral point 3. State another with --label-range "
        "LOW,HIGH[,NEUTRAL]."
    )
    assert [list_some([*"abc"]), list_some([*"abcd"]), list_some([1, 2], 1)] == ["a, b, c", "a, b, c, …", "1, …"]


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


def test_a_name_counts_once_in_whatever_parts_it_occurs():
    key = Treated("text", Cleaned.DIFFERENT_WORDS_WITHOUT_VECTOR)
    parts = [Account(), Account(), Account()]
    for part, names in zip(parts, [["a", "b", "a"], ["b", "c"], []], strict=True):
        part.count_different(key.what, key.of, names)
        part.count(Cleaned.WORDS_WITHOUT_VECTOR, "text", len(names))
    assert [part.treated[key] for part in parts] == [2, 2, 0]
    whole = Account()
    for part in parts:
        whole.add(part)
    assert whole.treated == {key: 3, Treated("text", Cleaned.WORDS_WITHOUT_VECTOR): 5}
    whole.clear()
    whole.count_different(key.what, key.of, ["a"])
    assert whole.treated == {key: 1}
