"""Vectors of words: GloVe's by look-up, those of a text encoder, and the cache of these."""
