"""How much memory the training of a phase takes, by estimate: enough to tell a machine that is too small for it."""

from __future__ import annotations

from mmtrans.data.serialized import HELD_BYTES
from tfrecords.manifest import Manifest

#: Peak of a training on records of MOSI's size, by the default configuration, without what is held of the records;
#: nearly all of it is TensorFlow and its kernels.
_PROCESS_BYTES = 900 << 20

#: A step of a batch is there as it was read, parsed, standardised, and as a gradient; twice, as one is made ahead.
_COPIES = 8


def phase_memory(manifest: Manifest, batch_size: int) -> int:
    """Bytes that the training of any phase may take.

    Args:
        manifest: of the records.
        batch_size: segments in a batch.
    """
    shards = [shard for name in ("train", "valid") if name in manifest.splits for shard in manifest.splits[name].shards]
    total = sum(shard.bytes for shard in shards)
    # Held as they were read; streamed ones pass through a small buffer.
    held = 2 * total if total <= HELD_BYTES else 0
    values = (sum(steps * manifest.modalities[n].dim for n, steps in s.bucket_steps.items()) for s in shards)
    return _PROCESS_BYTES + held + _COPIES * 4 * batch_size * max(values, default=0)
