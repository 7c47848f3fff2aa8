import numpy as np
import pytest

from mmtrans.models.regressor import build_regressor
from mmtrans.models.statistics import Statistics
from mmtrans.models.translator import build_translator
from mmtrans.recipe import parse
from mmtrans.training.objectives import SentimentObjective, TranslationObjective, representation_of

STATISTICS = Statistics(
    {"text": np.zeros(3, np.float32), "audio": np.array([1.0, -2.0], np.float32)},
    {"text": np.ones(3, np.float32), "audio": np.array([2.0, 0.5], np.float32)},
)


def make_batch():
    rng = np.random.default_rng(0)
    target = rng.normal(size=(3, 4, 2)).astype(np.float32)
    return {
        "source": rng.normal(size=(3, 5, 3)).astype(np.float32),
        "source_length": np.array([5, 2, 3], np.int32),
        "target": target,
        "decoder_input": np.pad(target, ((0, 0), (1, 0), (0, 0)))[:, :-1],
        "target_length": np.array([4, 1, 2], np.int32),
        "label": np.array([1.0, np.nan, -2.0], np.float32),
    }


@pytest.mark.parametrize(("kind", "item"), [("mse", np.square), ("mae", np.abs)])
def test_translation_loss_is_over_valid_standardised_steps(tiny, kind, item):
    batch = make_batch()
    translator = build_translator(parse("T->A"), tiny(recipe="T->A", translation_loss=kind), STATISTICS)
    inputs = {name: batch[name] for name in ("source", "source_length", "decoder_input")}
    prediction = translator.model(inputs, training=False)["prediction"].numpy()
    expected, count = 0.0, 0
    for row, length in enumerate(batch["target_length"]):
        for step in range(length):
            standardised = (batch["target"][row, step] - STATISTICS.mean["audio"]) / STATISTICS.std["audio"]
            expected += item(prediction[row, step] - standardised).mean()
            count += 1
    objective = TranslationObjective(translator)
    (term,) = objective.terms(batch, training=False)
    assert float(term.total) == pytest.approx(expected, rel=1e-4)
    assert float(term.count) == count == 7
    assert term.weight == 1.0
    assert objective.model is translator.model


@pytest.mark.parametrize(("kind", "item"), [("mae", np.abs), ("mse", np.square)])
def test_sentiment_loss_leaves_out_unlabelled_segments(tiny, kind, item):
    batch = make_batch()
    regressor = build_regressor(parse("T"), tiny(), STATISTICS, bias=0.5)
    score = regressor({name: batch[name] for name in ("source", "source_length")}, training=False)["score"].numpy()
    (term,) = SentimentObjective(regressor, tiny(sentiment_loss=kind)).terms(batch, training=False)
    assert float(term.total) == pytest.approx(item(score[0] - 1.0) + item(score[2] + 2.0), rel=1e-5)
    assert float(term.count) == 2


def test_the_representation_is_the_part_that_phases_share(tiny):
    translator = build_translator(parse("T->A"), tiny(recipe="T->A"), STATISTICS)
    assert representation_of(translator.model) is translator.representation
    of_regressor = representation_of(build_regressor(parse("T->A"), tiny(recipe="T->A"), STATISTICS))
    shapes = [[w.shape for w in model.get_weights()] for model in (translator.representation, of_regressor)]
    assert shapes[0] == shapes[1] != []
    assert representation_of(build_regressor(parse("T"), tiny(), STATISTICS)).name == "features"
