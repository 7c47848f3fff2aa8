"""Reads the files that this project writes: JSON of a declared shape, .npz and .csv; damage is one sentence."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import reprlib
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec

if TYPE_CHECKING:
    import numpy as np

Shape = TypeVar("Shape")

#: A number of things, or a size; JSON's own integers have no end.
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]

#: A number that is neither NaN nor infinite.
Finite = Annotated[float, msgspec.Meta(ge=-1.7e308, le=1.7e308)]

#: What zipfile and numpy raise on a damaged archive.
_NPZ_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    tokenize.TokenError,
    SyntaxError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    RuntimeError,
    OverflowError,
    MemoryError,
)

#: What msgspec calls the types of JSON.
_WORDS = {
    "float": "a number",
    "int": "a whole number",
    "str": "a text",
    "bool": "true or false",
    "object": "a mapping",
    "array": "a list",
}

_REPR = reprlib.Repr()
_REPR.maxlevel, _REPR.maxstring, _REPR.maxother, _REPR.maxlong = 2, 80, 80, 50


def read_json(path: Path, shape: type[Shape], remedy: str) -> Shape:
    """The content of a JSON file, checked against a shape.

    Args:
        path: the file, which is there.
        shape: a dataclass, which is returned, or another type that msgspec checks, as a `TypedDict` or `dict[str, …]`,
            of which the content is returned as it is. Either may lack keys of the file: a later version wrote them.
        remedy: what the user does about damage, a sentence.

    Raises:
        ValueError: the file is no JSON, or of another shape; the message names file, key and remedy.
    """
    data = _bytes_of(path, "JSON", remedy)
    try:
        content = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        received = "an empty file" if not data.strip() else f"{type(error).__name__} {error}"
        raise damage(path, "JSON", received, remedy) from error
    return shaped(content, shape, path, remedy)


def shaped(content: Any, shape: type[Shape], path: Path, remedy: str) -> Shape:
    """Checks what a file holds against a shape; see `read_json`."""
    try:
        converted = msgspec.convert(content, shape)
    except (msgspec.ValidationError, RecursionError) as error:
        expected, received = _explained(content, shape, str(error))
        raise damage(path, expected, received, remedy) from error
    return converted if is_dataclass(shape) else content


def read_npz(path: Path, names: Iterable[str], remedy: str) -> dict[str, np.ndarray]:
    """The arrays of an .npz file, each checked by its checksum.

    Args:
        path: the file, which is there.
        names: arrays that must be among them.
        remedy: what the user does about damage, a sentence.

    Raises:
        ValueError: the file is no whole archive of arrays of numbers or text, or lacks one.
    """
    data = _bytes_of(path, "an .npz archive", remedy)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            # Read to its end, a member is checked by zipfile; numpy by itself reads as much as a header announces.
            members = {name.removesuffix(".npy"): archive.read(name) for name in archive.namelist()}
        arrays = {name: _array(data) for name, data in members.items()}
    except _NPZ_DAMAGE as error:
        raise damage(path, "an .npz archive", f"{type(error).__name__} {error}", remedy) from error
    missing = sorted(set(names) - set(arrays))
    if missing:
        raise damage(path, f"the arrays {sorted(names)}", f"missing={missing}", remedy)
    return arrays


def read_csv(path: Path, columns: Mapping[str, type], remedy: str) -> list[dict[str, str]]:
    """The rows of a CSV file with a header, as text.

    Args:
        path: the file, which is there.
        columns: name → `str` or `float`, of those that must be there; a `float` is finite.
        remedy: what the user does about damage, a sentence.

    Raises:
        ValueError: the file is no such table; the message names file, line and column.
    """
    data = _bytes_of(path, "a CSV file in UTF-8", remedy)
    try:
        reader = csv.DictReader(io.StringIO(data.decode("utf-8"), newline=""), strict=True)
        missing = sorted(set(columns) - set(reader.fieldnames or ()))
        if missing:
            raise damage(path, f"the columns {list(columns)}", f"missing={missing}", remedy)
        rows = []
        for row in reader:
            _check_row(row, columns, path, f"line {reader.line_num}", remedy)
            rows.append(row)
    except (UnicodeDecodeError, csv.Error) as error:
        raise damage(path, "a CSV file in UTF-8", f"{type(error).__name__} {error}", remedy) from error
    return rows


def damage(path: Path, expected: str, received: str, remedy: str) -> ValueError:
    """The error of a file that is not as it was written."""
    return ValueError(
        f"A file is damaged. Expected {expected}. Received: {' '.join(received.split())[:300]} ({path}). {remedy}"
    )


def shown(value: object) -> str:
    """A value for a message, short whatever it holds."""
    return _REPR.repr(value)


def _bytes_of(path: Path, expected: str, remedy: str) -> bytes:
    """The content of a file, links followed; a pipe would be waited for, and a device be read, without end."""
    if path.exists() and not path.is_file():
        raise damage(path, expected, "a folder" if path.is_dir() else "a pipe or a device", remedy)
    return path.read_bytes()


def _array(data: bytes) -> np.ndarray:
    # Imported when needed: the command line, which answers at once, checks its configuration with this module.
    import numpy as np

    stream = io.BytesIO(data)
    array = np.lib.format.read_array(stream, allow_pickle=False)
    if stream.read(1):
        raise ValueError("bytes after the array")
    return array


def _check_row(row: Mapping[str, str], columns: Mapping[str, type], path: Path, line: str, remedy: str) -> None:
    if None in row or None in row.values():
        raise damage(path, "as many cells in each row as in the header", line, remedy)
    for name, kind in columns.items():
        if kind is float and not _is_finite(row[name]):
            raise damage(path, "a number", f"{name}={shown(row[name])}, {line}", remedy)


def _is_finite(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _explained(content: Any, shape: type, message: str) -> tuple[str, str]:
    """What msgspec expected, and what it got in place of that."""
    problem, _, place = message.partition(" - at `$")
    path = _located(content, shape, problem, re.findall(r"\.(\w+)|\[(\d+|\.\.\.)\]", place))
    value = content
    for step in path:
        value = value[step]
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".") or "content"
    if match := re.match(r"Object missing required field `(.*)`", problem):
        return f"the key {match[1]}", f"{where} without it"
    if match := re.match(r"Expected (.*?)(, got .*)?$", problem):
        return _in_words(match[1]), f"{where}={shown(value)}"
    return "parts that agree", f"{where}: {problem}"


def _in_words(expected: str) -> str:
    """A type as msgspec names it, in words."""
    text = expected.replace("`", "")
    for name, word in _WORDS.items():
        text = re.sub(rf"\b{name}\b", word, text)
    return re.sub(r"a number [<>]=? ?-?1\.7e\+308", "a finite number", text).replace(" | ", " or ")


def _located(content: Any, shape: type, problem: str, steps: list[tuple[str, str]]) -> list[str | int]:
    """Keys and indices of the value that msgspec refused: of a key of a mapping it says but `[...]`."""
    path: list[str | int] = []
    value = content
    for name, index in steps:
        step = name or index
        if step == "...":
            step = next((key for key in value if _is_refused(content, shape, problem, path, {key: value[key]})), None)
            if step is None:
                return path
        elif index:
            step = int(index)
        path.append(step)
        value = value[step]
    return path


def _is_refused(content: Any, shape: type, problem: str, path: list[str | int], value: Any) -> bool:
    """Whether a shape is refused for the same reason with another value at a path."""
    try:
        msgspec.convert(_replaced(content, path, value), shape)
    except msgspec.ValidationError as error:
        return str(error).startswith(problem)
    return False


def _replaced(content: Any, path: list[str | int], value: Any) -> Any:
    if not path:
        return value
    inner = _replaced(content[path[0]], path[1:], value)
    if isinstance(content, dict):
        return {**content, path[0]: inner}
    return [inner if number == path[0] else item for number, item in enumerate(content)]
