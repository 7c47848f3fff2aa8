"""TensorFlow ships no types, and the stubs that type checkers bring lack half of what we call: all of it is `Any`."""

from typing import Any

def __getattr__(name: str) -> Any: ...
