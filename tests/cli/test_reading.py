"""The bar that shows how far a source is read."""

import io
import sys
from pathlib import Path

from mmtrans.cli.reading import with_progress
from tests.tfrecords.segments import make_corpus, make_segments


class Terminal(io.StringIO):
    def isatty(self):
        return True


def read(monkeypatch, stream):
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    corpus = make_corpus(make_segments(8))
    wrapped = with_progress(lambda corpus, preparation, records_dir: corpus.read())
    assert list(wrapped(corpus, None, Path())) == list(corpus.read())
    return stream.getvalue()


def test_a_terminal_sees_segments_and_videos(monkeypatch):
    shown = read(monkeypatch, Terminal())
    assert "8 segments" in shown
    assert "3/4" in shown


def test_elsewhere_nothing_is_shown(monkeypatch):
    assert read(monkeypatch, io.StringIO()) == ""
