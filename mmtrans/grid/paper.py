"""The published numbers: Tables 1-3 of Pham et al. (2018), and what does not add up in them."""

from __future__ import annotations

from collections.abc import Mapping

from mmtrans.runs.corpus import Amount

SOURCE = (
    "Pham, Manzini, Liang, Póczos: Seq2Seq2Sentiment: Multimodal Sequence to Sequence Models for Sentiment Analysis. "
    "Challenge-HML at ACL 2018, pp. 53-63, Tables 1-3, CMU-MOSI."
)

#: The corpus of the published numbers: split → videos and segments.
CORPUS = {"train": (52, 1284), "valid": (10, 229), "test": (31, 686)}

#: Share of its segments that must be there: copies of the corpus lack a few.
_MOST = 0.95

#: Names of the values of `PUBLISHED`, as in metrics.json.
PUBLISHED_METRICS = ("binary_precision", "binary_recall", "binary_f1", "seven_precision", "seven_recall", "seven_f1")

_ROWS = """
T                           .77 .76 .76  .32 .35 .33
A                           .56 .56 .56  .12 .19 .14
V                           .57 .47 .48  .12 .19 .12
concat(T,V)                 .78 .67 .55  .01 .16 .05
concat(T,A)                 .44 .66 .53  .02 .15 .04
concat(A,V)                 .55 .47 .48  .13 .16 .11
T->V                        .67 .67 .67  .26 .22 .22
T->A                        .66 .64 .65  .28 .24 .18
A->T                        .55 .60 .56  .17 .34 .11
A->V                        .55 .55 .54  .16 .18 .16
V->T                        .58 .58 .58  .05 .16 .08
V->A                        .58 .62 .58  .12 .17 .01
concat(T,V,A)               .75 .75 .75  .24 .27 .24
embed(T,V)->A               .56 .60 .57  .10 .16 .09
embed(T,A)->V               .60 .55 .56  .26 .15 .07
embed(A,V)->T               .66 .53 .44  .16 .04 .09
embed(A,T)->V               .59 .51 .52  .13 .15 .09
embed(V,T)->A               .59 .60 .59  .11 .17 .10
embed(V,A)->T               .57 .61 .58  .11 .17 .09
concat(T,V)->A              .67 .66 .65  .22 .17 .18
concat(A,T)->V              .54 .55 .63  .19 .15 .21
concat(V,A)->T              .59 .59 .58  .16 .12 .12
T->concat(A,V)              .70 .65 .66  .23 .22 .18
A->concat(T,V)              .55 .53 .54  .18 .20 .18
concat(T,A)->concat(T,V)    .62 .60 .61  .23 .24 .22
concat(T,V)->concat(T,A)    .68 .70 .67  .31 .24 .19
"""


def _table(text: str) -> dict[str, dict[str, float]]:
    rows = [line.split() for line in text.strip().splitlines()]
    return {recipe: dict(zip(PUBLISHED_METRICS, map(float, values), strict=True)) for recipe, *values in rows}


#: Canonical recipe → metric → value, in the paper's order.
PUBLISHED = _table(_ROWS)

_CONSTANT = (
    "The paper's binary scores look like those of a constant predictor: with a majority share of .66 one has P .44, "
    "R .66, F1 .53. The gain of bimodal translation that the paper reports is over this baseline."
)
_ABOVE = "The paper's F1 is above (P+R)/2, which no fixed weighting of classes allows."
_BELOW = (
    "The paper's 7-class scores cannot be support-weighted averages, whose recall R is the accuracy: then P ≥ R² and "
    "F1 ≥ 2R²/(1+R). Here "
)

#: Remarks on single numbers: task whose table they concern, recipes, text.
REMARKS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("binary", ("T",), "The text baseline beats every translation of the paper, as its §7 says."),
    ("seven", ("T",), "The text baseline beats every translation of the paper, as its §7 says."),
    ("binary", ("concat(T,V)", "concat(T,A)"), _CONSTANT),
    ("binary", ("concat(A,T)->V",), _ABOVE),
    ("seven", ("concat(A,T)->V",), _ABOVE),
    (
        "seven",
        ("concat(T,V,A)",),
        "The paper's §6.5 says that a trimodal translation beats this baseline in 7-class F1; its Table 3 has at best "
        ".22 against .24.",
    ),
    ("seven", ("concat(T,V)",), f"{_BELOW}P is .01 and R .16."),
    ("seven", ("A->T",), f"{_BELOW}F1 is .11 and R .34, which asks for .17 or more."),
    ("seven", ("V->A",), f"{_BELOW}F1 is .01 and R .17, which asks for .05 or more."),
)

#: What concerns the whole table.
GENERAL = (
    "The paper states 1289 train, 230 validation and 269 test segments, which is 1788; MOSI's folds have 1284, 229 and "
    "686, which is its 2199. The paper's test set is therefore not known exactly.",
    "The paper does not say how precision, recall and F1 are averaged over classes. Here they are weighted by the "
    "support of the true classes, so recall is accuracy; neutral counts as positive.",
    "The paper's §6.3 calls the baselines classifiers, its equations 5 and 6 make them regressors. Here they are the "
    "same regressor as everywhere.",
    "The paper gives no seeds, deviations or intervals.",
)


def remarks_on(recipe: str, task: str) -> list[str]:
    """The remarks on a row of the paper's tables, for `binary` or `seven` classes."""
    return [text for kind, recipes, text in REMARKS if kind == task and recipe in recipes]


def is_papers(splits: Mapping[str, Amount]) -> bool:
    """Whether a corpus has the videos of the paper's in each split, and all but a few of their segments.

    Args:
        splits: split → `videos` and `segments`.
    """
    return set(splits) == set(CORPUS) and all(
        splits[name]["videos"] == videos and splits[name]["segments"] >= _MOST * segments
        for name, (videos, segments) in CORPUS.items()
    )


def corpus_line() -> str:
    """What the paper used, in words."""
    videos, segments = ([str(CORPUS[name][place]) for name in CORPUS] for place in (0, 1))
    return f"the whole CMU-MOSI ({'/'.join(videos)} videos and {'/'.join(segments)} segments of train/valid/test)"
