"""Text: what people say, and the vectors of words: GloVe's by look-up, those of a text encoder, and their cache."""
