import json
from dataclasses import dataclass, field, fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrecords.manifest import (
    ADDED,
    DroppedSegment,
    Folds,
    Manifest,
    ModalityInfo,
    Shard,
    Source,
    SourceFile,
    Split,
    TextColumns,
)
from tfrecords.schema import LabelScale

SHARD = Shard("train-000006-00000.tfrecord", "ab" * 32, 900, 4, {"text": 6}, True)
MANIFEST = Manifest(
    source=Source("csd", (SourceFile("words.csd", "cd" * 32),)),
    label=LabelScale("sentiment", -3.0, 3.0, 0.0),
    splits={"train": Split(4, 2, (SHARD,))},
    modalities={
        "text": ModalityInfo(2, True, None, (0.1, 1 / 3), (1.0, 2.0)),
        "audio": ModalityInfo(1, False, ("F0",)),
    },
    folds=Folds("the source's own", {"train": ("a", "b"), "test": ("c",)}),
    cleaning={"audio: frames with NaN": 12},
    dropped=(DroppedSegment("a[3]", "zero length"),),
    max_steps={"aligned": 50},
    truncated={"aligned": 1},
    notes=("One note — with a dash.",),
)


def test_round_trip(tmp_path):
    MANIFEST.save(tmp_path)
    assert Manifest.load(tmp_path) == MANIFEST
    assert Manifest.load(tmp_path).manifest_hash == MANIFEST.manifest_hash


def test_the_name_of_a_file_need_not_be_unicode(tmp_path):
    manifest = replace(MANIFEST, source=Source("misa", (SourceFile("a\udcff.pkl", "cd" * 32),)))
    manifest.save(tmp_path)
    assert Manifest.load(tmp_path) == manifest


def test_json_has_the_documented_names(tmp_path):
    MANIFEST.save(tmp_path)
    data = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    assert data["format_version"] == 1
    assert data["label"] == {"name": "sentiment", "low": -3.0, "high": 3.0, "neutral": 0.0}
    assert data["splits"]["train"]["segments"] == 4
    assert data["splits"]["train"]["videos"] == 2
    assert data["splits"]["train"]["shards"] == [
        {
            "file": SHARD.file,
            "sha256": SHARD.sha256,
            "bytes": 900,
            "segments": 4,
            "bucket_steps": {"text": 6},
            "labelled": True,
        }
    ]
    assert data["modalities"]["audio"] == {
        "dim": 1,
        "aligned": False,
        "feature_names": ["F0"],
        "mean": None,
        "std": None,
        "dtype": "float32",
    }
    assert data["dropped"] == [{"id": "a[3]", "reason": "zero length"}]


def test_hash_follows_the_content():
    same = replace(MANIFEST, cleaning=dict(MANIFEST.cleaning))
    assert same.manifest_hash == MANIFEST.manifest_hash
    assert replace(MANIFEST, truncated={"aligned": 2}).manifest_hash != MANIFEST.manifest_hash


@dataclass(frozen=True)
class LaterInfo(ModalityInfo):
    """With a key that a later version adds."""

    rate_hz: float | None = field(default=None, metadata=ADDED)


@dataclass(frozen=True)
class Later(Manifest):
    """The manifest of a later version."""

    languages: tuple[str, ...] = field(default=(), metadata=ADDED)
    speakers: dict = field(default_factory=dict, metadata=ADDED)


def test_a_key_of_a_later_version_changes_a_hash_only_where_it_says_something():
    content = {key.name: getattr(MANIFEST, key.name) for key in fields(MANIFEST)}
    infos = {
        name: LaterInfo(**{key.name: getattr(info, key.name) for key in fields(info)})
        for name, info in MANIFEST.modalities.items()
    }
    later = Later(**{**content, "modalities": infos})
    assert later.manifest_hash == MANIFEST.manifest_hash
    with_rate = {**infos, "audio": replace(infos["audio"], rate_hz=100.0)}
    changed = [
        replace(later, languages=("en",)),
        replace(later, speakers={"a": 1}),
        replace(later, modalities=with_rate),
    ]
    assert len({manifest.manifest_hash for manifest in (later, *changed)}) == 4


def test_the_hash_is_what_it_was():
    assert MANIFEST.manifest_hash == "93d489a4a469630cc706c9d56afe5e88219537c36afaea118a74a1724ad9caa0"


TEXT = TextColumns("owner/name", "ef" * 32, (5, 6), 3, glove=2, glove_sha256="01" * 32)


