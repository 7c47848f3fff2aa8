"""Readers that misbehave, to be opened in a child process by name."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from mmtrans.sources.account import WORDS, Cleaned, DropReason, Noted, note
from mmtrans.sources.corpus import Corpus
from mmtrans.sources.untrusted import hdf5
from tfrecords.schema import LabelScale, Segment


def open_numbers(path: str, number: int = 7, fault: str = "", at: int = 3) -> Corpus:
    """Segments of one step whose value is their number; `fault` strikes at one of them, or while opening (-1)."""
    corpus = Corpus("csd", [Path(path)], LabelScale("mood", 0.0, 9.0, 4.5), read=lambda: iter(()), video_ids=("v",))

    def read_units(first: int, stop: int):
        corpus.account.clear()
        for index in range(first, stop):
            strike(fault if index == at else "", path)
            corpus.account.count(Cleaned.PAUSES, WORDS)
            if index % 3 == 1:
                corpus.account.drop(f"v[{index}]", DropReason.LENGTHS_DISAGREE, "third")
                continue
            features = {"text": np.full((1, 2), index, np.float32), "audio": np.ones((index + 1, 3), np.float32)}
            yield Segment(f"v[{index}]", "v", features, label=index / 3, tokens=("wörd\ud800",))

    corpus.noted.append(note(Noted.SCALE_GIVES_WAY, low=0.1, high=1 / 3, neutral=0.25))
    strike(fault if at < 0 else "", path)
    corpus.read, corpus.num_units, corpus.read_units = (lambda: read_units(0, number)), number, read_units
    return corpus


def stream(path: str, number: int, fault: str = ""):
    """Parts with their number, and an array of so many rows and one more; `fault` strikes after two."""
    for index in range(number):
        strike(fault if index == 2 else "", path)
        yield {"path": path, "number": index}, {"a": np.arange(index + 1, dtype=np.float32)[:, None]}


def open_plain(path: str) -> Corpus:
    """The same without units: nothing says how it could be read in parts."""
    corpus = open_numbers(path)
    corpus.num_units, corpus.read_units = 0, None
    return corpus


def tell(path: str, word: str, fault: str = "") -> dict:
    """What JSON can express, and no corpus."""
    strike(fault, path)
    return {"path": path, "word": word, "parts": [1, None]}


def strike(fault: str, path: str) -> None:
    """Fails as a C library, or a reader, may fail."""
    if fault == "segfault":
        hdf5._touch(path, "/entry/features")
        os.kill(os.getpid(), signal.SIGSEGV)
    elif fault == "exit":
        os._exit(3)
    elif fault == "hang":
        hdf5._touch(path, "/entry/intervals")
        time.sleep(60)
    elif fault == "memory":
        np.ones(1 << 40, np.uint8)
    elif fault == "value":
        raise ValueError(f"The values are bad. Received: {path}.")
    elif fault == "missing":
        raise FileNotFoundError(f"There is nothing. Received: {path}.")
    elif fault == "defect":
        raise AttributeError("a defect of the reader")
    elif fault == "tensorflow" and "tensorflow" in sys.modules:
        raise ValueError("TensorFlow is here")
