import gzip
import io
import lzma
import os
import pickle
import socket
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from mmtrans.system.user_files import check_file, has_file, read_text, what_is


def zipped(*names):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, "x" * 30)
    return stream.getvalue()


def tarred():
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("mosi.pkl"))
    return stream.getvalue()


def npy():
    stream = io.BytesIO()
    np.save(stream, np.ones(2))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"", "an empty file"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a pointer of git-lfs"),
        (b"\xef\xbb\xbf\r\n<HTML>\n", "a web page"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code>", "a web page"),
        (gzip.compress(b"x"), "compressed with gzip"),
        (zlib.compress(b"x"), "compressed with zlib"),
        (zlib.compress(b"x", 9), "compressed with zlib"),
        (lzma.compress(b"x"), "compressed with xz"),
        (lzma.compress(b"x", lzma.FORMAT_ALONE), "compressed with lzma"),
        (b"\x28\xb5\x2f\xfd\x04", "compressed with zstd"),
        (b"BZh91AY", "compressed with bzip2"),
        (b"7z\xbc\xaf\x27\x1c\x00", "a 7z archive"),
        (tarred(), "a tar archive"),
        (zipped("readme.txt"), "a zip archive"),
        (zipped("a", "b")[:40], "a zip archive that is cut off"),
        (zipped("archive/data.pkl", "archive/data/0"), "a file of PyTorch"),
        (zipped("[Content_Types].xml", "xl/workbook.xml"), "a spreadsheet"),
        (zipped("mimetype", "content.xml"), "a spreadsheet"),
        (zipped("v[0].npy"), "an archive of numpy arrays"),
        (npy(), "a numpy array"),
        ("id,label".encode("utf-16"), "text in UTF-16"),
        ("id,label".encode("utf-16-be"), "text in UTF-16"),
        ("id,label".encode("utf-16-le"), "text in UTF-16"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a spreadsheet"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"\x89HDF\n\x1a\n\0", "an HDF5 file that was transferred as text"),
        (b"\xef\xbf\xbdHDF\r\n", "an HDF5 file that was transferred as text"),
        (b"\xef\xbf\xbd\x05X", "a binary file that was transferred as text"),
        (bytes(4096), "a file of zeros"),
        (b"PAR1\x15", "a Parquet file"),
        (b"\xba\x16\x4f\x2f\x0c", "a binary model of fastText"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",  # archives hold times, which differ between workers
)
def test_the_first_bytes_tell_what_a_file_is(tmp_path, content, name):
    path = tmp_path / "data.pkl"
    path.write_bytes(content)
    kind = what_is(path)
    assert name in kind.name
    assert kind.remedy


@pytest.mark.parametrize(
    "content", [pickle.dumps([1.5, "a"], protocol) for protocol in range(6)] + [b"id,label\nv[0],1\n", b"x", b"[]"]
)
def test_pickles_and_text_are_nothing_else(tmp_path, content):
    path = tmp_path / "data"
    path.write_bytes(content)
    assert what_is(path) is None


def made(path, make):
    make(path)
    return path


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (os.mkdir, "a folder"),
        (os.mkfifo, "a pipe"),
        (lambda path: path.symlink_to("/dev/zero"), "a device"),
        (lambda path: path.symlink_to("gone"), r"a link to nothing \(gone\)"),
        (lambda path: path.symlink_to(path.name), "a link that cannot be followed"),
    ],
)
def test_what_is_no_regular_file_is_refused(tmp_path, make, problem):
    path = made(tmp_path / "x.json", make)
    for refuse in (has_file, check_file, lambda path, what: read_text(path, what, "JSON")):
        with pytest.raises(ValueError, match=rf"The folds file cannot be read: it is {problem}\. .*x\.json\."):
            refuse(path, "folds file")


def test_a_socket_is_refused():
    # Names of sockets are short.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{folder}/s")
        with pytest.raises(ValueError, match="it is a socket"):
            has_file(f"{folder}/s")


def test_links_to_files_are_followed_and_nothing_is_nothing(tmp_path):
    (tmp_path / "a").write_text("x")
    (tmp_path / "b").symlink_to("a")
    assert has_file(tmp_path / "b")
    assert check_file(tmp_path / "b", "file") == tmp_path / "b"
    for name in ("none", "a/b", "\0"):
        assert not has_file(tmp_path / name)
    with pytest.raises(FileNotFoundError, match=r"There is no list at .*none\. Expected lines\. Check the name\."):
        check_file(tmp_path / "none", "list", "lines")
    with pytest.raises(
        FileNotFoundError, match=r"There is no list at -\. .* Standard input is not read: name a file\."
    ):
        check_file(Path("-"), "list", "lines")


def test_text_is_read_with_and_without_a_byte_order_mark(tmp_path):
    path = tmp_path / "t"
    for mark in (b"", b"\xef\xbb\xbf"):
        path.write_bytes(mark + "é\r\n".encode())
        assert read_text(path, "list", "lines").strip() == "é"
    path.write_bytes(b"a\nb\ncaf\xe9\n")
    with pytest.raises(
        ValueError, match=r"The list cannot be read: it is not UTF-8\. .* byte 0xe9 \(.*t, line 3\)\. Save"
    ):
        read_text(path, "list", "lines")
    path.write_bytes("é".encode("utf-16"))
    with pytest.raises(
        ValueError, match=r"The list cannot be read: it is text in UTF-16\. Expected lines\. .* 4 bytes"
    ):
        read_text(path, "list", "lines")
