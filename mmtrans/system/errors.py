"""What the operating system refuses (a full disk, a read-only place, too little memory), told in one sentence.

Python tells of it by `OSError`, HDF5 and the dynamic linker by the text of their own errors, TensorFlow by kinds of its
own. This is the one place that knows them all. TensorFlow is not imported: where it is not loaded, none is of its kind.
"""

from __future__ import annotations

import errno
import os
import re
import sys

#: Name of an error's number → what is wrong, what was expected, what to do.
_NAMED = {
    "ENOSPC": ("The disk is full", "room for what is written", "Make room there"),
    "EDQUOT": ("The quota of the disk is used up", "room for what is written", "Make room there"),
    "EROFS": ("The place is read-only", "one that can be written to", "Choose another"),
    "EACCES": ("Permission is denied", "the right to read or write there", "Ask for it, or choose another place"),
    "EPERM": ("Permission is denied", "the right to read or write there", "Ask for it, or choose another place"),
    "ENOENT": ("There is no such file or directory", "one that exists", "Check the name"),
    "ENOTDIR": ("A part of the path is no directory", "directories above the last name", "Check the path"),
    "EISDIR": ("A directory is in the place of a file", "a file", "Choose another name"),
    "ENOTEMPTY": ("The directory is not empty", "a new or empty one", "Choose another name"),
    "EEXIST": ("Something of that name is in the way", "a new name, below directories", "Choose another"),
    "ENAMETOOLONG": ("The name is too long", "one that the file system takes", "Choose a shorter one"),
    "ELOOP": ("The links of the path go round in a circle", "a path that ends", "Check the links"),
    "ENOLCK": ("The file system has no locks", "one that locks files", "Choose a place on another"),
    "ENOTSUP": ("The file system cannot do that", "one that can", "Choose a place on another"),
    "EFBIG": ("The file is too large for the file system", "one that takes it", "Choose a place on another"),
    "EMFILE": ("Too many files are open", "room for some more", "Raise the limit with `ulimit -n 1024`"),
    "ENFILE": ("Too many files are open on this machine", "room for some more", "End other programs"),
    "EIO": ("The device fails", "one that reads and writes", "Check the disk, or choose another"),
    "ESTALE": ("The network drive has lost the file", "one that stays", "Give the command again"),
}

#: The same by number; not every system has all of them.
_KNOWN = {getattr(errno, name): told for name, told in _NAMED.items() if hasattr(errno, name)}

_MEMORY = (
    "The memory has run out. Expected room for what is computed. Received: {received}. Close other programs, or choose "
    "a smaller --batch-size, fewer units or fewer --jobs."
)

#: Text → number. The longer text is looked for first, as one may be a part of another.
_TEXTS = sorted(((os.strerror(number), number) for number in _KNOWN), key=lambda pair: -len(pair[0]))

_HDF5_NUMBER = re.compile(r"errno = (\d+)")

#: By which TensorFlow says what in a graph has failed.
_NODE = re.compile(r"\{\{.*?\}\}")

#: The most characters of another program's message that are shown.
_SHOWN = 300


class SystemRefusalError(ValueError):
    """The operating system refused something, as the message says."""


def kinds() -> tuple[type[BaseException], ...]:
    """Exceptions that may be a refusal of the system's; `sentence_of` knows whether one is."""
    # ImportError: a library cannot be loaded without a file descriptor.
    known = (OSError, MemoryError, ImportError)
    of_tensorflow = _tensorflow_error()
    return known if of_tensorflow is None else (*known, of_tensorflow)


def sentence_of(error: BaseException) -> str | None:
    """What the system refuses, in one sentence, or `None` where an error has nothing to do with it."""
    if is_memory(error):
        return _MEMORY.format(received=_shown(error) or "no message")
    number = _number_of(error)
    if number is not None and number in _KNOWN:
        problem, expected, remedy = _KNOWN[number]
        return f"{problem}. Expected {expected}. Received: {_received(error)}. {remedy}."
    if not isinstance(error, OSError):
        return None
    if error.errno is None:
        # One of ours, which is a sentence already; or another library's.
        return str(error) or f"The operating system refuses something. Received: {type(error).__name__}."
    return (
        f"The operating system refuses: {error.strerror}. Expected a file or device that works. "
        f"Received: {_received(error)}."
    )


def is_refusal(error: BaseException) -> bool:
    """Whether the system refuses something that another task, or another model, would be refused too."""
    return _number_of(error) is not None and not is_memory(error)


def refusal_of(error: object, path: object) -> SystemRefusalError | None:
    """What the system refuses of a file, where an exception of a library that reads it tells of that; else `None`.

    Such a file need not be damaged, which the same kinds of exceptions tell of.
    """
    if not isinstance(error, OSError) or error.errno is None or error.errno not in _KNOWN:
        return None
    return SystemRefusalError(sentence_of(OSError(error.errno, os.strerror(error.errno), str(path))))


def is_memory(error: BaseException) -> bool:
    """Whether memory has run out: a smaller model, or a smaller batch, may well have enough."""
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return True
    tensorflow = sys.modules.get("tensorflow")
    exhausted = tensorflow is not None and isinstance(error, tensorflow.errors.ResourceExhaustedError)
    return exhausted and _number_of(error) is None


def _number_of(error: BaseException) -> int | None:
    """The number that the system gave an error, found in its message where it is not told."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    if not isinstance(error, kinds()):
        return None
    text = str(error)
    if match := _HDF5_NUMBER.search(text):
        return int(match[1])
    return next((number for meaning, number in _TEXTS if meaning in text), None)


def _received(error: BaseException) -> str:
    names = [getattr(error, "filename", None), getattr(error, "filename2", None)]
    listed = " → ".join(repr(os.fsdecode(name)) for name in names if isinstance(name, (str, bytes, os.PathLike)))
    if listed:
        return f"file={listed}"
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno is not None else _shown(error)


def _shown(error: BaseException) -> str:
    text = " ".join(_NODE.sub("", str(getattr(error, "message", None) or error)).split()).rstrip(".")
    return text if len(text) <= _SHOWN else text[:_SHOWN] + " …"


def _tensorflow_error() -> type[BaseException] | None:
    tensorflow = sys.modules.get("tensorflow")
    # It has no `errors` yet while it is being imported.
    return getattr(getattr(tensorflow, "errors", None), "OpError", None)
