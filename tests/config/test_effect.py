"""Which fields have an effect."""

import dataclasses

import pytest

from mmtrans.config import FIELDS, Config
from mmtrans.config.effect import changed, check_consistent, idle
from tests.config.test_config import other_value

TRANSLATION, JOINT, BASELINE = Config(recipe="T->A"), Config(recipe="T->A", objective="joint"), Config(recipe="T")

#: Fields without effect where nothing but the recipe is said.
OFF = {"latent_units", "kl_weight", "kl_annealing_steps", "free_bits"}  # without a latent
OFF |= {
    "codebook_size",
    "min_count",
    "embedding_units",
    "tie_weights",
    "label_smoothing",
    "token_sampling",
}  # no tokens
OFF |= {"translation_weight", "sentiment_weight", "joint_warmup_steps", "freeze"}
OFF |= {"fusion_units", "fused_units", "fusion_rank", "fusion_heads", "fusion_layers", "fusion_topology"}  # no fusion
OFF |= {"fusion_dropout"}
OFF |= {"similarity_weight", "similarity_moments", "difference_weight", "reconstruction_weight"}
OFF |= {"text_learning_rate", "text_epochs", "text_warmup", "text_weight_decay", "text_dropout"}  # no layer moves


def idle_of(**fields):
    """Names of the fields without effect in a configuration."""
    return set(idle(Config(**fields)))


def test_a_baseline_reads_what_its_regressor_does():
    read = {"recipe", "seed", "epochs", "cell", "bidirectional", "label_fraction", "regressor_units", "pooling"}
    read |= {"regressor_dropout", "sentiment_loss", "patience", "batch_size", "learning_rate", "schedule"}
    read |= {"decay_epochs", "warmup_steps", "clip_norm", "ema", "tune_text_encoder", "recurrent"}
    read |= {"valid_label_fraction", "fixed_steps"}
    assert set(FIELDS) - set(idle(BASELINE)) == read
    assert idle_of(recipe="T", objective="joint") == idle_of(recipe="T")
    assert idle(BASELINE)["cycle_weight"] == "T translates nothing"


def test_a_fusion_reads_its_sizes_and_joins_in_its_own_way():
    sizes = set(FIELDS) - idle_of(recipe="tfn(T,A)")
    assert sizes - (set(FIELDS) - idle_of(recipe="T")) == {"fusion_units", "fused_units"}
    assert idle_of(recipe="tfn(T,A)") - idle_of(recipe="T") == {"recurrent", "pooling"}
    assert idle_of(recipe="tfn(T,A)") - idle_of(recipe="lmf(T,A)") == {"fusion_rank"}
    assert "regressor_units" not in idle_of(recipe="tfn(T,A)", recurrent=False)
    sizes = set(FIELDS) - idle_of(recipe="mult(T,A)")
    assert sizes - (set(FIELDS) - idle_of(recipe="tfn(T,A)")) == {"fusion_heads", "fusion_layers", "fusion_dropout"}
    assert idle_of(recipe="mult(T,A)") - idle_of(recipe="tfn(T,A)") == {
        *("regressor_units", "fused_units", "cell", "bidirectional")
    }
    assert idle_of(recipe="mfn(T,A)") - idle_of(recipe="tfn(T,A)") == {"cell", "bidirectional"}
    assert idle_of(recipe="late(T,A)") - idle_of(recipe="tfn(T,A)") == {"fusion_units", "fused_units"}
    assert idle_of(recipe="tfn(T,A)") < idle_of(recipe="mfn(T,A)")
    assert idle_of(recipe="mfn(T,A)") - idle_of(recipe="marn(T,A)") == {"fusion_heads"}
    assert idle_of(recipe="mfn(T,A)") - idle_of(recipe="mvlstm(T,A)") == {"fusion_topology"}
    assert idle_of(recipe="mvlstm(T,A)") - idle_of(recipe="mfn(T,A)") == {"fused_units"}
    assert idle_of(recipe="gme(T,A)") == idle_of(recipe="tfn(T,A)")
    assert idle_of(recipe="bclstm(T,A)") == idle_of(recipe="tfn(T,A)")
    check_consistent(Config(recipe="marn(T,A)", fusion_units=30))
    weights = {"similarity_weight", "difference_weight", "reconstruction_weight"}
    sizes = set(FIELDS) - idle_of(recipe="misa(T,A)")
    assert sizes - (set(FIELDS) - idle_of(recipe="tfn(T,A)")) == {"fusion_heads", "similarity_moments", *weights}
    assert idle_of(recipe="misa(T,A)") - idle_of(recipe="tfn(T,A)") == {"fused_units"}
    assert "similarity_moments" in idle_of(recipe="misa(T,A)", similarity_weight=0.0)
    with pytest.raises(ValueError, match=r"fusion_units=30 is no multiple of fusion_heads=4\. .*Choose a multiple, or"):
        check_consistent(Config(recipe="mult(T,A)", fusion_units=30))
    check_consistent(Config(recipe="tfn(T,A)", fusion_units=30))


