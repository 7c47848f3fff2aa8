"""Folders that are no text encoders, or damaged ones: one sentence each."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mmtrans.layers import transformer
from mmtrans.words.folder import open_folder
from mmtrans.words.settings import ACTIVATIONS
from mmtrans.words.vectors import WordEncoder
from tests.words.tiny import make_tiny_encoder


@pytest.fixture
def tiny(tmp_path):
    return make_tiny_encoder(tmp_path / "encoder")


def edit_config(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


def edit_weights(folder, edit):
    arrays = load_file(folder / "model.safetensors")
    edit(arrays)
    save_file(arrays, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "gpt2"}, r"Expected one of \['bert', 'distilbert', 'roberta'\]. Received: model_type='gpt2'"),
        ({"hidden_size": "16"}, r"Expected hidden_size as an integer from 1 to 65536. Received: hidden_size='16'"),
        ({"num_hidden_layers": 0}, "num_hidden_layers=0"),
        ({"num_hidden_layers": True}, "num_hidden_layers=True"),
        ({"num_attention_heads": 3}, "Expected heads that divide the width. Received: 3 heads, width=16"),
        ({"hidden_act": "swish"}, "activation='swish'"),
        ({"layer_norm_eps": "small"}, "layer_norm_eps='small'"),
        ({"max_position_embeddings": 2}, "Expected room for a piece and its two marks. Received: 2 positions"),
        ({"position_embedding_type": "relative_key"}, "Expected absolute positions"),
        ({"vocab_size": 10}, "The tokenizer is of another encoder. Expected at most 10 pieces."),
        (
            {"num_hidden_layers": 3},
            r"none of encoder.layer.2.attention.output.LayerNorm.bias \(16 such names",
        ),
        ({"num_hidden_layers": 1}, r"encoder.layer.1.\S+, which the encoder does not have \(16 such names"),
        ({"intermediate_size": 12}, r"Expected encoder.layer.0.intermediate.dense.weight of finite numbers, shape"),
    ],
)
def test_settings_that_do_not_fit(tiny, changes, message):
    edit_config(tiny, **changes)
    if "vocab_size" in changes:
        rows = changes["vocab_size"]
        edit_weights(tiny, lambda a: a.update({n: v[:rows] for n, v in a.items() if "word_embeddings" in n}))
    with pytest.raises(ValueError, match=message):
        WordEncoder.open(tiny, (changes.get("num_hidden_layers", 1) or 1,))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda a: a.pop("embeddings.LayerNorm.bias"), "Received: none of embeddings.LayerNorm.bias"),
        (lambda a: a.update(surplus=np.zeros(1)), "Received: surplus, which the encoder does not have"),
        (lambda a: a.update({"embeddings.LayerNorm.bias": np.zeros(3, np.float32)}), r"Received: shape \(3,\)"),
        (
            lambda a: a.update({"embeddings.LayerNorm.bias": np.full(16, np.nan, np.float32)}),
            "Received: numbers that are not finite",
        ),
    ],
)
def test_weights_that_do_not_fit(tiny, edit, message):
    edit_weights(tiny, edit)
    with pytest.raises(ValueError, match=message):
        WordEncoder.open(tiny, (2,))


def test_heads_prefixes_and_old_names_are_read_past(tiny):
    expected = WordEncoder.open(tiny, (2,)).encode([["the", "movie"]])[0]

    def edit(arrays):
        plain = dict(arrays)
        arrays.clear()
        arrays["cls.predictions.bias"] = arrays["bert.pooler.dense.weight"] = np.zeros(4, np.float32)
        arrays["bert.embeddings.position_ids"] = np.arange(4)
        for name, array in plain.items():
            if "LayerNorm" in name:
                name = name.replace("weight", "gamma").replace("bias", "beta")
            arrays[f"bert.{name}"] = array

    edit_weights(tiny, edit)
    np.testing.assert_array_equal(WordEncoder.open(tiny, (2,)).encode([["the", "movie"]])[0], expected)


@pytest.mark.parametrize("kept", [0, 5, 400, 2000])
def test_a_file_that_was_cut_off(tiny, kept):
    content = (tiny / "model.safetensors").read_bytes()
    (tiny / "model.safetensors").write_bytes(content[:kept])
    with pytest.raises(ValueError, match="Expected a whole file of safetensors"):
        WordEncoder.open(tiny, (2,))


def test_a_page_of_a_server_is_called_by_name(tiny):
    (tiny / "model.safetensors").write_text("<html>404</html>")
    with pytest.raises(ValueError, match="Received: a web page"):
        WordEncoder.open(tiny, (2,))


def test_pickled_weights_are_refused_with_the_way_out(tiny):
    (tiny / "model.safetensors").rename(tiny / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"which may hold a program: .* save_pretrained"):
        open_folder(tiny)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "vocab.txt"])
def test_a_file_that_is_missing(tiny, name):
    (tiny / name).unlink()
    with pytest.raises(ValueError, match=f"no text encoder that can be read. Expected .*{name}"):
        open_folder(tiny)


@pytest.mark.parametrize("content", ["", "{", '{"model": {}}', "[1]"])
def test_a_damaged_tokenizer(tiny, content):
    (tiny / "tokenizer.json").write_text(content)
    with pytest.raises(ValueError, match=r"The tokenizer cannot be read. Expected tokenizer.json"):
        WordEncoder.open(tiny)


def test_a_tokenizer_without_marks(tiny):
    pieces = (tiny / "vocab.txt").read_text().replace("[CLS]", "[ABC]")
    (tiny / "vocab.txt").write_text(pieces)
    with pytest.raises(ValueError, match=r"lacks the mark of a sentence's end. Expected \[CLS\]"):
        WordEncoder.open(tiny)


@pytest.mark.parametrize("layers", [(), (3,), (-1,), (1, 1)])
def test_layers_that_are_not_there(tiny, layers):
    with pytest.raises(ValueError, match=r"no layers of the text encoder. Expected different numbers from 0"):
        WordEncoder.open(tiny, layers)


@pytest.mark.parametrize("name", ["nothing-here", "no/such/place", "json", "", "a" * 300, "x\0y"])
def test_a_name_of_nothing(name):
    with pytest.raises(FileNotFoundError, match=r"There is no text encoder of this name.*make encoder"):
        open_folder(name)


def test_an_installed_package_that_holds_one(tmp_path, monkeypatch):
    (tmp_path / "site" / "my_encoder").mkdir(parents=True)
    (tmp_path / "site" / "my_encoder" / "__init__.py").write_text("raise RuntimeError('its code is not run')")
    inside = make_tiny_encoder(tmp_path / "site" / "my_encoder" / "model")
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert open_folder("my-encoder").path == inside


def test_the_hash_is_that_of_what_makes_the_vectors(tiny, tmp_path):
    before = open_folder(tiny).sha256
    (tiny / "README.md").write_text("a note")
    assert open_folder(tiny).sha256 == before
    assert open_folder(make_tiny_encoder(tmp_path / "same")).sha256 == before
    assert open_folder(make_tiny_encoder(tmp_path / "other", seed=1)).sha256 != before


def test_the_activations_that_are_read_are_those_that_there_are():
    assert set(ACTIVATIONS) == set(transformer.ACTIVATIONS)
