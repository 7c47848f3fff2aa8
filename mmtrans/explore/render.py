"""The page of the explorer as one HTML file: data, style, script and plotting library are all in it."""

from __future__ import annotations

import base64
import gzip
import importlib
import json
from dataclasses import asdict
from importlib import resources

import jinja2
from markupsafe import Markup

from mmtrans.explore.shapes import Page
from mmtrans.system.escape import for_html

#: The scripts, in the order in which they run.
SCRIPTS = ("dom.js", "state.js", "list.js", "charts.js", "heatmap.js", "segment.js", "start.js")

#: Version of Vega-Lite that the charts are written for.
VEGA_LITE = "6.4"


def plotting_library() -> str:
    """Vega-Lite with all that it needs, as one script.

    Raises:
        ValueError: the package that holds it is not installed.
    """
    try:
        library = importlib.import_module("vl_convert")
    except ImportError as error:
        raise ValueError(
            "The explorer's charts need a package. Expected vl-convert-python, which holds Vega-Lite. Received: none. "
            "Install it: pip install 'mmtrans[explore]'."
        ) from error
    return library.javascript_bundle(vl_version=VEGA_LITE)


def to_html(page: Page, library: str) -> str:
    """One self-contained page.

    Args:
        page: what it shows.
        library: what `plotting_library` gives.
    """
    assets = resources.files("mmtrans.explore").joinpath("assets")
    read = {name: assets.joinpath(name).read_text(encoding="utf-8") for name in ("page.html.j2", "page.css", *SCRIPTS)}
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=_shown)
    return environment.from_string(read["page.html.j2"]).render(
        page=page,
        style=Markup(read["page.css"]),
        library=Markup(_in_script(library)),
        scripts=[Markup(_in_script(read[name])) for name in SCRIPTS],
        data=_data_of(page),
    )


def _data_of(page: Page) -> str:
    """The page as base64 of compressed JSON, which no text in it can leave."""
    text = json.dumps(asdict(page), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode("utf-8"), mtime=0)).decode("ascii")


def _in_script(text: str) -> str:
    """Text that cannot end the element that it stands in."""
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _shown(value: object) -> object:
    """Text that a page shows; what is markup already stays."""
    return Markup(for_html(value)) if type(value) is str else value
