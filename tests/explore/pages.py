"""A small page by hand: two runs, one of a baseline, one that translates; words that would be markup."""

import numpy as np

from mmtrans.explore.shapes import (
    Bytes,
    Clip,
    Hypothesis,
    Page,
    PairedDifference,
    RunView,
    Segment,
    Space,
    Translated,
    Translation,
)

#: Words that a page must show as they are.
MARKUP = "</script><img src=x onerror=alert(1)>"

LABELS = (-2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
FIRST = (-1.5, 1.0, 0.5, 0.75, 2.25, 1.0)
SECOND = (-1.0, -0.5, -0.25, 1.25, 1.5, 2.0)


def metrics(mae):
    names = ("mae", "pearson", "acc2_has0", "acc7")
    return {f"{name}{end}": mae for name in names for end in ("", "_low", "_high")}


def space():
    places = [(i / 5, (-1) ** i / 2) for i in range(6)]
    return Space("representation", places, (0.6, 0.3), [[(i + k) % 6 for k in (1, 2)] for i in range(6)])


def translated(i, of_tokens):
    steps = i + 1
    weights, prior = Bytes.of(np.eye(steps)), Bytes.of(np.full((steps, steps), 1 / steps))
    common = {"attention": weights, "prior": prior, "prior_correlation": 0.5}
    if of_tokens:
        tokens = [f"c{k}" for k in range(steps)]
        hypotheses = [Hypothesis(tokens, -1.0), Hypothesis(["c9"], -2.0)]
        return Translated(1.0, **common, reference=tokens, hypotheses=hypotheses)
    frames = Bytes.of(np.linspace(0, 1, 3 * steps).reshape(steps, 3))
    return Translated(0.25, **common, target=frames, decoded=frames)


def run_view(name, scores, *, translation=None):
    return RunView(
        name=name,
        path=f"runs/{name}",
        facts={"epochs": "2 of 2"},
        metrics=metrics(0.5),
        collapsed=False,
        scores=list(scores),
        steps=[i + 1 for i in range(6)],
        attention=[[1 / (i + 1)] * (i + 1) for i in range(6)],
        influence=[[None], *([0.5 - k for k in range(i + 1)] for i in range(1, 6))],
        space=space(),
        translation=translation,
        notes={} if translation else {"translation": "This run translates nothing."},
    )


def make_page(*, of_tokens=True):
    """Six segments of two videos, of 1 to 6 words; the worst predicted one is `v1[1]` of the first run."""
    segments = [
        Segment(f"v{i % 2}[{i}]", f"v{i % 2}", [*(f"word{k}" for k in range(i)), MARKUP], LABELS[i], lacks)
        for i, lacks in enumerate([[], [], [], ["no audio"], [], []])
    ]
    translations = [translated(i, of_tokens) for i in range(6)]
    translation = Translation("audio", of_tokens, ["one", "two", "three"], "", translations)
    return Page(
        title="Segment explorer: T, T->A, valid",
        about=["6 labelled segments"],
        banners=["The valid split chose the epoch."],
        split="valid",
        label={"name": "sentiment", "low": -3.0, "high": 3.0, "neutral": 0.0},
        videos=2,
        segments=segments,
        runs=[run_view("T", FIRST), run_view("T->A", SECOND, translation=translation)],
        differences=[PairedDifference(0, 1, 0.25, 0.125, 0.375, 0.01)],
        media={"v1[3]": Clip("clips/v1.mp4#t=1,2", False, False)},
    )
