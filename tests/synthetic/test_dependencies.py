"""Worlds with a planted dependency: what was planted is in the files, and ceilings are those of brute force."""

import json

import numpy as np
import pytest

from mmtrans.cli.main import main
from mmtrans.sources.open import open_corpus
from mmtrans.synthetic import world as equations
from mmtrans.synthetic.corpus import synthesize
from mmtrans.synthetic.dependencies import DEPENDENCIES, draw_dependency, part_std
from mmtrans.synthetic.dependency_truth import expected_readers, readers
from mmtrans.synthetic.posterior import Evidence, scores
from mmtrans.synthetic.premise import Premise

POLARITY = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
CHANCE = 0.5


class World:
    """A made world as a reader of its files sees it, segment by segment, in the order of time."""

    def __init__(self, directory, kind):
        self.truth = synthesize(directory, videos=8, seed=3, dependency=kind)
        assert json.loads((directory / "ground_truth.json").read_text()) == self.truth
        world = equations.draw_world(np.random.default_rng([3, 0]))
        polarity = {word: POLARITY[row % 5] for row, word in enumerate(world.words)}
        self.labels, self.words, self.video, channels = [], [], [], {"audio": [], "video": []}
        for segment in open_corpus(directory).read():
            self.labels.append(segment.label)
            self.video.append(segment.video_id)
            self.words.append(np.array([polarity[word] for word in segment.tokens]))
            for name, found in channels.items():
                values = segment.features[name] / world.scale[name] - world.offset[name]
                found.append(values @ world.mixing[name] * 8 / values.shape[1])
        self.audio, self.face = channels["audio"], channels["video"]
        self.affect = np.arctanh(np.clip(self.labels, -2.9, 2.9) / 3)
        self.said = 2.1 * np.array([words.mean() for words in self.words])


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    place = tmp_path_factory.mktemp("dependencies")
    return {kind: World(place / kind, kind) for kind in DEPENDENCIES}


def correlation(first, second):
    return np.corrcoef(first, second)[0, 1]


def test_parts_add_up(worlds):
    world = worlds["additive"]
    parts = np.stack([world.said, *([steps[:, 7].mean() for steps in s] for s in (world.audio, world.face))])
    weights = np.linalg.lstsq(parts.T, world.affect, rcond=None)[0]
    assert weights[0] == pytest.approx(1 / np.sqrt(3), abs=0.1)
    assert (weights[1:] > 0.3).all()
    assert correlation(weights @ parts, world.affect) > 0.75
    assert np.abs(np.corrcoef(parts) - np.eye(3)).max() < 0.2


def test_the_voice_flips_what_the_words_say(worlds):
    world = worlds["sarcasm"]
    sign = np.sign([steps[:, 7].mean() for steps in world.audio])
    assert correlation(sign * world.said, world.affect) > 0.75
    assert np.abs([correlation(x, world.affect) for x in (world.said, sign)]).max() < 0.2


def test_an_early_word_tells_which_late_event_counts(worlds):
    world = worlds["long-range"]
    for words, audio, affect in zip(world.words, world.audio, world.affect, strict=True):
        third = len(words) // 3
        (loaded,), (events,) = np.nonzero(words), np.nonzero(np.abs(audio[:, 6]) > 1.0)
        assert loaded.shape == (1,)
        assert loaded[0] < third <= len(words) - third <= events.min()
        assert sorted(np.sign(audio[events, 6])) == [-1, 1]
        (counts,) = events[np.sign(audio[events, 6]) == words[loaded[0]]]
        assert affect == pytest.approx(0.8 * np.sign(audio[counts, 7]), abs=1.1)
        assert np.abs(np.delete(audio[:, 6:], events, axis=0)).max() < 0.5


def test_words_tell_the_label_of_the_next_segment_alone(worlds):
    world = worlds["neighbours"]
    follows = np.array(world.video[1:]) == np.array(world.video[:-1])
    before, now = world.said[:-1][follows], world.affect[1:][follows]
    assert correlation(before, now) > 0.9
    assert abs(correlation(world.said, world.affect)) < 0.2
    unsaid = world.affect[1:][~follows], world.said[:-1][~follows]
    assert np.abs(unsaid[0] - unsaid[1]).mean() > 1.5 * np.abs(now - before).mean()