def test_an_encoder_of_words_is_told_and_changes_the_hash(tmp_path):
    infos = {**MANIFEST.modalities, "text": ModalityInfo(8, True)}
    manifest = replace(MANIFEST, modalities=infos, text=TEXT)
    manifest.save(tmp_path)
    assert Manifest.load(tmp_path) == manifest
    assert manifest.manifest_hash != replace(manifest, text=None).manifest_hash
    assert manifest.manifest_hash != replace(manifest, text=replace(TEXT, layers=(6, 5))).manifest_hash
    # The same encoder by another name, as another folder is.
    assert manifest.manifest_hash == replace(manifest, text=replace(TEXT, encoder="folder")).manifest_hash


def test_the_columns_of_a_text_are_those_of_its_encoder():
    with pytest.raises(
        ValueError, match=r"those of the encoder and GloVe. Expected 8. Received: modalities.text.dim=2"
    ):
        replace(MANIFEST, text=TEXT)


@pytest.mark.parametrize("make", [True, False])
def test_no_records(tmp_path, make):
    directory = tmp_path / "records"
    if make:
        directory.mkdir()
    match = "a directory without it" if make else "no such directory"
    with pytest.raises(FileNotFoundError, match=rf"No records here\..*{match}.*mmtrans convert"):
        Manifest.load(directory)


def _load(tmp_path, change):
    MANIFEST.save(tmp_path)
    path = tmp_path / "manifest.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(json.dumps(data), encoding="utf-8")
    return Manifest.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda d: d.update(format_version=2), r"another format version\. Expected 1\. Received: format_version=2 "),
        (lambda d: d.pop("format_version"), "format_version=None"),
        (lambda d: d.pop("label"), r"Expected the key label\. Received: content without it"),
        (lambda d: d["splits"]["train"].update(segments="4"), r"a whole number\. Received: splits.train.segments='4'"),
        (lambda d: d["splits"]["train"].update(segments=True), "splits.train.segments=True"),
        (lambda d: d["splits"]["train"].update(videos=-2), "a whole number >= 0.*splits.train.videos=-2"),
        (lambda d: d["splits"]["train"].update(videos=10**35), r"a whole number <= 9\d+\. .*train.videos=10+ "),
        (lambda d: d["splits"]["train"].update(segments=5), "must sum to its segments.*segments=5"),
        (lambda d: d["splits"].update(dev=d["splits"].pop("train")), r"splits=\['dev'\]"),
        (lambda d: d["modalities"].update(smell=d["modalities"].pop("audio")), r"modalities=\['smell'\]"),
        (lambda d: d["modalities"].pop("text"), r"bucket_steps=\['text'\]"),
        (lambda d: d["modalities"]["text"].update(mean=[0.0]), "Expected 2.*text.mean of length 1"),
        (lambda d: d["modalities"]["text"].update(std=[1.0, float("nan")]), r"a number > 0.*text.std\[1\]=nan"),
        (lambda d: d["modalities"]["text"].update(mean={}), "a list or null.*text.mean={}"),
        (lambda d: d["splits"]["train"]["shards"][0].update(file="../x"), r"plain file name.*'\.\./x'"),
        (lambda d: d.update(dropped=[3]), r"a mapping.*dropped\[0\]=3"),
        (lambda d: d["modalities"]["text"].update(std=[1.0, 0.0]), r"a number > 0.*text.std\[1\]=0.0"),
        (lambda d: d["modalities"]["audio"].update(dim=0), r"a whole number >= 1.*audio.dim=0"),
        (lambda d: d["splits"]["train"]["shards"][0].update(file="x" * 256), "plain file name.*'xxx"),
        (lambda d: d["label"].update(low="-3"), "a number.*label.low='-3'"),
    ],
)
def test_a_malformed_manifest_is_one_sentence(tmp_path, change, match):
    with pytest.raises(ValueError, match=match) as caught:
        _load(tmp_path, change)
    assert "manifest.json" in str(caught.value)
    assert "\n" not in str(caught.value)


@given(content=st.one_of(st.text(), st.sampled_from(["[]", "3", "null", "{", '{"format_version": 1}'])))
def test_any_other_file_is_a_value_error(tmp_path_factory, content):
    directory = tmp_path_factory.mktemp("records")
    (directory / "manifest.json").write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(ValueError, match=r"manifest|version"):
        Manifest.load(directory)


def test_keys_of_a_later_version_are_left_out(tmp_path):
    def change(content):
        content.update(zeal=1)
        content["splits"]["train"]["shards"][0].update(colour="red")

    loaded = _load(tmp_path, change)
    assert loaded == MANIFEST
    assert loaded.manifest_hash == MANIFEST.manifest_hash
