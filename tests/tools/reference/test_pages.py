"""The pages of the reference are those that the code makes."""

import pytest

from tools.reference.pages import FOLDER, PAGES


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_as_the_code_has_it(name):
    written = (FOLDER / name).read_text(encoding="utf-8")
    assert written.splitlines() == PAGES[name]().splitlines(), "Write it anew: python -m tools.reference"
    assert written.endswith("\n")
