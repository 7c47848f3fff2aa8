"""A variational run as a whole: its bound, its draws, its resumption."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import norm

from mmtrans.cli.main import main
from mmtrans.data.batch import Selection
from mmtrans.data.pipeline import make_batches
from mmtrans.data.records import Records
from mmtrans.evaluation.evidence import evaluate_evidence
from mmtrans.evaluation.translation import evaluate_translation
from mmtrans.layers.dropout import named_seed, random_step, segment_seeds
from mmtrans.runs.run import Run
from mmtrans.training.train import make_deterministic
from tests.training.test_train import assert_equal_runs, interrupt_at, train_run

VAE = {"recipe": "T->A", "bottleneck": "vae", "latent_units": 3, "kl_annealing_steps": 5, "free_bits": 0.01}


@pytest.fixture(scope="module", autouse=True)
def deterministic():
    make_deterministic()


@pytest.fixture(scope="module")
def run(small_dir, tiny, tmp_path_factory):
    records = Records.open(small_dir, splits=("train", "valid"))
    return train_run(tmp_path_factory.mktemp("vae") / "run", tiny(**VAE, seed=4), records)


@pytest.fixture(scope="module")
def batches(run, small_dir):
    selection = Selection("test", ("text",), ("audio",))
    return make_batches(Records.open(small_dir), selection, batch_size=run.config.optimisation.batch_size)


def draw(encoded, name):
    """The latent of each segment."""
    noise = [tf.random.stateless_normal(encoded[name].shape[1:], seed) for seed in named_seed(f"latent/{name}")]
    return encoded[name] + np.exp(encoded[f"{name}_log_variance"].numpy() / 2) * np.stack(noise)


def kl_of(mean, log_variance):
    return (np.exp(log_variance) + mean**2 - 1 - log_variance).sum() / 2


def test_the_bound_is_what_a_loop_finds(run, batches, small_dir):
    translator = run.load_translator()
    model, likelihood, kl, segments, steps = translator.model, 0.0, 0.0, 0, 0
    for batch in batches:
        encoded = translator.represent(batch["source"], batch["source_length"])
        with random_step(tf.constant(segment_seeds(4, batch["id"].numpy()))):
            memory, final_state = draw(encoded, "memory"), draw(encoded, "final_state")
        embedded, states = translator.target.embed(batch["decoder_input"]), model.get_layer("bridge")(final_state)
        mask = tf.sequence_mask(batch["source_length"])
        outputs, _ = model.get_layer("decoder")([embedded, memory, *states], memory_mask=mask)
        prediction = model.get_layer("head")(outputs).numpy()
        target = (batch["target"] - run.statistics.mean["audio"]) / run.statistics.std["audio"]
        encoded = {name: value.numpy() for name, value in encoded.items()}
        for row, length in enumerate(batch["target_length"].numpy()):
            likelihood += norm.logpdf(target[row, :length], prediction[row, :length]).sum()
            kl += kl_of(encoded["memory"][row, :length], encoded["memory_log_variance"][row, :length])
            kl += kl_of(encoded["final_state"][row], encoded["final_state_log_variance"][row])
            segments, steps = segments + 1, steps + length
    result = evaluate_translation(run, Records.open(small_dir), "test")
    for suffix, count in (("", segments), ("_per_step", steps)):
        assert result[f"reconstruction{suffix}"] == pytest.approx(likelihood / count, rel=1e-4)
        assert result[f"kl{suffix}"] == pytest.approx(kl / count, rel=1e-4)
        assert result[f"elbo{suffix}"] == pytest.approx((likelihood - kl) / count, rel=1e-4)


@pytest.mark.parametrize("split", ["test", "valid"])
def test_the_bound_is_that_of_the_segments_whatever_the_batches(run, small_dir, split):
    """Draws are large beside what the last digits of a sum over padding differ by."""
    records, selection, translator = (
        Records.open(small_dir),
        Selection(split, ("text",), ("audio",)),
        run.load_translator(),
    )
    few, many = (
        evaluate_evidence(translator, make_batches(records, selection, batch_size=size), seed=4) for size in (3, 100)
    )
    assert few == pytest.approx(many, rel=1e-5)


def test_the_bound_follows_from_the_seed(run, batches):
    translator = run.load_translator()
    first, same, other = (evaluate_evidence(translator, batches, seed) for seed in (1, 1, 2))
    assert first == same
    assert first["reconstruction"] != other["reconstruction"]
    assert first["kl"] == other["kl"] > 0


def scalars_of(directory):
    """`tag → [(step, value)]` of one directory of events."""
    found = {}
    for path in sorted(directory.glob("events*")):
        for serialized in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(serialized.numpy())
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == "scalars" or value.tag in found:
                    found.setdefault(value.tag, []).append((event.step, tf.make_ndarray(value.tensor).item()))
    return found


def test_tensorboard_shows_the_divergence(run):
    ((epoch, kl),) = scalars_of(run.path / "logs" / run.phases[0].name)["samples/kl"]
    assert epoch == 1
    assert kl > 0


def features_of(run, path, *flags):
    command = ["translate", run.path, "--split", "valid", "--out", path / "out.jsonl", "--features", path / "out.npz"]
    assert main([str(argument) for argument in [*command, *flags]]) == 0
    with np.load(path / "out.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}


def distance(left, right):
    assert {name: array.shape for name, array in left.items()} == {name: array.shape for name, array in right.items()}
    return max(np.abs(left[name] - right[name]).max() for name in left)


def test_latents_are_drawn_on_the_command_line(run, tmp_path):
    mean, posterior, prior = (features_of(run, tmp_path, "--latent", kind) for kind in ("mean", "posterior", "prior"))
    assert distance(prior, features_of(run, tmp_path, "--latent", "prior", "--seed", "0")) == 0
    assert distance(posterior, features_of(run, tmp_path, "--latent", "posterior", "--seed", "1")) > 1e-4
    assert distance(posterior, mean) > 1e-4
    assert distance(prior, posterior) > 1e-4


def test_what_has_no_latent_draws_none(translation_run, run, capsys):
    assert main(["translate", str(translation_run), "--latent", "prior", "--split", "valid"]) == 2
    error = capsys.readouterr().err.strip()
    assert error.count("\n") == 0
    assert "no latent to draw. Expected one trained with --bottleneck vae. Received: latent=prior" in error
    assert main(["translate", str(run.path), "--seed", "1", "--split", "valid"]) == 2
    assert "--seed" in capsys.readouterr().err


@pytest.mark.slow
def test_an_interrupted_run_equals_an_undisturbed_one(run, tiny, small, tmp_path, monkeypatch):
    config = tiny(**VAE, seed=4)
    with monkeypatch.context() as patch:
        interrupt_at(patch, 6)  # in the second epoch of the translation
        with pytest.raises(KeyboardInterrupt):
            train_run(tmp_path / "run", config, small)
    assert_equal_runs(run, train_run(tmp_path / "run", config, small))
    assert Run.open(tmp_path / "run").config.latent.bottleneck == "vae"
