"""The explorer's page in a real browser: it starts, asks the network for nothing, and can be used by everybody."""

import importlib.util
import shutil
from pathlib import Path

import pytest

from mmtrans.explore.render import plotting_library, to_html
from tests.explore.pages import MARKUP, make_page

pytest.importorskip("vl_convert")
sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on PATH"),
]

#: Longest wait for what a page does at once, in milliseconds.
PATIENCE = 20_000


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        # Chromium has no sandbox for root, who runs the tests in containers.
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def library():
    return plotting_library()


@pytest.fixture(scope="module")
def address(library, tmp_path_factory):
    """Of a page whose translations are tokens."""
    path = tmp_path_factory.mktemp("explore") / "page.html"
    path.write_text(to_html(make_page(), library), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def of_features(library, tmp_path_factory):
    """Address of a page whose translations are heat maps."""
    path = tmp_path_factory.mktemp("explore") / "features.html"
    path.write_text(to_html(make_page(of_tokens=False), library), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def opened(browser, address):
    """`opened(**options)`: a page in a window of its own; at the end it has not complained, or asked for anything."""
    contexts, trouble = [], []

    def open_page(url=address, **options):
        context = browser.new_context(**{"viewport": {"width": 1400, "height": 900}, **options})
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: trouble.append(message.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith("file:") else trouble.append(request.url))
        page.goto(url)
        page.wait_for_function("document.querySelectorAll('#charts svg').length === 3")
        page.wait_for_selector("#chart-line svg")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert trouble == []


def rows(page):
    """Ids of the segments in the list."""
    return [text.split(" · ")[0] for text in page.locator("#table .more").all_inner_texts()]


def count(page):
    return page.locator("#count").inner_text()


def test_the_list_is_sorted_and_filtered(opened):
    page = opened()
    assert rows(page) == ["v1[1]", "v1[5]", "v0[0]", "v0[2]", "v1[3]", "v0[4]"]
    page.get_by_label("Words or id").fill("word4")
    assert rows(page) == ["v1[5]"]
    assert count(page) == "1 of 6 segments, mean absolute error 2.000"
    page.get_by_role("button", name="Clear").click()
    assert count(page) == "All 6 segments"
    page.get_by_label("Both runs disagree").check()
    assert rows(page) == ["v1[1]", "v0[2]"]
    page.get_by_role("button", name="Clear").click()
    page.get_by_label("A modality is missing, or does not change").check()
    assert rows(page) == ["v1[3]"]
    page.get_by_role("button", name="Clear").click()
    page.locator("select[name=video]").select_option("v1")
    page.get_by_label("Error, to").fill("0")
    assert rows(page) == ["v1[5]", "v1[3]"]
    page.get_by_role("button", name="Clear").click()
    page.get_by_role("button", name="True", exact=True).click()
    assert rows(page) == ["v0[0]", "v1[1]", "v0[2]", "v1[3]", "v0[4]", "v1[5]"]
    assert page.locator("th[aria-sort=ascending]").inner_text().startswith("True")


def test_segments_are_counted_in_whole_numbers(opened):
    page = opened()
    labels = page.locator("#chart-histogram .role-axis-label text").all_text_contents()
    assert labels == ["\N{MINUS SIGN}2", "\N{MINUS SIGN}1", "0", "1", "2", "0", "1", "2"]


def test_another_run_is_shown(opened):
    page = opened()
    page.get_by_label("Run shown").select_option(label="T->A")
    assert rows(page)[0] in ("v0[0]", "v1[5]")
    assert "MAE of T is 0.250 higher than that of T->A" in page.locator(".difference").inner_text()


def test_a_brush_changes_the_list(opened):
    page = opened()
    chart = page.locator("#chart-histogram svg").bounding_box()
    y = chart["y"] + 60
    # The error is 0 a little left of this.
    page.mouse.move(chart["x"] + 0.56 * chart["width"], y)
    page.mouse.down()
    page.mouse.move(chart["x"] + chart["width"] - 4, y, steps=5)
    page.mouse.up()
    page.wait_for_function("document.getElementById('count').textContent.startsWith('4 of 6')")
    assert set(rows(page)) == {"v1[1]", "v0[2]", "v0[4]", "v0[0]"}
    assert float(page.get_by_label("Error, from").input_value()) > 0
    page.get_by_role("button", name="Clear").click()
    assert count(page) == "All 6 segments"


def test_the_keyboard_alone_does(opened):
    page = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the list of segments"
    page.keyboard.press("Enter")
    for _ in range(6):
        # The list is one stop for each column to sort by, and one for its rows.
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('open')"):
            break
    page.keyboard.press("ArrowDown")
    assert page.locator("#segment-title").inner_text() == "v1[5]"
    page.keyboard.press("End")
    assert page.locator("#segment-title").inner_text() == "v0[4]"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "segment"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.locator("#segment-title").inner_text() == "v1[3]"
    assert page.evaluate("location.hash") == "#v1%5B3%5D"


def test_text_is_shown_as_it_is(opened):
    page = opened()
    assert MARKUP in page.locator(".quote").inner_text()
    assert page.locator("img").count() == 0


def test_the_opened_segment_says_what_each_run_did(opened, address):
    page = opened(f"{address}#v1%5B3%5D")
    assert page.locator("#segment-title").inner_text() == "v1[3]"
    said = page.locator("#segment").inner_text().replace("\N{MINUS SIGN}", "-")
    assert "True +1.0; T: predicted +0.75 (error -0.25); T->A: predicted +1.25 (error +0.25)." in said
    cells = page.locator(".tokens tbody tr").nth(1).locator("th, td").all_inner_texts()
    assert cells == ["best hypothesis", "c0", "c1", "c2", "c3", "\N{MINUS SIGN}1.00"]
    assert page.locator("video").get_attribute("src") == "clips/v1.mp4#t=1,2"
    before = page.locator("#chart-attention-1 svg").inner_html()
    page.get_by_label("Take out what the distance alone gives").check()
    page.wait_for_function("(old) => document.querySelector('#chart-attention-1 svg').innerHTML !== old", arg=before)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(opened, scheme):
    page = opened(color_scheme=scheme)
    for summary in page.locator("summary").all():
        summary.click()
    folder = Path(importlib.util.find_spec("axe_playwright_python").origin).parent
    page.add_script_tag(content=(folder / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    assert [(v["id"], v["nodes"][0]["html"][:200]) for v in found if v["impact"] in ("serious", "critical")] == []


def test_paper_is_light_where_the_screen_is_dark(opened, of_features):
    def colours(page):
        page.wait_for_selector("#chart-attention-1 svg")
        places = "body, .legend i, .word, #charts svg path, #segment svg path"
        told = "({backgroundColor, backgroundImage, color, fill}) => [backgroundColor, backgroundImage, color, fill]"
        found = page.evaluate(f"Array.from(document.querySelectorAll('{places}'), e => ({told})(getComputedStyle(e)))")
        assert len(found) > 40
        return found

    printed = {}
    for scheme in ("light", "dark"):
        page = opened(of_features, color_scheme=scheme)
        seen = colours(page)
        page.emulate_media(media="print", color_scheme=scheme)
        printed[scheme] = colours(page)
    assert printed["dark"] == printed["light"]
    assert seen != printed["dark"]
    # White, of a cell that nothing was looked at.
    assert "color(srgb 1 1 1)" in [fill for *_, fill in printed["dark"]]


def test_pictures_of_it(opened, of_features, tmp_path):
    """A phone needs no scrolling sideways, and the dark page is dark. The pictures are there for a look."""
    taken = {}
    kinds = {"desktop": {}, "dark": {"color_scheme": "dark"}, "phone": {"viewport": {"width": 390, "height": 844}}}
    for name, options in kinds.items():
        page = opened(of_features, **options)
        page.wait_for_selector("#chart-decoded-1 svg")
        taken[name] = page.screenshot(path=tmp_path / f"{name}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    assert taken["dark"] != taken["desktop"]
    page.emulate_media(media="print")
    assert not page.locator("#filters").is_visible()
