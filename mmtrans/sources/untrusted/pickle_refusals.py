"""Why a pickle is not read: it asks for a program, holds objects of a library, is another file, or is damaged."""

from __future__ import annotations

import pickletools
import re
import sys
from pathlib import Path

from mmtrans.system.user_files import CRLF, FileKind, unreadable, what_is

_NEEDS = "numbers, text, containers and numpy arrays"
_EXPECTED = f"a whole pickle of {_NEEDS}"

#: library → how its objects become numpy arrays.
_LIBRARIES = {
    "pandas": "Turn tables into numpy arrays (frame.to_numpy()) or dicts (frame.to_dict('list'))",
    "torch": "Turn tensors into numpy arrays (tensor.numpy())",
    "tensorflow": "Turn tensors into numpy arrays (tensor.numpy())",
    "jax": "Turn arrays into numpy's (numpy.asarray(array))",
    "jaxlib": "Turn arrays into numpy's (numpy.asarray(array))",
    "scipy": "Turn sparse matrices into numpy arrays (matrix.toarray())",
    "joblib": "Load it with joblib.load",
    "numpy": "Turn masked arrays and matrices into plain ones (numpy.asarray(array))",
}

#: Modules of Python whose objects are data, if not such as a corpus needs.
_HARMLESS = ("argparse", "array", "collections", "copyreg", "copy_reg", "datetime", "decimal", "enum", "fractions")
_HARMLESS += ("pathlib", "types", "uuid", "zoneinfo")

#: The number with which old files of PyTorch begin.
_TORCH_MAGIC = 0x1950A86A20F9469CFC6C

_HEAD_BYTES = 1 << 16

#: Fewer line ends than this may be CRLF by chance.
_MIN_LINE_ENDS = 3


def refused(path: Path, name: str) -> ValueError:
    """The sentence about a pickle that asks for something that is not on the allow-list.

    Args:
        path: the file.
        name: name of what the pickle asks for, e.g. `os.system`.
    """
    if _has_crlf(path):
        return unreadable(path, "pickle", _EXPECTED, CRLF)
    library = _library_of(name)
    if library is None:
        return ValueError(
            f"The pickle asks for something that data never needs. Expected {_NEEDS}. Received: {name} ({path}). "
            f"Do not open this file in other programs; get it from another mirror."
        )
    change = _LIBRARIES.get(library, "Turn them into numpy arrays")
    return ValueError(
        f"The pickle cannot be read: it holds objects of {library}. Expected {_NEEDS}. Received: {name} ({path}). "
        f"{change} where {library} is at hand, and write those with pickle.dump."
    )


def corrupt(path: Path, error: Exception) -> ValueError:
    """The sentence about a file that is no whole pickle."""
    kind = _kind_of(path)
    if kind is not None:
        return unreadable(path, "pickle", _EXPECTED, kind)
    detail = " ".join(str(error).split())[:200]
    return ValueError(
        f"The pickle cannot be read. Expected a whole pickle file. "
        f"Received: {path.stat().st_size} bytes, {type(error).__name__}: {detail} ({path}). Download it again."
    )


def check_content(content: object, path: Path) -> None:
    """Raises a ValueError for the number that stands before the tensors in old files of PyTorch."""
    if type(content) is int and content == _TORCH_MAGIC:
        raise refused(path, "torch.save")


def _library_of(name: str) -> str | None:
    """The library whose objects are asked for, or `None` where the name may be that of a program to be run."""
    top, _, rest = name.partition(".")
    if top == "numpy":
        return "numpy" if re.match(r"(ma|matrixlib|core\.records|rec)\b", rest) else None
    if not re.fullmatch(r"[A-Za-z_][\w.]*", name) or top in ("nt", "posix", "builtins", "__builtin__", "__main__"):
        return "a program of its own" if top == "__main__" else None
    return top if top in _HARMLESS or top not in sys.stdlib_module_names else None


def _kind_of(path: Path) -> FileKind | None:
    kind = what_is(path)
    if kind is not None:
        return kind
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if b"joblib" in head:
        return FileKind("a file of joblib", "Load it with joblib.load, and write what it holds with pickle.dump")
    if chr(head[0]) not in {opcode.code for opcode in pickletools.opcodes}:
        text = repr(head[:16].decode("utf-8", "replace"))
        return FileKind(f"no pickle, and begins with {text}", "Check where the file comes from")
    return CRLF if _has_crlf(path) else None


def _has_crlf(path: Path) -> bool:
    """Whether every line end of the beginning is CRLF; in a pickle as it was written, LF stands alone."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    return head.count(b"\r\n") == head.count(b"\n") >= _MIN_LINE_ENDS
