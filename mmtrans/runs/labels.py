"""What a run tells of the labels that it has seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from tfrecords.stored import Count

#: Split → the field that says which share of its labels is left.
SHARES = {"train": "label_fraction", "valid": "valid_label_fraction"}


class Labels(TypedDict):
    """Labelled segments of a split with all that a phase reads: those that it sees, and all of them. Of valid none is
    seen where the number of steps is fixed."""

    seen: Count
    all: Count


def labels_text(labels: Mapping[str, Labels] | None) -> str:
    """How many labels a run has seen, a sentence; empty where nobody knows, as of a run of an earlier version.

    Args:
        labels: `labels` of its `environment.json`.
    """
    if not labels or SHARES.keys() - labels.keys():
        return ""
    train, valid = (_amount(labels[split]) for split in SHARES)
    is_chosen = labels["valid"]["seen"] > 0
    choice = (
        f"and {valid} valid labels chose the epoch" if is_chosen else "in a fixed number of steps, without valid labels"
    )
    return f"The sentiment was learned from {train} train labels, {choice}."


def _amount(labels: Labels) -> str:
    seen, whole = labels["seen"], labels["all"]
    return f"all {whole:,}" if seen == whole else f"{seen:,} of {whole:,}"
