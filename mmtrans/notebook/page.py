"""A page that a command wrote, as a notebook shows it."""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Page:
    """A page in a file. A notebook shows it in a frame of its own, so that its style and the notebook's stay apart.

    Attributes:
        path: the file.
        summary: its sentences, if it has some.
        height: height of the frame, in pixels.
    """

    path: Path
    summary: tuple[str, ...] = ()
    height: int = 640

    def __repr__(self) -> str:
        return "\n".join([f"Page({str(self.path)!r})", *(f"- {sentence}" for sentence in self.summary)])

    def _repr_html_(self) -> str:
        page = html.escape(self.path.read_text(encoding="utf-8"))
        style = f"width:100%;height:{self.height}px;border:1px solid #ccc"
        return f'<iframe title="{html.escape(self.path.name)}" srcdoc="{page}" style="{style}"></iframe>'
