"""Does the instructions of a Dockerfile in a chroot, one by one."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from string import Template

from tools.container.chroot import PATH, Chroot, mirror_of
from tools.container.dockerfile import Instruction, context_files

#: What RUN is told of the caller's way to package indexes, as build arguments of an engine tell it.
_PASSED = re.compile(r"PIP_\w+|SSL_CERT_FILE|REQUESTS_CA_BUNDLE|(https?|no)_proxy|(HTTPS?|NO)_PROXY")

#: Those that name a file, which must be within the chroot too.
_CERTIFICATES = {"PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"}


class Build:
    """An image under way: a chroot, and what the instructions so far have set.

    Args:
        context: The folder of the Dockerfile.
        chroot: Where the instructions are done.
        caller: The environment of the caller. Settings of package indexes are passed to RUN, and no others.

    Attributes:
        environment: What ENV has set.
        place: The working directory.
        user: The user's name.
        command: What CMD names.
    """

    def __init__(self, context: Path, chroot: Chroot, caller: Mapping[str, str]):
        self.context, self.chroot = context, chroot
        self.passed = {name: value for name, value in caller.items() if _PASSED.fullmatch(name)}
        self.environment, self.place, self.user = {"PATH": PATH}, "/", "root"
        self.command: list[str] = []

    def do(self, instruction: Instruction) -> None:
        """Does one instruction.

        Raises:
            ValueError: A command failed, or the instruction says what is not known here.
        """
        match instruction.keyword:
            case "FROM":
                self._begin(instruction)
            case "ENV":
                for name, _, value in (word.partition("=") for word in instruction.words()):
                    self.environment[name] = Template(value).safe_substitute(self.environment)
            case "WORKDIR":
                self.place = os.path.join(self.place, instruction.text)
                self._within(self.place).mkdir(parents=True, exist_ok=True)
            case "COPY":
                self._copy(instruction)
            case "RUN":
                command = ["/bin/sh", "-c", instruction.text]
                self.chroot.run(command, {**self.passed, **self.settings()}, self.place, self.user)
            case "USER":
                self.user = instruction.text
            case "CMD":
                self.command = instruction.words()

    def settings(self) -> dict[str, str]:
        """The environment of the image's commands: what ENV has set, and the home of the user."""
        lines = self._within("/etc/passwd").read_text(encoding="utf-8").splitlines()
        homes = {name: home for name, *_, home, _ in (line.split(":") for line in lines)}
        return {"HOME": homes[self.user], **self.environment}

    def _begin(self, instruction: Instruction) -> None:
        base = re.fullmatch(r"debian:([a-z]+)-slim", instruction.text)
        if base is None:
            raise ValueError(
                f"Only a Debian can be made here. Expected FROM debian:SUITE-slim. Received: {instruction.text} "
                f"(Dockerfile, line {instruction.line}). Name one."
            )
        self.chroot.install(base[1], mirror_of(base[1]))
        files = [name for name in _CERTIFICATES & self.passed.keys() if os.path.isfile(self.passed[name])]
        for name in files:
            # Not in its own place: Debian's certificates are written to /etc/ssl when they are installed.
            place = f"/{name}.pem"
            shutil.copyfile(self.passed[name], self._within(place))
            self.passed[name] = place

    def _copy(self, instruction: Instruction) -> None:
        source, target = instruction.words()
        if source != ".":
            raise ValueError(
                f"Only the whole folder is copied here. Expected COPY . PLACE. Received: {instruction.text} "
                f"(Dockerfile, line {instruction.line}). Choose files in .dockerignore."
            )
        for path in context_files(self.context):
            place = self._within(os.path.join(self.place, target)) / path
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.context / path, place)

    def _within(self, path: str | Path) -> Path:
        """A path of the chroot, as it is called from outside."""
        return self.chroot.root / str(path).lstrip("/")
