"""keras-tuner's own distribution, by its environment variables: a chief that proposes, and workers that train."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import MutableMapping
from dataclasses import dataclass

TUNER_ID, ADDRESS, PORT = "KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT"


@dataclass(frozen=True)
class Member:
    """A process of a search.

    Attributes:
        tuner_id: name of the process in the cluster; `None` of a process that searches alone.
        address: address of the chief, or `None`.
        port: port of the chief, or `None`.
    """

    tuner_id: str | None = None
    address: str | None = None
    port: int | None = None

    @property
    def is_chief(self) -> bool:
        """Whether this process proposes and trains nothing; keras-tuner goes by the name."""
        return self.tuner_id is not None and "chief" in self.tuner_id

    @property
    def worker_id(self) -> str | None:
        """The name of a process that trains what a chief proposes; `None` of any other."""
        return None if self.is_chief else self.tuner_id

    @property
    def is_worker(self) -> bool:
        """Whether this process trains what a chief proposes."""
        return self.worker_id is not None

    @property
    def is_exposed(self) -> bool:
        """Whether other hosts may reach the chief, who asks nobody for a password."""
        return self.address is not None and self.address != "localhost" and not _is_loopback(self.address)


def join_cluster(environ: MutableMapping[str, str]) -> Member:
    """What this process is in keras-tuner's cluster; sets the address to the loopback where none is given.

    Raises:
        ValueError: variables without the others, a port that is none, or one that is taken.
    """
    given = {name: environ[name] for name in (TUNER_ID, ADDRESS, PORT) if environ.get(name)}
    if not given:
        return Member()
    if not {TUNER_ID, PORT} <= set(given):
        raise ValueError(
            f"keras-tuner's cluster is half set up. Expected {TUNER_ID} and {PORT}, or neither. Received: {given}. "
            f"Set both, or unset all."
        )
    if not given[PORT].isdecimal() or not 0 < int(given[PORT]) < 2**16:
        raise ValueError(f"No port. Expected 1 to 65535. Received: {PORT}={given[PORT]}. Choose a free one.")
    if "/" in given[TUNER_ID]:
        raise ValueError(f"A tuner's id names files. Expected no slash. Received: {TUNER_ID}={given[TUNER_ID]}.")
    environ.setdefault(ADDRESS, "127.0.0.1")
    member = Member(given[TUNER_ID], environ[ADDRESS], int(given[PORT]))
    if member.is_chief:
        _check_free(environ[ADDRESS], int(given[PORT]))
    return member


def _check_free(address: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        socket.create_server((address, port), family=family).close()
    except OSError as error:
        raise ValueError(
            f"The chief cannot listen there. Expected a free port of this host. "
            f"Received: {ADDRESS}={address}, {PORT}={port} ({error.strerror or error}). Choose another."
        ) from error


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
