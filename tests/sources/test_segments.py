"""Rules that readers share."""

import numpy as np

from mmtrans.sources.account import Account, DropReason, Left
from mmtrans.sources.segments import grouped, segments_of, usable
from tfrecords.schema import Segment


def test_rows_are_grouped_by_video_in_the_order_of_the_first():
    assert list(grouped(["b1", "a2", "b0", "c1", "a1"], lambda row: row[0])) == ["b1", "b0", "a2", "a1", "c1"]


def test_the_first_segment_of_an_id_is_kept_and_not_the_first_row():
    account = Account()

    def make(row):
        id, number = row
        if number < 0:
            account.drop(id, DropReason.NO_STEPS)
            return None
        return Segment(id, "v", {"audio": np.full((1, 2), number, np.float32)})

    rows = [("v[0]", -1), ("v[0]", 2), ("v[1]", 3), ("v[0]", 4)]
    found = list(segments_of(rows, lambda row: row[0], make, account))
    assert [(segment.id, segment.features["audio"][0, 0]) for segment in found] == [("v[0]", 2), ("v[1]", 3)]
    assert account.left == [Left("v[0]", DropReason.NO_STEPS), Left("v[0]", DropReason.DUPLICATE)]


def test_what_a_segment_lacks_is_counted_and_the_rest_cleaned():
    account = Account()
    arrays = {"audio": np.array([[1, np.nan], [np.inf, 2]], np.float32), "text": np.zeros((0, 3), np.float32)}
    features = usable(arrays, ("video", "text", "audio", "face"), account, odd=("face",))
    assert list(features) == ["audio"]
    np.testing.assert_array_equal(features["audio"], [[1, 0], [0, 2]])
    assert account.cleaning() == {
        "audio: frames with NaN": 1,
        "audio: frames with infinity": 1,
        "face: segments with other columns than most, taken as without it": 1,
        "text: segments where it is all zero, taken as without it": 1,
        "video: segments without it": 1,
    }
