import re
import subprocess
import sys

import pytest

from mmtrans import api


def blocks_of(text):
    return re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.mark.slow
def test_the_examples_run_and_give_what_they_say(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    blocks = blocks_of(api.__doc__)
    assert len(blocks) == 3
    for block in blocks:
        exec(compile(block, "example", "exec"), names)
    assert names["metrics"]["mae"] > 0
    assert set(names["metrics"]["baselines"]) == {"mean", "median", "majority"}
    decoded, scored = names["decoded"][0], names["scored"]
    assert decoded.hypotheses[0].frames.shape == (len(decoded.words), 74)
    assert len(scored) == len({prediction.id for prediction in scored}) > 50
    assert names["frames"].shape[0::2] == (4, 74)
    assert names["attention_weights"].shape[:2] == names["frames"].shape[:2]


def test_every_name_is_there_and_documented():
    for name in api.__all__:
        assert getattr(api, name).__doc__


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, mmtrans\nprint({'numpy', 'tensorflow', 'keras', 'h5py'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
