"""The unpickler: gives back what honest pickles hold, names what the others ask for, and never crashes on damage."""

import collections
import io
import os
import pickle
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mmtrans.sources.untrusted.unpickle import load_pickle

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def _write(tmp_path, content: bytes):
    path = tmp_path / "data.pkl"
    path.write_bytes(content)
    return path


def _same(left, right) -> bool:
    if isinstance(right, np.ndarray):
        if type(left) is not np.ndarray or left.dtype != right.dtype or left.shape != right.shape:
            return False
        if right.dtype == object:
            return all(_same(left[index], right[index]) for index in np.ndindex(right.shape))
        return left.tobytes() == right.tobytes()
    if isinstance(right, dict):
        return list(left) == list(right) and all(_same(left[key], right[key]) for key in right)
    if isinstance(right, (list, tuple)):
        return type(left) is type(right) and len(left) == len(right) and all(map(_same, left, right))
    return type(left) is type(right) and left == right


def _honest():
    ragged = np.empty(2, object)
    ragged[0], ragged[1] = np.arange(3.0), ["a", np.int64(4)]
    return {
        "train": [((np.array([3, 1]), np.ones((2, 3), np.float32), None), np.array([[1.8]]), np.str_("v-_[0]"))],
        b"valid": {
            "id": np.array([[b"v_1", b"0"]]),
            "raw": np.array(["ünï", "b"]),
            "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        },
        "object": ragged,
        "empty": np.zeros((0, 4)),
        "scalars": [np.float32(1.5), np.bool_(True), 2**70, 1j, None, b"\xff", bytearray(b"z")],
        "sets": [{1, 2}, frozenset({"a"})],
        "ordered": collections.OrderedDict(b=1, a=np.arange(2)),
        "big endian": np.arange(3, dtype=">f4"),
        "cell": np.array({"x": np.arange(2)}, dtype=object),
    }


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_gives_back_what_was_written(tmp_path, protocol):
    content = pickle.dumps(_honest(), protocol)
    # The oracle is pickle itself (before protocol 5, numpy makes big-endian arrays native).
    honest = pickle.loads(content)
    loaded = load_pickle(_write(tmp_path, content))
    assert set(loaded) == set(honest)
    for key, value in honest.items():
        if key == "cell":
            assert loaded[key].shape == ()
            assert _same(loaded[key].item(), value.item())
        else:
            assert _same(loaded[key], value), key


@settings(max_examples=60, deadline=None)
@given(
    array=hnp.arrays(
        dtype=st.sampled_from(["<f4", ">f8", "<i2", "|b1", "<c16", "|S3", "<U2", "|u1"]),
        shape=hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
    ),
    protocol=st.sampled_from(PROTOCOLS),
)
def test_round_trip_of_arrays(tmp_path_factory, array, protocol):
    content = pickle.dumps([array, array], protocol)
    first, second = load_pickle(_write(tmp_path_factory.mktemp("arrays"), content))
    assert _same(first, pickle.loads(content)[0])
    np.testing.assert_array_equal(first, array)
    assert first is second


def test_numpy_1_and_2_names_are_read(tmp_path):
    content = pickle.dumps(np.arange(3), 2)
    for old, new in ((b"numpy._core.", b"numpy.core."), (b"numpy.core.", b"numpy._core.")):
        loaded = load_pickle(_write(tmp_path, content.replace(old, new)))
        assert loaded.tolist() == [0, 1, 2]


def test_python_2_arrays_and_text(tmp_path):
    # As Python 2 wrote it: the buffer and the keys are byte strings (SHORT_BINSTRING, "U").
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntU\x01btR"
        b"(I1\n(I2\ntcnumpy\ndtype\n(U\x02f4I0\nI1\ntR(I3\nU\x01<NNNI-1\nI-1\nI0\ntbI00\nU\x08"
        + np.array([1.5, -2], "<f4").tobytes()
        + b"tb"
    )
    loaded = load_pickle(_write(tmp_path, b"\x80\x02}U\x04caf\xe9" + array + b"s."))
    assert list(loaded) == ["café"]
    assert _same(loaded["café"], np.array([1.5, -2], np.float32))


