"""The door to all readers: opens a source of any format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mmtrans.bounds import LABEL_SHIFT, check_number
from mmtrans.sources.corpus import Corpus
from mmtrans.sources.formats import FORMATS, NEEDS, detect, only_pickle
from mmtrans.sources.labels import ANY_LABEL, stated_scale
from mmtrans.system.user_files import check_file


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
        label: name or index of the label column, where there are several (`mmsa` has `T`, `A`, `V`); or
            `mmtrans.sources.labels.ANY_LABEL`, where no label is read.
        label_range: `(low, high)` or `(low, high, neutral)` of the label, of which neutral is 0 or else the middle;
            without it `mmtrans.sources.labels` says what is taken.
        label_shift: seconds added to the label intervals; only `csd` has intervals.
        compat: `sdk` or `sdk-no-impute` aligns as the official SDK does; `csd` only.
        workers: processes that read; `csd` only.
        select: `mctn` keeps the 5 COVAREP and 20 FACET columns of MFN and MCTN; see `mmtrans.sources.columns`.

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
    from mmtrans.sources.columns import select_columns

    return select_columns(corpus, select)


def _open(path: Path, format: str, content: object, options: Mapping[str, object]) -> Corpus:
    # Imported when needed: the readers import this module.
    if format == "csd":
        from mmtrans.sources.csd.reader import open_csd

        return open_csd(path, **options)
    if format == "misa":
        from mmtrans.sources.misa.reader import open_misa

        return open_misa(path, glove=options["glove"], label=options["label"])
    if format == "mfn":
        from mmtrans.sources.padded.mfn import open_mfn

        return open_mfn(path, label=options["label"])
    if format == "neutral":
        from mmtrans.sources.neutral.reader import open_neutral

        return open_neutral(path)
    from mmtrans.sources.padded.split_pickles import open_split_pickle

    return open_split_pickle(only_pickle(path), format=format, content=content, label=options["label"])


def _check_options(path: Path, format: str, label: str | int | None, label_shift: float) -> None:
    check_number("--label-shift", label_shift, **LABEL_SHIFT)
    one_label = format == "neutral"
    if (label not in (None, ANY_LABEL) and one_label) or (label_shift and format != "csd"):
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