@pytest.mark.parametrize(
    ("fields", "wakes", "sleeps"),
    [
        ({}, set(), set()),
        ({"attention": "none"}, set(), {"attention_units", "max_distance"}),
        ({"schedule": "constant"}, set(), {"decay_epochs"}),
        ({"feature_sampling": 0.0}, set(), {"sampling_steps"}),
        ({"init": "run"}, {"freeze"}, set()),
        (
            {"objective": "joint"},
            {"translation_weight", "sentiment_weight", "joint_warmup_steps"},
            {"untrained", "finetune"},
        ),
        (
            {"objective": "joint", "sentiment_weight": 0.0},
            {"translation_weight", "sentiment_weight"},
            {"untrained", "finetune"},
        ),
        ({"untrained": True}, set(), {"objective"}),
        ({"recurrent": False}, set(), {"regressor_units"}),
        (
            {"pretrain": True},
            set(),
            {
                *("objective", "label_fraction", "representation", "recurrent", "regressor_units", "pooling"),
                *("regressor_dropout", "sentiment_loss", "finetune", "valid_label_fraction", "fixed_steps"),
            },
        ),
        ({"bottleneck": "vae"}, {"latent_units", "kl_weight", "kl_annealing_steps", "free_bits"}, set()),
        ({"bottleneck": "vae", "kl_weight": 0.0}, {"latent_units", "kl_weight"}, set()),
        (
            {"target": "tokens"},
            {"codebook_size", "embedding_units", "tie_weights", "label_smoothing", "token_sampling"},
            {"stop", "translation_loss", "feature_sampling", "sampling_steps"},
        ),
        (
            {"target": "tokens", "recipe": "A->T", "token_sampling": 0.1},
            {"codebook_size", "min_count", "embedding_units", "tie_weights", "label_smoothing", "token_sampling"},
            {"stop", "translation_loss", "feature_sampling", "tune_text_encoder"},
        ),
        (
            {"tune_text_encoder": "all"},
            {"text_learning_rate", "text_epochs", "text_warmup", "text_weight_decay", "text_dropout"},
            set(),
        ),
        (
            {"target": "tokens", "cycle_weight": 1.0},
            {"codebook_size", "embedding_units", "tie_weights", "label_smoothing", "token_sampling"},
            {"stop"},
        ),
    ],
)
def test_fields_that_others_need(fields, wakes, sleeps):
    assert idle_of(**{"recipe": "T->A", **fields}) == (OFF - wakes) | sleeps


def test_what_depends_on_a_varied_field_may_have_an_effect():
    assert "kl_weight" not in idle(TRANSLATION, varied={"bottleneck"})
    assert "kl_weight" in idle(BASELINE, varied={"bottleneck"})


def test_what_differs_from_the_defaults():
    assert changed(Config()) == {}
    assert changed(Config(recipe="T", units=64, dropout=0)) == {"recipe": "T", "dropout": 0.0}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"recipe": "T", "init": "run"},
            r"^Fields contradict each other: T translates nothing\. Expected init='' then\. ",
        ),
        (
            {"recipe": "T", "pretrain": True},
            r"Received: pretrain=True\. Choose a recipe that .*, or leave --pretrain out",
        ),
        ({"freeze": "encoder"}, r": init=''\. Expected freeze='none' then\. .*Say with --init RUN where"),
        ({"objective": "joint", "untrained": True}, r": untrained=True\. Expected objective='sequential' then\."),
        (
            {"objective": "joint", "finetune": True},
            r": objective='joint'\. Expected finetune=False then\. .*sequential",
        ),
    ],
)
def test_contradictions_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        check_consistent(Config(**fields))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"recipe": "T", "objective": "joint", "finetune": True},  # neither has an effect
        {"objective": "joint", "pretrain": True, "untrained": True},
        {"init": "run", "freeze": "encoder", "objective": "joint"},
        {"recipe": "T", "cycle_weight": 5.0},
    ],
)
def test_what_only_has_no_effect_is_no_contradiction(fields):
    check_consistent(Config(**fields))


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_every_reason_can_be_said(name):
    config = dataclasses.replace(BASELINE, **{name: other_value(name)})
    for reason in idle(config).values():
        assert "{" not in reason
