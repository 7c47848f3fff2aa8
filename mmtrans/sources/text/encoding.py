"""Gives words their vectors in context: a corpus's text becomes layers of an encoder, with GloVe's vectors beside."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mmtrans.sources.account import Account, Cleaned
from mmtrans.sources.corpus import Corpus
from mmtrans.sources.format import AS_MANY, NO_CACHE, SourceOptions
from mmtrans.sources.text.cache import VectorCache
from mmtrans.sources.text.lookup import WordVectors
from mmtrans.sources.text.pieces import count_columns, count_left_out, cut, piece_columns
from mmtrans.sources.words import spoken
from mmtrans.system.quiet import import_tensorflow
from tfrecords.manifest import TextColumns
from tfrecords.schema import Segment

if TYPE_CHECKING:
    from mmtrans.words.folder import EncoderFolder
    from mmtrans.words.pieces import Pieces
    from mmtrans.words.vectors import WordEncoder

#: Words and segments that are encoded in one go: they bound the memory.
_WORDS_AT_ONCE = 8192
_SEGMENTS_AT_ONCE = 256

#: Part of the cache's keys: another one where words get other vectors of the same encoder.
_VERSION = 1


class _Encoder:
    """A text encoder behind a cache; its weights are read when the first sentence is not there."""

    def __init__(self, folder: EncoderFolder, layers: tuple[int, ...], cache: VectorCache | None) -> None:
        from mmtrans.words.pieces import PieceReader

        self.folder, self.layers = folder, layers
        self._cache = cache
        # All that vectors depend on besides the words: another TensorFlow may round otherwise.
        self._told = (_VERSION, _version_of("tensorflow"), folder.sha256, layers)
        self.reader = PieceReader(folder)
        # Without the two marks.
        self.most_pieces = folder.settings.most_pieces - 2
        self._model: WordEncoder | None = None

    def check(self, corpus: Corpus) -> None:
        """Raises a ValueError where the encoder knows none of a corpus's words."""
        known = (
            set(pieces.ids.tolist()) - {self.reader.unknown}
            for pieces in self.reader.read_all([[word] for word in corpus.vocabulary])
        )
        if not any(known):
            raise ValueError(
                f"The text encoder has pieces of none of the words. Expected an encoder of the corpus's language. "
                f"Received: text_encoder={self.folder.name} for words like {sorted(corpus.vocabulary)[:3]} "
                f"({corpus.files[0]}). Give another one."
            )

    def encode(self, sentences: Sequence[Sequence[str]]) -> list[np.ndarray]:
        """The vectors of each sentence's words, `(words, layers × width)` float32."""
        if not self.layers:
            return [np.zeros((len(words), 0), np.float32) for words in sentences]
        keys = [self._key(words) for words in sentences]
        different = {key: words for key, words in zip(keys, sentences, strict=True) if words}
        found = {} if self._cache is None else self._cache.get(list(different))
        lacking = {key: words for key, words in different.items() if key not in found}
        if lacking:
            fresh = dict(zip(lacking, self._open().encode(list(lacking.values())), strict=True))
            found.update(fresh)
            if self._cache is not None:
                self._cache.put(fresh)
        dim = len(self.layers) * self.folder.settings.width
        empty = np.zeros(0, np.float32)
        return [found.get(key, empty).reshape(len(words), dim) for key, words in zip(keys, sentences, strict=True)]

    def close(self) -> list[str]:
        """Closes the cache, and says what was wrong with it."""
        if self._cache is None:
            return []
        self._cache.close()
        trouble, self._cache.trouble = self._cache.trouble, []
        return trouble

    def _open(self) -> WordEncoder:
        if self._model is None:
            import_tensorflow()
            from mmtrans.words.vectors import WordEncoder

            self._model = WordEncoder(self.folder, self.layers)
        return self._model

    def _key(self, words: Sequence[str]) -> bytes:
        return hashlib.sha256(json.dumps((*self._told, tuple(words))).encode()).digest()


