"""Reads a Dockerfile and a .dockerignore, as far as ours go."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: The instructions that are known.
KEYWORDS = ("CMD", "COPY", "ENV", "EXPOSE", "FROM", "RUN", "USER", "WORKDIR")


@dataclass(frozen=True)
class Instruction:
    """One instruction of a Dockerfile.

    Attributes:
        line: Number of its first line, from 1.
        keyword: One of `KEYWORDS`.
        text: What follows the keyword, without the ends of lines.
    """

    line: int
    keyword: str
    text: str

    def words(self) -> list[str]:
        """What follows, word by word; of the form with brackets, its strings."""
        return json.loads(self.text) if self.text.startswith("[") else shlex.split(self.text)


def read_dockerfile(text: str) -> list[Instruction]:
    """The instructions of a Dockerfile, in their order.

    Raises:
        ValueError: An instruction is not one of `KEYWORDS`.
    """
    instructions, begun, first = [], "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        # Docker drops comments within an instruction too.
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        first = first if begun else number
        begun += line.strip().removesuffix("\\")
        if line.rstrip().endswith("\\"):
            continue
        keyword, _, rest = begun.partition(" ")
        if keyword not in KEYWORDS:
            raise ValueError(
                f"An instruction is not known here. Expected one of {', '.join(KEYWORDS)}. Received: {keyword} "
                f"(Dockerfile, line {first}). Teach it to tools/container."
            )
        instructions.append(Instruction(first, keyword, rest.strip()))
        begun = ""
    return instructions


def context_files(context: Path) -> Iterator[Path]:
    """What an engine sends to a build: the files of a folder that its .dockerignore leaves, relative to it.

    Of several patterns that match a path or a folder above it, the last one counts.

    Args:
        context: The folder. A pattern in it that begins with `!` keeps what an earlier one leaves out.
    """
    lines = (context / ".dockerignore").read_text(encoding="utf-8").splitlines()
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    kept = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    rules = [(_expression(pattern.removeprefix("!")), pattern.startswith("!")) for pattern in patterns]

    def is_left(path: str) -> bool:
        return ([True] + [keeps for rule, keeps in rules if rule.match(path)])[-1]

    for folder, folders, files in os.walk(context):
        here = Path(folder).relative_to(context)
        inner = {name: (here / name).as_posix() for name in folders}
        # Folders such as .venv are not walked.
        folders[:] = [
            name
            for name, path in inner.items()
            if is_left(path) or any(f"{keep}/".startswith(f"{path}/") for keep in kept)
        ]
        yield from (here / name for name in sorted(files) if is_left((here / name).as_posix()))


def _expression(pattern: str) -> re.Pattern[str]:
    """A pattern of a .dockerignore, as an expression for the beginning of a path."""
    parts = {"**/": "(?:.*/)?", "*": "[^/]*"}
    pieces = re.split(r"(\*\*/|\*)", pattern.strip("/"))
    return re.compile("".join(parts.get(piece, re.escape(piece)) for piece in pieces) + "(?:/|$)")
