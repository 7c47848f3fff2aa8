"""Bounds of the numbers that people give, on a command line, in a file or from Python."""

from __future__ import annotations

from tfrecords.stored import shown

#: The most that a whole number may be where nothing smaller is said: TensorFlow counts in int32.
MOST_WHOLE = 2**31 - 1

#: The same of a fraction: a float32 holds it, and products of it with what a model computes.
MOST_REAL = 1e30

#: Bounds of a shift of label times, in seconds: eleven days.
LABEL_SHIFT = {"low": -1e6, "high": 1e6}

#: Bounds of the window of which a step of audio or of video is the mean, in seconds.
WINDOW_SECONDS = {"low": 0.001, "high": 60.0}

#: Bounds of the longest piece that a recording is cut into, and of a shift of its words, in seconds.
SEGMENT_SECONDS = {"low": 1.0, "high": 120.0}
CLIP_SHIFT = {"low": -3600.0, "high": 3600.0}

#: Bounds of the pictures a second in which a face is measured; 0 is for none.
FACE_FPS = {"low": 0.0, "high": 60.0}

#: Bounds of a search's numbers. Beyond them a hypothesis may score below what is forbidden, or be no number.
SEARCH = {
    "beam_width": {"low": 1, "most": 10_000},
    "n_best": {"low": 1, "most": 10_000},
    "length_penalty": {"low": -5.0, "high": 5.0},
    "coverage_penalty": {"low": -100.0, "high": 100.0},
    "temperature": {"low": 0.001, "high": 1000.0},
    "sample_top_k": {"low": 0},
}


def check_number(
    name: str,
    value: float,
    low: float | None = None,
    high: float | None = None,
    most: float | None = None,
) -> None:
    """Raises a ValueError where a number is not within its bounds, which are inclusive; NaN is within none.

    Args:
        name: name of a field, or of a flag with its hyphens, for the message.
        value: what was given.
        low: the least; `None` for any that is not beyond minus the most.
        high: the most, which every message names.
        most: the most where there is no `high`: further than makes sense, so only who exceeds it is told. `MOST_WHOLE`
            or `MOST_REAL` unless given.
    """
    most = most or (MOST_WHOLE if isinstance(value, int) else MOST_REAL)
    least, upper = -most if low is None else low, most if high is None else high
    if least <= value <= upper:
        return
    if high is not None:
        expected = f"a value between {least} and {high}"
    elif value > most:
        expected = f"at most {most}"
    else:
        expected = "a finite number" if low is None and value != value else f"at least {least}"
    remedy = "a smaller one" if value > upper else "a larger one" if value < least else "a number"
    field = name.removeprefix("--").replace("-", "_")
    raise ValueError(f"{name} is out of range. Expected {expected}. Received: {field}={shown(value)}. Give {remedy}.")
