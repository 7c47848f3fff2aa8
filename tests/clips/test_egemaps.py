"""The columns of eGeMAPS: as the child process measures them, by an opensmile that is made up, and by a real one."""

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest

from mmtrans.cli.main import main
from mmtrans.clip import settings_of
from mmtrans.clips.extract import extract
from mmtrans.clips.settings import ExtractSettings
from mmtrans.clips.sound.egemaps import EgemapsStream
from mmtrans.clips.steps import mean_of_words, normalised_voice, statistics_of_voice
from mmtrans.clips.voice.columns import EGEMAPS
from mmtrans.clips.words.timed import TimedWord
from mmtrans.sources.open import open_corpus
from tests.clips.signals import SPEECH, chirp, noise, write_wav

pytest.importorskip("av")

COLUMNS = tuple(EGEMAPS.units)
PITCH = EGEMAPS.pitch
SMILE = ExtractSettings(steps="frames", face_fps=0, audio_features="egemaps")

#: Gives each whole frame its first sample, its last, and the count of its samples that are as loud as can be.
_FAKE = """
import enum, os, sys
from types import SimpleNamespace

import numpy as np

FeatureSet = enum.Enum("FeatureSet", ["eGeMAPSv02"])
FeatureLevel = enum.Enum("FeatureLevel", ["LowLevelDescriptors"])
if "tensorflow" in sys.modules:
    os.abort()


class Smile:
    def __init__(self, *, feature_set, feature_level):
        assert (feature_set, feature_level) == (FeatureSet.eGeMAPSv02, FeatureLevel.LowLevelDescriptors)
        self.feature_names = {names}

    def process_signal(self, signal, rate):
        assert rate == 16000 and signal.dtype == np.float32
        if len(signal) == 4800 + 1600:
            os.abort()
        # As the real one does, it ends where the longest window would go beyond the end.
        steps = max(len(signal) // 160 - 4, 0)
        frames = signal[: steps * 160].reshape(steps, 160)
        rows = np.zeros((steps, len(self.feature_names)))
        rows[:, 0], rows[:, 1], rows[:, 2] = frames[:, 0], frames[:, -1], (np.abs(frames * 2**15) > 32767).sum(axis=1)
        rows[:, 10] = 1
        return SimpleNamespace(to_numpy=lambda: rows)
"""


def install(monkeypatch, folder, names=COLUMNS):
    """Puts an `opensmile` of these columns where this process and its children find it."""
    folder.mkdir()
    (folder / "opensmile.py").write_text(_FAKE.replace("{names}", repr(list(names))))
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "opensmile", raising=False)


def features_of(corpus):
    return {segment.id: segment.features["audio"] for segment in open_corpus(corpus).read()}


def test_columns_and_steps_are_those_of_opensmile_whatever_the_length(tmp_path, monkeypatch):
    install(monkeypatch, tmp_path / "fake")
    clips = tmp_path / "clips"
    long = noise(24.005)
    write_wav(clips / "long.wav", long)
    write_wav(clips / "short.wav", noise(0.01))
    write_wav(clips / "shorter.wav", noise(0.005))
    extraction = extract(clips, tmp_path / "corpus", SMILE)
    features = features_of(tmp_path / "corpus")
    assert {name.split("[")[0] for name in features} == {"long", "short"}
    assert features["short[0]"].shape == (1, 25)
    rows = np.concatenate([features["long[0]"], features["long[1]"]])
    expected = (np.rint(long * 32767) / 32768)[: 2400 * 160].reshape(2400, 160)
    np.testing.assert_allclose(rows[:, :2], expected[:, [0, -1]], atol=1e-4)
    assert [left["clip"] for left in extraction.account["left_out"]] == ["shorter, from 0 s"]
    corpus = open_corpus(tmp_path / "corpus")
    assert corpus.feature_names == {"audio": COLUMNS}
    made = json.loads((tmp_path / "corpus/corpus.json").read_text())["extraction"]
    assert made["settings"]["audio_features"] == "egemaps"
    assert made["units"]["audio"] == EGEMAPS.units


def test_what_makes_opensmile_crash_is_one_clip_that_is_left_out(tmp_path, monkeypatch):
    install(monkeypatch, tmp_path / "fake")
    write_wav(tmp_path / "clips/crash.wav", noise(0.3))
    write_wav(tmp_path / "clips/good.wav", noise(0.4))
    account = extract(tmp_path / "clips", tmp_path / "corpus", SMILE).account
    (left,) = account["left_out"]
    assert (left["clip"], account["segments"]) == ("crash.wav", 1)
    assert left["reason"].startswith("measuring it failed: ")
    assert "signal SIGABRT" in left["reason"]
    # Another time it may go better, and the next command tries.
    assert not (tmp_path / "corpus/clips/crash.wav.json").exists()


