"""`--compat sdk` against the official SDK's rules, written down literally and slowly, and against its own output."""

import json
import os
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtrans.sources.csd.reader import open_csd
from mmtrans.sources.csd.sdk import tokens_of
from tests.real_data import MOSI_LABEL_TIMES, SDK, needs
from tests.sources.csd_files import words_of, write_csd

open_here = partial(open_csd, isolated=False)
EPSILON = 1e-5
DIMS = {"text": 300, "audio": 74, "video": 47}

# Times are multiples of 1/8 s, so that sums and differences are exact and the oracle's rounding is the code's.
times = st.integers(0, 16).map(lambda n: n / 8)
intervals = st.lists(st.tuples(times, times), min_size=1, max_size=7).map(lambda rows: np.array(rows, float))
cells = st.one_of(st.integers(-4, 4).map(float), st.sampled_from([np.nan, np.inf, -np.inf]))


def overlapping(start, end, rows):
    """Rows that the SDK selects: index and clipped interval, in the order of their starts."""
    found = []
    for index in sorted(range(len(rows)), key=lambda i: rows[i][0]):
        s, e = rows[index]
        if e > start - EPSILON and s < end + EPSILON:
            s, e = max(s, start), min(e, end)
            if e - s > EPSILON:
                found.append((index, s, e))
    return found


def sdk_oracle(sequences, labels, impute):
    """align(text, mean) → impute → align(labels): segment row → modality → word row → mean; `None` where imputed."""
    words = sequences["text"][0]
    aligned = {name: {} for name in sequences}
    for i, (start, end) in enumerate(words):
        if abs(end - start) < EPSILON:
            continue
        for name, (rows, features) in sequences.items():
            chosen = [(i, start, end)] if name == "text" else overlapping(start, end, rows)
            if chosen:
                with np.errstate(invalid="ignore"):
                    mean = np.mean([features[k] for k, _, _ in chosen], axis=0, dtype=np.float64)
                aligned[name][i] = (min(c[1] for c in chosen), max(c[2] for c in chosen), mean)
            elif impute:
                aligned[name][i] = (start, end, None)
    segments = {}
    for k, (start, end) in enumerate(labels):
        if abs(end - start) < EPSILON:
            continue
        cut = {}
        for name, entries in aligned.items():
            order = list(entries)
            kept = overlapping(start, end, [entries[i][:2] for i in order])
            cut[name] = {order[place]: entries[order[place]][2] for place, _, _ in kept}
        if all(cut.values()):
            segments[k] = cut
    return segments


def write_source(folder, sequences, labels, words=None):
    roots = {"text": "glove_vectors", "audio": "COAVAREP", "video": "FACET 4.1"}
    for name, (rows, features) in sequences.items():
        write_csd(folder / f"{name}.csd", roots[name], {"v": (features, rows)})
    write_csd(folder / "labels.csd", "labels", {"v": (np.zeros((len(labels), 1)), labels)})
    if words is not None:
        write_csd(folder / "words.csd", "words", {"v": words})
    return folder


@settings(deadline=None, max_examples=60)
@given(st.data(), st.booleans())
def test_segments_rows_and_values_are_the_sdks(tmp_path_factory, data, impute):
    sequences = {}
    for name in ("text", "audio", "video"):
        rows = data.draw(intervals)
        features = np.zeros((len(rows), DIMS[name]), np.float32)
        features[:, :2] = data.draw(st.lists(st.tuples(cells, cells), min_size=len(rows), max_size=len(rows)))
        sequences[name] = (rows, features)
    labels = data.draw(intervals)
    folder = write_source(tmp_path_factory.mktemp("sdk"), sequences, labels)
    corpus = open_here(folder, compat="sdk" if impute else "sdk-no-impute")
    segments = {segment.id: segment for segment in corpus.read()}
    expected = sdk_oracle(sequences, labels, impute)
    by_words = {k: list(sdk_oracle({"text": sequences["text"]}, labels, True)[k]["text"]) for k in expected}
    assert {f"v[{k}]" for k in expected} == set(segments)
    for k, cut in expected.items():
        segment = segments[f"v[{k}]"]
        for name, dim in DIMS.items():
            literal = np.zeros((len(by_words[k]), dim))
            for place, word in enumerate(by_words[k]):
                if cut[name].get(word) is not None:
                    literal[place] = np.where(np.isfinite(cut[name][word]), cut[name][word], 0)
            np.testing.assert_allclose(segment.features[name], literal, rtol=1e-6)


