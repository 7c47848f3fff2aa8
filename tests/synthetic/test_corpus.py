"""The synthetic corpus: its files, its ceilings against loops and simulation, and that its text can be learned."""

import json
from itertools import chain

import h5py
import numpy as np
import pytest
from sklearn.linear_model import Ridge, RidgeCV

from mmtrans.sources.columns import COVAREP_NAMES
from mmtrans.synthetic import ceilings as ceilings
from mmtrans.synthetic import world as equations
from mmtrans.synthetic.channels import draw_channels, expected_channels
from mmtrans.synthetic.corpus import synthesize
from mmtrans.synthetic.csd_files import FILES
from mmtrans.synthetic.posterior import Posterior, posterior_of, scores, sign_probabilities
from mmtrans.synthetic.world import AUDIO, VIDEO

TEXT_RANGE, STREAM_RANGE = (0.85, 0.92), (0.58, 0.66)
TRANSLATION_RANGE = {"T->A": (0.35, 0.55), "T->V": (0.25, 0.45)}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    directory = tmp_path_factory.mktemp("synthetic") / "corpus"
    truth = synthesize(directory, seed=3)
    return directory, truth


def read(directory, kind):
    name, root = FILES[kind]
    with h5py.File(directory / name, "r") as file:
        assert list(file) == [root]
        return {key: (entry["features"][:], entry["intervals"][:]) for key, entry in file[f"{root}/data"].items()}


def align(directory):
    """Video id → list of (label, vectors, audio, video), by plain loops over words and frames."""
    words, vectors, labels = (read(directory, kind) for kind in ("words", "vectors", "labels"))
    streams = [read(directory, kind) for kind in ("audio", "video")]
    aligned = {}
    for video_id, (label, spans) in labels.items():
        tokens, times = words[video_id]
        aligned[video_id] = []
        for value, (start, end) in zip(label[:, 0], spans, strict=True):
            rows = [
                row
                for row, (begin, stop) in enumerate(times)
                if start <= (begin + stop) / 2 < end and tokens[row, 0] != b"sp"
            ]
            steps = [vectors[video_id][0][rows]]
            for stream in streams:
                frames, moments = stream[video_id]
                middle = moments.mean(axis=1)
                chosen = [frames[(middle >= times[row, 0]) & (middle < times[row, 1])] for row in rows]
                finite = [x[np.isfinite(x).all(axis=1)] for x in chosen]
                steps.append(np.array([x.mean(axis=0, dtype=np.float64) for x in finite]))
            aligned[video_id].append((float(value), *steps))
    return aligned


@pytest.fixture(scope="module")
def folds(corpus):
    """Split → list of (label, vectors, audio, video)."""
    directory, _ = corpus
    aligned = align(directory)
    members = json.loads((directory / "folds.json").read_text())
    return {split: [segment for video in videos for segment in aligned[video]] for split, videos in members.items()}


def test_folder_has_mosis_files_and_layout(corpus):
    directory, truth = corpus
    names = {name for name, _ in FILES.values()} | {"folds.json", "ground_truth.json"}
    assert {path.name for path in directory.iterdir()} == names
    assert list(directory.parent.iterdir()) == [directory]
    assert json.loads((directory / "ground_truth.json").read_text()) == truth
    for kind, dims in {"words": 1, "vectors": 300, "audio": 74, "video": 47, "labels": 1}.items():
        entries = read(directory, kind)
        assert len(entries) == 40
        for video_id, (features, intervals) in entries.items():
            assert len(video_id) == 11
            assert features.shape == (len(intervals), dims)
            assert features.dtype.kind == "S" if kind == "words" else features.dtype == np.float32
            assert intervals.dtype == np.float64
            assert (intervals[:, 1] > intervals[:, 0]).all()
            assert (intervals[1:, 0] >= intervals[:-1, 1]).all()
    assert any("-" in key for key in entries)
    assert any("_" in key for key in entries)
    with h5py.File(directory / "CMU_MOSI_COVAREP.csd", "r") as file:
        metadata = {key: json.loads(value.asstr()[0]) for key, value in file["COAVAREP/metadata"].items()}
    assert metadata["root name"] == "COAVAREP"
    assert metadata["dimension names"] == list(COVAREP_NAMES)
    assert len(set(COVAREP_NAMES)) == 74


def test_folds_are_disjoint_and_complete(corpus):
    directory, _ = corpus
    folds = json.loads((directory / "folds.json").read_text())
    assert [len(folds[split]) for split in ("train", "valid", "test")] == [26, 6, 8]
    assert sorted(chain.from_iterable(folds.values())) == sorted(read(directory, "labels"))


