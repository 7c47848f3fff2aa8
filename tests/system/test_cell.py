"""A line of a notebook's cell, before a stand-in of IPython."""

import sys
import types

import pytest

from mmtrans.system import cell
from mmtrans.system.console import Console


@pytest.fixture
def shown(monkeypatch):
    """What a notebook has displayed: a list of outputs, each the list of its contents over time."""
    outputs = []

    class Handle:
        def __init__(self, content):
            self.contents = [content]
            outputs.append(self.contents)

        def update(self, content):
            self.contents.append(content)

    display = types.ModuleType("IPython.display")
    display.HTML = lambda text: text
    display.display = lambda content, display_id: Handle(content)
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return outputs


def test_one_output_is_written_over(shown, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    line = cell.CellLine()
    line.show("a <b>", 0.5)
    line.show("too soon", 0.6)
    now[0] += 1
    line.show("later", 1.0)
    line.show("end", now=True)
    assert shown == [[f"<pre>{'█' * 12}{'░' * 12} a &lt;b&gt;</pre>", f"<pre>{'█' * 24} later</pre>", "<pre>end</pre>"]]


def test_a_notebook_is_known(shown, monkeypatch):
    assert cell.in_notebook()
    with cell.logged():
        assert not cell.in_notebook()
    assert cell.in_notebook()
    monkeypatch.delitem(sys.modules, "IPython")
    assert not cell.in_notebook()


def test_what_goes_into_a_log_is_not_shown_in_a_cell(shown, monkeypatch, capsys):
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    with cell.logged():
        Console(stderr=True).print("epoch 1")
    assert capsys.readouterr().err == "epoch 1\n"
    assert shown == []
    assert Console().is_jupyter
