"""A tiny run whose words had their vectors from an encoder and GloVe, and one of GloVe alone, for tests of text."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmtrans.cli.main import main
from tests.conftest import BASELINE_FLAGS
from tests.sources.csd_files import words_of, write_csd
from tests.words.tiny import WORDS, make_tiny_encoder


@dataclass(frozen=True)
class Spoken:
    """A finished run of recipe T, and what gave its words their vectors."""

    run: Path
    records: Path
    source: Path
    glove: Path
    encoder: Path | None = None


def write_glove(path):
    """Vectors of three numbers of all words but the last two."""
    rng = np.random.default_rng(1)
    lines = [f"{word} " + " ".join(f"{number:.3f}" for number in rng.normal(size=3)) for word in WORDS[:-2]]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_source(path):
    """Six videos of three segments as .csd files: words in upper case, with pauses, and labels."""
    rng = np.random.default_rng(0)
    words, labels = {}, {}
    for video in range(6):
        spoken = [[*rng.choice(WORDS, 2 + (video + segment) % 4), "sp"] for segment in range(3)]
        steps = [len(each) for each in spoken]
        begins = np.arange(sum(steps), dtype=float)
        flat = [word if word == "sp" else str(word).upper() for each in spoken for word in each]
        words[f"v{video}"] = words_of(*flat), np.stack([begins, begins + 0.9], 1)
        ends = np.cumsum(steps, dtype=float)
        values = rng.uniform(-3, 3, (3, 1))
        labels[f"v{video}"] = values, np.stack([ends - steps, ends - 0.05], 1)
    write_csd(path / "words.csd", "words", words)
    write_csd(path / "labels.csd", "Opinion Segment Labels", labels)
    return path


def make_spoken(directory, *, with_encoder, pieces=False, dtype="float32") -> Spoken:
    """Converts the source, and trains a baseline on its words, or on their pieces."""
    source, glove = write_source(directory / "source"), write_glove(directory / "glove.txt")
    encoder = make_tiny_encoder(directory / "encoder", tokenizer="tokenizer.json") if with_encoder else None
    columns = ["--text-pieces"] if pieces else ["--text-layers", "2,1"]
    flags = ["--text-encoder", str(encoder), *columns, "--text-cache", "off"] if with_encoder else []
    records, run = directory / "records", directory / "run"
    assert main(["convert", str(source), str(records), "--glove", str(glove), "--text-dtype", dtype, *flags]) == 0
    assert main(["train", "--data", str(records), "--recipe", "T", "--run", str(run), *BASELINE_FLAGS]) == 0
    return Spoken(run, records, source, glove, encoder)
