import json
import os
import shutil

import numpy as np
import pytest

from mmtrans.clips import recordings
from mmtrans.clips.extract import extract
from mmtrans.clips.settings import ExtractSettings
from mmtrans.clips.voice.columns import COLUMNS
from mmtrans.clips.voice.stream import measure
from mmtrans.sources.open import open_corpus
from tests.clips.signals import SPEECH, chirp, noise, talk, write_wav

pytest.importorskip("av")

FRAMES = ExtractSettings(steps="frames", face_fps=0)


def write_words(path, *words):
    path.write_text(json.dumps([{"word": word, "start": start, "end": end} for word, start, end in words]))


def segments_of(corpus):
    return {segment.id: segment for segment in open_corpus(corpus).read()}


@pytest.fixture
def clips(tmp_path):
    """Two clips of a second each, with words of known times."""
    folder = tmp_path / "clips"
    write_wav(folder / "low.wav", chirp(100, 100, 1.0))
    write_words(folder / "low.json", ("so", 0.1, 0.4), ("low", 0.5, 0.9))
    write_wav(folder / "high.wav", chirp(200, 200, 1.0))
    write_words(folder / "high.json", ("high", 0.2, 0.8))
    return folder


def test_a_step_is_a_word_of_which_the_columns_are_known(clips, tmp_path):
    extraction = extract(clips, tmp_path / "corpus")
    corpus = open_corpus(tmp_path / "corpus")
    assert (corpus.format, corpus.aligned, corpus.notes) == ("neutral", {"audio": True}, [])
    assert corpus.feature_names == {"audio": COLUMNS}
    segments = segments_of(tmp_path / "corpus")
    assert {id: segment.tokens for id, segment in segments.items()} == {"high[0]": ("high",), "low[0]": ("so", "low")}
    pitch = COLUMNS.index("f0_hz")
    np.testing.assert_allclose(segments["low[0]"].features["audio"][:, pitch], 100, rtol=2e-3)
    np.testing.assert_allclose(segments["high[0]"].features["audio"][:, pitch], 200, rtol=2e-3)
    account = extraction.account
    assert (account["recordings"], account["segments"], account["words"], account["speakers"]) == (2, 2, 3, 2)
    assert account["counts"] == {"words with times that were given": 3}
    assert account["left_out"] == []
    assert account["seconds"] == pytest.approx(2.0)


def test_frames_are_those_of_the_whole_sound_and_long_ones_are_cut_at_pauses(tmp_path):
    sound = talk(25.0, pauses=(7, 13, 21))
    write_wav(tmp_path / "long.wav", sound)
    extraction = extract(
        tmp_path / "long.wav", tmp_path / "corpus", ExtractSettings(steps="frames", segment_seconds=10)
    )
    segments = segments_of(tmp_path / "corpus")
    assert list(segments) == ["long[0]", "long[1]", "long[2]", "long[3]"]
    frames = np.concatenate([segment.features["audio"] for segment in segments.values()])
    np.testing.assert_allclose(frames, measure(np.rint(sound * 32767) / 32768), atol=1e-3)
    starts = [s["start"] for s in json.loads((tmp_path / "corpus/clips/long.wav.json").read_text())["segments"]]
    assert starts == pytest.approx([0, 7, 13, 21], abs=0.3)
    assert extraction.account["counts"]["recordings cut at pauses"] == 1
    assert open_corpus(tmp_path / "corpus").aligned == {"audio": False}


def test_a_table_names_segments_labels_and_splits(clips, tmp_path):
    (clips / "clips.csv").write_text(
        "file,start,end,id,label,split\n"
        "low.wav,0.45,,v[1],-2,train\nlow.wav,0,0.45,v[0],1.5,train\nhigh.wav,,,w[0],0,test\ngone.wav,,,w[1],,test\n"
    )
    extraction = extract(clips, tmp_path / "corpus")
    segments = segments_of(tmp_path / "corpus")
    assert {id: (s.label, s.tokens) for id, s in segments.items()} == {
        "v[0]": (1.5, ("so",)),
        "v[1]": (-2.0, ("low",)),
        "w[0]": (0.0, ("high",)),
    }
    assert open_corpus(tmp_path / "corpus").folds == {"train": ["v"], "test": ["w"]}
    assert extraction.account["left_out"] == [{"clip": "gone.wav", "reason": "its file is missing"}]


