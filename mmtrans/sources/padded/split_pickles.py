"""Reader of pickles that map split → part → array: MulT's, MMSA's (Self-MM, MMSA-FET), MultiBench's and LMF's.

All four are one layout with other names; keys are text or bytes. What differs:

- `mult`: text GloVe 300, ids `v_3`, or rows `(video, start, end)`, or none (IEMOCAP); padded on the left.
- `mmsa`: text is BERT (768), whose steps are **word pieces**. In `aligned_50` the row of a word is repeated for each of
  its pieces, and the steps of [CLS] and [SEP] are zero in audio and video, which therefore begin with a zero row. In
  `unaligned_50` audio and video are padded on the left while the stored lengths were counted as if on the right. The
  words of `raw_text` become tokens where nothing is aligned (pieces are no words). The label is `regression_labels`;
  `T`, `A` and `V` choose the unimodal ones.
- `multibench`: ids `v[2]`. Its builder keeps the first 50 words and the last 50 audio and video rows, and takes pauses
  out of the text only: audio and video of a long segment, or of one with pauses, are shifted against its words.
- `lmf`: `covarep (n, 5)` and `facet (n, 20)` are means over the segment, read as one step; no ids.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mmtrans.sources.account import Noted, note
from mmtrans.sources.corpus import Corpus
from mmtrans.sources.ids import split_name
from mmtrans.sources.modalities import modality_of
from mmtrans.sources.numerals import to_numbers
from mmtrans.sources.padded.arrays import open_padded
from mmtrans.sources.padded.folds import Fold, with_words_as_text
from mmtrans.sources.padded.stacking import Stacked, stack
from mmtrans.sources.untrusted.unpickle import load_pickle

#: Parts that only MMSA's files have, and only LMF's.
_MMSA_KEYS = {"text_bert", "raw_text", "regression_labels", "classification_labels"}
_LMF_KEYS = {"covarep", "facet", "glove"}

#: name of the label → part. The unimodal ones are MMSA-FET's.
_MMSA_LABELS = {
    "sentiment": "regression_labels",
    "T": "regression_labels_T",
    "A": "regression_labels_A",
    "V": "regression_labels_V",
}
_USED = {"id", "labels", "label", "raw_text", "text_bert", *_MMSA_LABELS.values()}
_LENGTHS = re.compile(r"(.+?)_?len(?:gths?)?")

_NEEDS = "train, valid or test → text, audio or vision of shape (segments, steps, dim)"


def classify(content: object) -> str | None:
    """Tells which of the four an unpickled object is.

    Returns:
        `mult`, `mmsa`, `multibench` or `lmf`, or `None` where it is no mapping split → part → array.
    """
    splits = _splits(content)
    keys = {key for parts in splits.values() for key in parts}
    if not any(map(_modality_of, keys)):
        return None
    if keys & _MMSA_KEYS:
        return "mmsa"
    if keys & _LMF_KEYS:
        return "lmf"
    ids = [raw for parts in splits.values() for raw in _rows(parts.get("id"))[:1]]
    return "multibench" if ids and all(isinstance(raw, str) and raw.endswith("]") for raw in ids) else "mult"


def open_split_pickle(
    path: str | Path,
    *,
    format: str | None = None,
    content: object = None,
    vectors_from: str | None = None,
    label: str | int | None = None,
) -> Corpus:
    """Opens one pickle of MulT, MMSA, MultiBench or LMF; its arrays stay in memory.

    Args:
        path: the file.
        format: one of the four formats, or `None` to tell by content. It only names the corpus: the parts tell
            the rest.
        content: the content of the file, where it has been unpickled already.
        vectors_from: what will give the words of `raw_text` their vectors: there is no `text` yet, audio and video keep
            their own steps, words alone make a segment, and the corpus tells its `vocabulary`.
        label: MMSA: `sentiment`, `T`, `A` or `V`; otherwise index of a column where there are several.

    Returns:
        The corpus; see `mmtrans.sources.padded.arrays` for lengths and cleaning.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no pickle of data or not laid out like this; no such label.
    """
    path = Path(path)
    content = load_pickle(path) if content is None else content
    found = classify(content)
    if found is None or not isinstance(content, Mapping):
        raise _layout(path, f"a {type(content).__name__}{_keys(content)}")
    splits, notes = _splits(content), []
    known = sorted(_text(key) for key in content if split_name_of(key) is not None)
    if len(known) != len(splits):
        raise _layout(path, f"keys {known}, of which some are one split or hold no parts")
    others = sorted(_text(key) for key in content if split_name_of(key) is None)
    keys = {key for parts in splits.values() for key in parts}
    columns = [name for name, key in _MMSA_LABELS.items() if key in keys]
    # Of several labels the first kind counts.
    used = _USED - ({"labels", "label"} if columns else {"label"} if "labels" in keys else set())
    ignored = sorted(key for key in keys - used if _modality_of(key) is None and _modality_of_lengths(key) is None)
    if others or ignored:
        notes.append(note(Noted.PARTS_NOT_USED, parts=", ".join(others + ignored)))
    folds = [_read_fold(split, parts, columns, path) for split, parts in splits.items()]
    if vectors_from is not None and "raw_text" in keys:
        if any("text" in fold.arrays for fold in folds):
            notes.append(note(Noted.TEXT_REPLACED, file=path.name, vectors=vectors_from))
        folds = with_words_as_text(folds)
    elif "text_bert" in keys and not any("text" in fold.arrays for fold in folds):
        notes.append(note(Noted.TOKENS_AS_TEXT, text="text_bert"))
    if not columns:
        corpus = open_padded(format or found, [path], folds, label=label, notes=notes)
    else:
        label, names = columns[0] if label is None else _short_name(label), columns
        corpus = open_padded(
            format or found, [path], folds, label=label, label_names=names, may_be_unit=True, notes=notes
        )
    if "raw_text" in keys and any(corpus.aligned.values()):
        corpus.noted.append(note(Noted.TRANSCRIPTS_NOT_ALIGNED))
    return corpus


def split_name_of(key: object) -> str | None:
    """The split that a key of the outer mapping names, or `None`; keys may be of any type."""
    if not isinstance(key, (str, bytes)):
        return None
    return split_name(_text(key))


def _splits(content: object) -> dict[str, dict[str, object]]:
    """split → part → value, of what is a mapping of mappings; empty otherwise."""
    splits: dict[str, dict[str, object]] = {}
    for key, parts in content.items() if isinstance(content, Mapping) else ():
        split = split_name_of(key)
        if split is not None and isinstance(parts, Mapping) and split not in splits:
            splits[split] = {_text(name): value for name, value in parts.items()}
    return splits


def _read_fold(split: str, parts: Mapping[str, object], columns: list[str], path: Path) -> Fold:
    found: dict[str, Stacked] = {}
    for key, part in parts.items():
        modality = _modality_of(key)
        if modality in found:
            raise _layout(path, f"{split} with two parts for {modality}, one of them {key}")
        if modality is not None:
            found[modality] = _stack(part, f"{split}/{key}", path)
    if not found:
        raise _layout(path, f"{split} with {sorted(parts)}")
    arrays = {name: stacked.array for name, stacked in found.items()}
    size = len(next(iter(arrays.values())))
    ids = _rows(parts["id"]) if "id" in parts else None
    lengths = {
        modality: _numbers(part, f"{split}/{key}", path).reshape(-1)
        for key, part in parts.items()
        if (modality := _modality_of_lengths(key)) in arrays
    }
    words = _rows(parts["raw_text"]) if "raw_text" in parts else None
    labels = _labels(split, parts, columns, size, path)
    return Fold(
        split,
        arrays,
        labels,
        ids,
        lengths,
        masks=_masks(split, parts, arrays, path),
        exact={name: stacked.lengths for name, stacked in found.items() if stacked.lengths is not None},
        deviants={name: stacked.deviants for name, stacked in found.items() if stacked.deviants is not None},
        transcripts=words,
    )


def _modality_of(key: str) -> str | None:
    # Of its kinds of ids only the mask is used.
    return None if key == "text_bert" else modality_of(key)


def _modality_of_lengths(key: str) -> str | None:
    match = _LENGTHS.fullmatch(key)
    return _modality_of(match[1]) if match else None


def _labels(split: str, parts: Mapping[str, object], columns: list[str], size: int, path: Path) -> np.ndarray | None:
    if not columns:
        key = next((key for key in ("labels", "label") if key in parts), None)
        if key is None:
            return None
        table = _numbers(parts[key], f"{split}/{key}", path)
        return table.reshape(len(table), -1) if table.size else np.zeros((len(table), 1))
    table = np.full((size, len(columns)), np.nan)
    for column, name in enumerate(columns):
        if _MMSA_LABELS[name] in parts:
            values = _numbers(parts[_MMSA_LABELS[name]], f"{split}/{_MMSA_LABELS[name]}", path)
            if values.size != size:
                raise _layout(path, f"{split}/{_MMSA_LABELS[name]} {values.shape} beside {size} segments")
            table[:, column] = values.reshape(-1)
    return table


def _masks(
    split: str, parts: Mapping[str, object], arrays: Mapping[str, np.ndarray], path: Path
) -> dict[str, np.ndarray]:
    if "text_bert" not in parts or "text" not in arrays:
        return {}
    pieces = _numbers(parts["text_bert"], f"{split}/text_bert", path)
    size, steps = arrays["text"].shape[:2]
    if pieces.shape != (size, 3, steps):
        raise _layout(path, f"{split}/text_bert {pieces.shape} beside text {arrays['text'].shape}")
    return {"text": pieces[:, 1] != 0}


def _short_name(label: str | int) -> str | int:
    return next((name for name, key in _MMSA_LABELS.items() if label in (name, key)), label)


def _stack(value: object, where: str, path: Path) -> Stacked:
    try:
        return stack(value)
    except ValueError as error:
        raise _layout(path, f"{where} {error}") from error


def _numbers(value: object, where: str, path: Path) -> np.ndarray:
    try:
        array = to_numbers(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise _layout(path, f"{where} as {type(value).__name__} that is not all numbers") from error
    if not array.ndim:
        raise _layout(path, f"{where}={value!r:.40}")
    return array


def _rows(value: object) -> list:
    if not isinstance(value, np.ndarray):
        return list(value) if isinstance(value, (list, tuple)) else []
    return list(value) if value.ndim else []


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _keys(content: object) -> str:
    return f" with keys {sorted(map(_text, content))[:8]}" if isinstance(content, Mapping) else ""


def _layout(path: Path, received: str) -> ValueError:
    return ValueError(
        f"The pickle is not laid out as MulT's, MMSA's, MultiBench's and LMF's are. Expected {_NEEDS}. "
        f"Received: {received} ({path}). Check the file or name its --format."
    )