def test_another_opensmile_is_told(tmp_path, monkeypatch):
    install(monkeypatch, tmp_path / "fake", [f"{name}_new" for name in COLUMNS])
    write_wav(tmp_path / "a.wav", noise(0.2))
    with pytest.raises(ValueError, match=r"no segment is left.* This opensmile measures other columns\. Expected Lou"):
        extract(tmp_path / "a.wav", tmp_path / "corpus", SMILE)


def test_without_opensmile_one_sentence_says_what_it_is_before_anything_is_decoded(tmp_path, monkeypatch, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *rest: None if name == "opensmile" else find(name, *rest)
    )
    write_wav(tmp_path / "a.wav", noise(0.2))
    arguments = ["extract", str(tmp_path / "a.wav"), str(tmp_path / "corpus"), "--audio-features", "egemaps"]
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert told.startswith(
        "mmtrans: eGeMAPS is measured by opensmile, which is not installed. Expected opensmile 2.6, "
    )
    assert "non-commercial purposes alone" in told
    assert "`pip install opensmile`" in told
    assert not (tmp_path / "corpus").exists()


def test_what_a_voice_alone_has_counts_only_where_one_is():
    frames = np.zeros((6, 25), np.float32)
    frames[:, 0] = np.arange(6)
    frames[:, PITCH] = [0, 30, 32, 0, 0, 0]
    formant = COLUMNS.index("F1amplitudeLogRelF0_sma3nz")
    frames[:, formant] = [-201, -10, -20, -201, -201, -201]
    means = mean_of_words(frames, [TimedWord("a", 0, 0.04), TimedWord("b", 0.04, 0.06)], 0, EGEMAPS)
    np.testing.assert_allclose(means[:, [0, PITCH, formant]], [[1.5, 31, -15], [4.5, 0, 0]])
    relative = normalised_voice(frames, *statistics_of_voice(frames, EGEMAPS), EGEMAPS)
    np.testing.assert_allclose(relative[:, formant], np.array([0, 1, -1, 0, 0, 0]) / 1.4826, rtol=1e-5)


def test_the_settings_of_a_model_are_those_of_its_clips_and_a_model_of_words_needs_no_opensmile():
    class Model:
        extraction = {"settings": SMILE.to_json()}  # noqa: RUF012 - nothing changes it
        modalities = ("text", "audio")

    assert settings_of(Model()) == SMILE
    Model.modalities = ("text",)
    assert settings_of(Model()).audio_features == "voice"
    earlier = {name: value for name, value in SMILE.to_json().items() if name != "audio_features"}
    assert ExtractSettings.of(earlier).audio_features == "voice"
    with pytest.raises(ValueError, match=r"Unknown choice of --audio-features\. .*\['voice', 'egemaps'\]"):
        ExtractSettings(audio_features="compare")


def test_blocks_give_what_the_whole_gives_and_loud_samples_do_not_turn_over(tmp_path, monkeypatch):
    install(monkeypatch, tmp_path / "fake")
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    sound = np.full(16_000 * 23 + 77, 3, np.float32)
    sound[::7] = np.arange(len(sound[::7])) / len(sound)
    whole, parts = EgemapsStream(), EgemapsStream()
    at_once = np.concatenate([whole.push(sound), whole.finish()])
    in_parts = [parts.push(sound[first : first + 12_345]) for first in range(0, len(sound), 12_345)]
    np.testing.assert_array_equal(at_once, np.concatenate([*in_parts, parts.finish()]))
    assert at_once.shape == (2300, 25)
    assert not at_once[:, 2].any()


@pytest.mark.skipif(importlib.util.find_spec("opensmile") is None, reason="opensmile is not installed")
def test_opensmile_itself_gives_the_same_by_blocks(tmp_path):
    program = f"""
import sys; sys.path[:] = {sys.path!r}
import numpy as np
from mmtrans.clips.sound.decode import decode_sound
from mmtrans.clips.sound.egemaps import EgemapsStream
sound = [each["samples"] for _, each in decode_sound({str(SPEECH / "loved.ogg")!r}, rate=16000) if each]
sound = np.concatenate(sound * 3)
stream = EgemapsStream()
rows = np.concatenate([stream.push(sound), stream.finish()])
whole = stream._smile.process_signal(sound, 16000).to_numpy()
assert rows.shape == (len(sound) // 160, 25)
np.testing.assert_array_equal(rows[: len(whole) - 3], whole[:-3])
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    write_wav(tmp_path / "a.wav", chirp(200, 200, 1.0))
    extract(tmp_path / "a.wav", tmp_path / "corpus", SMILE)
    pitch = features_of(tmp_path / "corpus")["a[0]"][10:80, PITCH]
    np.testing.assert_allclose(27.5 * 2 ** (pitch / 12), 200, rtol=0.02)
