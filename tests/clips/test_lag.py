import json

import numpy as np
import pytest

from mmtrans.cli.main import main
from mmtrans.clips.lag import LAGS, LagCurve
from mmtrans.clips.words.timed import TimedWord
from tests.clips.signals import noise, write_wav


def bursts(seconds, seed):
    """Energy of words that come at random, and the words, which are `(start, end)`."""
    generator = np.random.default_rng(seed)
    energy, words, at = np.full(round(seconds * 100), -80.0), [], 0.2
    while at < seconds - 0.6:
        length = generator.uniform(0.1, 0.4)
        words.append((at, at + length))
        energy[round(at * 100) : round((at + length) * 100)] = generator.uniform(-40, -10)
        at += length + generator.uniform(0.05, 0.5)
    return energy, words


@pytest.mark.parametrize("lag", [-0.5, 0.0, 0.26])
def test_the_lag_of_words_that_are_moved_is_found_over_pieces(lag):
    curve = LagCurve.empty()
    for seed in range(3):
        energy, words = bursts(12.0, seed)
        # The words are told so much earlier than they are heard.
        told = [TimedWord("x", 30 + start - lag, 30 + end - lag) for start, end in words]
        curve.add(energy[:700], told, 3000)
        curve.add(energy[700:], told, 3700)
    correlation = curve.correlation()
    assert LAGS[correlation.argmax()] / 100 == pytest.approx(lag)
    assert correlation.max() > 0.8
    assert curve.count == pytest.approx(3 * len(words), abs=6)


def test_words_without_a_pause_and_silence_tell_nothing():
    curve = LagCurve.empty()
    curve.add(np.full(500, -100.0), [TimedWord("x", 1.0, 2.0)], 0)
    assert not curve.correlation().any()
    curve.add(np.arange(500.0), [TimedWord("x", -9.0, 99.0)], 0)
    assert not curve.correlation().any()


def test_the_lag_is_in_the_account_with_what_mends_it(tmp_path, capsys):
    pytest.importorskip("av")
    for number in range(2):
        energy, words = bursts(10.0, number)
        sound = noise(10.0, seed=number) * np.repeat(10 ** (energy / 20), 160) * 10
        write_wav(tmp_path / "clips" / f"{number}.wav", sound)
        told = [{"word": "so", "start": start - 0.26, "end": end - 0.26} for start, end in words]
        (tmp_path / "clips" / f"{number}.json").write_text(json.dumps(told))
    assert main(["extract", str(tmp_path / "clips"), str(tmp_path / "corpus")]) == 0
    assert "than the words' times say. --clip-shift 0.26 mends it" in capsys.readouterr().err
    account = json.loads((tmp_path / "corpus/corpus.json").read_text())["extraction"]["account"]
    assert account["lag"]["seconds"] == 0.26
    assert account["lag"]["correlation"] > account["lag"]["correlation_at_0"] + 0.1
    assert main(["extract", str(tmp_path / "clips"), str(tmp_path / "moved"), "--clip-shift", "0.26"]) == 0
    assert "clip-shift" not in capsys.readouterr().err
