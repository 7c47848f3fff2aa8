"""Files that users name: only regular ones are opened, and what is another file than its name says is called by name.

A named pipe or a device is waited for without end, and a link to nothing is easily passed over: `has_file` and
`check_file` refuse them before anything is opened. `what_is` tells by the first bytes what a file that cannot be read
is: a pointer of git-lfs, a web page, a compressed file.
"""

from __future__ import annotations

import os
import stat
import zipfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FileKind:
    """What a file is by its first bytes.

    Attributes:
        name: name of the kind with its article, e.g. `a web page`.
        remedy: what to do, without a full stop.
    """

    name: str
    remedy: str


HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"

_FETCH = "Download the file itself"
_UNPACK = "Unpack it, and give the file that is inside"
_UTF_8 = "Save it as UTF-8"
_TEXT_MODE = "Transfer the file again in binary mode"

_LFS = FileKind("a pointer of git-lfs, which stands for the file", "Fetch the file itself with `git lfs pull`")
EMPTY = FileKind("an empty file", "Download or write it again")
HDF5 = FileKind("an HDF5 file", "Name it .csd or .h5")
PLAIN_ZIP = FileKind("a zip archive", _UNPACK)
SPREADSHEET = FileKind("a spreadsheet (Excel or OpenDocument)", "Save it as CSV in UTF-8")
UTF_16 = FileKind("text in UTF-16", _UTF_8)
CRLF = FileKind("one whose line ends were changed from LF to CRLF", f"{_TEXT_MODE}, or turn them back with dos2unix")


def _compressed(by: str) -> FileKind:
    return FileKind(f"a file compressed with {by}", _UNPACK)


#: (offset, bytes there, what it is); the first that fits counts.
_SIGNATURES: tuple[tuple[int, bytes, FileKind], ...] = (
    (0, b"version https://git-lfs", _LFS),
    (0, b"\x1f\x8b", _compressed("gzip")),
    (0, b"\x28\xb5\x2f\xfd", _compressed("zstd")),
    (0, b"\xfd7zXZ\x00", _compressed("xz")),
    (0, b"BZh", _compressed("bzip2")),
    (0, b"\x04\x22\x4d\x18", _compressed("lz4")),
    *((0, bytes([0x78, level]), _compressed("zlib (perhaps by joblib)")) for level in (0x01, 0x5E, 0x9C, 0xDA)),
    (0, b"\x5d\x00\x00", _compressed("lzma")),
    (0, b"7z\xbc\xaf\x27\x1c", FileKind("a 7z archive", _UNPACK)),
    (0, b"Rar!\x1a\x07", FileKind("a rar archive", _UNPACK)),
    (257, b"ustar", FileKind("a tar archive", _UNPACK)),
    (0, HDF5_SIGNATURE, HDF5),
    *(
        (0, damaged, FileKind("an HDF5 file that was transferred as text", _TEXT_MODE))
        for damaged in (b"\x89HDF\n\x1a\n", b"\x89HDF\r\r\n", b"\xef\xbf\xbdHDF")
    ),
    (0, b"\xef\xbf\xbd", FileKind("a binary file that was transferred as text", _TEXT_MODE)),
    (0, b"\x93NUMPY", FileKind("a numpy array (.npy)", "Write the arrays, by split and name, with pickle.dump")),
    (0, b"\xff\xfe", UTF_16),
    (0, b"\xfe\xff", UTF_16),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", SPREADSHEET),
    (0, b"PAR1", FileKind("a Parquet file", "Write its columns as numpy arrays with pickle.dump")),
    (0, b"ARROW1", FileKind("an Arrow file", "Write its columns as numpy arrays with pickle.dump")),
    (0, b"MATLAB 5.0 MAT-file", FileKind("a MATLAB file", "Write its arrays with numpy.savez or pickle.dump")),
    (0, b"SQLite format 3\x00", FileKind("an SQLite data base", "Write its tables as numpy arrays with pickle.dump")),
    (0, b"\xba\x16\x4f\x2f", FileKind("a binary model of fastText", "Give its vectors as text (the .vec file)")),
    (0, b"%PDF-", FileKind("a PDF", _FETCH)),
    (0, b"\x89PNG", FileKind("a picture (PNG)", _FETCH)),
    (0, b"\xff\xd8\xff", FileKind("a picture (JPEG)", _FETCH)),
    (0, b"RIFF", FileKind("a sound or video file", "Give the features that were taken from it")),
    (4, b"ftyp", FileKind("a video file", "Give the features that were taken from it")),
)

