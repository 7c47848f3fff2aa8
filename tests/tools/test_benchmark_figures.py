import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.benchmark_figures import flatten, ratios, spread, summarize


@given(st.lists(st.floats(0.01, 1e6), min_size=1, max_size=9))
def test_spread_is_median_and_extremes(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    median = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    found = spread("x", values, 6)
    assert found == pytest.approx({"x": median, "x_low": ordered[0], "x_high": ordered[-1]}, abs=1e-6)


def test_flatten_keeps_numbers_by_their_path():
    nested = {"a": {"b": {"s": 1}, "t": 2.5, "name": "text", "flag": True, "none": None}, "u": 3}
    assert dict(flatten(nested)) == {"a/b/s": 1, "a/t": 2.5, "u": 3}


def test_summary_is_over_processes():
    lines = [{"results": {"rate": rate, "rate_low": 0, "rate_high": 99, "frames": None}} for rate in (5.0, 1.0, 4.0)]
    assert summarize(lines) == {"rate": 4.0, "rate_low": 1.0, "rate_high": 5.0}


def test_ratios_are_taken_round_by_round():
    ours = [{"results": {"segments_per_s": rate, "epoch_s": 1}} for rate in (100.0, 300.0, 200.0)]
    theirs = [
        {
            "results": {
                "packed": {"segments_per_s": a, "epoch_s": 7},
                "gpu_segments_per_s": 2 * a,
                "beam_tokens_per_s": 9,
            }
        }
        for a in (50.0, 100.0, 400.0)
    ]
    expected = {"ratio": 2.0, "ratio_low": 0.5, "ratio_high": 3.0, "ours": 200.0, "theirs": 100.0}
    halved = {"ratio": 1.0, "ratio_low": 0.25, "ratio_high": 1.5, "ours": 200.0, "theirs": 200.0}
    assert ratios(ours, theirs) == [
        {"figure": "packed/segments_per_s", **expected},
        {"figure": "gpu_segments_per_s", **halved},
    ]


def test_beam_tokens_are_compared_with_beam_tokens():
    ours = [{"results": {"beam_tokens_per_s": 30.0}}]
    theirs = [{"results": {"beam": {"beam_tokens_per_s": 10.0, "segments_per_s": 1.0}}}]
    assert [(r["figure"], r["ratio"]) for r in ratios(ours, theirs)] == [("beam/beam_tokens_per_s", 3.0)]


def test_a_rate_of_zero_is_not_divided_by():
    line = [{"results": {"segments_per_s": 3.0}}]
    assert [r["figure"] for r in ratios(line, [{"results": {"a_segments_per_s": 0.0, "b_segments_per_s": 1.0}}])] == [
        "b_segments_per_s"
    ]


def test_nothing_to_compare():
    message = (
        r"Nothing to compare\. Expected results that end in segments_per_s or beam_tokens_per_s on both sides\. "
        r"Received: ours=\['help_cpu_s'\], theirs=\['a/segments_per_s'\]\."
    )
    with pytest.raises(ValueError, match=message):
        ratios([{"results": {"help_cpu_s": 1.0}}], [{"results": {"a": {"segments_per_s": 1.0}}}])
