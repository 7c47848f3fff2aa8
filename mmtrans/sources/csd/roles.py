"""Tells the role of each computational sequence from its names and content."""

from __future__ import annotations

import re

from mmtrans.sources.modalities import ENDINGS, NAMES

#: Words of root and file names, in lower case, by the role they tell; looked up in this order.
ROLE_NAMES = {
    "phones": ("phone",),
    "labels": ("label", "opinion"),
    **NAMES,
}

#: Words that are written together with those, as in `timestampedwordvectors`, and tell no role.
_BESIDE = ("timestamped", "modified", "segment", "sentiment", "cmu", "mosi", "mosei", "pom")

_ROLE_WORD = re.compile("|".join(sorted({name for names in ROLE_NAMES.values() for name in names}, key=len)[::-1]))
_WRITTEN_TOGETHER = re.compile(rf"(?:{_ROLE_WORD.pattern}|{'|'.join(_BESIDE)})+(?:{ENDINGS})?")

#: `VisualFacet42` is Visual, Facet and 42.
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

#: `OpenFace`, `word_vectors` and `word2vec` are made of up to so many.
_COUNTS = (1, 2, 3)

#: Dimensions of the published sequences, for files whose names tell nothing.
ROLE_DIMS = {300: "text", 74: "audio", 43: "audio", 47: "video", 35: "video", 713: "video"}


def role_of(root: str, stem: str, *, holds_text: bool, dim: int) -> str | None:
    """Tells the role of a computational sequence from its names and content.

    Args:
        root: the sequence's root name; it decides before the file's name does.
        stem: the file's name without its suffix.
        holds_text: whether the features are strings.
        dim: numbers per row.

    Returns:
        `words`, `phones`, `labels`, `text`, `audio` or `video`, or `None` where nothing tells.
    """
    roles = [role for role in (_role_of_name(root), _role_of_name(stem)) if role]
    if holds_text:
        return "phones" if "phones" in roles else "words"
    return roles[0] if roles else ROLE_DIMS.get(dim)


def _role_of_name(name: str) -> str | None:
    parts = _WORDS.findall(name)
    texts = ["".join(parts[start : start + count]) for start in range(len(parts)) for count in _COUNTS]
    spoken = {word for text in texts for word in _words_within(text.lower())}
    return next((role for role, words in ROLE_NAMES.items() if spoken.intersection(words)), None)


def _words_within(text: str) -> list[str]:
    """The words that tell a role, where a text is made of known words alone: `surface` is no face."""
    return _ROLE_WORD.findall(text) if _WRITTEN_TOGETHER.fullmatch(text) else []
