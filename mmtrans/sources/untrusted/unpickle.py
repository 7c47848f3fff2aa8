"""Pickles from strangers: an unpickler that builds numbers, text, containers and plain numpy arrays, and nothing else.

numpy's own `dtype.__setstate__` believes what a pickle says (an object dtype with its flags cleared takes raw bytes for
pointers), so dtypes and arrays are rebuilt here from checked parts and never reach it.
"""

from __future__ import annotations

import collections
import io
import math
import pickle
import pickletools
import re
import sys
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mmtrans.sources.untrusted.pickle_refusals import check_content, corrupt, refused
from mmtrans.system.user_files import check_file

#: Room for MOSEI's unaligned arrays: 23,000 segments of 93,000 float32 values are 8.5 GB.
MAX_PICKLE_BYTES = 16 << 30

# Plain numbers, booleans, text and objects. No structured, sub-array or void types.
_DTYPE_CODE = re.compile(r"[<>|=]?(b1|i[1248]|u[1248]|f[248]|c8|c16|[SU][1-9]\d{0,6}|O8?)")

# What CPython and numpy raise on bytes that are no pickle, or half of one.
_CORRUPT = (
    *(pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError),
    *(AttributeError, OverflowError, MemoryError, RecursionError),
)

#: Parts that a file may have for each of its bytes, counted as often as they are referred to: a list of ten times the
#: same list of ten times the same … has ten billion in a hundred bytes, all of which an array of it would hold.
_MAX_PARTS_PER_BYTE = 16


class _RefusedError(Exception):
    """A part of the pickle that is not on the allow-list; the message names it."""


def _text(value: object) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(value)


def _raw(value: Any) -> bytes:
    # Python 2 wrote the buffer as `str`, which arrives here decoded as latin1.
    if isinstance(value, str):
        return value.encode("latin1")
    return value if isinstance(value, bytes) else bytes(memoryview(value))


class _DType:
    """Stands for `numpy.dtype` until its array is built: keeps the code and the byte order, believes nothing else."""

    __slots__ = ("code", "order")
    order: Literal["<", ">", "|", "="]

    def __init__(self, code: object, align: object = False, copy: object = True) -> None:
        self.code, self.order = _text(code), "="
        if not _DTYPE_CODE.fullmatch(self.code):
            raise _RefusedError(f"numpy.dtype({self.code[:40]!r})")

    def __setstate__(self, state: tuple) -> None:
        order, subarray, names, fields = state[1:5]
        order = _text(order)
        if subarray is not None or names is not None or fields is not None or order not in ("<", ">", "|", "="):
            raise _RefusedError("a structured numpy.dtype")
        self.order = order

    def build(self) -> np.dtype:
        return np.dtype(self.code.replace("O8", "O")).newbyteorder(self.order)


def _checked_dtype(data: object, dtype: object, shape: object) -> np.dtype:
    """The real dtype of an array whose announced shape is the size of its data."""
    if not isinstance(dtype, _DType):
        raise _RefusedError(f"an array with a {type(dtype).__name__} for dtype")
    if not isinstance(shape, tuple) or any(not isinstance(size, int) or size < 0 for size in shape):
        raise ValueError("an array's shape is no tuple of sizes")
    kind = dtype.build()
    if kind.hasobject != isinstance(data, list):
        raise ValueError(f"an array of {kind} holds a {type(data).__name__}")
    held = len(data) if isinstance(data, list) else len(_raw(data)) / kind.itemsize
    if held != math.prod(shape):
        raise ValueError(f"an array announces shape {shape} and holds {held:g} values")
    if kind.kind == "U":
        # numpy stores characters as numbers, and Python stops at one beyond Unicode with a SystemError.
        largest = np.frombuffer(_raw(data), np.dtype(np.uint32).newbyteorder(kind.byteorder)).max(initial=0)
        if largest > sys.maxunicode:
            raise ValueError(f"an array of text has the character {int(largest):#x}, beyond Unicode")
    return kind


