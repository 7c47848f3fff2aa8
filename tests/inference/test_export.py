import functools
import json
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from mmtrans.data.records import Records
from mmtrans.decoding.options import SearchOptions
from mmtrans.inference.export import export, new_export, save_graph
from mmtrans.inference.graph import portable, serving_functions
from mmtrans.inference.operations import check_graph
from mmtrans.inference.signature import MEANINGS, load_signature
from mmtrans.inference.translate import translate
from mmtrans.runs.run import Run
from mmtrans.runs.status import parent_weights_hash
from tests.tfrecords.segments import DIMS
from tfrecords.encoding import serialize
from tfrecords.manifest import file_sha256
from tfrecords.schema import Segment
from tools.benchmark_serve import make_random_run

CASES = {
    "tokens": {"recipe": "T->A", "target": "tokens", "codebook_size": 6, "bidirectional": True},
    "stop": {"recipe": "T->A", "stop": True, "cell": "gru", "bidirectional": True},
    "baseline": {"recipe": "concat(A,T)", "pooling": "last"},
    "chain": {"recipe": "embed(T,A)->T", "representation": "final", "bottleneck": "vae", "latent_units": 2},
}

BATCHES = {"one": [13], "seven": [60, 1, 17, 33, 2, 50, 8]}

SEARCH = {
    "beam_width": np.int32(4),
    "n_best": np.int32(2),
    "length_penalty": np.float32(0.6),
    "coverage_penalty": np.float32(0.2),
}

#: A client without mmtrans: `python -I -c CLIENT DIRECTORY`; each case's inputs lie beside its model.
CLIENT = """
import pathlib, sys
class Forbidden:
    def find_spec(self, name, *_):
        if name.split(".")[0] in ("mmtrans", "tfrecords", "tools", "tests"):
            raise ImportError(name)
sys.meta_path.insert(0, Forbidden())
import numpy as np
import tensorflow as tf
models = {}
for path in sorted(pathlib.Path(sys.argv[1]).glob("*/*.inputs.npz")):
    if path.parent not in models:
        models[path.parent] = tf.saved_model.load(str(path.parent / "export"))
    loaded = models[path.parent]
    name = path.name.split(".")[0]
    with np.load(path) as file:
        inputs = {key: tf.constant(file[key]) for key in file.files}
    if name.endswith("_from_examples"):
        inputs["examples"] = tf.constant([bytes(row[4:4 + int.from_bytes(row[:4].tobytes(), "big")].tobytes())
                                          for row in inputs["examples"].numpy()])
    outputs = {key: value.numpy() for key, value in loaded.signatures[name](**inputs).items()}
    outputs = {key: value.astype("S") if value.dtype == object else value for key, value in outputs.items()}
    target = path.with_name(path.name.replace(".inputs.", ".outputs."))
    np.savez(target, **outputs)
"""


def small_records(small_dir):
    return Records.open(small_dir, splits=("train", "valid", "test"))


@pytest.fixture(scope="module")
def runs(small_dir, tiny, tmp_path_factory):
    """A run of random weights for each case; finished, as its files say."""
    directory, made = tmp_path_factory.mktemp("export"), {}
    for name, fields in CASES.items():
        made[name] = finished_run(directory / name / "run", tiny(**fields), small_records(small_dir))
    return made


def finished_run(path, config, records):
    """A run of random weights, whose files say that it is trained."""
    run = make_random_run(path, config, records)
    for phase in run.phases:
        status = {"finished": True, "stopped_by": "patience", "key": phase.key, "epochs": 2, "epoch": 2}
        status |= {"best_loss": 0.5, "history": []}
        status["inherited"] = parent_weights_hash(run, phase)
        (run.phase_dir(phase) / "phase.json").write_text(json.dumps(status))
    return run


@pytest.fixture(scope="module")
def exports(runs):
    """Each case's directory, as `export` makes it."""
    for run in runs.values():
        export(run, run.path.parent / "export")
    return {name: run.path.parent / "export" for name, run in runs.items()}


