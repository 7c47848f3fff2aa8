"""Records the golden numbers of this environment anew, and prints what moved: `python -m tests.golden.record`.

Run it only when a change is meant to change what training learns, and say so where the change is described.
"""

import json
import os
import tempfile
from pathlib import Path

# Before TensorFlow starts, as in the tests: threads that share a sum decide its last bits.
os.environ["TF_NUM_INTRAOP_THREADS"] = "1"

from mmtrans.training.train import make_deterministic
from tests.golden.numbers import PATH, TRAININGS, measure


def main() -> None:
    """Measures every training, prints the numbers that differ from the recorded ones, and replaces those."""
    make_deterministic()
    before = json.loads(PATH.read_text(encoding="utf-8")) if PATH.is_file() else {}
    now = {}
    with tempfile.TemporaryDirectory() as directory:
        for name in TRAININGS:
            now[name] = measure(name, Path(directory) / name)
    for name, numbers in now.items():
        for key, number in numbers.items():
            was = before.get(name, {}).get(key)
            if was != number:
                print(f"{name}, {key}: {was} → {number}")
    PATH.write_text(json.dumps(now, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