def test_content_looks_like_mosi(corpus, folds):
    directory, _ = corpus
    segments = list(chain.from_iterable(folds.values()))
    lengths = np.array([len(segment[1]) for segment in segments])
    labels = np.array([segment[0] for segment in segments])
    assert 800 <= len(segments) <= 1000
    assert 11.0 < lengths.mean() < 14.0
    assert lengths.min() >= 2
    assert 40 < lengths.max() <= 100
    assert np.abs(labels).max() <= 3.0
    assert 1.3 < labels.std() < 1.7
    in_fifths = np.abs(labels * 5 - np.round(labels * 5)) < 1e-4
    assert 0.94 < in_fifths.mean() < 1.0
    assert 0.01 < (labels == 0).mean() < 0.1
    assert np.array_equal(labels[~in_fifths] * 2, np.round(labels[~in_fifths] * 2))
    tokens = np.concatenate([features[:, 0] for features, _ in read(directory, "words").values()])
    assert 0.1 < (tokens == b"sp").mean() < 0.3
    assert 200 < len(set(tokens)) <= 301
    assert np.concatenate([segment[1] for segment in segments]).std() == pytest.approx(0.4, abs=0.06)


def test_labels_of_one_video_resemble_each_other(corpus):
    directory, _ = corpus
    groups = [features[:, 0].astype(float) for features, _ in read(directory, "labels").values()]
    size = np.mean([len(group) for group in groups])
    within = np.mean([group.var(ddof=1) for group in groups])
    between = np.var([group.mean() for group in groups], ddof=1) * size
    assert 0.1 < (between - within) / (between + (size - 1) * within) < 0.3


def test_audio_has_nan_frames_and_minus_infinity(corpus):
    directory, _ = corpus
    frames = np.concatenate([features for features, _ in read(directory, "audio").values()])
    assert np.isnan(frames).all(axis=1).mean() == pytest.approx(0.002, rel=0.2)
    assert np.isneginf(frames).any(axis=1).mean() == pytest.approx(0.005, rel=0.2)
    assert not np.isposinf(frames).any()
    assert all(np.isfinite(features).all() for features, _ in read(directory, "video").values())


def check_ranges(truth):
    for name, (low, high) in {"text": TEXT_RANGE, "audio": STREAM_RANGE, "video": STREAM_RANGE}.items():
        for found in (truth[name], *truth[name]["splits"].values()):
            assert low <= found["acc2_non0"] <= high, name
            assert low <= found["acc2_has0"] <= high, name
    for recipe, (low, high) in TRANSLATION_RANGE.items():
        entry = truth["translation"][recipe]
        assert all(low <= value <= high for value in (entry["r2"], *entry["splits"].values()))
    for entry in truth["autocorrelation"].values():
        assert min(entry["residual"], entry["residual_expected"]) >= 0.5
    for split, entry in truth["baselines"].items():
        assert max(entry["majority_acc2_non0"], entry["majority_acc2_has0"]) <= 0.6
        assert entry["mean_mae"] > 2 * truth["text"]["splits"][split]["mae"]


def test_ceilings_are_in_the_planned_ranges(corpus):
    check_ranges(corpus[1])


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 12345])
def test_ceilings_are_in_the_planned_ranges_for_other_seeds(tmp_path, seed):
    check_ranges(synthesize(tmp_path / "corpus", seed=seed))


def test_text_can_be_learned_up_to_its_ceiling(corpus, folds):
    means = {split: np.array([segment[1].mean(axis=0) for segment in folds[split]]) for split in folds}
    labels = {split: np.array([segment[0] for segment in folds[split]]) for split in folds}
    predicted = RidgeCV(np.logspace(-2, 3, 11)).fit(means["train"], labels["train"]).predict(means["test"])
    truth, ceiling = labels["test"], corpus[1]["text"]["splits"]["test"]
    accuracy = ((predicted > 0) == (truth > 0))[truth != 0].mean()
    assert ceiling["acc2_non0"] - 0.04 <= accuracy <= ceiling["acc2_non0"] + 0.03


@pytest.mark.parametrize(("recipe", "column"), [("T->A", 2), ("T->V", 3)])
def test_translation_can_be_learned_up_to_its_ceiling(corpus, folds, recipe, column):
    def gather(split):
        rows = [np.concatenate([np.zeros((1, 300)), segment[1]]) for segment in folds[split]]
        source = np.concatenate([np.concatenate([row[1:], row[:-1]], axis=1) for row in rows])
        return source, np.concatenate([segment[column] for segment in folds[split]])

    (source, target), (test_source, test_target) = gather("train"), gather("test")
    mean, std = target.mean(axis=0), target.std(axis=0)
    predicted = Ridge(100.0).fit(source, (target - mean) / std).predict(test_source)
    expected = (test_target - mean) / std
    measured = 1 - ((expected - predicted) ** 2).sum() / (expected**2).sum()
    ceiling = corpus[1]["translation"][recipe]["splits"]["test"]
    assert 0.9 * ceiling <= measured <= 1.01 * ceiling


