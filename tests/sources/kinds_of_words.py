"""Kinds of words: silence and noise among them, missing ones, and every encoding."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mmtrans.sources.account import WORDS, Cleaned
from tests.sources.format_files import dump, mmsa_unaligned, truth
from tests.sources.kinds import WRITE, Kinds, Row

NO_WORDS = "The format holds no words."
WORDLESS = dict.fromkeys(("mult", "multibench", "lmf", "mfn"), NO_WORDS)

#: The segment that is changed; it has seven words.
ID = "a_-1[2]"


def _with_words(words: Sequence[object]) -> list:
    return [replace(s, words=tuple(words)) if s.id == ID else s for s in truth()]


def _mmsa(words: Sequence[object], transcript: object) -> Callable[[Path], Path]:
    """MMSA's unaligned pickle, whose words are one text a segment."""

    def write(folder: Path) -> Path:
        path = mmsa_unaligned(folder)
        content = pickle.loads(path.read_bytes())
        row = content["train"]["id"].tolist().index("a_-1$_$3")
        texts = content["train"]["raw_text"].tolist()
        texts[row] = transcript
        content["train"]["raw_text"] = texts
        return dump(path, content, 4)

    return write


def _reads(words: Sequence[object], spoken: Sequence[str], counts: dict[Cleaned, int], *, transcript: object = None):
    """Entries of the formats with words: what is written in one segment, the words and the counts that are right."""
    kept = np.isin(np.arange(len(words)), [k for k, word in enumerate(words) if _text(word) in spoken])

    def check(corpus, segments) -> None:
        assert segments[ID].tokens == tuple(spoken)
        assert _of_words(corpus) == counts
        expected = next(s for s in truth() if s.id == ID).clean
        for name in ("text", "audio", "video"):
            if corpus.aligned[name]:
                np.testing.assert_array_equal(segments[ID].features[name], expected[name][kept])

    return {
        **{f: Row(lambda p, f=f: WRITE[f](p, _with_words(words)), check=check) for f in ("csd", "misa", "neutral")},
        "mmsa": Row(_mmsa(words, " ".join(map(str, words)) if transcript is None else transcript), check=check),
    }


def _of_words(corpus) -> dict[Cleaned, int]:
    return {key.what: count for key, count in corpus.account.treated.items() if key.of == WORDS}


def _text(word: object) -> str:
    if not isinstance(word, bytes):
        return str(word)
    try:
        return word.decode("utf-8")
    except UnicodeDecodeError:
        return word.decode("latin-1")


_MARKS = ("b", "sp", "NW", "e", "{LG}", "sil", "h")
_REMOVED = {Cleaned.PAUSES: 2, Cleaned.NOISES: 2}
_BLANKS = ("b", "", "d", "e", " ", "g", "h")
_FOREIGN = ("niño", "qué", "señora", "naïve", "日本", "über", "h")
_LATIN_1 = tuple(word.encode("latin-1") for word in ("niño", "qué", "señora", "naïve", "b", "c", "h"))
_SPANISH = tuple(word.decode("latin-1") for word in _LATIN_1)


def _tells_missing(counts: dict[Cleaned, int], tokens: tuple[str, ...]):
    def check(corpus, segments) -> None:
        assert segments[ID].tokens == tokens
        assert _of_words(corpus) == counts

    return check


_marks = _reads(_MARKS, ("b", "e", "h"), _REMOVED)
_blanks = _reads(_BLANKS, ("b", "d", "e", "g", "h"), {Cleaned.PAUSES: 2})
_foreign = _reads([word.encode() for word in _FOREIGN], _FOREIGN, {}, transcript=" ".join(_FOREIGN).encode())
_latin = _reads(_LATIN_1, _SPANISH, {Cleaned.NOT_UTF_8: 4}, transcript=b" ".join(_LATIN_1))

KINDS: Kinds = {
    "silence and noise among the words": {**_marks, **WORDLESS},
    "blanks among the words": {
        **_blanks,
        "mmsa": "A transcript is one text, in which blanks part the words.",
        "neutral": "Blanks part the words.",
        **WORDLESS,
    },
    "words like nan and none": {
        **_reads(("nan", "none", "null", "na", "b", "c", "n/a"), ("nan", "none", "null", "na", "b", "c", "n/a"), {}),
        **WORDLESS,
    },
    "words that are missing": {
        "csd": "Strings of HDF5 are never missing, only empty.",
        "neutral": "A segment without words has none, and its modalities are not checked against them.",
        "misa": Row(
            lambda path: WRITE["misa"](path, _with_words(("b", None, float("nan"), "e", "f", "g", "h"))),
            check=_tells_missing({Cleaned.MISSING: 2}, ("b", "e", "f", "g", "h")),
        ),
        "mmsa": Row(_mmsa((), float("nan")), check=_tells_missing({Cleaned.NO_TRANSCRIPT: 1}, ())),
        **WORDLESS,
    },
    "words in UTF-8 as bytes": {
        **_foreign,
        "neutral": Row(lambda path: WRITE["neutral"](path, _with_words(_FOREIGN)), check=_foreign["neutral"].check),
        **WORDLESS,
    },
    "words in UTF-8 that Python 2 wrote": {
        "csd": "HDF5 holds bytes, whoever wrote them.",
        "neutral": "A table is text.",
        "misa": Row(
            lambda path: WRITE["misa"](path, _with_words([word.encode().decode("latin-1") for word in _FOREIGN])),
            check=_foreign["misa"].check,
        ),
        "mmsa": Row(_mmsa((), " ".join(_FOREIGN).encode().decode("latin-1")), check=_foreign["mmsa"].check),
        **WORDLESS,
    },
    "words that are not UTF-8": {
        **_latin,
        "mmsa": Row(_mmsa((), b" ".join(_LATIN_1)), check=_tells_missing({Cleaned.NOT_UTF_8: 1}, _SPANISH)),
        "neutral": Row(
            lambda path: _as_latin_1(WRITE["neutral"](path, _with_words(_SPANISH))),
            refused=r"The table of segments cannot be read: it is not UTF-8\. .* byte 0xf1 .*line 3\)",
        ),
        **WORDLESS,
    },
}


def _as_latin_1(folder: Path) -> Path:
    table = folder / "segments.csv"
    table.write_bytes(table.read_text(encoding="utf-8").encode("latin-1"))
    return folder
