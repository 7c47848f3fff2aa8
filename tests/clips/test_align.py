import numpy as np
import pytest

from mmtrans.clips.account import ClipAccount
from mmtrans.clips.sound.recording import RecordedSound
from tests.clips.signals import SPEECH, noise

pytest.importorskip("av")
pytest.importorskip("pocketsphinx")

from mmtrans.clips.words.align import align


@pytest.fixture(scope="module")
def speech():
    """Samples of `loved.ogg`."""
    return np.concatenate(list(RecordedSound(SPEECH / "loved.ogg", ClipAccount()).blocks()))


@pytest.fixture(scope="module")
def transcript():
    return (SPEECH / "loved.txt").read_text()


def test_words_stand_where_they_are_spoken(speech, transcript):
    found = align(transcript, speech)
    assert (found.is_aligned, found.unknown) == (True, 0)
    assert " ".join(word.text for word in found.words) == transcript.replace(".", "").replace(",", "").strip()
    assert {word.how for word in found.words} == {"aligned"}
    # The one pause of the sentence, which the sound itself has.
    energy = np.square(speech[: len(speech) // 160 * 160]).reshape(-1, 160).mean(axis=1)
    silent = np.flatnonzero(energy[120:250] < 1e-6 * energy.max()) + 120
    movie, the = found.words[4], found.words[5]
    assert movie.end <= (silent[-1] + 5) / 100
    assert the.start >= (silent[0] - 5) / 100
    assert 0.1 < the.start - movie.end < 0.8
    assert all(first.end <= second.start + 1e-9 for first, second in zip(found.words, found.words[1:], strict=False))


def test_words_that_the_dictionary_lacks_stand_between_their_neighbours(speech, transcript):
    whole = align(transcript, speech).words
    found = align(transcript.replace("loved", "lovvved").replace("really", "rrreally"), speech)
    assert (found.is_aligned, found.unknown) == (True, 2)
    assert [word.how for word in found.words[:5]] == ["aligned", "spread", "spread", "aligned", "aligned"]
    assert found.words[0].start <= found.words[1].start <= found.words[2].start <= found.words[3].start
    assert found.words[3].start == pytest.approx(whole[3].start, abs=0.3)


def test_a_word_of_two_parts_has_the_time_of_both(speech, transcript):
    whole = align(transcript, speech).words
    joined = align(transcript.replace("this movie", "this-movie"), speech).words
    assert (joined[3].text, joined[3].start, joined[3].end) == ("this-movie", whole[3].start, whole[4].end)


@pytest.mark.parametrize("text", ["Ich möchte lieber spazieren gehen", "Этот фильм"])
def test_another_language_is_spread_over_the_sound(speech, text):
    found = align(text, speech)
    assert not found.is_aligned
    assert found.unknown > len(found.words) / 2
    assert {word.how for word in found.words} == {"spread"}
    assert (found.words[0].start, found.words[-1].end) == (0.0, pytest.approx(len(speech) / 16000))


def test_words_that_do_not_fit_are_spread():
    found = align("a very long sentence of many words that nobody can say in so short a time as this", noise(0.2))
    assert (found.is_aligned, found.unknown) == (False, 0)
    assert {word.how for word in found.words} == {"spread"}


def test_no_words_are_no_words(speech):
    found = align(" … ", speech)
    assert (found.words, found.unknown, found.is_aligned) == ([], 0, False)
