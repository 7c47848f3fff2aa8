"""The sizes of what measurements read, of CMU-MOSI and of the encoder of its words. A comparator needs NumPy alone."""

from __future__ import annotations

import numpy as np

from mmtrans.system.arithmetic import ceil_div

#: Segments of CMU-MOSI's train fold that have 1, 2, … 50 words; the longer ones are clipped to 50. 1284 in all.
MOSI_WORDS = (
    *(1, 10, 25, 72, 101, 103, 105, 110, 86, 78, 75, 61, 59, 47, 52, 37, 27, 31, 25, 22, 20, 13, 12, 14, 17),
    *(9, 7, 12, 8, 5, 3, 4, 5, 1, 4, 1, 1, 3, 1, 3, 4, 2, 0, 0, 1, 0, 2, 0, 0, 5),
)

#: Segments of a video of noise, of which the last one may have fewer.
SEGMENTS_PER_VIDEO = 20

#: Share of the words of that fold that have 1, 2, 3 and 4 pieces in the vocabulary of MiniLM.
WORD_PIECES = (0.942, 0.048, 0.008, 0.002)

#: Sizes of all-MiniLM-L6-v2, as its `config.json` has them.
MINILM = {
    "vocab_size": 30522,
    "hidden_size": 384,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
}


def mosi_lengths(segments: int, seed: int = 0) -> np.ndarray:
    """Words per segment, `(segments,)` int64, drawn without replacement from MOSI's train fold; beyond 1284, again."""
    lengths = np.repeat(np.arange(1, len(MOSI_WORDS) + 1), MOSI_WORDS)
    rng = np.random.default_rng(seed)
    rounds = ceil_div(segments, len(lengths))
    return np.concatenate([rng.permutation(lengths) for _ in range(rounds)])[:segments]


def mosi_pieces(segments: int, seed: int = 0) -> list[np.ndarray]:
    """Pieces of each word, `(words,)` int64 for each of so many segments, whose words are those of `mosi_lengths`."""
    lengths = mosi_lengths(segments, seed)
    counts = np.random.default_rng([seed, 2]).choice(len(WORD_PIECES), lengths.sum(), p=WORD_PIECES) + 1
    return np.split(counts, np.cumsum(lengths)[:-1])
