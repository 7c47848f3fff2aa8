"""Worlds of another premise: their ceilings against brute force, and that what was planted is in the files."""

import json
from pathlib import Path

import numpy as np
import pytest

from mmtrans.sources.open import open_corpus
from mmtrans.synthetic import ceilings
from mmtrans.synthetic import world as equations
from mmtrans.synthetic.channels import affect_channel, draw_channels, expected_channels
from mmtrans.synthetic.corpus import synthesize
from mmtrans.synthetic.csd_files import FILES
from mmtrans.synthetic.ground_truth import UNIONS
from mmtrans.synthetic.posterior import posterior_of, scores
from mmtrans.synthetic.premise import Premise
from tests.synthetic.test_corpus import align, read
from tfrecords.schema import MODALITIES

DEFAULT = Path(__file__).parent / "default-world.json"
PREMISE = Premise(affect={"audio": 0.3, "video": 0.06}, affect_channels={"video": 3}, disagree=0.25)
SOURCES = [("text",), ("audio",), ("video",), *UNIONS]
VIDEOS, DRAWS = 60, 1500


class Fresh:
    """Segments of `PREMISE`, their channels that follow it, and how likely each of many drawn affects makes these."""

    def __init__(self):
        rng = np.random.default_rng(7)
        world = equations.draw_world(rng)
        folds = np.zeros(VIDEOS, dtype=int)
        self.text = text = equations.draw_text(rng, world, np.full(VIDEOS, 20), folds, PREMISE.disagree)
        tenths = rng.choice(equations.WORD_TENTHS, len(text.word), p=equations.WORD_TENTHS_WEIGHTS)
        self.evidence, self.affects, self.fits = {}, {}, {}
        for known in (True, False):
            self.affects[known] = drawn_affects(rng, text, known)
        for stream in PREMISE.streams:
            frames = tenths * stream.frames_per_tenth
            noise = 0.16 * 8 / stream.dim / frames
            channels = draw_channels(rng, world, text, stream)[:, -stream.affect_channels :]
            channels += np.sqrt(noise)[:, None] * rng.standard_normal(channels.shape)
            weights = ceilings.gls_weights(stream, frames, text.num_words)
            channel = affect_channel(stream, channels)
            self.evidence[stream.name] = ceilings.evidence_of(stream, channel, weights, text.num_words)
            for known, affects in self.affects.items():
                fits = [log_likelihoods(stream, text, one, noise, affects) for one in channels.T]
                self.fits[stream.name, known] = sum(fits)

    def by_brute_force(self, names):
        """What weighing many drawn affects reaches: right signs, right halves and absolute errors, `(segments,)`."""
        known = "text" in names
        affects = self.affects[known]
        fit = sum((self.fits[name, known] for name in names if name != "text"), np.zeros(affects.shape))
        weight = np.exp(fit - fit.max(axis=1, keepdims=True))
        weight /= weight.sum(axis=1, keepdims=True)
        labels = equations.round_labels(np.random.default_rng(8), affects.ravel()).reshape(affects.shape)
        above, below = ((weight * chosen).sum(axis=1) for chosen in (labels > 0, labels < 0))
        order = np.argsort(labels, axis=1)
        half = (np.cumsum(np.take_along_axis(weight, order, axis=1), axis=1) < 0.5).sum(axis=1)
        median = np.take_along_axis(labels, order, axis=1)[np.arange(len(half)), half]
        truth = self.text.label
        return {
            "acc2_non0": ((above > below) == (truth > 0))[truth != 0],
            "acc2_has0": (below < 0.5) == (truth >= 0),
            "mae": np.abs(median - truth),
        }


def drawn_affects(rng, text, known):
    """`(segments, DRAWS)` affects as they may be before a stream is looked at, with the words known or not."""
    shape = (len(text.num_words), DRAWS)
    said = np.repeat(text.text_affect[:, None], DRAWS, axis=1)
    if not known:
        mood = np.hypot(equations.VIDEO_MOOD_STD, equations.SEGMENT_MOOD_STD) * rng.standard_normal(said.size)
        counts = np.repeat(text.num_words, DRAWS)
        polarities = rng.multinomial(counts, equations.polarity_probabilities(mood)) @ equations.POLARITIES
        said = (equations.POLARITY_GAIN * polarities / counts).reshape(shape)
    said = np.where(rng.random(shape) < PREMISE.disagree, -said, said)
    return said + equations.LABEL_NOISE_STD * rng.standard_normal(shape)