def test_bytes_where_latin1_fails(tmp_path):
    loaded = load_pickle(_write(tmp_path, b"\x80\x02c__builtin__\nbytearray\nU\x02\xff\x00\x85RU\x01k\x86."))
    assert loaded == (bytearray(b"\xff\x00"), b"k")


class _Reduced:
    def __init__(self, function, *arguments):
        self.parts = (function, arguments)

    def __reduce__(self):
        return self.parts


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("function", "argument", "named"),
    [
        (os.system, "touch {marker}", f"{os.system.__module__}.system"),
        (eval, "open({marker!r}, 'w')", "eval"),
        (getattr, "x", "getattr"),
        (np.load, "x", "numpy.*load"),
        (io.open, "{marker}", "open"),
    ],
)
def test_refused_globals_are_named_and_not_run(tmp_path, protocol, function, argument, named):
    marker = tmp_path / "ran"
    path = _write(tmp_path, pickle.dumps([_Reduced(function, argument.format(marker=str(marker)))], protocol))
    with pytest.raises(
        ValueError, match=rf"asks for something that data never needs.*Received: \S*{named} \(.*data.pkl"
    ):
        load_pickle(path)
    assert not marker.exists()


_NDARRAY = b"cnumpy\nndarray\n"
_EMPTY = b"cnumpy.core.multiarray\n_reconstruct\n" + _NDARRAY + b"(I0\ntC\x01b\x87R"


def _dtype(code: bytes, state: bytes = b"(I3\nV|\nNNNI-1\nI-1\nI0\ntb") -> bytes:
    return b"cnumpy\ndtype\nV" + code + b"\n\x89\x88\x87R" + state


@pytest.mark.parametrize(
    ("body", "message"),
    [
        # Raw bytes as the pointers of an object array.
        (
            _EMPTY + b"(I1\nI1\n\x85" + _dtype(b"O8") + b"\x89C\x08" + b"A" * 8 + b"tb",
            "an array of object holds a bytes",
        ),
        (_dtype(b"V8"), r"numpy.dtype\('V8'\)"),
        (_dtype(b"i8", b"(I3\nV|\nN(Va\ntNI-1\nI-1\nI0\ntb"), "a structured numpy.dtype"),
        # Shapes that announce more than there is.
        (
            _EMPTY + b"(I1\nL99999999999L\n\x85" + _dtype(b"i8") + b"\x89C\x00tb",
            r"announces shape \(99999999999,\) and holds 0",
        ),
        (
            _EMPTY + b"(I1\nL99999999999L\n\x85" + _dtype(b"O8") + b"\x89]tb",
            r"announces shape \(99999999999,\) and holds 0",
        ),
        (_EMPTY + b"(I1\nI-1\n\x85" + _dtype(b"i8") + b"\x89C\x00tb", "no tuple of sizes"),
        (b"cnumpy.core.multiarray\n_reconstruct\n" + _NDARRAY + b"L99999999999L\n\x85C\x01b\x87R", "empty ndarray"),
        (_NDARRAY + b"L99999999999L\n\x85R", "not callable"),
        (_NDARRAY + b"L99999999999L\n\x85\x81", "NEWOBJ"),
        (b"c__builtin__\nbytes\nL99999999999L\n\x85R", "builtins.bytes of int"),
        (b"c__builtin__\nbytearray\nL99999999999L\n\x85R", "a bytearray needs bytes"),
        (b"r" + struct.pack("<I", 2**32 - 1) + b"N", "memo index 4294967295"),
        # Changing or keeping the stand-ins themselves.
        (b"c_codecs\nencode\nN}Va\nVb\ns\x86b", "no attribute"),
        (b"c_codecs\nencode\n", "a bare Encode"),
        (b"c_codecs\nencode\nVa\nVzip\n\x86R", "_codecs.encode to 'zip'"),
        (b"cnumpy.core.multiarray\nscalar\n" + _dtype(b"O8") + b"]Na\x86R", "a numpy scalar of dtype object"),
        (b"cnumpy.core.multiarray\nscalar\nVi8\nC\x08" + b"A" * 8 + b"\x86R", "an array with a str for dtype"),
        (b"cnumpy.core.numeric\n_frombuffer\n(]Na" + _dtype(b"O8") + b"I1\n\x85VC\ntR", "_frombuffer of dtype object"),
    ],
)
def test_crafted_pickles_are_refused(tmp_path, body, message):
    with pytest.raises(ValueError, match=f"^The pickle .*{message}"):
        load_pickle(_write(tmp_path, b"\x80\x04" + body + b"."))


