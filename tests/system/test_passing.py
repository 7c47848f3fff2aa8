"""What a terminal shows while it waits."""

import io

import pytest

from mmtrans.system.console import passing

LINE, CLEARED = "Starting TensorFlow ...", "\r\033[K"


@pytest.mark.parametrize(("is_terminal", "before", "after"), [(True, LINE, CLEARED), (False, "", "")])
def test_a_terminal_is_told_at_once_and_cleared_after(monkeypatch, is_terminal, before, after):
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: is_terminal, raising=False)
    monkeypatch.setattr("sys.stderr", stream)
    with passing(LINE):
        assert stream.getvalue() == before
    assert stream.getvalue() == before + after