class _Array(np.ndarray):
    """An array whose state is checked. `_plain` turns it into a `numpy.ndarray` at the end."""

    def __setstate__(self, state: tuple) -> None:
        shape, dtype, is_fortran, data = state[-4:]
        kind = _checked_dtype(data, dtype, shape)
        checked = (1, shape, kind, bool(is_fortran), data if kind.hasobject else _raw(data))
        # The stub asks for a bool of numpy's, which numpy itself does not take.
        super().__setstate__(checked)  # pyright: ignore[reportArgumentType]


class _Callable:
    """A checked stand-in for an allowed name, with `__slots__` at every level: a pickle cannot set attributes on it."""

    __slots__ = ()


class _NDArray(_Callable):
    """`numpy.ndarray`, as the mere argument that `_reconstruct` takes: called, it would allocate any shape."""

    __slots__ = ()


class _Reconstruct(_Callable):
    __slots__ = ()

    def __call__(self, kind: object, shape: object, code: object) -> _Array:
        if not isinstance(kind, _NDArray) or shape != (0,):
            raise _RefusedError("numpy.core.multiarray._reconstruct of something else than an empty ndarray")
        return np.ndarray.__new__(_Array, (0,), np.int8)


class _Scalar(_Callable):
    __slots__ = ()

    def __call__(self, dtype: object, data: object) -> np.generic:
        kind = _checked_dtype(data, dtype, ())
        if kind.hasobject:
            raise _RefusedError("a numpy scalar of dtype object")
        return np.frombuffer(_raw(data), kind)[0]


class _FromBuffer(_Callable):
    __slots__ = ()

    def __call__(self, data: object, dtype: object, shape: Any, order: object, axes: Any = None) -> np.ndarray:
        kind = _checked_dtype(data, dtype, shape)
        if kind.hasobject:
            raise _RefusedError("numpy.core.numeric._frombuffer of dtype object")
        if (order := _text(order)) not in ("C", "F", "A", "K"):
            raise ValueError(f"an array's order is {order!r:.40}")
        other = order == "K" and axes is not None  # axes in another order in memory, as numpy 2.4 writes them
        array = np.ndarray(shape, kind, buffer=bytearray(_raw(data)), order="C" if other else order)
        return array.transpose(axes) if other else array


class _Encode(_Callable):
    __slots__ = ()

    def __call__(self, value: str, encoding: object = "latin1") -> bytes:
        if _text(encoding) not in ("latin1", "latin-1"):
            raise _RefusedError(f"_codecs.encode to {_text(encoding)[:40]!r}")
        return value.encode("latin1")


class _Bytes(_Callable):
    __slots__ = ()

    def __call__(self, value: object = b"", encoding: object = "latin1") -> bytes:
        # `bytes(10 ** 12)` would allocate a terabyte.
        if not isinstance(value, (bytes, str)):
            raise _RefusedError(f"builtins.bytes of {type(value).__name__}")
        return _raw(value)


class _ByteArray(_Callable):
    __slots__ = ()

    def __call__(self, value: object = b"", *encoding: object) -> bytearray:
        if not isinstance(value, bytes) and not (isinstance(value, str) and encoding):
            raise TypeError("a bytearray needs bytes, or text and an encoding")
        return bytearray(_raw(value))


