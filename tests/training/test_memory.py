from dataclasses import replace

from mmtrans.data.serialized import HELD_BYTES
from mmtrans.training.memory import phase_memory


def test_memory_grows_with_what_is_held_and_with_the_batch(small):
    manifest = small.manifest
    shards = [shard for name in ("train", "valid") for shard in manifest.splits[name].shards]
    held = 2 * sum(shard.bytes for shard in shards)
    widest = max(3 * shard.bucket_steps["text"] + 2 * shard.bucket_steps["audio"] for shard in shards)
    assert phase_memory(manifest, 7) == (900 << 20) + held + 8 * 4 * 7 * widest
    # Larger ones are streamed.
    train = manifest.splits["train"]
    large = replace(train, shards=tuple(replace(shard, bytes=HELD_BYTES) for shard in train.shards))
    streamed = replace(manifest, splits={**manifest.splits, "train": large})
    assert phase_memory(streamed, 7) == (900 << 20) + 8 * 4 * 7 * widest
