"""Translation quality against loops over every number; padding never matters."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmtrans.evaluation.translation_quality import TranslationQuality, copy_last

BLOCKS = {"audio": (2, 5), "text": (0, 2)}


def batch(seed, size=2, steps=5, dim=5):
    rng = np.random.default_rng(seed)
    target = rng.normal(size=(size, steps, dim)).astype(np.float32)
    prediction = (0.6 * target + rng.normal(0, 0.4, target.shape)).astype(np.float32)
    return prediction, target, rng.integers(1, steps + 1, size).astype(np.int32)


def oracle(batches, blocks):
    result = {}
    for name, (start, stop) in blocks.items():
        error = total = count = 0.0
        for prediction, target, length in batches:
            for row in range(len(length)):
                for step in range(length[row]):
                    for column in range(start, stop):
                        error += (float(prediction[row, step, column]) - float(target[row, step, column])) ** 2
                        total += float(target[row, step, column]) ** 2
                        count += 1
        result[name] = {"r2": 1 - error / total, "mse": error / count}
    return result


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=3))
def test_streamed_quality_equals_plain_loops(seeds):
    batches = [batch(seed, size=2 + i, steps=5 - i) for i, seed in enumerate(seeds)]
    quality = TranslationQuality(BLOCKS)
    for one in batches:
        quality.update(*one)
    expected, measured = oracle(batches, BLOCKS), quality.result()
    for name in BLOCKS:
        assert measured["per_modality"][name] == pytest.approx(expected[name])
    assert measured["r2"] == pytest.approx((expected["audio"]["r2"] + expected["text"]["r2"]) / 2)
    assert measured["mse"] == pytest.approx((expected["audio"]["mse"] + expected["text"]["mse"]) / 2)
    assert measured["frames"] == sum(int(length.sum()) for _, _, length in batches)
    json.dumps(measured, allow_nan=False)


@pytest.mark.parametrize("garbage", [np.nan, np.inf, 1e30])
def test_padding_is_never_read(garbage):
    prediction, target, length = batch(1)
    length = np.array([2, 4])
    clean = TranslationQuality(BLOCKS)
    clean.update(prediction, target, length)
    dirty = TranslationQuality(BLOCKS)
    padded = [np.pad(values, ((0, 0), (0, 3), (0, 0))) for values in (prediction, target)]
    for values in padded:
        for row, steps in enumerate(length):
            values[row, steps:] = garbage
    dirty.update(*padded, length)
    assert dirty.result() == clean.result()


def test_known_values():
    target = np.random.default_rng(0).normal(size=(3, 4, 5))
    length = np.array([4, 1, 3])
    for prediction, r2 in ((target, 1.0), (np.zeros_like(target), 0.0), (-target, -3.0)):
        quality = TranslationQuality({"video": (0, 5)})
        quality.update(prediction, target, length)
        assert quality.result()["r2"] == pytest.approx(r2)


def test_many_text_columns_do_not_drown_audio():
    target = np.random.default_rng(0).normal(size=(2, 5, 40))
    prediction = target.copy()
    prediction[..., 38:] = 0
    quality = TranslationQuality({"text": (0, 38), "audio": (38, 40)})
    quality.update(prediction, target, np.array([5, 5]))
    assert quality.result()["r2"] == pytest.approx(0.5)


def test_undefined_is_none():
    empty = TranslationQuality(BLOCKS).result()
    nothing = {"r2": None, "mse": None}
    assert empty == {**nothing, "frames": 0, "per_modality": {"audio": nothing, "text": nothing}}
    quality = TranslationQuality(BLOCKS)
    target = np.ones((1, 2, 5))
    target[..., :2] = 0
    quality.update(np.zeros_like(target), target, np.array([2]))
    result = quality.result()
    assert result["per_modality"] == {"audio": {"r2": 0.0, "mse": 1.0}, "text": {"r2": None, "mse": 0.0}}
    assert result["r2"] is None
    assert result["mse"] == 0.5


def test_float32_batches_are_summed_in_float64():
    quality = TranslationQuality({"audio": (0, 1)})
    # In float32, 1 added to 2**24 is lost.
    target = np.array([2.0**12, 1, 1, 1], np.float32).reshape(1, 4, 1)
    quality.update(np.zeros_like(target), target, np.array([4]))
    quality.update(np.zeros_like(target), target, np.array([4]))
    assert quality.result()["mse"] == (2.0**24 + 3) / 4


def test_copy_last_equals_a_loop_and_keeps_garbage_out():
    _, target, _ = batch(3)
    length = np.array([3, 5])
    target[0, 3:] = np.nan
    prediction = copy_last(target, length)
    assert prediction.dtype == np.float32
    for row in range(2):
        for step in range(5):
            expected = target[row, step - 1] if 0 < step < length[row] else np.zeros(5)
            np.testing.assert_array_equal(prediction[row, step], expected)


def test_bad_arguments_are_refused():
    for blocks in (
        {"text": (1, 3)},
        {"text": (0, 2), "audio": (3, 4)},
        {"text": (0, 2), "audio": (1, 4)},
        {"text": (0, 0)},
    ):
        with pytest.raises(ValueError, match=r"do not tile the target\. .*Received: blocks=\{'text'"):
            TranslationQuality(blocks)
    with pytest.raises(ValueError, match=r"No modalities to evaluate\. .*Received: blocks=\{\}"):
        TranslationQuality({})
    prediction, target, length = batch(0)
    quality = TranslationQuality(BLOCKS)
    with pytest.raises(
        ValueError, match=r"arrays \(batch, steps, 5\)\. Received: prediction\.shape=\(2, 4, 5\), target"
    ):
        quality.update(prediction[:, :4], target, length)
    with pytest.raises(ValueError, match=r"target\.shape=\(2, 5, 4\)"):
        quality.update(prediction[..., :4], target[..., :4], length)
    for bad in ([1], [1, 6], [-1, 2]):
        with pytest.raises(ValueError, match=r"Expected 2 integers of 0 to 5\. Received: length=\["):
            quality.update(prediction, target, np.array(bad))
    with pytest.raises(ValueError, match=r"Lengths do not fit the target"):
        copy_last(target, np.array([1, 6]))
    for name in ("prediction", "target"):
        arrays = {"prediction": prediction.copy(), "target": target.copy()}
        arrays[name][1, 0, 2:4] = np.nan
        with pytest.raises(ValueError, match=rf"not finite\. .*Received: {name} with 2 such of "):
            quality.update(**arrays, length=np.array([5, 5]))
    assert quality.result()["frames"] == 0
