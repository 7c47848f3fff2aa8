from pathlib import Path

import pytest

from mmtrans.clips.account import Reason
from mmtrans.clips.listing import Wanted, list_clips


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def table(folder, text):
    (folder / "clips.csv").write_text(text)
    return list_clips(folder)


def test_a_folder_has_the_clips_within_and_not_what_lies_beside_them(tmp_path):
    touch(tmp_path, "b.WAV", "a.mp4", "a.txt", "a.srt", "notes.txt", ".hidden.wav", "in/c d.webm", "in/deep/a.mp4")
    listing = list_clips(tmp_path)
    assert [recording.name for recording in listing.recordings] == ["a.mp4", "b.WAV", "in/c d.webm", "in/deep/a.mp4"]
    ids = [wanted.video_id for recording in listing.recordings for wanted in recording.wanted]
    assert ids == ["a", "b", "in-c d", "in-deep-a"]
    # The transcript and the notes: the subtitles are what is read.
    assert listing.files_aside == 2
    assert not listing.account.left


def test_a_file_is_a_clip_whatever_its_ending(tmp_path):
    touch(tmp_path, "talk.dat")
    listing = list_clips(tmp_path / "talk.dat")
    assert [(r.name, r.wanted) for r in listing.recordings] == [("talk.dat", (Wanted("talk"),))]


def test_two_files_of_one_name_are_told_apart_or_left_out(tmp_path):
    touch(tmp_path, "a.mp4", "a.wav", "x/y.wav", "x-y.wav")
    listing = list_clips(tmp_path)
    assert [recording.name for recording in listing.recordings] == ["a.mp4", "x/y.wav"]
    assert listing.account.left == [("a.wav", Reason.ID_TAKEN, ""), ("x-y.wav", Reason.ID_TAKEN, "")]


def test_a_table_says_what_is_wanted(tmp_path):
    touch(tmp_path, "a.wav", "sub/b.wav")
    listing = table(
        tmp_path,
        "File,start,end,id,label,split,speaker,transcript\n"
        'a.wav,1.5,3,v[2],-0.5,dev,Ann,"So, so."\n'
        "sub/b.wav,,,,,,,\n"
        "a.wav,3,,v[0],,train,,\n"
        ",,,,,,,\n",
    )
    assert [(r.path.relative_to(tmp_path), r.wanted) for r in listing.recordings] == [
        (
            Path("a.wav"),
            (
                Wanted("v", 2, 1.5, 3.0, -0.5, "valid", "Ann", "So, so."),
                Wanted("v", 0, 3.0, None, None, "train"),
            ),
        ),
        (Path("sub/b.wav"), (Wanted("sub-b"),)),
    ]
    assert [wanted.is_whole for wanted in listing.recordings[0].wanted] == [True, True]


def test_rows_that_cannot_be_are_left_out_and_the_others_go_on(tmp_path):
    touch(tmp_path, "a.wav")
    (tmp_path / "folder.wav").mkdir()
    long = "x" * 201
    listing = table(
        tmp_path,
        "file,start,end,id\na.wav,2,1,\na.wav,1,1,\ngone.wav,,,\nfolder.wav,,,\n"
        f"a.wav,0,1,v[0]\na.wav,1,2,v[0]\na.wav,0,1,v\na.wav,0,1,{long}\na.wav,2,3,v[1]\n",
    )
    assert listing.account.left == [
        ("a.wav, line 2", Reason.END_BEFORE_START, ""),
        ("a.wav, line 3", Reason.END_BEFORE_START, ""),
        ("a.wav", Reason.ID_TAKEN, ""),
        ("a.wav", Reason.ID_TAKEN, ""),
        ("a.wav", Reason.BAD_NAME, ""),
        ("gone.wav", Reason.MISSING, ""),
        ("folder.wav", Reason.NO_FILE, ""),
    ]
    assert [(w.video_id, w.index) for w in listing.recordings[0].wanted] == [("v", 0), ("v", 1)]


@pytest.mark.parametrize(
    ("text", "received"),
    [
        ("name\na.wav\n", r"columns=\['name'\] .*clips\.csv\)"),
        ("file,sentiment\na.wav,1\n", r"columns=\['sentiment'\] too"),
        ("file,start\na.wav,x\n", r"start='x' .*clips\.csv, line 2\)"),
        ("file,start\na.wav,-1\n", r"start='-1'"),
        ("file,end\na.wav,inf\n", r"end='inf'"),
        ("file,label\na.wav,nan\n", r"label='nan'"),
        ("file,label\na.wav,good\n", r"label='good'"),
        ("file,split\na.wav,all\n", r"split='all'"),
        ("file,split\n,train\n", r"file=''"),
        ("file\na.wav,b\n", r"more cells than columns"),
    ],
)
def test_a_table_that_cannot_be_read_is_one_sentence(tmp_path, text, received):
    with pytest.raises(ValueError, match=rf"^The table of clips cannot be read\. .*Received: .*{received}"):
        table(tmp_path, text)


def test_nothing_is_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"^There is no clip at .*gone\. Expected"):
        list_clips(tmp_path / "gone")
    touch(tmp_path, "a.txt")
    with pytest.raises(ValueError, match=r"^There are no clips\. .* Received: 1 other files"):
        list_clips(tmp_path)
    with pytest.raises(ValueError, match=r"^There are no clips\."):
        table(tmp_path, "file\n")
