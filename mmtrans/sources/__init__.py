"""Readers: one module per on-disk format, each giving a `Corpus` of `Segment`s."""

from mmtrans.sources.detect import open_corpus

__all__ = ["open_corpus"]
