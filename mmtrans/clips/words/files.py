"""The file of words beside a recording: of the same name, by its ending."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from mmtrans.clips.words.listed import read_listed
from mmtrans.clips.words.subtitles import read_subtitles
from mmtrans.clips.words.textgrid import read_textgrid
from mmtrans.clips.words.timed import TimedWord
from mmtrans.system.user_files import read_text

#: Ending → reader; the first that there is counts.
READERS: dict[str, Callable[[str], list[TimedWord]]] = {
    ".TextGrid": read_textgrid,
    ".json": read_listed,
    ".vtt": read_subtitles,
    ".srt": read_subtitles,
}

#: The ending of a transcript without times.
TRANSCRIPT = ".txt"


def words_beside(recording: Path) -> Path | None:
    """The file with timed words, or else the transcript, that lies beside a recording; no folder and no pipe."""
    places = [recording.with_suffix(ending) for ending in (*READERS, TRANSCRIPT)]
    return next((place for place in places if place.is_file()), None)


def has_transcript(recording: Path, transcripts: Sequence[str | None]) -> bool:
    """Whether what tells words of a recording is a transcript, without times.

    Args:
        recording: the file.
        transcripts: what the table tells of what is said in each part of it.
    """
    beside = words_beside(recording)
    is_transcript = beside is not None and beside.suffix == TRANSCRIPT
    return is_transcript or (beside is None and any(transcripts))


def lacks_words(recording: Path, transcripts: Sequence[str | None]) -> bool:
    """Whether nothing tells the words of some part of a recording; as `has_transcript`, whose arguments it has."""
    beside = words_beside(recording)
    if beside is not None and (beside.suffix != TRANSCRIPT or len(transcripts) == 1):
        return False
    return not all(transcripts)


def read_words_file(path: Path) -> list[TimedWord] | str:
    """The words of a file that `words_beside` found, or the transcript.

    Raises:
        ValueError: the file cannot be read.
    """
    text = read_text(path, "file of words", "text in UTF-8")
    if path.suffix == TRANSCRIPT:
        return text
    try:
        return READERS[path.suffix](text)
    except ValueError as error:
        raise ValueError(f"{path.name}: {' '.join(str(error).split())}") from error