def log_likelihoods(stream, text, channel, noise, affects):
    """`(segments, DRAWS)` up to a constant: the channel less each affect is a Gaussian of the stated covariance."""
    fits = np.zeros(affects.shape)
    for segment, (first, count) in enumerate(zip(text.first, text.num_words, strict=True)):
        steps = np.arange(count)
        covariance = (1 - stream.affect_share) * 0.65 ** np.abs(steps[:, None] - steps)
        covariance[steps, steps] += noise[first : first + count]
        left = channel[first : first + count, None] - stream.gain * affects[segment]
        fits[segment] = -0.5 * (left * np.linalg.solve(covariance, left)).sum(axis=0)
    return fits


@pytest.fixture(scope="module")
def fresh():
    return Fresh()


@pytest.mark.parametrize("names", SOURCES, ids="+".join)
def test_ceilings_are_those_of_brute_force(fresh, names):
    said = fresh.text.text_affect if "text" in names else None
    evidence = [fresh.evidence[name] for name in names if name != "text"]
    ours = scores(posterior_of(said, evidence, fresh.text.num_words, PREMISE.disagree), fresh.text.label)
    streams = tuple(stream for stream in PREMISE.streams if stream.name in names)
    expected = ceilings.expected_scores(streams, "text" in names, PREMISE.disagree)
    for name, found in fresh.by_brute_force(names).items():
        error = found.std() / np.sqrt(len(found))
        # The same segments: what is left is that of 1500 draws, and of the prior that is taken as Gaussian.
        assert ours[name] == pytest.approx(found.mean(), abs=error), name
        # Others.
        assert expected[name] == pytest.approx(found.mean(), abs=3.5 * error), name


def test_more_modalities_are_never_worse():
    scored = {}
    for names in SOURCES:
        streams = tuple(stream for stream in PREMISE.streams if stream.name in names)
        scored[names] = ceilings.expected_scores(streams, "text" in names, PREMISE.disagree)
    for names in UNIONS:
        for one in names:
            fewer = scored[tuple(name for name in names if name != one)]
            assert scored[names]["mae"] < fewer["mae"]
            assert scored[names]["acc2_non0"] > fewer["acc2_non0"]


def test_best_translation_of_words_that_may_lie():
    rng = np.random.default_rng(0)
    world = equations.draw_world(rng)
    text = equations.draw_text(rng, world, np.full(300, 22), np.zeros(300, dtype=int), PREMISE.disagree)
    for stream in PREMISE.streams:
        channels = draw_channels(rng, world, text, stream)
        # As much noise as the columns have in all, which are more than the channels.
        channels += 0.4 * np.sqrt(ceilings.mean_inverse_frames(stream)) * rng.standard_normal(channels.shape)
        left = channels - expected_channels(world, text, stream)
        expected_r2, expected_lag = ceilings.expected_translation(stream, PREMISE.disagree)
        assert 1 - (left**2).sum() / (channels**2).sum() == pytest.approx(expected_r2, abs=0.006)
        inner = np.repeat(np.arange(len(text.label)), text.num_words)
        inner = inner[1:] == inner[:-1]
        lag = (left[1:] * left[:-1])[inner].sum(axis=1).mean() / (left**2).sum(axis=1).mean()
        assert lag == pytest.approx(expected_lag, abs=0.006)
        slopes = np.repeat(text.text_affect, text.num_words) @ channels
        slopes /= (np.repeat(text.text_affect, text.num_words) ** 2).sum()
        follow = np.arange(8) >= 8 - stream.affect_channels
        assert slopes == pytest.approx(np.where(follow, 0.5 * stream.gain, 0.0), abs=0.04)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    directory = tmp_path_factory.mktemp("worlds") / "corpus"
    truth = synthesize(
        directory, videos=14, seed=5, affect={"audio": 0.6, "video": 0.4}, affect_channels={"video": 6}, disagree=0.3
    )
    return directory, truth


def what_was_said(directory, seed):
    """Video → what the words of each segment say, by a loop over the files."""
    world = equations.draw_world(np.random.default_rng([seed, 0]))
    polarity = {word.encode(): equations.POLARITIES[row % 5] for row, word in enumerate(world.words)}
    words, labels = read(directory, "words"), read(directory, "labels")
    said = {}
    for video, (_, spans) in labels.items():
        tokens, times = words[video]
        inside = [(times[:, 0] >= start - 1e-6) & (times[:, 1] <= end + 1e-6) for start, end in spans]
        said[video] = [2.1 * np.mean([polarity[w] for w in tokens[rows, 0] if w != b"sp"]) for rows in inside]
    return said


