"""Records whose text holds the pieces of words, for the tests of training."""

import numpy as np

from mmtrans.conversion.convert import convert
from mmtrans.sources.text.pieces import piece_columns
from mmtrans.words.folder import open_folder
from mmtrans.words.pieces import PieceReader
from tests.tfrecords.segments import make_corpus
from tfrecords.manifest import TextColumns
from tfrecords.schema import Segment

#: Columns of pieces, and of vectors beside them.
COLUMNS, BESIDE = 3, 2

_SENTENCES = (
    ("i", "loved", "it"),
    ("the", "movie", "was", "bad"),
    ("every", "minute", "of", "it", "was", "good"),
    ("not", "good"),
    ("a", "very", "very", "bad", "movie"),
    ("i", "hated", "every", "minute", "zz"),
)


def piece_segments(folder, number=24, videos=4, beside=BESIDE):
    """Segments in turns of their videos: pieces and `beside` further columns of text, and audio of 2."""
    reader, rng = PieceReader(folder), np.random.default_rng(5)
    for i in range(number):
        words = _SENTENCES[i % len(_SENTENCES)]
        text = np.concatenate(
            [piece_columns(reader.read(words), len(words), COLUMNS), rng.normal(size=(len(words), beside))], 1
        )
        features = {"text": text.astype(np.float32), "audio": rng.normal(size=(len(words), 2)).astype(np.float32)}
        video = f"v{i % videos}"
        yield Segment(f"{video}[{i // videos}]", video, features, label=float(i % 6) - 2.5, tokens=words, split=None)


def write_piece_records(encoder, path, beside=BESIDE, **options):
    """Writes records as `convert --text-pieces` does; `encoder` is the folder that made the pieces."""
    folder = open_folder(encoder)
    text = TextColumns(folder.name, folder.sha256, (), folder.settings.width, pieces=COLUMNS, glove=beside)
    convert(make_corpus(list(piece_segments(folder, beside=beside, **options)), text=text), path)
    return path
