"""Python's collector of garbage, in a process of our own that does one task after another."""

from __future__ import annotations

import functools
import gc


@functools.cache
def set_imports_aside() -> None:
    """Keeps the collector from going through what is there by now, which stays: that takes .4 s a time with TensorFlow.

    Call it when the process has imported what its tasks need, and has nothing else yet. A second call does nothing.
    """
    gc.collect()
    gc.freeze()