def test_imputation_decides_which_segments_there_are_and_pauses_stay(tmp_path):
    ones = np.array([[0, 1], [1, 2], [2, 3], [3, 4]], float)
    text = np.arange(4.0)[:, None] * np.ones((4, 300))
    audio = np.array([[np.nan] + [2] * 73, [4] * 74], float)
    sequences = {"text": (ones, text), "audio": (np.array([[0, 0.5], [0.5, 1]]), audio)}
    words = (words_of("Good", "sp", "film", "ever"), ones)
    folder = write_source(tmp_path, sequences, np.array([[0, 2], [2, 2], [2, 4]], float), words)
    corpus = open_here(folder, compat="sdk")
    first, second = corpus.read()
    assert (first.id, second.id) == ("v[0]", "v[2]")
    assert (first.tokens, second.tokens) == (("Good", "sp"), ("film", "ever"))
    np.testing.assert_array_equal(first.features["audio"][:, :2], [[0, 3], [0, 0]])
    np.testing.assert_array_equal(second.features["audio"], np.zeros((2, 74)))
    np.testing.assert_array_equal(second.features["text"][:, 0], [2, 3])
    assert corpus.cleaning == {
        "audio: cells whose mean is not finite set to 0": 1,
        "audio: words without frames set to 0": 3,
    }
    assert [(d.id, d.reason) for d in corpus.dropped] == [("v[1]", "its interval has no length")]
    corpus = open_here(folder, compat="sdk-no-impute")
    assert [segment.id for segment in corpus.read()] == ["v[0]"]
    assert [(d.id, d.reason) for d in corpus.dropped] == [
        ("v[1]", "its interval has no length"),
        ("v[2]", "audio has no frame in its interval"),
    ]
    assert corpus.cleaning["audio: rows that the SDK would leave out"] == 1


def test_words_alone_are_a_reference_with_their_pauses(tmp_path):
    write_csd(tmp_path / "words.csd", "words", {"v": (words_of("a", "sp"), [[0, 1], [1, 2]])})
    (segment,) = open_here(tmp_path, compat="sdk").read()
    assert segment.tokens == ("a", "sp")


def test_a_video_that_one_sequence_lacks_is_left_out(tmp_path):
    rows = [[0, 1]]
    write_csd(tmp_path / "g.csd", "glove", {v: (np.ones((1, 300)), rows) for v in "ab"})
    write_csd(tmp_path / "a.csd", "covarep", {"a": (np.ones((1, 74)), rows)})
    write_csd(tmp_path / "l.csd", "labels", {v: (np.ones((1, 1)), rows) for v in "ab"})
    corpus = open_here(tmp_path, compat="sdk")
    assert [segment.id for segment in corpus.read()] == ["a[0]"]
    assert [(d.id, d.reason) for d in corpus.dropped] == [("b[0]", "a.csd has no rows for its video")]


def test_compat_is_checked(tmp_path):
    write_csd(tmp_path / "a.csd", "covarep", {"a": (np.ones((1, 74)), [[0, 1]])})
    with pytest.raises(ValueError, match=r"Unknown compatibility\. Expected one of \['sdk', .*Received: compat='SDK'"):
        open_here(tmp_path, compat="SDK")
    with pytest.raises(ValueError, match=r"recipe needs words\. .*Received: compat='sdk', .* with \['audio'\]"):
        open_here(tmp_path, compat="sdk")


@given(intervals, intervals)
def test_tokens_of_equals_the_slow_loop(reference, rows):
    tokens = np.array([f"w{i}" for i in range(len(rows))])
    expected = []
    for start, end in reference:
        shares = [(min(end, e) - max(start, s), -s, -i) for i, (s, e) in enumerate(rows)]
        best = max(shares)
        expected.append(f"w{-best[2]}" if best[0] > EPSILON else "sp")
    assert tokens_of(reference, rows, tokens).tolist() == expected


@pytest.mark.slow
@pytest.mark.skipif(os.environ.get("MMTRANS_SDK") != "1", reason="writes 371 MiB; set MMTRANS_SDK=1")
@needs(SDK, MOSI_LABEL_TIMES)
def test_mosi_scale_is_what_the_official_sdk_made_of_it(tmp_path):
    made = tmp_path / "made"
    script = SDK / "make_mosi_scale_csd.py"
    subprocess.run([sys.executable, script, made], check=True, cwd=script.parent, capture_output=True)
    # The SDK's output was made with the label times as published.
    labels = MOSI_LABEL_TIMES / "CMU_MOSI_Labels.csd"
    (made / "labels" / "CMU_MOSI_Opinion_Labels.csd").unlink()
    (made / "labels" / labels.name).symlink_to(labels)
    expected = json.loads((SDK / "sdk_expected.json").read_text())["segments"]
    for compat in ("sdk", "sdk-no-impute"):
        segments = {segment.id: segment for segment in open_csd(made, compat=compat).read()}
        assert set(segments) == set(expected)
        for id, sequences in expected.items():
            for name, key in (("audio", "COAVAREP"), ("video", "FACET 4.1"), ("text", "glove_vectors")):
                array, (rows, total, _) = segments[id].features[name], sequences[key]
                assert len(array) == rows
                assert array.sum(dtype=np.float64) == pytest.approx(total, abs=2e-4)
            assert segments[id].label == pytest.approx(sequences["Opinion Segment Labels"][1], abs=1e-4)