def test_corpus_json_tells_how_it_was_made(clips, tmp_path):
    extract(clips, tmp_path / "corpus", ExtractSettings(clip_shift=0.05))
    content = json.loads((tmp_path / "corpus/corpus.json").read_text())
    made = content["extraction"]
    assert made["settings"] == ExtractSettings(clip_shift=0.05).to_json()
    assert made["settings"].items() >= {"steps": "words", "segment_seconds": 20.0, "clip_shift": 0.05}.items()
    # No more than was used: no word is aligned, and no face is watched.
    assert made["packages"].keys() == {"av", "numpy", "scipy"}
    assert made["sound_hz"] == 16000
    assert made["steps"] == {"audio": "a word"}
    assert list(made["units"]["audio"]) == content["columns"]["audio"] == list(COLUMNS)
    assert made["account"]["segments"] == 2
    receipt = json.loads((tmp_path / "corpus/clips/low.wav.json").read_text())
    assert receipt["segments"][0]["words"][0] == ["so", 0.15, 0.45, "given"]
    assert receipt["sha256"]


def test_columns_relative_to_a_speaker_have_the_median_0(clips, tmp_path):
    (clips / "clips.csv").write_text(
        "file,end,id,speaker\nlow.wav,0.5,a[0],Ann\nhigh.wav,,a[1],Ann\nlow.wav,0.1,b[0],Bo\n"
    )
    extract(clips, tmp_path / "corpus", ExtractSettings(steps="frames", normalise="speaker"))
    segments = segments_of(tmp_path / "corpus")
    of_ann = np.concatenate([segments[id].features["audio"] for id in ("a[0]", "a[1]")])
    assert of_ann.shape == (150, 40)
    median = np.median(of_ann, axis=0)
    median[COLUMNS.index("f0_hz")] = 0
    np.testing.assert_allclose(median, 0, atol=1e-4)
    # So few frames are relative to those of all.
    of_bo = segments["b[0]"].features["audio"]
    assert of_bo.shape == (10, 40)
    np.testing.assert_allclose(of_bo, of_ann[:10], atol=0.3)


def test_what_is_done_is_not_done_again(clips, tmp_path, monkeypatch):
    corpus = tmp_path / "corpus"
    done = []
    real = recordings.extract_recording

    def watched(recording, *others):
        done.append(recording.name)
        if len(done) == 2:
            # As of a kill in the second recording.
            raise KeyboardInterrupt
        return real(recording, *others)

    monkeypatch.setattr("mmtrans.clips.work.extract_recording", watched)
    with pytest.raises(KeyboardInterrupt):
        extract(clips, corpus)
    assert not (corpus / "segments.csv").exists()
    account = extract(clips, corpus).account
    assert done == ["high.wav", "low.wav", "low.wav"]
    assert account["done_before"] == 1
    whole = {path.name: path.read_bytes() for path in corpus.iterdir() if path.is_file()}
    extract(clips, tmp_path / "other")
    for name, content in whole.items():
        assert (tmp_path / "other" / name).read_bytes() == content
    # Nothing is done again, until something changes, comes or goes.
    done.clear()
    assert extract(clips, corpus).account["done_before"] == 2
    assert done == []
    write_words(clips / "low.json", ("lower", 0.1, 0.9))
    (clips / "high.wav").unlink()
    assert extract(clips, corpus).account["done_before"] == 0
    assert list(segments_of(corpus)) == ["low[0]"]
    assert not list((corpus / "clips").glob("high*"))


def test_other_settings_and_other_directories_are_refused(clips, tmp_path):
    extract(clips, tmp_path / "corpus")
    with pytest.raises(ValueError, match=r"begun with other settings\. .*Received: steps='frames' after 'words' "):
        extract(clips, tmp_path / "corpus", ExtractSettings(steps="frames"))
    before = sorted(os.listdir(clips))
    with pytest.raises(ValueError, match=r"^Something else is in the directory\. .*Received: high\.json, high\.wav"):
        extract(clips, clips)
    assert sorted(os.listdir(clips)) == before
    (tmp_path / "corpus/mine.txt").write_text("x")
    with pytest.raises(ValueError, match=r"Something else is in the directory\. .*mine\.txt"):
        extract(clips, tmp_path / "corpus")


