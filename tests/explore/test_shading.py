"""What shades words: of a model that reads whole videos with its neighbours, and of one without attention."""

import numpy as np
import pytest

from mmtrans.explore.reading import read_sources
from mmtrans.explore.shading import shade
from mmtrans.inference.scorer import Scorer
from tests.inference.test_export import finished_run, small_records

SIZES = {"regressor_units": 4, "fusion_units": 3, "fused_units": 8}


def test_neighbours_stay_whole_whichever_segments_are_shown(small_dir, tiny, tmp_path):
    records = small_records(small_dir)
    run = finished_run(tmp_path / "run", tiny(recipe="bclstm(A,T)", **SIZES), records)
    sources = list(read_sources(run, records, "train"))
    videos = {"v0": [], "v1": []}
    for source in sorted(sources, key=lambda source: int(source.id[3:-1])):
        videos[source.id[:2]].append(source)
    # Unlabelled segments are neighbours, and are not shown.
    assert [len(video) for video in videos.values()] == [13, 10]
    scorer, expected = Scorer.open(run.path), {}
    for video in videos.values():
        features = [source.features for source in video]
        scores, _ = scorer.score(features, [source.id for source in video])
        expected |= dict(zip((source.id for source in video), scorer.influences(features, scores), strict=True))
    shown = ["v1[3]", "v0[9]", "v1[0]"]
    attention, influence, notes = shade(run, sources, shown)
    assert notes == {}
    by_id = {source.id: source for source in sources}
    for id_, looks, shares in zip(shown, attention, influence, strict=True):
        np.testing.assert_allclose(np.array(shares, float), expected[id_], atol=1e-4)
        np.testing.assert_allclose(looks, np.full(by_id[id_].steps, 1 / by_id[id_].steps), atol=1e-4)
    assert np.nanmax(np.abs(np.concatenate(list(expected.values())))) > 1e-4


@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_without_attention_there_is_influence_alone(small_dir, tiny, tmp_path, pooling):
    records = small_records(small_dir)
    run = finished_run(tmp_path / "run", tiny(recipe="T", pooling=pooling), records)
    sources = list(read_sources(run, records, "test"))
    shown = [source.id for source in sources][:3]
    attention, influence, notes = shade(run, sources, shown)
    assert attention is None
    assert "it has no attention" in notes["attention"]
    scorer = Scorer.open(run.path)
    for source, shares in zip(sources, influence, strict=False):
        scores, _ = scorer.score([source.features])
        found = scorer.influence(source.features, scores[0])
        np.testing.assert_allclose(np.array(shares, float), found, atol=1e-4)