def test_words_and_labels_disagree_in_the_share_asked_for(made):
    directory, _ = made
    labels, said = read(directory, "labels"), what_was_said(directory, 5)
    label = np.concatenate([labels[video][0][:, 0] for video in said])
    affect = np.concatenate(list(said.values()))
    clear = np.abs(affect) > 1.0
    share = (np.sign(label) != np.sign(affect))[clear].mean()
    assert share == pytest.approx(0.3, abs=3 * np.sqrt(0.21 / clear.sum()))


def test_a_share_is_exact_in_each_fold_and_holds_smaller_ones():
    fold = np.repeat([0, 1, 2, 0], [50, 20, 20, 10])
    chosen = equations.choose_share(np.random.default_rng(2), 0.3, fold)
    assert [chosen[fold == value].sum() for value in range(3)] == [18, 6, 6]
    more = equations.choose_share(np.random.default_rng(2), 0.45, fold)
    assert [more[fold == value].sum() for value in range(3)] == [27, 9, 9]
    assert more[chosen].all()
    assert not equations.choose_share(np.random.default_rng(2), 0.0, fold).any()
    assert equations.choose_share(np.random.default_rng(2), 0.0, fold, least=1).sum() == 3


def test_affect_has_its_share_of_its_channel(made):
    directory, truth = made
    world = equations.draw_world(np.random.default_rng([5, 0]))
    aligned = [segment for segments in align(directory).values() for segment in segments]
    labels = np.repeat([segment[0] for segment in aligned], [len(segment[1]) for segment in aligned])
    affect = np.arctanh(np.clip(labels, -2.9, 2.9) / 3)
    for name, place, share, count in (("audio", 2, 0.6, 1), ("video", 3, 0.4, 6)):
        columns = np.concatenate([segment[place] for segment in aligned]) / world.scale[name] - world.offset[name]
        channels = columns @ world.mixing[name] * 8 / columns.shape[1]
        squared = np.array([np.corrcoef(channel, affect)[0, 1] ** 2 for channel in channels.T])
        assert squared[-count:] == pytest.approx(share, abs=0.08)
        assert squared[:-count].max() < 0.02
    assert truth["premise"] == {
        "affect": {"audio": 0.6, "video": 0.4},
        "affect_channels": {"audio": 1, "video": 6},
        "disagree": 0.3,
        "polarity": 1.0,
        "labelled": 1.0,
        "missing": {"audio": 0.0, "video": 0.0},
    }
    assert set(truth["unions"]) == {"text+audio", "text+video", "audio+video", "text+audio+video"}
    assert set(truth["unions"]["text+audio"]["splits"]) == {"train", "valid", "test", "all"}
    assert json.loads((directory / "ground_truth.json").read_text()) == truth
    assert truth["equations"].endswith("has the opposite sign.")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The default world of six videos."""
    directory = tmp_path_factory.mktemp("whole") / "corpus"
    return directory, synthesize(directory, videos=6, seed=2)


def by_split(directory):
    """Video → its split."""
    folds = json.loads((directory / "folds.json").read_text())
    return {video: split for split, videos in folds.items() for video in videos}


def test_train_bears_labels_in_the_share_asked_for_and_nothing_else_differs(whole, tmp_path):
    directory, complete = whole
    truth = synthesize(tmp_path / "corpus", videos=6, seed=2, labelled=0.05)
    for path in directory.iterdir():
        if path.name not in (FILES["labels"][0], "ground_truth.json"):
            assert path.read_bytes() == (tmp_path / "corpus" / path.name).read_bytes()
    split_of, told = by_split(directory), {"train": [], "valid": [], "test": []}
    known = read(directory, "labels")
    for video, (labels, _) in read(tmp_path / "corpus", "labels").items():
        has_label = np.isfinite(labels[:, 0])
        np.testing.assert_array_equal(labels[has_label], known[video][0][has_label])
        told[split_of[video]] += has_label.tolist()
    assert sum(told["train"]) == round(0.05 * len(told["train"])) > 0
    assert all(told["valid"] + told["test"])
    assert {split: truth["planted"][split]["labelled"] for split in told} == {s: sum(told[s]) for s in told}
    assert {name: truth[name] for name in MODALITIES} == {name: complete[name] for name in MODALITIES}
    assert truth["baselines"]["test"]["mean_mae"] != complete["baselines"]["test"]["mean_mae"]


def test_vectors_show_so_much_of_the_polarity_and_nothing_else_differs(whole, tmp_path):
    truth = synthesize(tmp_path / "corpus", videos=6, seed=2, polarity=0.25)
    assert truth["text"] == whole[1]["text"]
    assert truth["premise"]["polarity"] == 0.25
    for path in whole[0].iterdir():
        if path.name not in (FILES["vectors"][0], "ground_truth.json"):
            assert path.read_bytes() == (tmp_path / "corpus" / path.name).read_bytes()
    plain, faint = (equations.draw_world(np.random.default_rng([2, 0]), shown).vectors for shown in (1.0, 0.25))
    by_word = (plain - faint).reshape(equations.STEMS, 5, -1)
    # The same for each stem, in proportion to the polarity.
    np.testing.assert_allclose(by_word, np.broadcast_to(by_word[:1], by_word.shape), atol=1e-6)
    np.testing.assert_allclose(by_word[0], np.outer(equations.POLARITIES, by_word[0, -1]), atol=1e-6)
    moved = plain.reshape(by_word.shape)[:, -1] - plain.reshape(by_word.shape)[:, 0]
    assert (moved.mean(axis=0) @ by_word[0, -1]) / (by_word[0, -1] @ by_word[0, -1]) == pytest.approx(2 / 0.75, abs=0.1)
    read_vectors = np.concatenate([rows for rows, _ in read(tmp_path / "corpus", "vectors").values()])
    spoken = read_vectors[np.abs(read_vectors).sum(axis=1) > 0]
    assert {row.tobytes() for row in spoken} <= {row.tobytes() for row in faint}


def test_a_missing_stream_is_absent_from_its_segments_and_from_their_ceilings(whole, tmp_path):
    missing = {"audio": 0.5, "video": 0.25}
    truth = synthesize(tmp_path / "corpus", videos=6, seed=2, missing=missing)
    split_of = by_split(whole[0])
    assert by_split(tmp_path / "corpus") == split_of
    complete = {segment.id: segment for segment in open_corpus(whole[0]).read()}
    corpus = open_corpus(tmp_path / "corpus")
    segments = {segment.id: segment for segment in corpus.read()}
    assert set(segments) == set(complete)
    for id_, segment in segments.items():
        assert "text" in segment.features
        assert (segment.tokens, segment.label) == (complete[id_].tokens, complete[id_].label)
        for name, values in segment.features.items():
            np.testing.assert_array_equal(values, complete[id_].features[name])
    for split in ("train", "valid", "test"):
        ids = [id_ for id_ in segments if split_of[segments[id_].video_id] == split]
        for name, share in missing.items():
            present = sum(name in segments[id_].features for id_ in ids)
            assert present == round((1 - share) * len(ids)) == truth["planted"][split][name]
    both = [{"audio", "video"} <= set(segment.features) for segment in segments.values()]
    assert np.mean(both) == pytest.approx(0.375, abs=0.12)
    assert not any("without frames" in name for name in corpus.cleaning)
    assert truth["text"] == whole[1]["text"]
    for name in ("audio", "video"):
        assert truth[name]["acc2_non0"] == whole[1][name]["acc2_non0"]
        assert truth[name]["splits"] != whole[1][name]["splits"]
    labels = np.array([segment.label for segment in segments.values() if "audio" in segment.features])
    right = truth["audio"]["splits"]["all"]["acc2_non0"] * (labels != 0).sum()
    assert right == pytest.approx(round(right), abs=0.02)


def test_a_stream_that_is_nearly_always_missing_is_there_once_in_each_split(tmp_path):
    truth = synthesize(tmp_path / "corpus", videos=3, missing={"audio": 0.99, "video": 0.99}, labelled=0.001)
    held_out = sum(truth["baselines"][split]["segments"] for split in ("valid", "test"))
    assert truth["planted"]["all"] == {"labelled": 1 + held_out, "audio": 3, "video": 3}
    assert all(np.isfinite(value) for value in flat(truth).values())


def test_splits_share_no_video_and_no_sentence(made):
    directory, _ = made
    words, split_of = read(directory, "words"), by_split(directory)
    assert set(split_of) == set(words)
    said = {}
    for video, (_, spans) in read(directory, "labels").items():
        tokens, times = words[video]
        for start, end in spans:
            rows = (times[:, 0] >= start - 1e-6) & (times[:, 1] <= end + 1e-6)
            sentence = tuple(word for word in tokens[rows, 0] if word != b"sp")
            if len(sentence) > 4:
                said.setdefault(sentence, set()).add(split_of[video])
    assert len(said) > 200
    assert all(len(splits) == 1 for splits in said.values())
    first = {video: frames[0].tobytes() for video, (frames, _) in read(directory, "audio").items()}
    assert len(set(first.values())) == len(words)


def test_unlabelled_speech_of_the_same_world_is_of_the_same_premise(made, tmp_path):
    premise = {"affect": {"audio": 0.6, "video": 0.4}, "affect_channels": {"video": 6}, "disagree": 0.3}
    truth = synthesize(tmp_path / "corpus", videos=3, seed=5, unlabelled=True, **premise)
    assert truth["unions"]["text+audio"]["mae"] == made[1]["unions"]["text+audio"]["mae"]
    assert truth["planted"]["all"]["labelled"] == 0
    assert not set(by_split(tmp_path / "corpus")) & set(by_split(made[0]))


def test_the_default_world_is_as_it_was(tmp_path):
    """Figures and words of earlier versions; nothing is added to the file."""
    truth = synthesize(tmp_path / "corpus", videos=3, affect={"audio": 0.043}, disagree=0.0)
    known = json.loads(DEFAULT.read_text())
    assert list(truth) == list(known["truth"])
    assert flat(truth) == pytest.approx(flat(known["truth"]), abs=1.1e-4)
    words, labels = read(tmp_path / "corpus", "words"), read(tmp_path / "corpus", "labels")
    assert {video: len(words[video][0]) for video in words} == known["words"]
    assert {video: labels[video][0][:5, 0].round(4).tolist() for video in labels} == known["labels"]
    for name in ("audio", "video"):
        frames = np.concatenate([features for features, _ in read(tmp_path / "corpus", name).values()])
        assert frames[np.isfinite(frames)].sum(dtype=np.float64) == pytest.approx(known[name], rel=1e-5)


def flat(tree, path=""):
    """Path → number, of a tree of dictionaries."""
    if not isinstance(tree, dict):
        return {} if isinstance(tree, str) else {path: tree}
    return {place: leaf for key, value in tree.items() for place, leaf in flat(value, f"{path}/{key}").items()}


@pytest.mark.parametrize(
    ("premise", "message"),
    [
        (
            {"disagree": 1.5},
            r"^--disagree is out of range\. Expected a value between 0 and 1\. Received: disagree=1\.5\. ",
        ),
        (
            {"affect": {"audio": -0.1}},
            r"^--affect audio is out of range\. Expected a value between 0 and 1\. Received: ",
        ),
        ({"affect": {"text": 0.1}}, r"^--affect names an unknown stream\. Expected some of \['audio', 'video'\]\. Rec"),
        (
            {"labelled": 0.0},
            r"^--labelled is out of range\. .* between 0\.001 and 1\. Received: labelled=0\.0\. ",
        ),
        ({"missing": {"video": 1.0}}, r"^--missing video is out of range\. Expected .* between 0 and 0\.99\. Received"),
        ({"missing": {"text": 0.5}}, r"^--missing names an unknown stream\. .* Received: missing='text'\. "),
        ({"labelled": 0.5, "unlabelled": True}, r"^A corpus without labels .* labelled=0\.5\. Leave one out\.$"),
        (
            {"polarity": 1.5},
            r"^--polarity is out of range\. Expected a value between 0 and 1\. Received: polarity=1\.5",
        ),
        (
            {"affect_channels": {"audio": 9}},
            r"^--affect-channels audio is out of range\. Expected a value between 1 and 8\. Received: ",
        ),
        ({"affect": {"audio": float("nan")}}, r"^--affect audio is out of range\. .* Received: affect audio=nan\. "),
    ],
)
def test_a_premise_that_cannot_be_is_refused_before_anything_is_written(tmp_path, premise, message):
    with pytest.raises(ValueError, match=message):
        synthesize(tmp_path / "corpus", **premise)
    assert not list(tmp_path.iterdir())
