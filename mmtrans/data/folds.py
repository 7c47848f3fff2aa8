"""Which videos train, valid and test have: by a folds file, the source's own folds, MOSI's, or a seeded draw."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mmtrans.sources.ids import split_name
from mmtrans.user_files import read_text
from tfrecords.schema import SPLITS

# The official folds are MOSI's 93 video ids sorted by code point and cut at 52 and 62; these are the first 62.
_TRAIN_IDS = """
    03bSnISJMiM 0h-zjBukYpk 1DmNV9C1hbY 1iG0909rllw 2WGyTLYerpo 2iD-tVS8NPw 5W7Z1C_fDaE 6Egk_28TtTM 6_0THN4chvY
    73jzhE8R1TQ 7JsX8y1ysxY 8OtFthrtaJM 8d-gEyoeBzc 8qrpnFRGt2A 9J25DZhivz8 9T9Hf74oK10 9c67fiY0wGQ 9qR7uwkblbs
    Af8D0E4ZXaw BI97DNYfe5I BXuRRbG0Ugk Bfr499ggo-0 BioHAh1qJAQ BvYR0L6f2Ig Ci-AH39fi3Y Clx4VXItLTE Dg_0XKD0Mf4
    G-xst2euQUc G6GlGvlkxAQ GWuJjcEuzt8 HEsqda8_d0Q I5y0__X72p0 Iu2PFX3z_1s IumbAb8q2dM Jkswaaud0hk LSi-o-IrDMs
    MLal-t_vJPM Njd1F0vZSm4 Nzq88NnDkEk OQvJTdtJ2H4 OtBXNcAL_lE Oz06ZWiO20M POKffnXeBds PZ-lDQFboO8 QN9ZIUWUXsY
    Qr1Ca94K55A Sqr0AcuoNnk TvyZBvOMOTc VCslbP0mgZI VbQk4H8hgr0 Vj1wYRQjB-o W8NXH0Djyww
"""
_VALID_IDS = """
    WKA5OygbEKI X3j2zQgwYgE ZAIRrfG22O0 ZUXBRvtny7o _dI--eQ6qVU aiEXnCPZubE atnd_PF-Lbs bOL9jKpeJRs bvLlb-M3UXU
    c5xsKMxpXnc
"""
MOSI_TRAIN = tuple(_TRAIN_IDS.split())
MOSI_VALID = tuple(_VALID_IDS.split())


def assign_folds(
    video_ids: Iterable[str],
    *,
    own: Mapping[str, Sequence[str]] | None = None,
    path: str | Path | None = None,
    seed: int = 0,
) -> tuple[dict[str, tuple[str, ...]], str]:
    """The fold of every video of a corpus, from the first of these that there is.

    1. `path`: a JSON file `{"train": [ids], "valid": […], "test": […]}`, or a CSV file with the columns `video` (or
       `video_id`) and `split`. 2. `own`: the folds that the source's files state. 3. MOSI's official folds, where the
    corpus is MOSI or a part of it: at least one of the 62 known train and valid videos, and every other id sorting
    after them, which makes it a test video. 4. A draw of 70/10/20 % of the videos, the same on every machine: one
    video is all train, two are train and valid, three or more have at least one in each fold.

    Args:
        video_ids: all videos of the corpus; repeats do not matter.
        own: split → video ids; more than the corpus holds is fine, less is not.
        path: the folds file, or `None`.
        seed: of the draw.

    Returns:
        `train`, `valid` and `test` → sorted video ids of the corpus (possibly none), and a phrase that says where
        the folds come from.

    Raises:
        FileNotFoundError: there is no folds file.
        ValueError: no videos; a folds file that cannot be read; a video in two folds, or in none.
    """
    videos = sorted(set(video_ids))
    if not videos:
        raise ValueError(
            "There are no videos to fold. Expected at least one. Received: video_ids=[]. Check the source."
        )
    if path is not None:
        return _cover(videos, _read_folds(Path(path)), f"folds file {Path(path).name}"), f"folds file {Path(path).name}"
    if own:
        return _cover(videos, own, "the source's own folds"), "the source's own folds"
    if _is_mosi(videos):
        test = [video for video in videos if video > MOSI_VALID[-1]]
        folds = {"train": MOSI_TRAIN, "valid": MOSI_VALID, "test": test}
        return _cover(videos, folds, "official MOSI folds"), "official MOSI folds"
    return _draw(videos, seed), f"random 70/10/20 by video, seed {seed}"


def _is_mosi(videos: Sequence[str]) -> bool:
    known = set(MOSI_TRAIN + MOSI_VALID)
    return any(video in known for video in videos) and all(video in known or video > MOSI_VALID[-1] for video in videos)


def _cover(videos: Sequence[str], folds: Mapping[str, Sequence[str]], origin: str) -> dict[str, tuple[str, ...]]:
    fold_of: dict[str, str] = {}
    for name, members in folds.items():
        split = split_name(name)
        if split is None:
            raise ValueError(
                f"Unknown fold. Expected some of {list(SPLITS)}. Received: fold={name!r} ({origin}). Rename it."
            )
        for video in members:
            if fold_of.setdefault(video, split) != split:
                raise ValueError(
                    f"A video is in two folds. Expected each in one. Received: video={video!r} in "
                    f"{fold_of[video]} and {split} ({origin}). Leave it in one, or give other folds with --folds FILE."
                )
    missing = [video for video in videos if video not in fold_of]
    if missing:
        raise ValueError(
            f"Videos are in no fold. Expected every video of the corpus in one. "
            f"Received: {len(missing)} of {len(videos)} unnamed, videos={missing} ({origin}). "
            f"Name them in the file given with --folds FILE."
        )
    return {split: tuple(video for video in videos if fold_of[video] == split) for split in SPLITS}


def _draw(videos: Sequence[str], seed: int) -> dict[str, tuple[str, ...]]:
    # A hash, not a generator: the same order under every numpy.
    shuffled = sorted(videos, key=lambda video: hashlib.sha256(f"{seed}:{video}".encode()).digest())
    total = len(shuffled)
    num_valid = max(1, (total + 5) // 10) if total >= 2 else 0
    num_test = max(1, (2 * total + 5) // 10) if total >= 3 else 0
    return {
        "train": tuple(sorted(shuffled[num_valid + num_test :])),
        "valid": tuple(sorted(shuffled[:num_valid])),
        "test": tuple(sorted(shuffled[num_valid : num_valid + num_test])),
    }


def _read_folds(path: Path) -> dict[str, list[str]]:
    text = read_text(path, "folds file", "JSON or CSV")
    try:
        folds = json.loads(text) if text.lstrip()[:1] in ("{", "[") else _from_csv(text)
    except (json.JSONDecodeError, RecursionError, csv.Error) as error:
        raise _unreadable(path, str(error)) from error
    if not isinstance(folds, dict) or not folds:
        raise _unreadable(path, "no folds")
    for name, members in folds.items():
        if not isinstance(members, list) or not all(isinstance(video, str) for video in members):
            raise _unreadable(path, f"{name}: no list of video ids")
    return folds


def _from_csv(text: str) -> dict[str, list[str]]:
    reader = csv.DictReader(text.splitlines())
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


def _unreadable(path: Path, detail: str) -> ValueError:
    return ValueError(
        f'The folds file cannot be read. Expected JSON like {{"train": ["v1"], "test": ["v2"]}}, or CSV with the '
        f"columns video and split. Received: {' '.join(detail.split())} ({path}). Write it in one of these forms."
    )
