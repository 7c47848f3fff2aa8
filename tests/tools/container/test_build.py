"""Instructions that need no root, and what is said where something is missing."""

import os
import shutil
import subprocess
import sys

import pytest

from tools.container.__main__ import main, runs_of_tensorboard
from tools.container.build import Build
from tools.container.chroot import PATH, Chroot, check_able
from tools.container.dockerfile import read_dockerfile


@pytest.fixture
def build(tmp_path):
    """A build in a folder that has users, of a context with two files."""
    context, root = tmp_path / "context", tmp_path / "root"
    (context / "inner").mkdir(parents=True)
    (context / "inner/file.txt").write_text("inner")
    (context / "secret.txt").touch()
    (context / ".dockerignore").write_text("*\n!inner\n")
    (root / "etc").mkdir(parents=True)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nsomeone:x:1000:1000::/home/someone:/bin/sh\n")
    caller = {"PIP_INDEX_URL": "https://example.org", "https_proxy": "p", "AWS_SECRET": "s", "PATH": "/x"}
    return Build(context, Chroot(root), caller)


def do(build, text):
    for instruction in read_dockerfile(text):
        build.do(instruction)


def test_instructions_set_what_commands_get(build):
    do(build, 'ENV PATH=/opt/bin:$PATH A=1\nENV B=$A$A\nUSER someone\nWORKDIR /srv\nWORKDIR in\nCMD ["a", "b"]\n')
    assert build.settings() == {"HOME": "/home/someone", "PATH": f"/opt/bin:{PATH}", "A": "1", "B": "11"}
    assert (build.user, build.place, build.command) == ("someone", "/srv/in", ["a", "b"])
    assert (build.chroot.root / "srv/in").is_dir()


def test_files_are_copied_to_where_the_instruction_says(build):
    do(build, "WORKDIR /srv\nCOPY . .\nCOPY . /other\n")
    copied = {path.relative_to(build.chroot.root) for path in build.chroot.root.rglob("*.txt")}
    assert {path.as_posix() for path in copied} == {"srv/inner/file.txt", "other/inner/file.txt"}
    assert (build.chroot.root / "srv/inner/file.txt").read_text() == "inner"


def test_only_settings_of_package_indexes_are_passed(build):
    assert build.passed == {"PIP_INDEX_URL": "https://example.org", "https_proxy": "p"}
    assert build.settings() == {"HOME": "/root", "PATH": PATH}


def test_certificates_come_along(build, tmp_path, monkeypatch):
    (tmp_path / "own.pem").write_text("certificate")
    build.passed["PIP_CERT"] = str(tmp_path / "own.pem")
    installed = []
    monkeypatch.setattr(build.chroot, "install", lambda suite, mirror: installed.append(suite))
    do(build, "FROM debian:bookworm-slim\n")
    assert installed == ["bookworm"]
    assert (build.chroot.root / build.passed["PIP_CERT"].lstrip("/")).read_text() == "certificate"


def test_another_base_is_refused(build):
    with pytest.raises(
        ValueError, match=r"Expected FROM debian:SUITE-slim\. Received: alpine:3 \(Dockerfile, line 1\)"
    ):
        do(build, "FROM alpine:3\n")


def test_other_copies_are_refused(build):
    with pytest.raises(ValueError, match=r"Expected COPY \. PLACE\. Received: inner \. \(Dockerfile, line 2\)"):
        do(build, "WORKDIR /srv\nCOPY inner .\n")


def test_without_root_one_sentence_says_so(monkeypatch, capsys):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main([]) == 2
    assert capsys.readouterr().err == (
        "mmtrans: A chroot needs root. Expected the user id 0. Received: 1000. Give the command with sudo.\n"
    )


def test_a_missing_program_is_named(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "debootstrap" else f"/usr/bin/{name}")
    with pytest.raises(ValueError, match=r"Expected debootstrap on PATH.*Install Debian's package debootstrap\."):
        check_able()


#: Stands in for TensorBoard: it names one run, at the port that it is given last.
SERVER = """
import http.server, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'["T_to_A/logs"]' if self.path == "/data/runs" else b"[]")

http.server.HTTPServer(("127.0.0.1", int(sys.argv[-1])), Handler).serve_forever()
"""


@pytest.fixture
def start(build, monkeypatch):
    """`start(code)`: the build's commands run a Python program in their place; the processes so far."""
    started = []

    def replace(code):
        def start_it(command, *_):
            started.append(subprocess.Popen([sys.executable, "-c", code, *command]))
            return started[-1]

        monkeypatch.setattr(build.chroot, "start", start_it)
        return started

    return replace


def test_the_runs_that_tensorboard_names(build, start):
    started = start(SERVER)
    assert runs_of_tensorboard(build) == ["T_to_A/logs"]
    assert started[0].returncode is not None


def test_a_tensorboard_that_ends_is_a_failure(build, start):
    start("raise SystemExit(3)")
    with pytest.raises(ValueError, match=r"TensorBoard names no run\..* Received: exit_code=3\."):
        runs_of_tensorboard(build)
