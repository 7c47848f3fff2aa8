"""Writes the page of some runs to a file, for the command line and for notebooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mmtrans.evaluation.suitability import open_records
from mmtrans.explore.gather import gather
from mmtrans.explore.render import plotting_library, to_html
from mmtrans.explore.shapes import Clip, Page
from mmtrans.runs.run import Run
from mmtrans.system.files import check_new_file, write_atomically


def place_of_page(runs: Sequence[str | Path], split: str, out: str | Path | None = None) -> Path:
    """Where a page goes: to `out`, or as `explore-<split>.html` into the directory of one run, of several here.

    Raises:
        ValueError: no page can be written there.
    """
    beside = Path(runs[0]) if len(runs) == 1 else Path()
    place = Path(out or beside / f"explore-{split}.html")
    if place.suffix != ".html":
        raise ValueError(
            f"The explorer is a page. Expected a file that ends in .html. Received: out={place}. Rename it."
        )
    check_new_file(place, "--out")
    return place


def write_page(
    runs: Sequence[Run],
    split: str,
    place: Path,
    data: str | Path | None = None,
    find_clips: Callable[[Sequence[str]], Mapping[str, Clip]] | None = None,
) -> Page:
    """Computes the page of some runs on a split, and writes it.

    Args:
        runs: finished runs, trained on the same records.
        split: `train`, `valid` or `test`.
        place: the file.
        data: records; by default those that the runs were trained on.
        find_clips: of ids of segments, the clips that are known.

    Returns:
        what the page holds.

    Raises:
        ValueError: as of `gather`; or the plotting library is not installed.
        FileNotFoundError: there are no such records.
    """
    library = plotting_library()
    page = gather(runs, open_records(runs[0], data, tuple({"train", split})), split)
    if find_clips is not None:
        page = replace(page, media=dict(find_clips([segment.id for segment in page.segments])))
    place.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(place, to_html(page, library))
    return page
