"""Looks up the vectors of words: zeros stand for words that have none."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmtrans.sources.glove import open_glove


@dataclass(frozen=True)
class WordVectors:
    """The vectors that a file has of a corpus's words.

    Args:
        path: the file.
        sha256: of the file.
        vectors: word in lower case → `(dim,)` float32, of those that the file has.
        dim: number of columns.
    """

    path: Path
    sha256: str
    vectors: Mapping[str, np.ndarray]
    dim: int

    @classmethod
    def open(cls, path: str | Path, vocabulary: Collection[str], source: Path) -> WordVectors:
        """Reads the vectors of some words from a file in GloVe's text format.

        Args:
            path: the file.
            vocabulary: the words in lower case.
            source: where the words are from, for messages.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file has none of the words, or is damaged.
        """
        glove = open_glove(path)
        vectors = glove.read(vocabulary)
        if not vectors:
            raise ValueError(
                f"The word vectors have none of the words. Expected words in lower case. Received: glove={path} for "
                f"{len(vocabulary)} words like {sorted(vocabulary)[:3]} ({source}). "
                f"Give vectors of the corpus's language."
            )
        return cls(glove.path, glove.sha256, vectors, glove.dim)

    def look_up(self, words: Sequence[str]) -> np.ndarray:
        """The vectors of words, in any case: `(words, dim)` float32."""
        found = np.zeros((len(words), self.dim), np.float32)
        for row, word in enumerate(words):
            vector = self.vectors.get(word.lower())
            if vector is not None:
                found[row] = vector
        return found

    def unknown(self, words: Sequence[str]) -> list[str]:
        """Those of the words that have no vector, in lower case."""
        return [lower for lower in map(str.lower, words) if lower not in self.vectors]
