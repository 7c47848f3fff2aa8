"""Files that are no pickle of data are called by name, with what to do."""

import datetime
import decimal
import pickle

import joblib
import numpy as np
import pytest

from mmtrans.sources.untrusted.unpickle import load_pickle


def refused(tmp_path, content, pattern):
    path = tmp_path / "data.pkl"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=pattern) as caught:
        load_pickle(path)
    assert "\n" not in str(caught.value)
    assert "data.pkl" in str(caught.value)
    return str(caught.value)


def asking_for(name):
    module, _, attribute = name.rpartition(".")
    return f"\x80\x02c{module}\n{attribute}\n.".encode("latin1")


@pytest.mark.parametrize(
    ("name", "library", "remedy"),
    [
        ("pandas.core.frame.DataFrame", "pandas", r"frame\.to_numpy\(\)"),
        ("pandas._libs.internals._unpickle_block", "pandas", r"where pandas is at hand"),
        ("torch._utils._rebuild_tensor_v2", "torch", r"tensor\.numpy\(\)"),
        ("numpy.ma.core._mareconstruct", "numpy", r"numpy\.asarray"),
        ("scipy.sparse._csr.csr_matrix", "scipy", r"matrix\.toarray\(\)"),
        ("my_project.data.Segment", "my_project", "Turn them into numpy arrays"),
        ("__main__.Segment", "a program of its own", "Turn them into numpy arrays"),
        ("copyreg._reconstructor", "copyreg", "Turn them into numpy arrays"),
    ],
)
def test_objects_of_a_library_are_named_and_not_called_hostile(tmp_path, name, library, remedy):
    message = refused(tmp_path, asking_for(name), rf"it holds objects of {library}\. .*Received: {name} .*{remedy}")
    assert "other programs" not in message


@pytest.mark.parametrize("value", [datetime.datetime(2026, 1, 2), decimal.Decimal("1.5")])
def test_objects_of_python_that_run_nothing_are_not_called_hostile(tmp_path, value):
    refused(tmp_path, pickle.dumps([value]), rf"it holds objects of {type(value).__module__}\. ")


@pytest.mark.parametrize(
    "name", ["subprocess.Popen", "nt.system", "numpy.fromfile", "builtins.eval", "importlib.reload"]
)
def test_programs_are_still_called_so(tmp_path, name):
    refused(tmp_path, asking_for(name), rf"asks for something that data never needs.*{name}.*Do not open this file")


@pytest.mark.parametrize("protocol", [0, 2])
def test_changed_line_ends_are_told(tmp_path, protocol):
    content = {"train": {"text": np.arange(24.0).reshape(2, 4, 3), "id": ["v_1", "v_2"]}}
    changed = pickle.dumps(content, protocol).replace(b"\n", b"\r\n")
    refused(
        tmp_path, changed, r"line ends were changed from LF to CRLF\. .*binary mode, or turn them back with dos2unix"
    )


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3)])
def test_files_of_joblib_are_told(tmp_path, compress):
    joblib.dump({"train": np.arange(300.0)}, tmp_path / "data.pkl", compress=compress)
    content = (tmp_path / "data.pkl").read_bytes()
    refused(tmp_path, content, "it is a file (of joblib|compressed with zlib .perhaps by joblib.|compressed with gzip)")


def test_old_files_of_pytorch_are_told(tmp_path):
    magic = pickle.dumps(0x1950A86A20F9469CFC6C, 2)
    refused(tmp_path, magic + pickle.dumps(1001, 2), "it holds objects of torch")


def test_text_that_is_no_pickle_is_shown(tmp_path):
    refused(tmp_path, b'{"train": []}', r"it is no pickle, and begins with '\{\"train\": \[\]\}'.*Check where")
