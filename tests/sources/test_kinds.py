"""Every reader meets every kind of awkward input: it gives the right segments, or one sentence."""

import signal

import pytest

from mmtrans.sources.open import FORMATS, open_corpus
from tests.sources import (
    kinds_of_columns,
    kinds_of_files,
    kinds_of_gaps,
    kinds_of_ids,
    kinds_of_labels,
    kinds_of_tokens,
    kinds_of_words,
)
from tests.sources.kinds import Row

MODULES = (
    kinds_of_columns,
    kinds_of_files,
    kinds_of_gaps,
    kinds_of_ids,
    kinds_of_labels,
    kinds_of_tokens,
    kinds_of_words,
)
KINDS = {kind: entries for module in MODULES for kind, entries in module.KINDS.items()}
ROWS = [
    (kind, format) for kind, entries in KINDS.items() for format, entry in entries.items() if isinstance(entry, Row)
]


#: What is not read or refused by then hangs.
MAX_SECONDS = 60


@pytest.fixture(autouse=True)
def _no_waiting():
    """A reader that waits for a pipe fails, instead of keeping the tests waiting too."""

    def give_up(*_):
        raise TimeoutError(f"no answer within {MAX_SECONDS} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(MAX_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_has_an_entry_for_every_kind(kind):
    assert set(KINDS[kind]) == {format.name for format in FORMATS}
    assert all(isinstance(entry, Row) or entry for entry in KINDS[kind].values())


def test_no_kind_is_in_two_modules():
    assert len(KINDS) == sum(len(module.KINDS) for module in MODULES)


@pytest.mark.parametrize(("kind", "format"), ROWS)
def test_the_reader_gives_the_right_segments_or_one_sentence(tmp_path, kind, format):
    row = KINDS[kind][format]
    path = row.write(tmp_path / "source")
    # By name: the reader is put to the test, and not the detection alone.
    for name in ("auto", format):
        if row.refused is not None:
            with pytest.raises((ValueError, FileNotFoundError), match=row.refused) as caught:
                list(open_corpus(path, format=name, **row.options).read())
            assert "\n" not in str(caught.value)
            continue
        corpus = open_corpus(path, format=name, **row.options)
        row.check(corpus, {segment.id: segment for segment in corpus.read()})