def test_text_beyond_unicode_is_refused(tmp_path):
    for order in "<>":
        raw = np.array([0x41, 0x110000], f"{order}u4").view(f"{order}U1")
        for protocol in (2, 4):
            with pytest.raises(ValueError, match=r"^The pickle cannot .*text has the character 0x110000, beyond"):
                load_pickle(_write(tmp_path, pickle.dumps({"id": raw}, protocol)))
    assert load_pickle(_write(tmp_path, pickle.dumps(np.array([chr(0x10FFFF), ""]), 2))).tolist() == [chr(0x10FFFF), ""]


def test_lists_within_lists_are_counted_as_often_as_they_are_referred_to(tmp_path):
    shared = [0.5]
    for _ in range(3):
        shared = [shared] * 4
    assert load_pickle(_write(tmp_path, pickle.dumps(shared))) == shared
    for _ in range(12):
        shared = [shared] * 10
    # One cell: numpy itself would look at all of the lists.
    cell = np.empty(1, object)
    cell[0] = shared
    with pytest.raises(ValueError, match=r"Received: \d{15} parts in a file of \d+ bytes, lists within lists"):
        load_pickle(_write(tmp_path, pickle.dumps({"labels": cell})))
    loop = [1]
    loop.append(loop)
    assert load_pickle(_write(tmp_path, pickle.dumps(loop)))[1][1][0] == 1


def test_size_limit_is_checked_before_reading(tmp_path):
    path = _write(tmp_path, pickle.dumps(list(range(100))))
    size = path.stat().st_size
    assert load_pickle(path, max_bytes=size) == list(range(100))
    with pytest.raises(ValueError, match=rf"too large. Expected at most {size - 1} bytes. Received: {size} bytes"):
        load_pickle(path, max_bytes=size - 1)


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no pickle at .*none.pkl"):
        load_pickle(tmp_path / "none.pkl")


def test_every_truncation_is_one_sentence(tmp_path):
    whole = pickle.dumps([np.arange(3.0), {"a": np.float32(1)}], 2)
    for end in range(len(whole)):
        with pytest.raises(ValueError, match=r"^The pickle cannot be read[^\n]*Download (or write )?it again\.$"):
            load_pickle(_write(tmp_path, whole[:end]))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_never_crashes(tmp_path_factory, data):
    content = bytearray(pickle.dumps([np.arange(3.0), np.array(["a", None], object), {"a": np.float32(1)}], 4))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = _write(tmp_path_factory.mktemp("damage"), bytes(content))
    try:
        load_pickle(path)
    except ValueError as error:
        message = str(error)
    else:
        message = "The pickle is still one"
    assert message.startswith("The pickle ")
    assert "\n" not in message


class _InOtherOrder:
    """What numpy 2.4 writes of an array whose axes lie in memory in another order."""

    def __init__(self, array, axes):
        self.array, self.axes = array, axes

    def __reduce__(self):
        name = f"{'numpy._core' if np.lib.NumpyVersion(np.__version__) >= '2.0.0' else 'numpy.core'}.numeric"
        function = __import__(name, fromlist=["_frombuffer"])._frombuffer
        return function, (self.array.tobytes(), self.array.dtype, self.array.shape, "K", self.axes)


def test_axes_in_another_order_are_those_of_the_array(tmp_path):
    array = np.arange(24.0).reshape(2, 3, 4)
    for axes in ((1, 0, 2), (2, 0, 1), (0, 2, 1)):
        assert _same(load_pickle(_write(tmp_path, pickle.dumps(_InOtherOrder(array, axes)))), array.transpose(axes))
        assert _same(
            load_pickle(_write(tmp_path, pickle.dumps(array.transpose(axes), protocol=5))), array.transpose(axes)
        )
    for axes in ((0, 0, 1), (0, 1), (0, 1, 3), "abc"):
        with pytest.raises(ValueError, match="pickle cannot be read"):
            load_pickle(_write(tmp_path, pickle.dumps(_InOtherOrder(array, axes))))
