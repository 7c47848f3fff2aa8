"""Reader of files that say which videos train, valid and test have: `folds.json` of a corpus, and `--folds FILE`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Mapping
from pathlib import Path

from mmtrans.sources.ids import split_name
from mmtrans.system.user_files import read_text
from tfrecords.schema import SPLITS

_FORM = 'JSON like {"train": ["v1"], "valid": ["v2"], "test": ["v3"]}, or CSV with the columns video and split'
_DELIMITERS = ",;\t"


def read_folds(path: str | Path) -> dict[str, tuple[str, ...]]:
    """Reads JSON, `{"train": [video ids], "valid": […], "test": […]}`, or CSV with `video` (or `video_id`) and `split`.

    `dev`, `val` and the like mean `valid`; whole numbers in JSON are ids, too; repeats do not matter.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is of another form, or a video stands in two folds.
    """
    path = Path(path)
    text = read_text(path, "folds file", "JSON or CSV")
    try:
        folds = json.loads(text, object_pairs_hook=_unique) if text.lstrip()[:1] in ("{", "[") else _from_csv(text)
    except (RecursionError, csv.Error, ValueError) as error:
        raise _refusal(path, " ".join(str(error).split())) from error
    if not isinstance(folds, dict) or not folds:
        raise _refusal(path, "no folds")
    found: dict[str, list[str]] = {}
    for name, videos in folds.items():
        split = split_name(name)
        if split is None:
            raise _refusal(path, f"fold={name!r:.40}, which is none of {list(SPLITS)}")
        found.setdefault(split, []).extend(_ids(name, videos, path))
    unique = {split: tuple(dict.fromkeys(videos)) for split, videos in found.items()}
    check_apart(unique, str(path))
    return unique


def check_apart(folds: Mapping[str, Collection[str]], origin: str) -> None:
    """Refuses folds that share a video.

    Raises:
        ValueError: a video stands in two of them.
    """
    fold_of: dict[str, str] = {}
    for split, videos in folds.items():
        for video in videos:
            if fold_of.setdefault(video, split) != split:
                raise ValueError(
                    f"A video is in two folds. Expected each in one. Received: video={video!r} in "
                    f"{fold_of[video]} and {split} ({origin}). Leave it in one, or give other folds with --folds FILE."
                )


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        # json alone keeps the last of them.
        raise ValueError(f"names that are given twice, {names}")
    return dict(pairs)


def _ids(name: str, videos: object, path: Path) -> list[str]:
    if not isinstance(videos, list) or any(type(video) not in (str, int) for video in videos):
        raise _refusal(path, f"{name}: no list of video ids")
    return [str(video) for video in videos]


def _from_csv(text: str) -> dict[str, list[str]]:
    header = text.lstrip("\r\n").partition("\n")[0]
    delimiter = max(_DELIMITERS, key=header.count)
    # Not by splitlines(), which parts ids at every line separator of Unicode.
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    columns = [name.strip().lower() for name in reader.fieldnames or ()]
    reader.fieldnames = columns
    video_column = "video" if "video" in columns else "video_id"
    if video_column not in columns or "split" not in columns:
        raise csv.Error(f"columns {columns}")
    folds: dict[str, list[str]] = {}
    for row in reader:
        if not row[video_column] or not row["split"]:
            raise csv.Error(f"line {reader.line_num} without a video or a split")
        folds.setdefault(row["split"].strip(), []).append(row[video_column].strip())
    return folds


def _refusal(path: Path, received: str) -> ValueError:
    return ValueError(
        f"The folds file cannot be read. Expected {_FORM}. Received: {received} ({path}). "
        f"Write it in one of these forms."
    )