def test_each_clip_that_cannot_be_has_its_reason_and_the_others_go_on(clips, tmp_path):
    (clips / "text.mp4").write_text("no film")
    write_wav(clips / "blink.wav", noise(0.009))
    write_wav(clips / "quiet.wav", noise(0.5))
    write_wav(clips / "odd.wav", noise(0.5))
    (clips / "odd.json").write_text("{}")
    (clips / "link.wav").symlink_to(clips / "nowhere")
    extraction = extract(clips, tmp_path / "corpus", ExtractSettings(face_fps=0))
    reasons = {left["clip"]: left["reason"] for left in extraction.account["left_out"]}
    assert reasons == {
        "text.mp4": "FFmpeg cannot open it: Invalid data found when processing input",
        "blink, from 0 s": "it has less than 10 ms of sound",
        "quiet.wav, from 0 s": "no word is spoken in it",
        "odd.wav": "its words cannot be read: odd.json: it has no words with start and end",
        "link.wav": "it is no regular file",
    }
    assert list(segments_of(tmp_path / "corpus")) == ["high[0]", "low[0]"]


def test_where_nothing_is_left_one_sentence_says_why_and_nothing_stays(tmp_path):
    write_wav(tmp_path / "clips/a.wav", noise(0.5))
    with pytest.raises(
        ValueError,
        match=r"^Of the clips no segment is left\. .*Received: no word is spoken in it \(1\) .*or --steps frames\.$",
    ):
        extract(tmp_path / "clips", tmp_path / "corpus")
    assert not (tmp_path / "corpus").exists()
    (tmp_path / "clips/a.wav").write_text("x")
    with pytest.raises(ValueError, match=r"Received: FFmpeg cannot open it: .* Give others\.$"):
        extract(tmp_path / "clips", tmp_path / "corpus", FRAMES)


def test_a_recording_of_10_ms_is_one_frame(tmp_path):
    write_wav(tmp_path / "a.wav", noise(0.01))
    extract(tmp_path / "a.wav", tmp_path / "corpus", FRAMES)
    assert segments_of(tmp_path / "corpus")["a[0]"].features["audio"].shape == (1, 40)


def test_speech_is_aligned_to_its_transcript(tmp_path):
    pytest.importorskip("pocketsphinx")
    extraction = extract(SPEECH, tmp_path / "corpus")
    segments = segments_of(tmp_path / "corpus")
    spoken = (SPEECH / "bored.txt").read_text().replace(".", "").split()
    assert list(segments["bored[0]"].tokens) == spoken
    assert segments["loved[0]"].features["audio"].shape == (14, 40)
    assert extraction.account["counts"] == {"words aligned to the sound": 24}
    made = json.loads((tmp_path / "corpus/corpus.json").read_text())
    (name,) = made["extraction"]["models"]
    assert (name, len(made["extraction"]["models"][name])) == ("aligner", 64)
    assert made["extraction"]["packages"].keys() == {"av", "numpy", "scipy", "pocketsphinx"}
    # Another model makes no part of the same corpus.
    made["extraction"]["models"][name] = "0" * 64
    (tmp_path / "corpus/corpus.json").write_text(json.dumps(made))
    with pytest.raises(ValueError, match=r"Received: aligner='[0-9a-f]{12}' after '000000000000' "):
        extract(SPEECH, tmp_path / "corpus")
    # Corpora of earlier versions tell none.
    del made["extraction"]["models"]
    (tmp_path / "corpus/corpus.json").write_text(json.dumps(made))
    assert extract(SPEECH, tmp_path / "corpus").account["done_before"] == 2


def test_missing_packages_are_one_sentence(clips, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"Received: no av\. Install them with `pip install 'mmtrans\[clips\]'`\.$"):
        extract(clips, tmp_path / "corpus")
    shutil.copy(SPEECH / "bored.txt", clips / "low.txt")
    (clips / "low.json").unlink()
    with pytest.raises(ValueError, match=r"Received: no av and no pocketsphinx\."):
        extract(clips, tmp_path / "corpus")
    assert not (tmp_path / "corpus").exists()


def test_nothing_is_written_elsewhere_and_no_socket_is_opened(clips, tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    for name in ("HOME", "XDG_CACHE_HOME", "TMPDIR"):
        monkeypatch.setenv(name, str(home))

    def refuse(*arguments, **named):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr("socket.socket", refuse)
    before = sorted(tmp_path.rglob("*"))
    extract(clips, tmp_path / "corpus")
    others = [path for path in sorted(tmp_path.rglob("*")) if not path.is_relative_to(tmp_path / "corpus")]
    assert others == before