def test_ceilings_are_those_of_the_aligned_files(corpus, folds):
    """`ground_truth.json` speaks of what a reader of the files sees: statistics recomputed from them agree."""
    truth = corpus[1]
    for split, entry in truth["baselines"].items():
        if split == "all":
            continue
        labels = np.array([segment[0] for segment in folds[split]])
        assert entry["segments"] == len(labels)
        majority = max((labels >= 0).mean(), (labels < 0).mean())
        assert entry["majority_acc2_has0"] == pytest.approx(majority, abs=1e-4)
    segments = list(chain.from_iterable(folds.values()))
    for name, column in (("audio", 2), ("video", 3)):
        values = np.concatenate([segment[column] for segment in segments])
        mean, std = values.mean(axis=0), values.std(axis=0)
        products = [
            (step - mean) / std * (following - mean) / std
            for segment in segments
            for step, following in zip(segment[column][:-1], segment[column][1:], strict=True)
        ]
        assert truth["autocorrelation"][name]["features"] == pytest.approx(np.mean(products), abs=2e-3)


def test_tight_frame_has_unit_rows_and_orthogonal_columns():
    frame = equations.tight_frame(np.random.default_rng(0), 11, 4)
    np.testing.assert_allclose((frame**2).sum(axis=1), 1.0)
    np.testing.assert_allclose(frame.T @ frame, 11 / 4 * np.eye(4), atol=1e-6)


def gaussian(mean, std):
    """A posterior of one part."""
    return Posterior(np.array(mean)[:, None], np.array(std)[:, None], np.ones((len(mean), 1)))


def test_sign_probabilities_against_simulation():
    rng = np.random.default_rng(0)
    label = equations.round_labels(rng, 0.1 + 0.3 * rng.standard_normal(200_000))
    below, above = sign_probabilities(gaussian([0.1], [0.3]))
    assert below[0] == pytest.approx((label < 0).mean(), abs=0.004)
    assert above[0] == pytest.approx((label > 0).mean(), abs=0.004)


def test_scores_against_a_loop():
    mean = np.array([0.5, -0.5, -0.01, 0.3, -0.7])
    label = np.array([1.2, 0.4, 0.0, -0.2, -3.0])
    # Signs: right, wrong, (zero: -.01 is nearer to the positive side, which holds 0), wrong, right.
    errors = [abs(3 * np.tanh(m) - y) for m, y in zip(mean, label, strict=True)]
    assert scores(gaussian(mean, np.full(5, 0.2)), label) == pytest.approx(
        {"acc2_non0": 2 / 4, "acc2_has0": 3 / 5, "mae": sum(errors) / 5}
    )


def test_affect_posterior_against_the_joint_gaussian():
    num_words, frames = np.array([3, 5]), np.array([10, 20, 30, 40, 10, 20, 30, 20])
    channel = np.random.default_rng(0).standard_normal(8)
    weights = ceilings.gls_weights(AUDIO, frames, num_words)
    evidence = ceilings.evidence_of(AUDIO, channel, weights, num_words)
    mean, std, _ = (part[:, 0] for part in posterior_of(None, [evidence], num_words, 0.0))
    for segment, (start, stop) in enumerate([(0, 3), (3, 8)]):
        prior = equations.affect_variance(np.array([stop - start]))[0]
        covariance = np.zeros((stop - start, stop - start))
        for i in range(stop - start):
            for j in range(stop - start):
                covariance[i, j] = AUDIO.gain**2 * prior + (1 - AUDIO.affect_share) * 0.65 ** abs(i - j)
            covariance[i, i] += 0.4**2 * 8 / 74 / frames[start + i]
        slope = np.linalg.solve(covariance, np.full(stop - start, AUDIO.gain * prior))
        assert mean[segment] == pytest.approx(slope @ channel[start:stop])
        assert std[segment] ** 2 == pytest.approx(prior - AUDIO.gain * prior * slope.sum())


