"""The bar that shows how far a source is read."""

import io
import sys

from mmtrans.cli.reading import with_progress
from tests.tfrecords.segments import make_corpus, make_segments


class Terminal(io.StringIO):
    def isatty(self):
        return True


def read(monkeypatch, stream):
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    segments = make_segments(8)
    corpus = make_corpus(segments)
    wrapped = with_progress(corpus)
    assert list(wrapped.read()) == segments
    assert wrapped.account is corpus.account
    return stream.getvalue()


def test_a_terminal_sees_segments_and_videos(monkeypatch):
    shown = read(monkeypatch, Terminal())
    assert "8 segments" in shown
    assert "3/4" in shown


def test_elsewhere_nothing_is_shown(monkeypatch):
    assert read(monkeypatch, io.StringIO()) == ""
