"""A corpus whose every text is one that a terminal, a browser, a file system or matplotlib would obey."""

import csv
import json

import numpy as np

from tests.system.test_escape import HOSTILE

#: Steps of a segment: one a word.
STEPS = 4

#: Words have no blanks inside: the table parts them by blanks.
WORDS = [word for text in HOSTILE for word in text.split()]


def write_hostile_corpus(path):
    """Writes a neutral corpus of one video for each hostile text, two segments each; audio and text are random."""
    rng = np.random.default_rng(0)
    path.mkdir(parents=True)
    arrays = {"text": {}, "audio": {}}
    with open(path / "segments.csv", "w", newline="", encoding="utf-8") as file:
        rows = csv.DictWriter(file, ["video_id", "index", "split", "label", "words"])
        rows.writeheader()
        for number, video in enumerate(HOSTILE):
            split = ("train", "train", "valid", "test")[number % 4]
            for index in range(2):
                words = [WORDS[(number + index + i) % len(WORDS)] for i in range(STEPS)]
                label = round(float(rng.uniform(-3, 3)), 1)
                rows.writerow(
                    {"video_id": video, "index": index, "split": split, "label": label, "words": " ".join(words)}
                )
                arrays["text"][f"{video}[{index}]"] = rng.normal(size=(STEPS, 3))
                arrays["audio"][f"{video}[{index}]"] = rng.normal(size=(STEPS, 2))
    for modality, of_segments in arrays.items():
        np.savez(path / f"{modality}.npz", **of_segments)
    label = {"name": "".join(HOSTILE[:6]), "low": -3, "high": 3, "neutral": 0}
    columns = {"audio": list(HOSTILE[6:8]), "text": list(HOSTILE[8:11])}
    (path / "corpus.json").write_text(json.dumps({"label": label, "columns": columns}), encoding="utf-8")
    return path
