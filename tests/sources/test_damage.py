"""A damaged file of any format converts, or is refused in one sentence: no traceback, no hang, nothing half written."""

import os
import random
import resource
import shutil
import time

import pytest

from mmtrans.conversion.convert import convert
from mmtrans.conversion.inspect import verify
from mmtrans.sources.open import open_corpus
from tests.sources.csd.test_reader import write_corpus
from tests.sources.format_files import WRITERS

CASES = {**WRITERS, "csd": ("csd", lambda folder: write_corpus(folder, dirty=True))}
HDF5 = ("csd", "mfn", "d1")

#: Cases for each kind of file, 2,001 in all. HDF5 files are read in child processes, which take time to start.
FUZZ = {case: 100 if case in HDF5 else 189 for case in CASES}
SAMPLE = {case: 3 if case in HDF5 else 12 for case in CASES}

MAX_SECONDS = 60.0
MAX_GROWTH_KIB = 1 << 20


def damage(folder, rng):
    """Truncates one file of the folder, or changes some of its bytes."""
    path = rng.choice(sorted(file for file in folder.rglob("*") if file.is_file()))
    content = bytearray(path.read_bytes())
    if rng.random() < 0.3:
        content = content[: rng.randrange(len(content))]
    else:
        # Most structure is at the two ends.
        reach = rng.choice([len(content), min(600, len(content))])
        for _ in range(rng.choice([1, 1, 3, 20])):
            place = rng.randrange(reach)
            content[place if rng.random() < 0.5 else -1 - place] = rng.randrange(256)
    path.write_bytes(content)


def outcome_of(folder, work, format):
    """Converts, and returns the refusal, or `None` where there are whole records."""
    work.mkdir()
    try:
        convert(open_corpus(folder, format=format), work / "records")
    except (ValueError, FileNotFoundError) as error:
        assert list(work.iterdir()) == []
        return str(error)
    assert [path.name for path in work.iterdir()] == ["records"]
    assert verify(work / "records") == []
    return None


def fuzz(tmp_path, case, times):
    format, write = CASES[case]
    write(tmp_path / "source")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused = 0
    for seed in range(times):
        rng = random.Random(f"{case}{seed}")
        folder, work = tmp_path / "damaged", tmp_path / "work"
        shutil.copytree(tmp_path / "source", folder)
        damage(folder, rng)
        start = time.monotonic()
        # Half of the time the format is given, so that the reader is put to the test and not the detection.
        message = outcome_of(folder, work, format if rng.random() < 0.5 else "auto")
        assert time.monotonic() - start < MAX_SECONDS, (case, seed)
        if message is not None:
            refused += 1
            assert "\n" not in message, (case, seed, message)
            assert "Received: " in message or "There is no" in message, (case, seed, message)
        shutil.rmtree(folder)
        shutil.rmtree(work)
    assert refused
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MAX_GROWTH_KIB


@pytest.mark.parametrize("case", CASES)
def test_damage_is_one_sentence(tmp_path, case):
    fuzz(tmp_path, case, SAMPLE[case])


@pytest.mark.fuzz
@pytest.mark.skipif(os.environ.get("MMTRANS_FUZZ") != "1", reason="set MMTRANS_FUZZ=1")
@pytest.mark.parametrize("case", CASES)
def test_much_damage_is_one_sentence(tmp_path, case):
    fuzz(tmp_path, case, FUZZ[case])
