"""Exports of strangers: what is no arithmetic is refused before TensorFlow sees it, and damage is one sentence."""

import json
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from mmtrans.cli.main import main
from mmtrans.inference.opening import open_export
from mmtrans.inference.operations import check_graph
from mmtrans.inference.scorer import Scorer
from tests.earlier import EARLIER
from tfrecords.manifest import file_sha256

SECRET = "known to the user alone"


def sign(directory):
    """Writes a `signature.json` that fits the files, as a forger would."""
    content = json.loads((EARLIER / "export" / "signature.json").read_text(encoding="utf-8"))
    files = [path for path in directory.rglob("*") if path.is_file() and path.name != "signature.json"]
    content["sha256"] = {path.relative_to(directory).as_posix(): file_sha256(path) for path in files}
    (directory / "signature.json").write_text(json.dumps(content), encoding="utf-8")
    return directory


def save(act, directory, outputs=("score", "attention_weights"), **tracked):
    """Writes a model that scores as an export does, and does something else besides.

    Args:
        act: `(text (batch, steps, 3)) →` a float that is added to the scores.
        directory: to make.
        outputs: names of the scores and the attention weights.
        tracked: what the model holds besides its weight.
    """
    weight = tf.Variable(1.0)

    @tf.function
    def score(text, length):
        del length
        score = tf.reduce_sum(text, [1, 2]) * weight + act(text)
        return dict(zip(outputs, (score, tf.ones_like(text[:, :, 0])), strict=False))

    specs = tf.TensorSpec([None, None, 3], tf.float32, "text"), tf.TensorSpec([None], tf.int32, "length")
    module = tf.Module()
    module.tracked = [weight]
    for name, value in tracked.items():
        setattr(module, name, value)
    function = score.get_concrete_function(*specs)
    tf.saved_model.save(module, str(directory), signatures={"serving_default": function})
    return sign(directory)


@pytest.fixture
def unloaded(monkeypatch):
    """TensorFlow may not load a model: whatever is refused is refused before."""
    monkeypatch.setattr(tf.saved_model, "load", lambda *_: pytest.fail("The model was loaded."))


def copied(secret, target):
    tf.io.write_file(str(target), tf.io.read_file(str(secret)))
    return 0.0


def looped(secret, target):
    def body(i):
        copied(secret, target)
        return i + 1

    return tf.cast(tf.while_loop(lambda i: i < 1, body, [0])[0], tf.float32)


def branched(secret, target, text):
    return tf.cond(tf.reduce_sum(text) > 1e9, lambda: copied(secret, target), lambda: 0.0)


def called(secret, target):
    inner = tf.function(lambda: copied(secret, target))
    return tf.function(inner)()


def saved(target):
    tf.raw_ops.SaveV2(prefix=str(target), tensor_names=["a"], shape_and_slices=[""], tensors=[tf.zeros([])])
    return 0.0


def restored(secret):
    return tf.raw_ops.RestoreV2(prefix=str(secret), tensor_names=["a"], shape_and_slices=[""], dtypes=[tf.float32])[0]


def printed(target):
    tf.print("x", output_stream=f"file://{target}")
    return 0.0


ACTS = {
    "files": (lambda s, t, _: copied(s, t), "operation ReadFile, operation WriteFile"),
    "files in a loop": (lambda s, t, _: looped(s, t), "operation ReadFile, operation WriteFile"),
    "files in a branch": (branched, "operation ReadFile, operation WriteFile"),
    "files in a function": (lambda s, t, _: called(s, t), "operation ReadFile, operation WriteFile"),
    "a checkpoint written": (lambda _, t, __: saved(t), "operation SaveV2"),
    "a checkpoint read": (lambda s, _, __: restored(s), "operation RestoreV2"),
    "Python": (lambda *_: tf.numpy_function(lambda: np.float32(0), [], tf.float32), "operation PyFunc"),
    "eager Python": (lambda *_: tf.py_function(lambda: 0.0, [], tf.float32), "operation EagerPyFunc"),
    "a printed file": (lambda _, t, __: printed(t), "operation PrintV2"),
    "folders": (lambda s, _, __: tf.cast(tf.size(tf.io.matching_files(f"{s.parent}/*")), tf.float32), "MatchingFiles"),
}