@pytest.fixture(scope="module")
def loaded(exports):
    """`loaded(case)`: an exported model, read once."""
    return functools.cache(lambda name: tf.saved_model.load(str(exports[name])))


def raw_features(run, lengths, seed=0):
    """Raw features of each modality with NaN and infinities in valid steps: as sent, with garbage in the padding, and
    cleaned, with zeros there."""
    rng = np.random.default_rng([seed, len(lengths)])
    valid = np.arange(max(lengths))[None, :, None] < np.array(lengths)[:, None, None]
    sent, cleaned = {}, {}
    for name in run.recipe.inputs.modalities:
        values = rng.normal(size=(len(lengths), max(lengths), DIMS[name])).astype(np.float32)
        values[0, 0, 0], values[-1, 0, -1] = np.nan, -np.inf
        garbage = rng.choice([np.nan, np.inf, -1e30, 7], size=values.shape).astype(np.float32)
        sent[name] = np.where(valid, values, garbage)
        cleaned[name] = np.where(valid & np.isfinite(values), values, 0).astype(np.float32)
    return sent, cleaned


def examples_of(cleaned, lengths):
    """Records of features, as rows of bytes with their length before them: .npz takes no strings of any length."""
    rows = []
    for row, length in enumerate(lengths):
        segment = Segment(f"v[{row}]", "v", {name: array[row, :length] for name, array in cleaned.items()})
        rows.append(serialize(segment, dict.fromkeys(cleaned, length + row)))
    packed = np.zeros((len(rows), 4 + max(map(len, rows))), np.uint8)
    for row, text in enumerate(rows):
        packed[row, : 4 + len(text)] = np.frombuffer(len(text).to_bytes(4, "big") + text, np.uint8)
    return packed


def options_of(name, free):
    if name == "tokens":
        return {**SEARCH, "free_length": np.bool_(free)}
    return {"free_length": np.bool_(free)} if name == "stop" else {}


def references(run, name):
    """What each signature must give, from the run's own models: `(source, length, free) → {signature: outputs}`."""
    regressor = run.load_regressor().model
    translator = run.load_translator() if run.has_translation else None
    dim = sum(DIMS[m] for m in run.recipe.inputs.modalities)
    source_spec, length_spec = tf.TensorSpec([None, None, dim]), tf.TensorSpec([None], tf.int32)

    def traced(function, lengths=1):
        return tf.function(function, input_signature=[source_spec, *[length_spec] * lengths], autograph=False)

    score = traced(lambda source, length: regressor({"source": source, "source_length": length}, training=False))
    if name == "tokens":
        options = SearchOptions(**SEARCH)
        search = traced(lambda source, length, *limits: translator.search(source, length, limits, options), 3)
    elif name != "baseline":
        roll = traced(lambda source, length: translator.rollout(source, length, length))
        stop = traced(translator.rollout_until_stop, 2) if name == "stop" else None

    def reference(source, length, free):
        found, most = {"sentiment": score(source, length)}, 2 * length + 10
        if name == "tokens":
            limits = (tf.ones_like(length), most) if free else (length, length)
            found["translate"] = search(source, length, *limits)._asdict()
        elif name != "baseline":
            if free and stop is not None:
                frames, steps, weights = stop(source, length, most)
            else:
                (frames, weights), steps = roll(source, length), length
            mean, std = run.statistics.target(run.recipe.target)
            valid = tf.sequence_mask(steps, tf.shape(frames)[1])[:, :, None].numpy()
            raw = np.where(valid, frames.numpy() * std + mean, 0)
            found["translate"] = {"frames": raw, "lengths": steps, "attention_weights": weights}
        return found

    return reference, regressor.get_layer("linear").get_weights()


