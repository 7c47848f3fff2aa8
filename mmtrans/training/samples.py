"""What TensorBoard shows of a translation while it is learned: a few valid segments, decoded with today's weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice

import numpy as np
import tensorflow as tf

from mmtrans.data.batch import Selection
from mmtrans.data.codebook import Codebook
from mmtrans.data.pipeline import make_batches, num_batches
from mmtrans.data.records import Records
from mmtrans.decoding.options import SearchOptions
from mmtrans.models.losses import Tensors
from mmtrans.models.targets import FeatureTarget
from mmtrans.models.translator import Translator
from mmtrans.models.variational import segment_kl
from mmtrans.system.escape import for_markdown, for_terminal

#: Segments that are shown, and the epochs between two looks at them.
NUM_SEGMENTS, EVERY_EPOCHS = 3, 5

#: Pixels of a square that stands for one value of a frame.
FRAME_PIXELS = 6

WHITE, BLUE, ORANGE = (np.array(color) / 255.0 for color in ((255, 255, 255), (37, 99, 235), (234, 88, 12)))

#: Standard deviations at which the colours of frames end.
FRAME_RANGE = 3.0


def is_due(epoch: int) -> bool:
    """Whether samples are wanted after an epoch: the first one, and every fifth."""
    return epoch == 1 or epoch % EVERY_EPOCHS == 0


def make_samples(
    translator: Translator, records: Records, selection: Selection, codebook: Codebook | None
) -> Callable[[int], None]:
    """Chooses segments of medium length, and returns what writes their samples to the default summary writer.

    For each segment there is the image `attention/<id>`, see `plot_attention`, with the source's words and the decoded
    tokens at its axes. For a tokens target there is the text `translation/<id>`: the source's words, the target and its
    greedy translation. For a features target there is the image `frames/<id>`: the target above, the rollout below,
    time to the right. For a variational model there is `samples/kl`, the divergence of a segment in nats, their mean.

    Args:
        translator: the translator; it decodes with the weights that it has when the samples are written.
        records: the records, opened with the split.
        selection: what the translation reads of a split that is not trained on.
        codebook: tokens of the target; `None` for features.

    Returns:
        `epoch →` nothing. It runs eagerly: to trace a graph would cost more than the few segments.
    """
    batches = make_batches(records, selection, batch_size=NUM_SEGMENTS, codebook=codebook, tokens=True)
    middle = (num_batches(records, selection, NUM_SEGMENTS) - 1) // 2
    batch = next(islice(iter(batches), middle, None))

    def write(epoch: int) -> None:
        if codebook is not None:
            _write_tokens(translator, batch, codebook, epoch)
        elif isinstance(translator.target, FeatureTarget):
            _write_frames(translator, translator.target, batch, epoch)
        if translator.is_variational:
            kl = segment_kl(translator.represent(batch["source"], batch["source_length"]))
            tf.summary.scalar("samples/kl", tf.reduce_mean(kl), step=epoch)

    return write


def _write_tokens(translator: Translator, batch, codebook: Codebook, epoch: int) -> None:
    length = batch["source_length"]
    steps = translator.target.steps(batch["target_length"])
    found = translator.search(batch["source"], length, (steps, steps), SearchOptions(beam_width=1), steps)
    for row, id_ in enumerate(batch["id"].numpy()):
        name = for_terminal(id_.decode("utf-8"))
        source_steps = int(length[row])
        ids = found.ids[row, 0].numpy()
        steps = int(found.lengths[row, 0])
        target = batch["target"][row, : int(batch["target_length"][row]) - 1].numpy()
        words = _words(batch, row)
        lines = {
            "source": words,
            "target": [codebook.names[i] for i in target],
            "translation": [codebook.names[i] for i in ids[: steps - 1]],
        }
        text = "\n\n".join(f"**{what}** {for_markdown(' '.join(tokens))}" for what, tokens in lines.items() if tokens)
        tf.summary.text(f"translation/{name}", text, step=epoch)
        weights = found.attention_weights[row, 0, :steps, :source_steps].numpy()
        _write_attention(name, weights, words, lines["translation"], epoch)


def _write_frames(translator: Translator, written: FeatureTarget, batch, epoch: int) -> None:
    length = batch["source_length"]
    target_length = batch["target_length"]
    frames, attention_weights = translator.rollout(batch["source"], length, target_length)
    target = written.normalization(batch["target"])
    for row, id_ in enumerate(batch["id"].numpy()):
        name = for_terminal(id_.decode("utf-8"))
        steps = int(target_length[row])
        image = frames_image([target[row, :steps].numpy(), frames[row, :steps].numpy()])
        tf.summary.image(f"frames/{name}", image[None], step=epoch)
        weights = attention_weights[row, :steps, : int(length[row])].numpy()
        _write_attention(name, weights, _words(batch, row), (), epoch)


def _words(batch: Tensors, row: int) -> list[str]:
    """The words of a segment's source, one a step; none where it has none."""
    words = batch["tokens"][row, : int(batch["source_length"][row])].numpy()
    return [word.decode("utf-8") for word in words if word]


def _write_attention(
    name: str, attention_weights: np.ndarray, words: Sequence[str], tokens: Sequence[str], epoch: int
) -> None:
    # Imported when needed: a training without translations draws nothing.
    from mmtrans.plotting import pixels_of
    from mmtrans.plotting.attention import plot_attention

    figure = plot_attention(None, attention_weights, words, tokens, f"{name}, epoch {epoch}")
    tf.summary.image(f"attention/{name}", pixels_of(figure)[None], step=epoch)


def frames_image(streams: Sequence[np.ndarray]) -> np.ndarray:
    """Streams below one another, blue above and orange below the train mean, with a white line between them.

    Args:
        streams: each `(steps, dim)` float32, standardised, of equal shape.

    Returns:
        `(height, 6 steps, 3)` float32 between 0 and 1, of height `6 dim` a stream and 6 a line.
    """
    pictures = []
    for stream in streams:
        scaled = np.clip(stream.T / FRAME_RANGE, -1.0, 1.0)
        colors = np.where(scaled[:, :, None] < 0, _blend(WHITE, ORANGE, -scaled), _blend(WHITE, BLUE, scaled))
        pictures += [colors, np.ones((1, *colors.shape[1:]))]
    return _enlarged(np.concatenate(pictures[:-1]), FRAME_PIXELS)


def _blend(start: np.ndarray, end: np.ndarray, share: np.ndarray) -> np.ndarray:
    return start + share[:, :, None] * (end - start)


def _enlarged(image: np.ndarray, pixels: int) -> np.ndarray:
    return image.repeat(pixels, 0).repeat(pixels, 1).astype(np.float32)
