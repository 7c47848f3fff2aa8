import errno
import os
import shutil

import h5py
import pytest
import tensorflow as tf

from mmtrans.system.errors import is_memory, is_refusal, refusal_of, sentence_of

FULL = "The disk is full. Expected room for what is written. Received: "


def h5py_error(path):
    """What h5py says of a file that the system does not open."""
    with pytest.raises(OSError, match="unable to open") as raised:
        h5py.File(path / "none.h5")
    return raised.value


def copy_error(path):
    """What shutil says of a directory that the system does not copy."""
    (path / "a").mkdir()
    (path / "a" / "f").touch()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", str(path / "b"))

    with pytest.raises(shutil.Error) as raised:
        shutil.copytree(path / "a", path / "b", copy_function=full)
    return raised.value


def writer_error(path):
    """What TensorFlow says of a place that the system does not write to."""
    (path / "file").touch()
    with pytest.raises(tf.errors.OpError) as raised:
        tf.io.write_file(str(path / "file" / "x"), "text")
    return raised.value


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, "x", "/a b"), FULL + "file='/a b'. Make room there."),
        (OSError(errno.ENOSPC, "No space left on device"), FULL + "No space left on device. Make room there."),
        (
            OSError(errno.EACCES, "x", b"/a", None, "/b"),
            "Permission is denied. Expected the right to read or write there. Received: file='/a' → '/b'. "
            "Ask for it, or choose another place.",
        ),
        (
            OSError(errno.ENOTCONN, "Transport endpoint is not connected"),
            "The operating system refuses: Transport endpoint is not connected. Expected a file or device that works. "
            "Received: Transport endpoint is not connected.",
        ),
        (FileNotFoundError("No run there. Expected one."), "No run there. Expected one."),
        (
            ImportError("libx.so: cannot open shared object file: Too many open files"),
            "Too many files are open. Expected room for some more. Received: libx.so: cannot open shared object file: "
            "Too many open files. Raise the limit with `ulimit -n 1024`.",
        ),
        (
            tf.errors.ResourceExhaustedError(None, None, "{{node Save}} /run/x; No space left on device"),
            FULL + "/run/x; No space left on device. Make room there.",
        ),
        (ImportError("No module named 'x'"), None),
        (tf.errors.InvalidArgumentError(None, None, "Shapes differ"), None),
        (ZeroDivisionError("No space left on device"), None),
    ],
)
def test_a_refusal_is_one_sentence(error, sentence):
    assert sentence_of(error) == sentence


def test_refusals_of_the_libraries_are_found(tmp_path):
    assert sentence_of(h5py_error(tmp_path)).startswith("There is no such file or directory. Expected")
    assert sentence_of(copy_error(tmp_path)).startswith(FULL)
    assert sentence_of(writer_error(tmp_path)).startswith("A part of the path is no directory. Expected")


@pytest.mark.parametrize(
    "error", [MemoryError(), OSError(errno.ENOMEM, "x"), tf.errors.ResourceExhaustedError(None, None, "OOM of [7,9]")]
)
def test_memory_may_be_enough_for_another_task(error):
    assert is_memory(error)
    assert not is_refusal(error)
    assert sentence_of(error).startswith("The memory has run out. Expected room for what is computed. Received: ")


def test_a_damaged_file_is_no_refusal():
    assert refusal_of(OSError("Unable to open file (file signature not found)"), "a.h5") is None
    assert refusal_of(OSError(errno.EINVAL, os.strerror(errno.EINVAL)), "a.npz") is None
    assert "Permission is denied." in str(refusal_of(PermissionError(errno.EACCES, "x"), "a.h5"))
    assert "file='a.h5'" in str(refusal_of(PermissionError(errno.EACCES, "x"), "a.h5"))