def _version_of(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        # Installed by another name, as of a build for other processors.
        return ""


def encode_words(corpus: Corpus, options: SourceOptions, *, strict: bool = True) -> Corpus:
    """Wraps a corpus so that its text is the vectors that an encoder, and perhaps GloVe, give the words.

    Args:
        corpus: an opened source, whose own text was left aside and whose `vocabulary` is known.
        options: the options that it was opened with, among them `text_encoder`.
        strict: whether words of which the encoder or the file of vectors knows none are refused, as of another
            language.

    Returns:
        A corpus that shares `account` and `noted` with `corpus`. A word is a step of its text, and a segment without
        words has none, which is counted. `trouble` gets what is wrong with the cache.

    Raises:
        FileNotFoundError: there is no such encoder, or no such file of vectors.
        ValueError: there are no words; the encoder is damaged, has no such layers or none of the words; the file of
            vectors is damaged or has none of the words.
    """
    # Imported when needed: the tokenizers' library is none that other sources need.
    from mmtrans.words.folder import open_folder

    source = corpus.files[0]
    if strict and not spoken(list(corpus.vocabulary)).any():
        raise ValueError(
            f"There are no words for the text encoder. Expected a source with words. "
            f"Received: text_encoder={options.text_encoder} ({source}, {corpus.format}). "
            f"Give the transcripts, or leave --text-encoder out."
        )
    folder = open_folder(str(options.text_encoder))
    encoder = _Encoder(folder, _layers_of(folder, options), cache_of(options.text_cache))
    if strict:
        encoder.check(corpus)
    glove = None if options.glove is None else WordVectors.open(options.glove, corpus.vocabulary, source, strict=strict)
    columns = TextColumns(
        encoder=folder.name,
        sha256=folder.sha256,
        layers=encoder.layers,
        width=folder.settings.width,
        pieces=_columns_of_pieces(encoder, options, corpus.vocabulary),
        glove=0 if glove is None else glove.dim,
        glove_sha256=None if glove is None else glove.sha256,
    )
    return corpus.through(
        lambda segments: _encode(segments, corpus, encoder, columns, glove),
        text=columns,
        aligned={"text": True, **corpus.aligned},
    )


def _layers_of(folder: EncoderFolder, options: SourceOptions) -> tuple[int, ...]:
    if options.text_layers is None:
        return folder.settings.last_layers if options.text_pieces is None else ()
    if options.text_layers or options.text_pieces is None:
        folder.settings.check_layers(options.text_layers)
    return tuple(options.text_layers)


def _columns_of_pieces(encoder: _Encoder, options: SourceOptions, vocabulary: Collection[str]) -> int:
    if options.text_pieces is None:
        return 0
    if options.text_pieces == AS_MANY:
        return count_columns(encoder.reader, vocabulary, encoder.most_pieces)
    return int(options.text_pieces)


def cache_of(folder: str | Path | None) -> VectorCache | None:
    """The cache in a folder, the user's own without it; `None` for `NO_CACHE`."""
    if folder == NO_CACHE:
        return None
    return VectorCache(None if folder is None else Path(folder))


def _encode(
    segments: Iterator[Segment], corpus: Corpus, encoder: _Encoder, columns: TextColumns, glove: WordVectors | None
) -> Iterator[Segment]:
    try:
        for chunk in _chunks(segments):
            all_pieces = encoder.reader.read_all([segment.tokens for segment in chunk])
            if columns.pieces:
                chunk, all_pieces = _cut(corpus, chunk, all_pieces, encoder, columns.pieces)
            all_vectors = encoder.encode([segment.tokens for segment in chunk])
            for segment, pieces, vectors in zip(chunk, all_pieces, all_vectors, strict=True):
                if not segment.tokens:
                    corpus.account.count(Cleaned.SEGMENTS_WITHOUT, "text")
                    yield segment
                    continue
                _count(corpus.account, segment, pieces, encoder, columns)
                parts = [piece_columns(pieces, len(segment.tokens), columns.pieces), vectors]
                if glove is not None:
                    parts.append(glove.look_up(segment.tokens))
                    _count_unknown(corpus.account, glove.unknown(segment.tokens))
                yield replace(segment, features={"text": np.concatenate(parts, axis=1), **segment.features})
    finally:
        corpus.trouble.extend(encoder.close())


def _cut(
    corpus: Corpus, chunk: list[Segment], all_pieces: list[Pieces], encoder: _Encoder, columns: int
) -> tuple[list[Segment], list[Pieces]]:
    """Segments of no more words than the encoder reads at once, and their pieces."""
    kept = [
        cut(segment, pieces, columns, encoder.most_pieces, corpus.aligned)
        for segment, pieces in zip(chunk, all_pieces, strict=True)
    ]
    shorter = sum(len(now.tokens) < len(was.tokens) for now, was in zip(kept, chunk, strict=True))
    corpus.account.count(Cleaned.CUT_TO_ENCODER, "text", shorter)
    return kept, encoder.reader.read_all([segment.tokens for segment in kept]) if shorter else all_pieces


def _count(account: Account, segment: Segment, pieces: Pieces, encoder: _Encoder, columns: TextColumns) -> None:
    """Counts words without pieces, pieces without a column, and a sentence that is read in parts."""
    account.count(Cleaned.WORDS_WITHOUT_PIECES, "text", len(segment.tokens) - len(np.unique(pieces.words)))
    if columns.pieces:
        account.count(Cleaned.PIECES_LEFT_OUT, "text", count_left_out(pieces, columns.pieces))
    if columns.layers:
        account.count(Cleaned.READ_IN_WINDOWS, "text", int(len(pieces.ids) > encoder.most_pieces))


def _count_unknown(account: Account, unknown: Sequence[str]) -> None:
    account.count(Cleaned.WORDS_WITHOUT_GLOVE, "text", len(unknown))
    account.count_different(Cleaned.DIFFERENT_WORDS_WITHOUT_GLOVE, "text", unknown)


def _chunks(segments: Iterator[Segment]) -> Iterator[list[Segment]]:
    chunk: list[Segment] = []
    for segment in segments:
        chunk.append(segment)
        if len(chunk) == _SEGMENTS_AT_ONCE or sum(len(each.tokens) for each in chunk) >= _WORDS_AT_ONCE:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
