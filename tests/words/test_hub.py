"""Models of a hub, from a server on the loopback."""

import http.server
import json
import subprocess
import sys
import threading

import pytest

from tests.words.tiny import make_tiny_encoder

pytest.importorskip("huggingface_hub")

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(http.server.BaseHTTPRequestHandler):
    """Answers as a hub does, with the files of one model, `someone/tiny`."""

    def do_GET(self, with_body=True):
        folder = self.server.folder
        path = self.path.partition("?")[0]
        names = sorted(entry.name for entry in folder.iterdir())
        name = path.rpartition("/")[2]
        if path.startswith("/api/models/someone/tiny/tree/"):
            entries = [{"type": "file", "path": name, "size": 1, "oid": COMMIT} for name in names]
            self.answer(200, json.dumps(entries).encode(), with_body)
        elif path.startswith("/api/models/someone/tiny"):
            siblings = [{"rfilename": name} for name in names]
            body = json.dumps({"id": "someone/tiny", "modelId": "someone/tiny", "sha": COMMIT, "siblings": siblings})
            self.answer(200, body.encode(), with_body)
        elif path.startswith("/someone/tiny/resolve/") and name in names:
            self.asked.append(name)
            self.answer(200, (folder / name).read_bytes(), with_body)
        else:
            self.answer(404, b"{}", with_body, {"X-Error-Code": "RepoNotFound"})

    def do_HEAD(self):
        self.do_GET(with_body=False)

    def answer(self, status, body, with_body, others=()):
        self.send_response(status)
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{len(body)}"', "Content-Length": len(body)}
        for name, value in {**headers, **dict(others)}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    @property
    def asked(self):
        return self.server.asked

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(tmp_path):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.folder, server.asked = make_tiny_encoder(tmp_path / "tiny"), []
    (server.folder / "pytorch_model.bin").write_bytes(b"a program")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def open_in_child(name, endpoint, cache):
    # The library reads its variables when it is imported.
    code = "import sys\nfrom mmtrans.words.folder import open_folder\n"
    code += "try:\n    print(open_folder(sys.argv[1]).sha256)\nexcept (ValueError, OSError) as error:\n    print(error)"
    # The library's own retries and waits apart, nothing here takes long.
    variables = {"HF_ENDPOINT": endpoint, "HF_HOME": str(cache), "HF_HUB_DISABLE_XET": "1", "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-c", code, name]
    result = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120, check=False)
    return result.stdout.strip(), result.stderr


def test_a_model_is_fetched_once_and_without_pickles(hub, tmp_path):
    from mmtrans.words.folder import open_folder

    endpoint = f"http://127.0.0.1:{hub.server_port}"
    expected = open_folder(hub.folder).sha256
    assert open_in_child("someone/tiny", endpoint, tmp_path / "cache")[0] == expected
    assert "model.safetensors" in hub.asked
    assert "pytorch_model.bin" not in hub.asked
    hub.shutdown()
    # A server that is gone: what was fetched is found.
    assert open_in_child("someone/tiny", "http://127.0.0.1:9", tmp_path / "cache")[0] == expected


def test_a_model_that_is_not_there(hub, tmp_path):
    said, errors = open_in_child("someone/else", f"http://127.0.0.1:{hub.server_port}", tmp_path / "cache")
    assert "cannot be fetched from the hub" in said
    assert "Check the name" in said
    assert "Traceback" not in errors


def test_no_network(tmp_path):
    said, errors = open_in_child("someone/tiny", "http://127.0.0.1:9", tmp_path / "cache")
    assert "cannot be fetched from the hub" in said
    assert "Connect to the network" in said
    assert "Traceback" not in errors


def test_without_the_library(monkeypatch):
    from mmtrans.words import hub

    monkeypatch.setattr(hub.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match=r"no huggingface_hub.*pip install 'mmtrans\[hub\]'"):
        hub.fetch("someone/tiny")