@pytest.fixture(scope="module")
def served(runs, exports):
    """`(case, batch, signature) → (outputs of the client, what they must be, linear weights)`, in one process."""
    root, expected = next(iter(runs.values())).path.parents[1], {}
    for name, run in runs.items():
        reference, linear = references(run, name)
        for batch, lengths in BATCHES.items():
            sent, cleaned = raw_features(run, lengths)
            free = batch == "one"
            source = tf.concat([cleaned[m] for m in run.recipe.inputs.modalities], -1)
            found = reference(source, tf.constant(lengths, tf.int32), free)
            for signature in ("sentiment", "serving_default", "encode", "translate"):
                if signature == "translate" and name == "baseline":
                    continue
                options = options_of(name, free) if signature == "translate" else {}
                plain, path = {**sent, "length": np.array(lengths, np.int32), **options}, run.path.parent
                np.savez(path / f"{signature}.{batch}.inputs.npz", **plain)
                if signature != "serving_default":
                    packed = {"examples": examples_of(cleaned, lengths), **options}
                    np.savez(path / f"{signature}_from_examples.{batch}.inputs.npz", **packed)
                wanted = found["sentiment"] if signature == "serving_default" else found.get(signature)
                for suffix in ("", "_from_examples") if signature != "serving_default" else ("",):
                    expected[name, batch, signature + suffix] = path, wanted, linear
    client = [sys.executable, "-I", "-c", CLIENT, str(root)]
    done = subprocess.run(client, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    outputs = {}
    for (name, batch, signature), (path, wanted, linear) in expected.items():
        with np.load(path / f"{signature}.{batch}.outputs.npz") as file:
            outputs[name, batch, signature] = {key: file[key] for key in file.files}, wanted, linear
    return outputs


def cases(*signatures):
    return [
        (name, batch, signature)
        for name in CASES
        for batch in BATCHES
        for signature in signatures
        if not (name == "baseline" and signature.startswith("translate"))
    ]


@pytest.mark.parametrize("case", cases("sentiment", "serving_default", "sentiment_from_examples"), ids="-".join)
def test_sentiment_without_mmtrans_equals_the_regressor(served, case):
    outputs, wanted, _ = served[case]
    assert set(outputs) == {"score", "attention_weights"}
    for key, value in wanted.items():
        np.testing.assert_allclose(outputs[key], value, atol=1e-5, err_msg=key)


@pytest.mark.parametrize("case", cases("translate", "translate_from_examples"), ids="-".join)
def test_translations_without_mmtrans_equal_the_translators(served, case):
    outputs, wanted, _ = served[case]
    for key, value in wanted.items():
        np.testing.assert_allclose(outputs[key], value, atol=1e-5, err_msg=key)
    if case[0] == "tokens":
        assert (outputs["lengths"] > 1).all()


@pytest.mark.parametrize("case", cases("encode", "encode_from_examples"), ids="-".join)
def test_the_score_is_linear_in_the_pooled_vector(served, runs, case):
    name, batch, _ = case
    outputs, _, (kernel, bias) = served[case]
    score = served[name, batch, "sentiment"][0]["score"]
    np.testing.assert_allclose((outputs["pooled"] @ kernel + bias)[:, 0], score, atol=1e-5)
    run, lengths = runs[name], BATCHES[batch]
    _, cleaned = raw_features(run, lengths)
    valid = np.arange(max(lengths))[None, :, None] < np.array(lengths)[:, None, None]
    if name == "baseline":
        mean, std = run.statistics.source(run.recipe)
        source = np.concatenate([cleaned["audio"], cleaned["text"]], -1)
        wanted = np.where(valid, (source - mean) / std, 0)
    else:
        representation = run.load_translator().representation
        inputs = {"source": tf.constant(cleaned["text"]), "source_length": tf.constant(lengths)}
        wanted = tf.function(representation, autograph=False)(inputs)["memory"]
    np.testing.assert_allclose(outputs["sequence"], wanted, atol=1e-5)


@pytest.mark.parametrize("representation", ["sequence", "final"])
def test_a_latent_without_attention_is_encoded_as_one_step(small_dir, tiny, tmp_path, representation):
    fields = {"bottleneck": "vae", "attention": "none", "latent_units": 2, "representation": representation}
    run = make_random_run(tmp_path / "run", tiny(recipe="T->A", **fields), small_records(small_dir))
    _, cleaned = raw_features(run, BATCHES["seven"])
    source, length = tf.constant(cleaned["text"]), tf.constant(BATCHES["seven"])
    encoded = serving_functions(run)[0]["encode"](text=source, length=length)
    latent = run.load_translator().represent(source, length)["final_state"]
    np.testing.assert_allclose(encoded["sequence"], latent[:, None], atol=1e-6)
    assert encoded["sequence"].shape == (7, 1, 2)


def test_the_tokens_are_the_names_of_the_ids(served, runs):
    run = runs["tokens"]
    codebook = run.load_codebook(run.phases[0])
    outputs, *_ = served["tokens", "seven", "translate"]
    for row in range(7):
        for n in range(2):
            steps = outputs["lengths"][row, n] - 1
            ids = outputs["ids"][row, n, :steps]
            tokens = outputs["tokens"][row, n]
            assert [t.decode() for t in tokens[:steps]] == [codebook.names[i] for i in ids]
            assert not any(tokens[steps:])
            np.testing.assert_array_equal(outputs["frames"][row, n, :steps], codebook.frames[ids])
            assert not outputs["frames"][row, n, steps:].any()


@pytest.mark.parametrize("length", ["source", "free"])
def test_the_beam_inside_equals_translate(runs, loaded, small_dir, length):
    run, records = runs["tokens"], small_records(small_dir)
    translated = {t.id: t for t in translate(run, records, "test", SearchOptions(**SEARCH), length)}
    options = {**SEARCH, "free_length": np.bool_(length == "free")}
    paths = [str(records.directory / shard.file) for shard in records.shards("test", ("text", "audio"))]
    texts = list(tf.data.TFRecordDataset(paths).as_numpy_iterator())
    outputs = loaded("tokens").signatures["translate_from_examples"](
        examples=tf.constant(texts), **{name: tf.constant(value) for name, value in options.items()}
    )
    assert len(texts) == len(translated) == 10
    for row, text in enumerate(texts):
        item = translated[tf.train.Example.FromString(text).features.feature["id"].bytes_list.value[0].decode()]
        for n, hypothesis in enumerate(item.hypotheses):
            steps = int(outputs["lengths"][row, n]) - 1
            assert tuple(t.decode() for t in outputs["tokens"][row, n, :steps].numpy()) == hypothesis.tokens
            assert float(outputs["scores"][row, n]) == pytest.approx(hypothesis.score, abs=1e-5)


def test_different_garbage_changes_nothing(runs, loaded):
    functions = loaded("stop").signatures
    sent, cleaned = raw_features(runs["stop"], BATCHES["seven"])
    length = tf.constant(BATCHES["seven"], tf.int32)
    for name in ("sentiment", "encode"):
        one, other = (functions[name](text=tf.constant(f["text"]), length=length) for f in (sent, cleaned))
        for key, value in one.items():
            np.testing.assert_array_equal(value, other[key])


@pytest.mark.parametrize("length", [0, 4])
def test_a_length_out_of_range_is_refused(loaded, length):
    functions = loaded("baseline").signatures
    inputs = {name: tf.zeros([1, 3, DIMS[name]]) for name in ("text", "audio")}
    with pytest.raises(tf.errors.InvalidArgumentError, match="A length is out of range"):
        functions["sentiment"](**inputs, length=tf.constant([length], tf.int32))


@pytest.mark.parametrize("name", CASES)
def test_an_empty_batch_gives_outputs_of_the_same_rank_and_type(loaded, name):
    for key, function in loaded(name).signatures.items():
        options = options_of(name, free=True) if key.startswith("translate") else {}
        _, specs = function.structured_input_signature
        for steps in (0, 3):
            values = {"examples": tf.constant([], tf.string), "length": tf.constant([], tf.int32)}
            values |= {modality: tf.zeros([0, steps, dim]) for modality, dim in DIMS.items()}
            values |= {option: tf.constant(value) for option, value in options.items()}
            outputs = function(**{spec: values[spec] for spec in specs})
            for output, spec in function.structured_outputs.items():
                value = outputs[output]
                assert value.shape[0] == 0, (key, output)
                assert (value.shape.rank, value.dtype) == (spec.shape.rank, spec.dtype)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam_width": np.int32(0)}, r"beam_width is out of range\. Expected 1 to 10000\."),
        ({"n_best": np.int32(-1)}, r"n_best is out of range\. Expected 1 to 10000\."),
        ({"n_best": np.int32(5)}, r"A search returns at most its width\. Expected n_best up to beam_width"),
        ({"length_penalty": np.float32("nan")}, r"length_penalty is out of range\. Expected -5\.0 to 5\.0"),
        ({"coverage_penalty": np.float32("inf")}, r"coverage_penalty is out of range\. Expected -100\.0 to 100\.0"),
    ],
)
@pytest.mark.parametrize("empty", [False, True])
def test_numbers_of_a_search_out_of_range_are_refused(loaded, options, message, empty):
    options = {**options_of("tokens", free=False), **options}
    inputs = {"text": tf.zeros([1 - empty, 3, DIMS["text"]]), "length": tf.fill([1 - empty], 3)}
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        loaded("tokens").signatures["translate"](**inputs, **{k: tf.constant(v) for k, v in options.items()})


