import platform
import re

import numpy as np
import pytest

from mmtrans.engine.fitness import Fitness, hash_of


def test_who_has_what_is_needed_lacks_nothing(tmp_path):
    (tmp_path / "x").write_bytes(b"x")
    versions = {"python": platform.python_version(), "numpy": np.__version__}
    files = {tmp_path / "x": hash_of(tmp_path / "x"), tmp_path / "none": None}
    assert Fitness(versions, files, memory=1).difference("tcp://a:1") is None


@pytest.mark.parametrize(
    ("fitness", "sentence"),
    [
        (Fitness({"python": "3.9.1"}, {}), r"Expected python 3\.9\.1\. Received: 3\.1\d.* \(worker tcp://a:1 on "),
        (Fitness({"numpy": "0.1"}, {}), r"Expected numpy 0\.1\. Received: [\d.]+ \(worker"),
        (Fitness({"no_such_module": "1"}, {}), r"Expected no_such_module 1\. Received: none \(worker"),
        (Fitness({}, {}, 2**60), r"too little memory\. Expected \d+ MiB free.*smaller --batch-size"),
    ],
)
def test_what_is_lacking_is_named(fitness, sentence):
    assert re.search(sentence, fitness.difference("tcp://a:1"))


def test_another_file_is_not_the_same(tmp_path):
    (tmp_path / "x").write_bytes(b"x")
    fitness = Fitness({}, {tmp_path / "x": hash_of(tmp_path / "x")})
    (tmp_path / "x").write_bytes(b"y")
    assert f"Expected {tmp_path / 'x'} as this machine has it. Received: other content" in fitness.difference("a")
    (tmp_path / "x").unlink()
    assert "Received: no such file" in fitness.difference("a")


def test_the_third_number_of_python_matters_not():
    major, minor, _ = platform.python_version_tuple()
    assert Fitness({"python": f"{major}.{minor}.99"}, {}).difference("a") is None
