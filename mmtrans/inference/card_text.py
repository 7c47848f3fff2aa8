"""What a model card says of text: what gives the words their vectors, and how text is scored without mmtrans."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmtrans.system.escape import for_markdown

_BEGIN = """import json

import numpy as np
import tensorflow as tf
{imports}
words = "i loved every minute of it".split()
columns = []
"""

_READ_PIECES = """tokenizer = Tokenizer.from_file("ENCODER/tokenizer.json")
tokenizer.no_truncation()
tokenizer.no_padding()
pieces = tokenizer.encode(words, is_pretokenized=True, add_special_tokens=False)
of_word = [[place for place, word in enumerate(pieces.word_ids) if word == number] for number in range(len(words))]
"""

_PIECES = """ids = [[pieces.ids[place] for place in places][:{pieces}] for places in of_word]
columns.append(np.array([each + [-1] * ({pieces} - len(each)) for each in ids]))
"""

_ENCODER = """config, weights = json.load(open("ENCODER/config.json")), load_file("ENCODER/model.safetensors")
dense = lambda x, name: x @ weights[name + ".weight"].T + weights[name + ".bias"]
part = lambda x: x.reshape(len(x), config["num_attention_heads"], -1).swapaxes(0, 1)

def norm(x, name):
    scaled = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + config["layer_norm_eps"])
    return scaled * weights[name + ".weight"] + weights[name + ".bias"]

ids = [tokenizer.token_to_id("[CLS]"), *pieces.ids, tokenizer.token_to_id("[SEP]")]
x = weights["embeddings.word_embeddings.weight"][ids] + weights["embeddings.token_type_embeddings.weight"][0]
states = [norm(x + weights["embeddings.position_embeddings.weight"][: len(ids)], "embeddings.LayerNorm")]
for number in range(config["num_hidden_layers"]):
    x, name = states[-1], f"encoder.layer.{{number}}."
    query, key, value = (part(dense(x, name + f"attention.self.{{what}}")) for what in ("query", "key", "value"))
    seen = tf.nn.softmax(query @ key.swapaxes(1, 2) / np.sqrt(query.shape[-1])).numpy() @ value
    seen = dense(seen.swapaxes(0, 1).reshape(len(ids), -1), name + "attention.output.dense")
    x = norm(x + seen, name + "attention.output.LayerNorm")
    inner = tf.nn.gelu(dense(x, name + "intermediate.dense")).numpy()
    states.append(norm(x + dense(inner, name + "output.dense"), name + "output.LayerNorm"))
for layer in {layers}:
    columns.append(np.array([states[layer][1:-1][places].mean(0) for places in of_word]))
"""

_GLOVE = """vectors = {{}}
for line in open("GLOVE.txt", encoding="utf-8"):
    word, *numbers = line.rstrip().rsplit(" ", {glove})
    vectors.setdefault(word, numbers)
columns.append(np.array([vectors.get(word.lower(), [0] * {glove}) for word in words], "float32"))
"""

_END = """
model = tf.saved_model.load("THIS_DIRECTORY")
text = tf.constant(np.concatenate(columns, -1)[None], tf.float32)
outputs = model.signatures["serving_default"](text=text, length=tf.constant([len(words)]))
print(outputs["score"], outputs["attention_weights"])
"""


def text_section(description: Mapping[str, Any]) -> Iterator[str]:
    """The lines about text; none for a model that reads no words.

    Args:
        description: the content of `signature.json`.
    """
    reads = description["reads"]
    if "text" not in reads or not reads["text"]["aligned"]:
        return
    text = description.get("text")
    yield from ("## Where the words' vectors come from", "")
    if text is None:
        yield "A file of word vectors, or the source itself. Where it was a file, its sha256 is among `files` in"
        yield "`signature.json`."
    else:
        yield from _origin(text)
    yield ""
    if list(reads) != ["text"]:
        return
    yield "`mmtrans predict THIS_DIRECTORY --text TEXT` gives words these vectors, no others. Without mmtrans, for"
    yield "a text that the encoder reads at once:" if text is not None else "a text:"
    yield from ("", "```python", example_of(text, reads["text"]["dim"]) + "```", "")
    if text is not None and text["layers"]:
        yield from ("The encoder is written out for BERT's own architecture (MiniLM, BGE, E5).", "")


def _origin(text: Mapping[str, Any]) -> Iterator[str]:
    yield f"The columns of text are, in this order, from the encoder {for_markdown(text['encoder'])} (sha256 of its"
    yield f"settings, weights and tokenizer: {text['sha256']}):"
    yield ""
    if text["pieces"]:
        yield f"- {text['pieces']} numbers of a word's pieces, -1 where it has no more; the graph has the encoder."
    if text["layers"]:
        layers = ", ".join(map(str, text["layers"]))
        yield f"- its layers {layers}, {text['width']} columns each: {for_markdown(text['pooling'])}."
    if text["glove"]:
        yield f"- {text['glove']} columns of the file of word vectors of sha256 {text['glove_sha256']}, zeros for words"
        yield "  that it lacks."


def example_of(text: Mapping[str, Any] | None, dim: int) -> str:
    """A program that scores a text with the exported model, without mmtrans.

    Args:
        text: what the columns of text are, or `None` where a file of word vectors gave them.
        dim: number of columns.
    """
    if text is None:
        return _joined([_GLOVE], [], {"glove": dim})
    imports = ["from safetensors.numpy import load_file"] if text["layers"] else []
    parts = [_READ_PIECES, *([_PIECES] if text["pieces"] else []), *([_ENCODER] if text["layers"] else [])]
    parts += [_GLOVE] if text["glove"] else []
    return _joined(parts, [*imports, "from tokenizers import Tokenizer"], text)


def _joined(parts: Sequence[str], imports: Sequence[str], numbers: Mapping[str, Any]) -> str:
    begin = _BEGIN.format(imports="".join(f"{line}\n" for line in imports))
    if "json." not in "".join(parts):
        begin = begin.removeprefix("import json\n\n")
    return begin + "".join(part.format_map(numbers) for part in parts) + _END