def test_lengths_of_other_segments_are_refused(loaded):
    inputs = {name: tf.zeros([1, 3, DIMS[name]]) for name in ("text", "audio")}
    with pytest.raises(tf.errors.InvalidArgumentError, match="Lengths and features differ in segments"):
        loaded("baseline").signatures["sentiment"](**inputs, length=tf.constant([3, 2], tf.int32))


def test_a_record_without_the_modality_is_refused(loaded):
    functions = loaded("baseline").signatures
    record = serialize(Segment("v[0]", "v", {"text": np.ones((2, 3), np.float32)}), {"text": 4})
    with pytest.raises(tf.errors.InvalidArgumentError, match="Records lack a modality"):
        functions["sentiment_from_examples"](examples=tf.constant([record]))


def test_the_graph_holds_what_opening_allows(exports):
    for directory in exports.values():
        check_graph(directory / "saved_model.pb")


@pytest.mark.slow
@pytest.mark.parametrize(
    "fields",
    [
        {"attention": "none", "cell": "gru", "target": "tokens", "tie_weights": True, "num_layers": 2},
        {"attention": "none", "bottleneck": "vae", "latent_units": 2, "stop": True, "representation": "both"},
        {"max_distance": 0, "representation": "final", "target": "tokens", "bottleneck": "vae", "latent_units": 2},
    ],
    ids=["no-attention", "no-attention-vae", "vae-tokens"],
)
def test_graphs_of_other_models_hold_what_opening_allows(fields, small_dir, tiny, tmp_path):
    config = tiny(recipe="T->A", codebook_size=6, **fields)
    save_graph(make_random_run(tmp_path / "run", config, small_records(small_dir)), tmp_path / "export")
    check_graph(tmp_path / "export" / "saved_model.pb")