@pytest.mark.parametrize("name", ACTS)
def test_a_model_that_does_more_than_compute_is_refused(name, unloaded, tmp_path, capsys):
    secret, target, (act, received) = tmp_path / "secret", tmp_path / "copy", ACTS[name]
    secret.write_text(SECRET)
    export = save(lambda text: act(secret, target, text), tmp_path / "export")
    assert main(["predict", str(export), str(EARLIER / "corpus-unaligned")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "holds what no export of mmtrans does, and is not run." in line
    assert received in line
    assert not target.exists()


def with_asset(directory):
    vocabulary = directory.parent / "words.txt"
    vocabulary.write_text("a\n")
    return save(lambda _: 0.0, directory, asset=tf.saved_model.Asset(str(vocabulary)))


def with_table(directory):
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a"], [1.0]), 0.0)
    return save(lambda _: table.lookup(tf.constant("a")), directory, table=table)


def with_function(directory):
    """A function beside the signatures, which nobody calls."""
    other = tf.function(lambda: tf.io.read_file("/etc/hostname"), input_signature=[])
    return save(lambda _: 0.0, directory, other=other)


@pytest.mark.parametrize(
    ("make", "received"),
    [(with_asset, "file words.txt"), (with_table, "object resource"), (with_function, "operation ReadFile")],
)
def test_what_loading_would_do_is_refused(make, received, unloaded, tmp_path):
    with pytest.raises(ValueError, match=f"is not run.*{received}.*A SavedModel is a program"):
        open_export(make(tmp_path / "export"))


def change(change_message, directory):
    """A copy of the earlier export whose graph is changed, and which is signed anew."""
    shutil.copytree(EARLIER / "export", directory)
    message, path = saved_model_pb2.SavedModel(), directory / "saved_model.pb"
    message.ParseFromString(path.read_bytes())
    change_message(message)
    path.write_bytes(message.SerializeToString())
    return sign(directory)


def custom(message):
    message.meta_graphs[0].graph_def.node.add(name="x", op="Evil>Operation")


def unknown_function(message):
    message.meta_graphs[0].graph_def.node[0].attr["f"].list.func.add(name="of_another_program")


def nested_function(message):
    function = message.meta_graphs[0].graph_def.node[0].attr["f"].func
    function.name = message.meta_graphs[0].graph_def.library.function[0].signature.name
    function.attr["g"].func.name = "of_another_program"


def registered(message):
    message.meta_graphs[0].object_graph_def.nodes[1].registered_name = "Custom.Loader"


def restoring(message):
    message.meta_graphs[0].object_graph_def.nodes[1].saveable_objects["x"].restore_function = 1


def revived(message):
    message.meta_graphs[0].object_graph_def.nodes[0].user_object.identifier = "_tf_keras_model"


def initialised(message):
    message.meta_graphs[0].collection_def["legacy_init_op"].node_list.value.append("x")


def of_version_1(message):
    message.meta_graphs[0].ClearField("object_graph_def")


def twice(message):
    message.meta_graphs.add().CopyFrom(message.meta_graphs[0])


def first_function(message):
    return next(iter(message.meta_graphs[0].object_graph_def.concrete_functions.values()))


def without_inputs(message):
    first_function(message).ClearField("canonicalized_input_signature")


def without_an_output(message):
    fields = first_function(message).output_signature.dict_value.fields
    fields["x"].list_value.values.add()


def of_another_type(message):
    fields = first_function(message).output_signature.dict_value.fields
    fields["x"].type_spec_value.type_spec_class_name = "x"


@pytest.mark.parametrize(
    ("change_message", "received"),
    [
        (without_inputs, "signatures of nothing"),
        (without_an_output, "signatures of nothing"),
        (of_another_type, "signatures of type_spec_value"),
        (custom, "operation Evil>Operation"),
        (unknown_function, "call of of_another_program"),
        (nested_function, "call of of_another_program"),
        (registered, "object Custom.Loader"),
        (restoring, "objects with restoring functions of their own"),
        (revived, "object _tf_keras_model"),
        (initialised, "collection legacy_init_op"),
        (of_version_1, "graphs=1 without objects"),
        (twice, "graphs=2"),
    ],
)
def test_a_changed_graph_is_refused(change_message, received, unloaded, tmp_path):
    with pytest.raises(ValueError, match=f"is not run.*{received}"):
        open_export(change(change_message, tmp_path / "export"))


def test_a_model_that_computes_runs(tmp_path):
    export = save(lambda text: tf.math.log(tf.reduce_max(text)), tmp_path / "export")
    scores, weights = Scorer.open(export).score([{"text": np.ones((2, 3), np.float32)}])
    np.testing.assert_allclose(scores, [6.0])
    assert weights.shape == (1, 2)


def test_the_functions_that_save_are_no_ones_to_call(tmp_path):
    check_graph(EARLIER / "export" / "saved_model.pb")

    def call_them(message):
        graph = message.meta_graphs[0]
        saving = [
            f.signature.name for f in graph.graph_def.library.function if any(n.op == "SaveV2" for n in f.node_def)
        ]
        called = next(f for f in graph.graph_def.library.function if "signature_wrapper" in f.signature.name)
        called.node_def.add(name="x", op="StatefulPartitionedCall").attr["f"].func.name = saving[0]

    with pytest.raises(ValueError, match=r"is not run.*operation MergeV2Checkpoints"):
        open_export(change(call_them, tmp_path / "export"))


# Damage.


@pytest.fixture
def export(tmp_path):
    return shutil.copytree(EARLIER / "export", tmp_path / "export")


def flip(path, place=0.5):
    data = bytearray(path.read_bytes())
    data[int(len(data) * place)] ^= 1
    path.write_bytes(data)


VARIABLES = "variables/variables.data-00000-of-00001"


@pytest.mark.parametrize("name", ["saved_model.pb", VARIABLES, "variables/variables.index", "keras/sentiment.keras"])
def test_a_flipped_bit_is_damage(name, export, unloaded):
    flip(export / name)
    with pytest.raises(ValueError, match=rf"^The export is damaged\. .*Received: {name} with another checksum"):
        open_export(export)


@pytest.mark.parametrize("name", ["saved_model.pb", VARIABLES])
def test_a_cut_file_is_damage(name, export, unloaded):
    (export / name).write_bytes((export / name).read_bytes()[:-9])
    with pytest.raises(ValueError, match=rf"The export is damaged\. .*{name} with another checksum"):
        open_export(export)


def test_checksums_of_zeros_are_damage(export, unloaded, capsys):
    content = json.loads((export / "signature.json").read_text(encoding="utf-8"))
    content["sha256"] = dict.fromkeys(content["sha256"], "0" * 64)
    (export / "signature.json").write_text(json.dumps(content), encoding="utf-8")
    assert main(["predict", str(export), str(EARLIER / "corpus-unaligned")]) == 2
    assert "saved_model.pb with another checksum" in capsys.readouterr().err


@pytest.mark.parametrize("name", [VARIABLES, "variables/variables.index"])
def test_a_missing_file_is_damage(name, export, unloaded):
    (export / name).unlink()
    with pytest.raises(ValueError, match=f"no file {name}"):
        open_export(export)


def test_a_pipe_is_not_waited_for(export, unloaded):
    (export / "fingerprint.pb").unlink()
    os.mkfifo(export / "fingerprint.pb")
    with pytest.raises(ValueError, match=r"The export is damaged\. .*Received: fingerprint\.pb, which is no file"):
        open_export(export)


def test_a_file_without_checksum_is_no_part(export, unloaded):
    content = json.loads((export / "signature.json").read_text(encoding="utf-8"))
    del content["sha256"]["saved_model.pb"]
    content["sha256"]["../elsewhere"] = "0" * 64
    (export / "signature.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ValueError, match=r"no checksum of saved_model\.pb; .*\.\./elsewhere, which lies elsewhere"):
        open_export(export)


@pytest.mark.parametrize(
    "name", ["saved_model.cpb", "saved_model.pbtxt", "variables/more", "debug/saved_model_debug_info.pb"]
)
def test_a_file_more_that_tensorflow_would_read_is_refused(name, export, unloaded):
    (export / name).parent.mkdir(exist_ok=True)
    (export / name).write_bytes(b"")
    with pytest.raises(ValueError, match=f"{name}, which is not of the export"):
        open_export(export)


def test_files_that_nobody_reads_may_go_and_come(export):
    shutil.rmtree(export / "keras")
    (export / "notes.txt").write_text("mine")
    (export / "variables" / VARIABLES.split("/")[1]).rename(export / "elsewhere")
    (export / VARIABLES).symlink_to(export / "elsewhere")
    signature, _, parts = open_export(export)
    assert (signature["recipe"], parts) == ("T->A", None)


@pytest.mark.parametrize("key", ["reads", "label", "max_steps", "sha256"])
def test_a_signature_without_a_key_is_damage(key, export, unloaded):
    content = json.loads((export / "signature.json").read_text(encoding="utf-8"))
    del content[key]
    (export / "signature.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ValueError, match=rf"A file is damaged\. Expected the key {key}\. .*signature\.json"):
        open_export(export)


# Damage that a forger signed.


def cut_graph(export):
    path = export / "saved_model.pb"
    path.write_bytes(path.read_bytes()[:-1000])


def cut_variables(export):
    path = export / VARIABLES
    path.write_bytes(path.read_bytes()[:-100])


def other_variables(export):
    flip(export / "variables/variables.index", 0.3)


@pytest.mark.parametrize("damage", [cut_graph, cut_variables, other_variables])
def test_signed_damage_is_one_sentence(damage, export):
    damage(export)
    with pytest.raises(ValueError, match=r"^The exported model cannot be (used|read)\. .*Export the run again\.$"):
        open_export(sign(export))


def without_signature(message):
    del message.meta_graphs[0].object_graph_def.nodes[0].children[:]


def test_a_model_without_its_signature(tmp_path):
    with pytest.raises(ValueError, match=r"The exported model cannot be used\."):
        open_export(change(without_signature, tmp_path / "export"))


def test_a_model_of_other_outputs(tmp_path):
    export = save(lambda text: 0.0, tmp_path / "export", outputs=("points",))
    with pytest.raises(ValueError, match=r"cannot be used\. .*Received: outputs=\['points'\]"):
        open_export(export)


@pytest.mark.parametrize(
    ("score", "received"),
    [
        (lambda text: tf.reduce_sum(text), "score as float32 of rank 0"),
        (lambda text: tf.reduce_sum(text, [1]), "score as float32 of rank 2"),
        (lambda text: tf.cast(tf.reduce_sum(text, [1, 2]), tf.float64), "score as float64 of rank 1"),
        (lambda text: tf.fill([tf.shape(text)[0]], "1"), "score as string of rank 1"),
        (
            lambda text: tf.repeat(tf.reduce_sum(text, [1, 2]), 2),
            "rows={'score': 4, 'attention_weights': 2} of 2 segments",
        ),
    ],
)
def test_a_model_whose_scores_are_none(score, received, tmp_path):
    @tf.function
    def scored(text, length):
        del length
        return {"score": score(text), "attention_weights": tf.ones_like(text[:, :, 0])}

    specs = tf.TensorSpec([None, None, 3], tf.float32, "text"), tf.TensorSpec([None], tf.int32, "length")
    function = scored.get_concrete_function(*specs)
    tf.saved_model.save(tf.Module(), str(tmp_path / "export"), signatures={"serving_default": function})
    sign(tmp_path / "export")
    with pytest.raises(ValueError, match=rf"cannot be used\. .*Received: {received}"):
        Scorer.open(tmp_path / "export").score([{"text": np.ones((2, 3), np.float32)}] * 2)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_a_model_that_never_ends_can_be_stopped(tmp_path):
    def forever(text):
        return tf.while_loop(lambda x: x > -1.0, lambda x: x + 1.0, [tf.reduce_max(text) * 0.0])[0]

    export = save(forever, tmp_path / "export")
    command = [sys.executable, "-u", "-m", "mmtrans.cli.main", "predict", export, EARLIER / "corpus-unaligned"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=EARLIER.parents[2], **pipes) as process:
        assert process.stdout.readline().startswith("id,score")
        # Until it computes.
        time.sleep(3)
        process.terminate()
        try:
            _, err = process.communicate(timeout=180)
        finally:
            process.kill()
    assert (process.returncode, err) == (143, "mmtrans: Terminated.\n")


def test_a_model_that_fails_when_it_runs(tmp_path, capsys):
    def fail(text):
        with tf.control_dependencies([tf.debugging.Assert(tf.reduce_max(text) < -1e9, ["\x1b[31mred"])]):
            return tf.constant(0.0)

    export = save(fail, tmp_path / "export")
    assert main(["predict", str(export), str(EARLIER / "corpus-unaligned")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "The exported model cannot be used." in line
    assert "\x1b" not in line


def test_a_model_of_other_columns(export):
    content = json.loads((export / "signature.json").read_text(encoding="utf-8"))
    content["reads"]["text"]["dim"] = 4
    (export / "signature.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ValueError, match=r"cannot be used\. .*Received: inputs=\{'text': 3\}"):
        open_export(export)
