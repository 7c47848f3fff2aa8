"""The file of a measurement: its lines, the command, the commit of what is measured, the date, and the machine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmtrans.system.files import write_atomically
from tools.figures.provenance import command_of, named, provenance


class Record:
    """Writes a measurement's file anew with each line, so that what was measured before an interrupt is there.

    Args:
        path: the file.
        arguments: the command line.
    """

    def __init__(self, path: Path, arguments: Sequence[str]):
        self.path = path
        self.content: dict[str, Any] = {
            **provenance(command_of("tools.benchmark", arguments)),
            "lines": [],
        }

    def add(self, line: Mapping[str, Any]) -> None:
        """Adds a line."""
        line = dict(line)
        if "configuration" in line:
            line["configuration"] = {name: named(value) for name, value in line["configuration"].items()}
        self.content["lines"].append(line)
        write_atomically(self.path, json.dumps(self.content, indent=1) + "\n")
