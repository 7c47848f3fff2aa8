import pytest

from mmtrans.clips.words.timed import TimedWord
from tools.speech_errors import edits, main, pairs_of, spelled


@pytest.mark.parametrize(
    ("said", "heard", "expected"),
    [("a b c", "a b c", 0), ("a b c", "a c", 1), ("a b", "x a y b", 2), ("a b c", "d", 3), ("", "a", 1)],
)
def test_word_error_is_the_fewest_edits(said, heard, expected):
    assert edits(said.split(), heard.split()) == expected


def test_words_are_compared_as_they_sound():
    assert spelled("Mr.") == ["mister"]
    assert spelled("ill-disposed.") == ["ill", "disposed"]
    assert spelled("\u2013") == []


def test_words_that_both_have_are_paired_in_their_order():
    aligned = [TimedWord(text, place, place + 1) for place, text in enumerate(["so", "he", "was", "not"])]
    recognised = [TimedWord(text, place, place + 1) for place, text in enumerate(["He", "is", "not."])]
    assert [(one.text, other.start) for one, other in pairs_of(aligned, recognised)] == [("he", 0), ("not", 2)]


def test_a_folder_without_transcripts_is_one_sentence(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("mmtrans: ")