@pytest.mark.parametrize("stream", [AUDIO, VIDEO], ids=lambda stream: stream.name)
def test_expected_figures_are_those_of_a_large_fresh_corpus(stream):
    rng = np.random.default_rng(0)
    world = equations.draw_world(rng)
    text = equations.draw_text(rng, world, np.full(400, 22), np.zeros(400, dtype=int))
    channels = draw_channels(rng, world, text, stream)
    frames = rng.choice(equations.WORD_TENTHS, len(channels), p=equations.WORD_TENTHS_WEIGHTS) * stream.frames_per_tenth
    noise = rng.standard_normal((len(channels), stream.dim)) * 0.4 / np.sqrt(frames[:, None])
    mixing = world.mixing[stream.name]
    target = channels @ mixing.T + noise
    best = expected_channels(world, text, stream) @ mixing.T
    everything = np.ones(len(target), dtype=bool)
    expected_r2, expected_lag = ceilings.expected_translation(stream)
    assert ceilings.r2(target, best, everything, everything) == pytest.approx(expected_r2, abs=0.006)
    assert ceilings.lag_one(target - best, text.num_words) == pytest.approx(expected_lag, abs=0.006)
    weights = ceilings.gls_weights(stream, frames, text.num_words)
    observed = target @ mixing[:, -1] * 8 / stream.dim
    evidence = ceilings.evidence_of(stream, observed, weights, text.num_words)
    posterior = posterior_of(None, [evidence], text.num_words, 0.0)
    assert scores(posterior, text.label) == pytest.approx(ceilings.expected_scores((stream,), False), abs=0.02)
    assert ceilings.text_scores(text) == pytest.approx(ceilings.expected_scores((), True), abs=0.012)


def test_stems_tell_nothing_of_polarity():
    """Else audio, which follows the stems, would reveal the label through the words."""
    rng = np.random.default_rng(0)
    world = equations.draw_world(rng)
    text = equations.draw_text(rng, world, np.full(400, 22), np.zeros(400, dtype=int))
    codes, polarity = world.stem_codes[text.word // 5], equations.POLARITIES[text.word % 5]
    bound = 4 / np.sqrt(len(codes))
    assert max(abs(np.corrcoef(code, polarity)[0, 1]) for code in codes.T) < bound
    assert max(abs(np.corrcoef(code**2, polarity**2)[0, 1]) for code in codes.T) < bound


def test_same_seed_same_bytes_other_seed_other_bytes(tmp_path):
    first, again, other = (tmp_path / name for name in ("first", "again", "other"))
    again.mkdir()
    assert synthesize(first, videos=3) == synthesize(again, videos=3)
    synthesize(other, videos=3, seed=1)
    for path in first.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes()
        assert path.read_bytes() != (other / path.name).read_bytes()
    assert [len(videos) for videos in json.loads((first / "folds.json").read_text()).values()] == [1, 1, 1]


def test_an_unlabelled_corpus_is_of_the_same_world_and_of_other_videos(corpus, tmp_path):
    synthesize(tmp_path / "corpus", videos=3, seed=3, unlabelled=True)
    labels, vectors = read(tmp_path / "corpus", "labels"), read(tmp_path / "corpus", "vectors")
    assert all(np.isnan(label).all() for label, _ in labels.values())
    assert not set(labels) & set(read(corpus[0], "labels"))
    words, known, known_vectors = read(tmp_path / "corpus", "words"), {}, read(corpus[0], "vectors")
    for video, (tokens, _) in read(corpus[0], "words").items():
        known |= dict(zip(tokens[:, 0].tolist(), known_vectors[video][0], strict=True))
    video = next(iter(words))
    shared = [row for row, word in enumerate(words[video][0][:, 0].tolist()) if word in known and word != b"sp"]
    assert len(shared) > 20
    for row in shared:
        np.testing.assert_array_equal(vectors[video][0][row], known[words[video][0][row, 0]])
    said = {tokens.tobytes() for tokens, _ in words.values()}
    assert not said & {tokens.tobytes() for tokens, _ in read(corpus[0], "words").values()}


def test_a_directory_that_holds_something_is_refused_and_left_alone(tmp_path):
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "mine.txt").write_text("keep")
    message = (
        r"^The corpus needs a place of its own\. Expected a directory .* Received: directory=.*corpus\. Choose another"
    )
    with pytest.raises(ValueError, match=message):
        synthesize(tmp_path / "corpus")
    with pytest.raises(ValueError, match=r"needs a place of its own.*mine\.txt"):
        synthesize(tmp_path / "corpus" / "mine.txt")
    assert [path.name for path in tmp_path.rglob("*")] == ["corpus", "mine.txt"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"videos": 2}, r"^--videos is out of range\. Expected at least 3\. Received: videos=2\. Give a larger one\.$"),
        ({"seed": -1}, r"^--seed is out of range\. Expected at least 0\. Received: seed=-1\. Give a larger one\.$"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_written(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        synthesize(tmp_path / "corpus", **arguments)
    assert not list(tmp_path.iterdir())
