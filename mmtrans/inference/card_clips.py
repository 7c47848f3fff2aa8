"""What a model card says of clips: how they were measured that the model learned from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mmtrans.system.escape import for_markdown


def clips_section(description: Mapping[str, Any]) -> Iterator[str]:
    """The lines about clips; none for a model that did not learn from clips.

    Args:
        description: the content of `signature.json`.
    """
    extraction = description.get("extraction")
    if extraction is None:
        return
    yield from ("## Which clips it reads", "")
    yield "Its features are those of `mmtrans extract` with the settings below, and with no others: by them"
    yield "`mmtrans predict THIS_DIRECTORY CLIP.mp4` goes from a video or sound file to scores."
    yield ""
    for name, value in extraction["settings"].items():
        yield f"- `{for_markdown(name)}`: {for_markdown(str(value))}"
    packages = ", ".join(f"{name} {version}" for name, version in extraction["packages"].items())
    yield f"- measured with {for_markdown(packages)}"
    for name, sha256 in extraction.get("models", {}).items():
        yield f"- {for_markdown(name)} of sha256 {for_markdown(sha256)}"
    yield ""
