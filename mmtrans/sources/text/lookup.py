"""Looks up the vectors of words: zeros stand for words that have none."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mmtrans.sources.account import Cleaned
from mmtrans.sources.corpus import Corpus
from mmtrans.sources.glove import open_glove
from tfrecords.schema import Segment


@dataclass(frozen=True)
class WordVectors:
    """The vectors that a file has of a corpus's words.

    Attributes:
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
    def open(cls, path: str | Path, vocabulary: Collection[str], source: Path, *, strict: bool = True) -> WordVectors:
        """Reads the vectors of some words from a file in GloVe's text format.

        Args:
            path: the file.
            vocabulary: the words in lower case.
            source: where the words are from, for messages.
            strict: whether a file that has none of the words is refused.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file has none of the words, or is damaged.
        """
        glove = open_glove(path)
        vectors = glove.read(vocabulary)
        if strict and not vectors:
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


def look_up_words(corpus: Corpus, glove: str | Path, *, strict: bool = True) -> Corpus:
    """Wraps a corpus so that its text is the vectors that a file has of its words, which it counts where it has none.

    Args:
        corpus: an opened source, whose `vocabulary` is known.
        glove: the file of vectors.
        strict: whether a file that has none of the words is refused.

    Returns:
        A corpus that shares `account` and `noted` with `corpus`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: there are no words; the file has none of them, or is damaged.
    """
    if strict and not corpus.vocabulary:
        raise ValueError(
            f"There are no words for the vectors. Expected a source with words. "
            f"Received: glove={glove} ({corpus.files[0]}, {corpus.format}). Give the transcripts, or leave --glove out."
        )
    vectors = WordVectors.open(glove, corpus.vocabulary, Path(corpus.files[0]), strict=strict)

    def with_vectors(segments: Iterator[Segment]) -> Iterator[Segment]:
        for segment in segments:
            unknown = vectors.unknown(segment.tokens)
            corpus.account.count(Cleaned.WORDS_WITHOUT_VECTOR, "text", len(unknown))
            corpus.account.count_different(Cleaned.DIFFERENT_WORDS_WITHOUT_VECTOR, "text", unknown)
            yield replace(segment, features={"text": vectors.look_up(segment.tokens), **segment.features})

    files, aligned = [*corpus.files, vectors.path], {"text": True, **corpus.aligned}
    return corpus.through(with_vectors, files=files, aligned=aligned)
