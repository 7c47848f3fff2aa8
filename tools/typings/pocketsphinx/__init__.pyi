"""pocketsphinx is of an extra, and may be absent: all of it is `Any`."""

from typing import Any

def __getattr__(name: str) -> Any: ...
