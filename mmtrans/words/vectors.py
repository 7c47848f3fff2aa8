"""Vectors of words in their sentence: the mean of each word's pieces, layers side by side.

A sentence's vectors are the same bit for bit whatever is read beside it: sums in float32 depend on the width that a
batch is padded to, so a sentence's own length alone decides that width.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from mmtrans.system.arithmetic import ceil_div
from mmtrans.words.folder import EncoderFolder, open_folder
from mmtrans.words.model import build_text_encoder
from mmtrans.words.pieces import PieceReader, Pieces
from mmtrans.words.weights import load_weights

#: Widths are multiples of this, so that few different ones are computed.
_WIDTH_STEP = 8

#: Most pieces in a batch, padding included.
_PIECES_AT_ONCE = 4096


@dataclass
class Readings:
    """What was met while words were read.

    Attributes:
        windowed: sentences of more pieces than the encoder reads at once, which were read in overlapping windows.
        without_pieces: words that have no piece, whose vectors are zeros.
    """

    windowed: int = 0
    without_pieces: int = 0


@dataclass(frozen=True)
class _Window:
    """A part of a sentence that is read at once.

    Attributes:
        sentence: number of the sentence.
        first: number of its first piece in the sentence.
        ids: `(pieces,)` ids, the two marks included.
        kept: the pieces whose states are taken from here, counted within the sentence.
    """

    sentence: int
    first: int
    ids: np.ndarray
    kept: slice


class WordEncoder:
    """A text encoder that gives words their vectors.

    Args:
        folder: the encoder's folder.
        layers: the layers whose hidden states stand side by side, in this order; 0 is the embeddings.

    Raises:
        ValueError: the folder's files are damaged, or it has no such layer.
    """

    def __init__(self, folder: EncoderFolder, layers: Sequence[int]) -> None:
        encoder = build_text_encoder(folder.settings, layers, deviation=0.0)
        load_weights(encoder, folder)
        self.folder = folder
        self.layers = tuple(layers)
        self.readings = Readings()
        self._reader = PieceReader(folder)
        self._states = _make_states(encoder.model, self.layers)

    @classmethod
    def open(cls, name: str | Path, layers: Sequence[int] | None = None) -> WordEncoder:
        """Opens the encoder that `mmtrans.words.folder.open_folder` finds.

        Args:
            name: folder, package, or model of a hub.
            layers: as above; without them the last three.
        """
        folder = open_folder(name)
        return cls(folder, folder.settings.last_layers if layers is None else layers)

    @property
    def dim(self) -> int:
        """Columns of a word's vector."""
        return len(self.layers) * self.folder.settings.width

    def encode(self, sentences: Sequence[Sequence[str]]) -> list[np.ndarray]:
        """The vectors of each sentence's words, `(words, dim)` float32; `readings` counts what was met.

        Args:
            sentences: the words of each sentence.
        """
        all_pieces = self._reader.read_all(sentences)
        states = [np.zeros((len(pieces.ids), self.dim), np.float32) for pieces in all_pieces]
        windows = [window for number, pieces in enumerate(all_pieces) for window in self._windows(number, pieces.ids)]
        for width, batch in _batches(windows, self.folder.settings.most_pieces):
            found = self._read(batch, width)
            for window, of_window in zip(batch, found, strict=True):
                # The first state is that of the mark.
                inside = of_window[1 + window.kept.start - window.first : 1 + window.kept.stop - window.first]
                states[window.sentence][window.kept] = inside
        return [
            self._means(of_sentence, pieces, len(words))
            for of_sentence, pieces, words in zip(states, all_pieces, sentences, strict=True)
        ]

    def _windows(self, sentence: int, ids: np.ndarray) -> Iterator[_Window]:
        """The whole sentence; of a longer one windows that overlap, each piece from that in whose middle it is."""
        if not len(ids):
            return
        most = self.folder.settings.most_pieces - 2
        starts = [0]
        if len(ids) > most:
            self.readings.windowed += 1
            last = len(ids) - most
            starts = [*range(0, last, max(most // 2, 1)), last]
        # Two windows are parted in the middle of what they share.
        parted = [(start + before + most) // 2 for before, start in itertools.pairwise(starts)]
        for start, low, high in zip(starts, [0, *parted], [*parted, len(ids)], strict=True):
            marked = np.concatenate([[self._reader.begin], ids[start : start + most], [self._reader.end]])
            yield _Window(sentence, start, marked, slice(low, high))

    def _read(self, windows: Sequence[_Window], width: int) -> np.ndarray:
        """Hidden states of windows, `(windows, width, dim)` float32."""
        ids = np.zeros((len(windows), width), np.int32)
        for row, window in enumerate(windows):
            ids[row, : len(window.ids)] = window.ids
        lengths = np.array([len(window.ids) for window in windows], np.int32)
        return self._states(tf.constant(ids), tf.constant(lengths)).numpy()

    def _means(self, states: np.ndarray, pieces: Pieces, words: int) -> np.ndarray:
        counts = np.bincount(pieces.words, minlength=words)
        self.readings.without_pieces += int((counts == 0).sum())
        vectors = np.zeros((words, self.dim), np.float32)
        spoken = np.flatnonzero(counts)
        if len(spoken):
            sums = np.add.reduceat(states, np.searchsorted(pieces.words, spoken), axis=0)
            vectors[spoken] = sums / counts[spoken, None].astype(np.float32)
        return vectors


def _make_states(model, layers: Sequence[int]):
    @tf.function(
        input_signature=[tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((None,), tf.int32)],
        autograph=False,
    )
    def states(pieces, lengths):
        outputs = model({"pieces": pieces, "length": lengths}, training=False)
        return tf.concat([outputs[f"layer_{layer}"] for layer in layers], axis=-1)

    return states


def _batches(windows: Sequence[_Window], most: int) -> Iterator[tuple[int, list[_Window]]]:
    """Windows of one width each, at most `most`; no batch is larger than `_PIECES_AT_ONCE`."""
    by_width: dict[int, list[_Window]] = defaultdict(list)
    for window in windows:
        by_width[min(ceil_div(len(window.ids), _WIDTH_STEP) * _WIDTH_STEP, most)].append(window)
    for width, of_width in sorted(by_width.items()):
        rows = max(_PIECES_AT_ONCE // width, 1)
        for start in range(0, len(of_width), rows):
            yield width, of_width[start : start + rows]