def test_the_graph_of_wide_texts_holds_what_opening_allows(small_dir, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("mmtrans.layers.encoder.WIDE", 1)
    save_graph(make_random_run(tmp_path / "run", tiny(recipe="T"), small_records(small_dir)), tmp_path / "export")
    check_graph(tmp_path / "export" / "saved_model.pb")


def test_the_graph_is_portable(exports):
    for directory in exports.values():
        message = saved_model_pb2.SavedModel()
        message.ParseFromString((directory / "saved_model.pb").read_bytes())
        (graph,) = message.meta_graphs
        nodes = [*graph.graph_def.node, *(n for f in graph.graph_def.library.function for n in f.node_def)]
        assert len(nodes) > 100
        assert not [node.op for node in nodes if node.op in ("PyFunc", "EagerPyFunc", "PyFuncStateless")]
        assert not [node.device for node in nodes if "GPU" in node.device]
        if keras.__version__ >= "3" or not tf.config.list_physical_devices("GPU"):
            assert not [node.op for node in nodes if "Cudnn" in node.op]


@pytest.mark.skipif(keras.__version__ < "3", reason="Keras 2 chooses its kernels when a graph runs")
@pytest.mark.parametrize("name", CASES)
def test_no_layer_may_choose_cudnn(runs, name):
    model = portable(runs[name].load_regressor().model)
    layers, found = [model], []
    while layers:
        layer = layers.pop()
        layers += layer._flatten_layers(include_self=False, recursive=False)
        found += [layer.use_cudnn] if hasattr(layer, "use_cudnn") else []
    assert len(found) >= 1
    assert not any(found)


def test_the_signature_file_tells_everything(runs, exports, small_dir):
    description = load_signature(exports["tokens"])
    assert description["recipe"] == "T->A"
    assert description["target"] == "tokens"
    assert description["label"] == {"name": "sentiment", "low": -3.0, "high": 3.0, "neutral": 0.0}
    assert description["max_steps"] == {"aligned": 50}
    assert description["steps_per_word"] == runs["tokens"].data["steps_per_word"]
    assert description["reads"]["text"]["dim"] == 3
    assert description["reads"]["text"]["aligned"] is True
    assert description["writes"]["audio"]["dim"] == 2
    signatures = description["signatures"]
    names = {"sentiment", "encode", "translate"}
    assert set(signatures) == {"serving_default", *names, *(f"{name}_from_examples" for name in names)}
    assert signatures["sentiment"]["inputs"]["text"]["shape"] == [None, None, 3]
    assert signatures["sentiment"]["inputs"]["text"]["dtype"] == "float32"
    assert signatures["translate"]["inputs"]["beam_width"]["default_of_mmtrans"] == 5
    records = {"examples": {"dtype": "string", "shape": [None], "meaning": MEANINGS["examples"]}}
    assert signatures["sentiment_from_examples"]["inputs"] == records
    assert signatures["translate_from_examples"]["inputs"].keys() == {*records, *SEARCH, "free_length"}
    assert signatures["translate"]["outputs"]["tokens"]["dtype"] == "string"
    provenance = description["provenance"]
    assert provenance["config"] == runs["tokens"].config.to_dict()
    assert provenance["trained_with"]["manifest_hash"] == small_records(small_dir).manifest.manifest_hash
    assert str(small_dir) not in json.dumps(description)
    for file, digest in description["sha256"].items():
        assert file_sha256(exports["tokens"] / file) == digest
    kept = {path.relative_to(exports["tokens"]).as_posix() for path in exports["tokens"].rglob("*") if path.is_file()}
    assert kept == {*description["sha256"], "signature.json", "model_card.md"}


@pytest.mark.parametrize("name", CASES)
def test_every_signature_lists_its_inputs(loaded, exports, name):
    described = load_signature(exports[name])["signatures"]
    card = (exports[name] / "model_card.md").read_text(encoding="utf-8")
    functions = loaded(name).signatures
    assert described.keys() == functions.keys()
    for key, function in functions.items():
        _, specs = function.structured_input_signature
        assert described[key]["inputs"].keys() == specs.keys()
        listed = next(line for line in card.splitlines() if line.startswith(f"| `{key}` |")).split("|")[2]
        assert {word for word in listed.split() if word.startswith("`")} == {f"`{input}`" for input in specs}


def test_the_card_names_its_numbers_and_limits(exports):
    card = (exports["tokens"] / "model_card.md").read_text(encoding="utf-8")
    for part in ("# T->A: sentiment from text", "in [-3, 3]; 0 is neutral", "`beam_width` int32 []", "become 0"):
        assert part in card
    assert "It was not evaluated." in card
    assert "learned from all 20 train labels, and all 10 valid labels chose the epoch. `signature.json`" in card


@pytest.mark.parametrize("name", CASES)
def test_keras_files_load_in_safe_mode_and_agree(runs, exports, name):
    run = runs[name]
    loaded = keras.models.load_model(exports[name] / "keras" / "sentiment.keras", safe_mode=True)
    _, cleaned = raw_features(run, BATCHES["seven"])
    source = tf.concat([cleaned[m] for m in run.recipe.inputs.modalities], -1)
    inputs = {"source": source, "source_length": tf.constant(BATCHES["seven"], tf.int32)}
    np.testing.assert_allclose(loaded(inputs)["score"], run.load_regressor().model(inputs)["score"], atol=1e-6)
    translator = exports[name] / "keras" / "translator.keras"
    assert translator.is_file() == (name != "baseline")
    if name != "baseline":
        assert keras.models.load_model(translator, safe_mode=True).count_params() > 0


def test_an_export_is_replaced_only_when_told(exports, runs, tmp_path):
    target = tmp_path / "export"
    shutil.copytree(exports["baseline"], target)
    before = (target / "saved_model.pb").stat().st_mtime_ns
    with pytest.raises(ValueError, match=r"An export exists already\. .*--overwrite"):
        export(runs["baseline"], target)
    assert (target / "saved_model.pb").stat().st_mtime_ns == before
    export(runs["baseline"], target, overwrite=True)
    assert (target / "saved_model.pb").stat().st_mtime_ns != before
    assert [path.name for path in tmp_path.iterdir()] == ["export"]


def test_foreign_files_are_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"other things than an export .*'notes\.txt'"), new_export(tmp_path, True):
        pytest.fail("it went on")
    with pytest.raises(ValueError, match=r"An export is a directory\."), new_export(tmp_path / "notes.txt", True):
        pytest.fail("it went on")
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_what_fails_leaves_nothing_and_keeps_what_was(tmp_path):
    target = tmp_path / "export"
    target.mkdir()
    for name in ("saved_model.pb", "signature.json"):
        (target / name).write_text("old")

    def interrupted():
        with new_export(target, True) as partial:
            (partial / "saved_model.pb").write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (target / "saved_model.pb").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["export"]


