"""Your own features: a table, three .npz files, a translation trained on them, and scores of new segments.

    python examples/own_corpus.py DIRECTORY

The numbers here are drawn at random, with a little sentiment in the words. Put your own in their places.
"""

import csv
import sys
from pathlib import Path

import numpy as np

from mmtrans import api

VIDEOS, SEGMENTS = 12, 6
WIDTHS = {"text": 16, "audio": 5, "video": 4}


def main(directory):
    """Writes a corpus, converts it, trains T->A for two epochs, and returns the scores of the corpus' segments."""
    corpus = directory / "corpus"
    corpus.mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows, arrays = [], {name: {} for name in WIDTHS}
    for video in range(VIDEOS):
        for segment in range(SEGMENTS):
            # An id is a video and a place in it: segments of a video never come into train and test.
            id_, label = f"talk{video}[{segment}]", float(np.clip(rng.normal(0, 1.5), -3, 3))
            words = [f"word{number}" for number in rng.integers(0, 50, size=rng.integers(3, 12))]
            rows.append({"id": id_, "label": round(label, 1), "words": " ".join(words)})
            for name, width in WIDTHS.items():
                # One row a word: all streams are aligned to the words, as `words` tells.
                arrays[name][id_] = rng.normal(size=(len(words), width)).astype(np.float32)
            arrays["text"][id_][:, 0] += label
    with open(corpus / "segments.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["id", "label", "words"])
        writer.writeheader()
        writer.writerows(rows)
    for name, of_segments in arrays.items():
        np.savez(corpus / f"{name}.npz", **of_segments)

    records = api.convert(corpus, directory / "records")
    fitted = api.fit(records, recipe="T->A", run=directory / "run", epochs=2, units=8, decoder_units=8)
    print(fitted.metrics("valid"))
    return {each.id: each.score for each in api.predict(api.Scorer.open(directory / "run"), api.open_corpus(corpus))}


if __name__ == "__main__":
    for segment_id, score in list(main(Path(sys.argv[1])).items())[:5]:
        print(segment_id, round(score, 3))