@pytest.mark.parametrize(
    ("kind", "read", "reader"),
    [
        ("additive", {"text", "audio", "video"}, "best"),
        ("additive", {"text"}, "text"),
        ("additive", {"audio"}, "audio"),
        ("sarcasm", {"text", "audio"}, "best"),
    ],
)
def test_ceilings_are_those_of_brute_force(kind, read, reader):
    rng = np.random.default_rng(5)
    drawn = draw_dependency(rng, kind, equations.draw_world(rng), np.full(40, 25))
    count, draws, width = len(drawn.text.label), 1000, part_std()
    evidence = {}
    for name in ("audio", "video"):
        part = drawn.parts.get(name, np.zeros(count))
        information = rng.uniform(0.5, 6.0, count)
        evidence[name] = Evidence(information, information * part + np.sqrt(information) * rng.standard_normal(count))
    said = np.repeat(drawn.text.text_affect[:, None], draws, axis=1)
    if "text" not in read:
        said = np.sqrt(equations.text_affect_variance(drawn.text.num_words))[:, None] * rng.standard_normal(said.shape)
    if kind == "additive":
        parts = {name: width * rng.standard_normal(said.shape) for name in evidence}
        meant = (said + parts["audio"] + parts["video"]) / np.sqrt(3)
    else:
        parts = {"audio": width * rng.choice([-1.0, 1.0], said.shape)}
        meant = np.sign(parts["audio"]) * said
    fit = np.zeros(said.shape)
    for name in read - {"text"}:
        fit += evidence[name].weighted[:, None] * parts[name]
        fit -= 0.5 * evidence[name].information[:, None] * parts[name] ** 2
    weight = np.exp(fit - fit.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    affects = meant + 0.25 * rng.standard_normal(said.shape)
    order = np.argsort(affects, axis=1)
    half = (np.cumsum(np.take_along_axis(weight, order, axis=1), axis=1) < 0.5).sum(axis=1)
    median = 3 * np.tanh(np.take_along_axis(affects, order, axis=1)[np.arange(count), half])
    label = drawn.text.label
    error = np.abs(median - label)
    ours = scores(readers(kind, drawn, evidence)[reader], label)
    assert ours["mae"] == pytest.approx(error.mean(), abs=error.std() / np.sqrt(count))
    positive = ((weight * (affects > 0)).sum(axis=1) > 0.5) == (label > 0)
    assert ours["acc2_non0"] == pytest.approx(positive[label != 0].mean(), abs=0.02)


def test_who_cannot_see_the_dependency_is_at_chance():
    streams = {kind: Premise(dependency=kind).streams for kind in DEPENDENCIES}
    found = {kind: expected_readers(kind, streams[kind]) for kind in DEPENDENCIES}
    right = {kind: {name: scored["acc2_non0"] for name, scored in found[kind].items()} for kind in found}
    blind = {
        "additive": (),
        "sarcasm": ("text", "audio", "video", "additive"),
        "long-range": ("text", "video"),
        "neighbours": ("text", "audio", "video", "additive", "segment"),
    }
    for kind, names in blind.items():
        # Of 100,000 segments.
        assert [right[kind][name] for name in names] == pytest.approx([CHANCE] * len(names), abs=0.005)
        assert right[kind]["best"] > 0.83
    # Values are equal in half of the cases; in the other half a coin decides.
    assert right["long-range"]["additive"] == pytest.approx(0.75, abs=0.005)
    assert right["long-range"]["best"] > 0.995
    assert right["additive"]["text"] == pytest.approx(0.5 + np.arcsin(1 / np.sqrt(3)) / np.pi, abs=0.02)
    assert right["additive"]["additive"] == right["additive"]["segment"] == right["additive"]["best"]


def test_no_sum_of_scores_beats_chance_where_the_voice_flips_the_words():
    """The least squares of all functions of words, in twenty bins, and of the voice's sign, on other segments."""
    rng = np.random.default_rng(6)
    drawn = draw_dependency(rng, "sarcasm", equations.draw_world(rng), np.full(400, 20))
    said, sign = drawn.text.text_affect, np.sign(drawn.parts["audio"])
    bins = np.digitize(said, np.quantile(said, np.linspace(0, 1, 21)[1:-1]))
    columns = np.concatenate([np.eye(20)[bins], sign[:, None]], axis=1)
    label, half = drawn.text.label, len(said) // 2
    weights = np.linalg.lstsq(columns[:half], label[:half], rcond=None)[0]
    error = np.abs(columns[half:] @ weights - label[half:]).mean()
    chance = expected_readers("sarcasm", Premise(dependency="sarcasm").streams)["additive"]["mae"]
    assert error == pytest.approx(chance, abs=0.05)
    assert np.abs(3 * np.tanh(said * sign) - label).mean() < chance / 2


def test_realised_ceilings_are_near_the_expected(worlds):
    for world in worlds.values():
        for reader in (world.truth["text"], *world.truth["readers"].values()):
            assert reader["splits"]["all"]["mae"] == pytest.approx(reader["mae"], abs=0.12)
            assert reader["splits"]["all"]["acc2_non0"] == pytest.approx(reader["acc2_non0"], abs=0.12)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"dependency": "irony"}, r"^--dependency is unknown\. Expected one of \['additive', .*dependency='irony'\. "),
        (
            {"dependency": "sarcasm", "disagree": 0.2, "labelled": 0.5},
            r"a world of its own\. Expected --dependency without --disagree, --labelled\. .*'sarcasm'\. Leave one out",
        ),
        ({"dependency": "additive", "unlabelled": True}, r"is one of labels\. .* dependency='additive'\. Leave one"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(tmp_path, fields, message):
    with pytest.raises(ValueError, match=message):
        synthesize(tmp_path / "corpus", **fields)
    assert not list(tmp_path.iterdir())


def test_the_command_shows_who_can_see_the_dependency(tmp_path, capsys):
    assert main(["synthesize", str(tmp_path / "corpus"), "--videos", "3", "--dependency", "neighbours"]) == 0
    lines = [line.replace("│", " ").split() for line in capsys.readouterr().out.splitlines()]
    shown = {line[0]: float(line[1]) for line in lines if len(line) == 4 and line[0] in ("segment", "best")}
    assert shown["segment"] == pytest.approx(0.5, abs=0.01)
    assert shown["best"] > 0.85
