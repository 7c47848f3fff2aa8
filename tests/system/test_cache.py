from pathlib import Path

import pytest

from mmtrans.system.cache import cache_folder


@pytest.mark.parametrize(
    ("variable", "expected"),
    [("/some/where", "/some/where/mmtrans/kind"), ("", "/home/me/.cache/mmtrans/kind"), ("here", None), (None, None)],
)
def test_a_folder_lies_in_the_users_cache(monkeypatch, variable, expected):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if variable is not None:
        monkeypatch.setenv("XDG_CACHE_HOME", variable)
    assert cache_folder("kind") == Path(expected or "/home/me/.cache/mmtrans/kind")
