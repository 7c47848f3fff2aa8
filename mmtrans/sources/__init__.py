"""Readers of files from elsewhere, each giving a `Corpus` of `Segment`s, and the rules that they share."""