def test_an_unfinished_run_is_refused(small_dir, tiny, tmp_path):
    run = Run.open_or_create(tmp_path / "run", tiny(), small_records(small_dir))
    with pytest.raises(ValueError, match=r"The run is not finished\."):
        export(run, tmp_path / "export")
    assert not (tmp_path / "export").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"The SavedModel does not say what it reads\. Expected signature\.json"),
        ("{", r"A file is damaged\. Expected JSON\."),
        ("[]", r"A file is damaged\. Expected a mapping\. Received: content=\[\]"),
        ("{}", r"The signature has another version\. Expected 1\. Received: format_version=None"),
        ('{"format_version": 1}', r"A file is damaged\. Expected the key reads\."),
        ('{"format_version": 2}', r"Received: format_version=2"),
    ],
)
def test_a_bad_signature_file(tmp_path, text, message):
    if text is not None:
        (tmp_path / "signature.json").write_text(text)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        load_signature(tmp_path)


@pytest.mark.slow
def test_saved_model_cli_runs_it(runs, exports, served, tmp_path):
    program = Path(sys.executable).with_name("saved_model_cli")
    if not program.is_file():
        pytest.skip("TensorFlow's saved_model_cli is not installed")
    sent, _ = raw_features(runs["stop"], BATCHES["seven"])
    np.save(tmp_path / "text.npy", sent["text"])
    np.save(tmp_path / "length.npy", np.array(BATCHES["seven"], np.int32))
    command = [str(program), "run", "--dir", str(exports["stop"]), "--tag_set", "serve"]
    command += ["--signature_def", "serving_default", "--inputs", "text=text.npy;length=length.npy", "--outdir", "."]
    subprocess.run(command, check=True, cwd=tmp_path, capture_output=True)
    wanted = served["stop", "seven", "sentiment"][1]
    np.testing.assert_allclose(np.load(tmp_path / "score.npy"), wanted["score"], atol=1e-5)