_REGULAR = "a regular file"
_HEAD_BYTES = 1 << 16
_HTML = (b"<!doctype html", b"<html", b"<head", b"<body", b"<?xml", b"<!--")


def has_file(path: str | Path, what: str = "file") -> bool:
    """Tells whether there is a file to be read at `path`, links followed.

    Args:
        path: the place where the file may be.
        what: what the file is for, e.g. `folds file`.

    Returns:
        `False` where there is nothing.

    Raises:
        ValueError: there is something, and no regular file: a folder, a named pipe, a device, a link to nothing.
    """
    found = _found_at(Path(path))
    if found in (None, _REGULAR):
        return found is not None
    raise ValueError(
        f"The {what} cannot be read: it is {found}. Expected a regular file. Received: {path}. "
        f"Give the file itself, or remove it."
    )


def check_file(path: str | Path, what: str, expected: str = "a regular file") -> Path:
    """The path of a regular file, links followed; nothing is opened.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        ValueError: there is something else, see `has_file`.
    """
    if not has_file(path, what):
        remedy = "Standard input is not read: name a file" if str(path) == "-" else "Check the name"
        raise FileNotFoundError(f"There is no {what} at {path}. Expected {expected}. {remedy}.")
    return Path(path)


def _found_at(path: Path) -> str | None:
    """What stands at `path`, links followed, or `None` for nothing."""
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return f"a link to nothing ({os.readlink(path)})" if os.path.islink(path) else None
    except ValueError:
        # A NUL in the name.
        return None
    except OSError:
        if os.path.islink(path):
            return "a link that cannot be followed"
        raise
    kinds = {stat.S_IFREG: _REGULAR, stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def what_is(path: str | Path) -> FileKind | None:
    """Tells by its first bytes what a regular file is; `None` where they tell nothing, as those of a pickle."""
    path = Path(path)
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        return EMPTY
    if head[:4] == b"PK\x03\x04":
        return _kind_of_zip(path)
    found = next((kind for offset, bytes_, kind in _SIGNATURES if head[offset : offset + len(bytes_)] == bytes_), None)
    if found is not None:
        return found
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_HTML):
        return FileKind("a web page (HTML)", f"{_FETCH}: a server has answered with a page in its place")
    if not head.strip(b"\0"):
        return FileKind("a file of zeros, as unfinished downloads leave it", "Download it again")
    # ASCII in UTF-16 without its mark.
    halves = head[0:40:2], head[1:40:2]
    is_wide = len(head) > 7 and any(all(half) and not any(other) for half, other in (halves, halves[::-1]))
    return UTF_16 if is_wide else None


def _kind_of_zip(path: Path) -> FileKind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return FileKind("a zip archive that is cut off or damaged", "Download it again")
    if any(name.endswith("/data.pkl") for name in names):
        remedy = "Turn its tensors into numpy arrays (tensor.numpy()), and write those with pickle.dump"
        return FileKind("a file of PyTorch", remedy)
    if "[Content_Types].xml" in names or "content.xml" in names:
        return SPREADSHEET
    if names and all(name.endswith(".npy") for name in names):
        remedy = "Name it text.npz, audio.npz or video.npz, and give the folder with its segments.csv"
        return FileKind("an archive of numpy arrays (.npz)", remedy)
    return PLAIN_ZIP


def unreadable(path: str | Path, what: str, expected: str, kind: FileKind) -> ValueError:
    """The one sentence about a file that is something else than it should be; to be raised by the caller."""
    return ValueError(
        f"The {what} cannot be read: it is {kind.name}. Expected {expected}. "
        f"Received: {path}, {os.path.getsize(path)} bytes. {kind.remedy}."
    )


def read_text(path: str | Path, what: str, expected: str) -> str:
    """The text of a file in UTF-8, with or without a byte order mark.

    Args:
        path: the file.
        what: what the file is, e.g. `folds file`.
        expected: what the file should be, e.g. `JSON or CSV`.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        ValueError: no regular file, or one that is not UTF-8.
    """
    path = check_file(path, what, expected)
    kind = what_is(path)
    if kind is not None:
        raise unreadable(path, what, expected, kind)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            # Line ends as they are: one within a quoted cell is no end of a line.
            return file.read()
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ValueError(
            f"The {what} cannot be read: it is not UTF-8. Expected {expected}. Received: byte "
            f"{error.object[error.start]:#04x} ({path}, line {line}). {_UTF_8}."
        ) from error


def starts_with(path: Path, signature: bytes) -> bool:
    """Whether a file begins with these bytes."""
    with path.open("rb") as file:
        return file.read(len(signature)) == signature
