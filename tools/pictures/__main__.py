"""`python -m tools.pictures`: takes README's picture of the explorer anew, of two runs on the synthetic corpus.

It needs the extras `[dev]` and `[explore]`, and chromium on PATH.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"

#: The window that is taken, in pixels.
WIDTH, HEIGHT = 1280, 1000


def explorer_page(folder: Path) -> Path:
    """Trains two small runs in an empty folder, and writes their page."""
    from mmtrans import api

    # The page tells where its runs lie.
    os.chdir(folder)
    api.synthesize("corpus", videos=16)
    records = api.convert("corpus", "records")
    words = api.fit(records, recipe="T", run="words", epochs=12, quiet=True)
    small = api.Config(recipe="T->A", epochs=12, units=32, decoder_units=32, attention_units=32)
    translation = api.fit(records, config=small, run="translation", quiet=True)
    return translation.explore(words, out=folder / "explorer.html").path


def take(page: Path, picture: Path) -> None:
    """Takes a picture of a page of the explorer from its charts on, once they are drawn.

    Raises:
        FileNotFoundError: there is no chromium on PATH.
    """
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        raise FileNotFoundError("There is no browser. Expected chromium on PATH. Received: none. Install chromium.")
    with sync_playwright() as playwright:
        # Chromium has no sandbox for root, who works in containers.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        opened = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        opened.goto(page.as_uri())
        opened.wait_for_selector("#chart-line svg")
        opened.get_by_role("heading", name="All together").evaluate("heading => heading.scrollIntoView()")
        opened.screenshot(path=picture)
        browser.close()


def main() -> int:
    argparse.ArgumentParser(prog="python -m tools.pictures", description="Takes docs/pictures anew.").parse_args()
    with tempfile.TemporaryDirectory() as folder:
        take(explorer_page(Path(folder)), FOLDER / "explorer.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
