"""Which videos train, valid and test have: by a folds file, the source's own folds, MOSI's, or a seeded draw."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mmtrans.sources.folds_file import check_apart, read_folds
from mmtrans.sources.ids import split_name
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
    """The fold of the videos of a corpus, from the first of these that there is.

    1. `path`: a file that `read_folds` reads. 2. `own`: the folds that the source's files state. 3. MOSI's official
    folds, where the corpus is MOSI or a part of it: at least one of the 62 known train and valid videos, and every
    other id sorting after them, which makes it a test video. 4. A draw of 70/10/20 % of the videos, the same on every
    machine: one video is all train, two are train and valid, three or more have at least one in each fold.

    Args:
        video_ids: all videos of the corpus; repeats do not matter.
        own: split → video ids, more than the corpus holds or less.
        path: the folds file, or `None`.
        seed: seed of the draw.

    Returns:
        `train`, `valid` and `test` → sorted video ids of the corpus (possibly none), and a phrase that says where
        the folds come from. Videos that 1. or 2. do not name are in none.

    Raises:
        FileNotFoundError: there is no folds file.
        ValueError: no videos; a folds file that cannot be read; a video in two folds; no video in any.
    """
    videos = sorted(set(video_ids))
    if not videos:
        raise ValueError(
            "There are no videos to fold. Expected at least one. Received: video_ids=[]. Check the source."
        )
    if path is not None:
        origin = f"folds file {Path(path).name}"
        return _cover(videos, read_folds(path), origin), origin
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
    named: dict[str, set[str]] = {split: set() for split in SPLITS}
    for name, members in folds.items():
        split = split_name(name)
        if split is None:
            raise ValueError(
                f"Unknown fold. Expected some of {list(SPLITS)}. Received: fold={name!r} ({origin}). Rename it."
            )
        named[split].update(members)
    check_apart(named, origin)
    found = {split: tuple(video for video in videos if video in named[split]) for split in SPLITS}
    if not any(found.values()):
        others = sorted(set().union(*named.values()))[:3]
        raise ValueError(
            f"No video of the corpus is in a fold. Expected ids of its videos, like {videos[:3]}. "
            f"Received: {sum(map(len, named.values()))} ids, like {others} ({origin}). "
            f"Name them in the file given with --folds FILE."
        )
    return found


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
