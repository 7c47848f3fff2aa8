"""Opens a source of any format, and tells the role of each computational sequence."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mmtrans.bounds import LABEL_SHIFT, check_number
from mmtrans.sources.corpus import Corpus
from mmtrans.sources.formats import FORMATS, NEEDS, detect, only_pickle
from mmtrans.sources.labels import stated_scale
from mmtrans.sources.modalities import ENDINGS, NAMES
from mmtrans.user_files import check_file
from mmtrans.sources.modalities import NAMES
from mmtrans.system.user_files import check_file

#: Words of root and file names, in lower case, by the role they tell; looked up in this order.
ROLE_NAMES = {
    "phones": ("phone",),
    "labels": ("label", "opinion"),
    **NAMES,
}

#: Words that are written together with those, as in `timestampedwordvectors`, and tell no role.
_BESIDE = ("timestamped", "modified", "segment", "sentiment", "cmu", "mosi", "mosei", "pom")

_ROLE_WORD = re.compile("|".join(sorted({name for names in ROLE_NAMES.values() for name in names}, key=len)[::-1]))
_WRITTEN_TOGETHER = re.compile(rf"(?:{_ROLE_WORD.pattern}|{'|'.join(_BESIDE)})+(?:{ENDINGS})?")

#: `VisualFacet42` is Visual, Facet and 42.
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

#: `OpenFace`, `word_vectors` and `word2vec` are made of up to so many.
_COUNTS = (1, 2, 3)

#: Dimensions of the published sequences, for files whose names tell nothing.
ROLE_DIMS = {300: "text", 74: "audio", 43: "audio", 47: "video", 35: "video", 713: "video"}


def open_corpus(
    path: str | Path,
    *,
    format: str = "auto",
    glove: str | Path | None = None,
    label: str | int | None = None,
    label_range: Sequence[float] | None = None,
    label_shift: float = 0.0,
    select: str | None = None,
    compat: str | None = None,
    workers: int = 1,
) -> Corpus:
    """Opens a file or folder in any known format.

    Args:
        path: what to read.
        format: one of `FORMATS`, or `auto` to decide by content.
        glove: a GloVe text file that gives the words their vectors; `csd` and `misa` only, the others have vectors.
        label: name or index of the label column, where there are several (`csd`, `mfn`; `mmsa` has `T`, `A`, `V`).
        label_range: `(low, high)` or `(low, high, neutral)` of the label, of which neutral is 0 or else the middle;
            without it `mmtrans.sources.labels` says what is taken.
        label_shift: seconds added to the label intervals; only `csd` has intervals.
        compat: `sdk` or `sdk-no-impute` aligns as the official SDK does; `csd` only.
        workers: processes that read; `csd` only.
        select: `mctn` keeps the 5 COVAREP and 20 FACET columns of MFN and MCTN; see `mmtrans.sources.select`.

    Returns:
        The corpus; its `read()` yields the segments.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        ValueError: the format is unknown or cannot be told, an option does not fit it, or the files are damaged.
    """
    path = Path(path)
    if format not in ("auto", *FORMATS):
        raise ValueError(
            f"Unknown source format. Expected one of {['auto', *FORMATS]}. Received: format={format!r}. {NEEDS}."
        )
    if not path.is_dir():
        check_file(path, "source", "a corpus file or folder")
    content = None
    if format == "auto":
        format, content = detect(path)
    _check_options(path, format, label, label_shift)
    if label_range is not None:
        # Before anything large is read.
        stated_scale("label", label_range)
    if format != "csd" and (compat is not None or workers != 1):
        raise ValueError(
            f"Only csd corpora are aligned and read by several workers. Expected neither --compat nor --workers. "
            f"Received: compat={compat!r}, workers={workers} ({path} is {format}). Leave them out."
        )
    options = {"glove": glove, "label": label, "label_shift": label_shift, "compat": compat, "workers": workers}
    corpus = _open(path, format, content, options)
    if label_range is not None:
        _state_scale(corpus, label_range)
    if glove is not None and format not in ("csd", "misa"):
        corpus.notes.append(f"{glove} is not used: the {format} format has its own vectors.")
    if select is None:
        return corpus
    from mmtrans.sources.select import select_columns

    return select_columns(corpus, select)


def _open(path: Path, format: str, content: object, options: Mapping[str, object]) -> Corpus:
    # Imported when needed: the readers import this module.
    if format == "csd":
        from mmtrans.sources.csd import open_csd

        return open_csd(path, **options)
    if format == "misa":
        from mmtrans.sources.misa import open_misa

        return open_misa(path, glove=options["glove"])
    if format == "mfn":
        from mmtrans.sources.mfn import open_mfn

        return open_mfn(path, label=options["label"])
    if format == "neutral":
        from mmtrans.sources.neutral import open_neutral

        return open_neutral(path)
    from mmtrans.sources.split_pickles import open_split_pickle

    return open_split_pickle(only_pickle(path), format=format, content=content, label=options["label"])


def _check_options(path: Path, format: str, label: str | int | None, label_shift: float) -> None:
    check_number("--label-shift", label_shift, **LABEL_SHIFT)
    one_label = format in ("misa", "neutral")
    if (label is not None and one_label) or (label_shift and format != "csd"):
        raise ValueError(
            f"The {format} format has {'one label and ' if one_label else ''}no label times. "
            f"Expected {'neither a label nor a' if one_label else 'no'} label shift. "
            f"Received: label={label!r}, label_shift={label_shift} ({path}). Leave {'them' if one_label else 'it'} out."
        )


def _state_scale(corpus: Corpus, label_range: Sequence[float]) -> None:
    scale, given = stated_scale(corpus.labels.name, label_range), corpus.labels.stated
    if given not in (None, scale):
        corpus.notes.append(
            f"The label's scale in the source, {given.low:g} to {given.high:g} with neutral point {given.neutral:g}, "
            f"gives way to the stated one."
        )
    corpus.label, corpus.labels = scale, replace(corpus.labels, stated=scale)


def role_of(root: str, stem: str, *, holds_text: bool, dim: int) -> str | None:
    """Tells the role of a computational sequence from its names and content.

    Args:
        root: the sequence's root name; it decides before the file's name does.
        stem: the file's name without its suffix.
        holds_text: whether the features are strings.
        dim: numbers per row.

    Returns:
        `words`, `phones`, `labels`, `text`, `audio` or `video`, or `None` where nothing tells.
    """
    roles = [role for role in (_role_of_name(root), _role_of_name(stem)) if role]
    if holds_text:
        return "phones" if "phones" in roles else "words"
    return roles[0] if roles else ROLE_DIMS.get(dim)


def _role_of_name(name: str) -> str | None:
    parts = _WORDS.findall(name)
    texts = ["".join(parts[start : start + count]) for start in range(len(parts)) for count in _COUNTS]
    spoken = {word for text in texts for word in _words_within(text.lower())}
    return next((role for role, words in ROLE_NAMES.items() if spoken.intersection(words)), None)


def _words_within(text: str) -> list[str]:
    """The words that tell a role, where a text is made of known words alone: `surface` is no face."""
    return _ROLE_WORD.findall(text) if _WRITTEN_TOGETHER.fullmatch(text) else []