_CONTAINERS = {kind.__name__: kind for kind in (list, dict, tuple, set, frozenset, int, float, complex, bool)}
_BUILTINS = {**_CONTAINERS, "bytes": _Bytes(), "bytearray": _ByteArray()}
_MULTIARRAY = {"_reconstruct": _Reconstruct(), "scalar": _Scalar()}
_NUMERIC = {"_frombuffer": _FromBuffer()}
_ALLOWED = {
    "builtins": _BUILTINS,
    "__builtin__": _BUILTINS,
    "collections": {"OrderedDict": collections.OrderedDict, "defaultdict": collections.defaultdict},
    "_codecs": {"encode": _Encode()},
    "numpy": {"ndarray": _NDArray(), "dtype": _DType},
    "numpy.core.multiarray": _MULTIARRAY,
    "numpy._core.multiarray": _MULTIARRAY,
    "numpy.core.numeric": _NUMERIC,
    "numpy._core.numeric": _NUMERIC,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if name not in _ALLOWED.get(module, {}):
            raise _RefusedError(" ".join(f"{module}.{name}".split()))
        return _ALLOWED[module][name]


def load_pickle(path: str | Path, *, max_bytes: int = MAX_PICKLE_BYTES) -> object:
    """Reads a pickle without running anything that it asks for.

    Python 2 strings are read as latin1, or as bytes where that fails.

    Args:
        path: the file, of any pickle protocol, from Python 2 or 3 and numpy 1 or 2.
        max_bytes: files above this many bytes are refused unread.

    Returns:
        Numbers, text, bytes, containers and `numpy.ndarray`s of numbers, text or (of all of these) objects.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no regular one, too large, or no whole pickle (the message says what it is instead), or
            asks for anything that is not on the allow-list (the message names it, e.g. `os.system`).
    """
    path = check_file(path, "pickle")
    size = path.stat().st_size
    if size > max_bytes:
        raise ValueError(
            f"The pickle is too large. Expected at most {max_bytes} bytes. Received: {size} bytes ({path}). "
            f"Check where the file comes from, or split it by fold."
        )
    try:
        with path.open("rb") as stream:
            _check_opcodes(stream, size)
            try:
                content = _plain(_load(stream, "latin1"), {})
            except (TypeError, UnicodeError):
                content = _plain(_load(stream, "bytes"), {})
        parts = _count_parts(content, {})
        if parts > _MAX_PARTS_PER_BYTE * size:
            raise _RefusedError(f"{parts} parts in a file of {size} bytes, lists within lists")
    except _RefusedError as asked:
        raise refused(path, str(asked)) from None
    except _CORRUPT as error:
        raise corrupt(path, error) from error
    check_content(content, path)
    return content


def _load(stream: io.BufferedReader, encoding: str) -> object:
    stream.seek(0)
    return _Unpickler(stream, encoding=encoding).load()


def _check_opcodes(stream: io.BufferedReader, size: int) -> None:
    # The memo is an array up to the largest index: one opcode with index 2³² would fill 32 GiB.
    for opcode, argument, _ in pickletools.genops(stream):
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and (argument or 0) > size:
            raise ValueError(f"memo index {argument} in a file of {size} bytes")


def _plain(value: object, done: dict[int, tuple[object, object]]) -> object:
    """Turns every `_Array` inside `value` into a plain `ndarray`. `done` keeps the originals, so no id recurs."""
    if isinstance(value, (str, bytes, int, float, complex, np.generic, type(None))):
        return value
    if id(value) in done:
        return done[id(value)][1]
    if isinstance(value, (_DType, _Callable, type)):
        raise _RefusedError(f"a bare {type(value).__name__.strip('_')}")
    if isinstance(value, np.ndarray):
        plain = value.view(np.ndarray)
        done[id(value)] = (value, plain)
        if plain.dtype.hasobject:
            # Through a 1-d view at least: `array[()] = value` would broadcast the value.
            cells = plain.reshape(1) if plain.ndim == 0 else plain
            for index in np.ndindex(cells.shape):
                cells[index] = _plain(cells[index], done)
        return plain
    if isinstance(value, tuple):
        done[id(value)] = (value, tuple(_plain(part, done) for part in value))
        return done[id(value)][1]
    done[id(value)] = (value, value)
    if isinstance(value, list):
        value[:] = [_plain(part, done) for part in value]
    elif isinstance(value, dict):
        for key in value:
            value[key] = _plain(value[key], done)
    return value


def _count_parts(value: object, counted: dict[int, int]) -> int:
    """The objects inside `value`, shared ones as often as they are referred to."""
    if isinstance(value, np.ndarray) and value.dtype.hasobject:
        inside = value.ravel().tolist()
    elif isinstance(value, (list, tuple, set, frozenset, dict)):
        inside = value.values() if isinstance(value, dict) else value
    else:
        return 1
    if id(value) not in counted:
        # What holds itself counts once.
        counted[id(value)] = 1
        counted[id(value)] += sum(_count_parts(part, counted) for part in inside)
    return counted[id(value)]
