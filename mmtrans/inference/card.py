"""`model_card.md`: what an exported model is, how well it does, how to run it, and what not to expect of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from mmtrans.evaluation.metrics import FIELD_METRICS
from mmtrans.evaluation.shapes import Shown
from mmtrans.inference.card_clips import clips_section
from mmtrans.inference.card_text import text_section
from mmtrans.inference.signature import (
    Described,
    ExportDescription,
    FunctionDescription,
    StreamDescription,
    reads_apart,
)
from mmtrans.models.rivals.build import NUMBERS
from mmtrans.runs.labels import Labels, labels_text
from mmtrans.system.escape import for_markdown

#: What a card tells of the training.
_TOLD = ("mmtrans", "git_commit", "tensorflow", "keras", "manifest_hash")

_RUN = """## How to run it

Plain TensorFlow, nothing else:

```python
import tensorflow as tf

model = tf.saved_model.load("THIS_DIRECTORY")
outputs = model.signatures["serving_default"]({arguments})
print(outputs["score"], outputs["attention_weights"])
```

Or `saved_model_cli run --dir THIS_DIRECTORY --tag_set serve --signature_def serving_default --inputs …` (scalar inputs
as `--input_exprs 'beam_width=5;…'`), TensorFlow Serving, or the C++ loader. `keras/` holds the Keras models (raw
features to score; for a translation also the teacher-forced translator) for `keras.models.load_model` in the same major
version of Keras; `import mmtrans.api` before, which registers their layers. With mmtrans itself:
`mmtrans predict THIS_DIRECTORY SOURCE`.

A SavedModel is a program: TensorFlow runs what is in it, with your rights. So is a `.keras` file. Run this model only
if you trust whoever gave it to you. mmtrans compares the files with their checksums, and refuses operations that its
own exports lack.
"""

_INSIDE = """## What the graph does to its inputs

- It takes raw features, one array a modality, and `length`. Batch and steps may have any size.{lengths}
- Cells that are NaN or infinite become 0, which is what conversion makes of a word's cell without a finite value.
- Steps at and beyond `length` are not read, whatever they hold. A length under 1 or over the steps is an error.
- An empty batch gives empty outputs. A number of a search that is out of range is an error that names it.
- Audio and video are standardised with the statistics of the train split; word vectors are taken as they are.
- Features are expected as in training: {alignment}. Training kept the first {max_steps} steps; the graph cuts nothing.
- It holds no operation of cuDNN, so it runs on a CPU wherever it was exported. A graph exported with Keras 2 holds
  both kernels and chooses when it runs. On a GPU the plain kernels are slower than cuDNN's.
{neighbours}"""

_LENGTHS = """
- Each modality has steps of its own. All arrays of a call have as many steps as the longest stream, zeros behind the
  shorter ones, and `length` is `(batch, modalities)`: the steps of {modalities}, in this order."""

_NEIGHBOURS = """- A score depends on the other segments of its video, before and after: send all of them together.
  `video_number` is equal for the segments of one video, whatever it is, and `segment_number` rises from segment to
  segment. A segment whose video number no other one has is scored without context.
"""

_LIMITS = """## Limits

The score is an estimate for segments like those of training: their language, speakers, feature extractors and
alignment. It says nothing dependable about a single person or utterance, and must not decide about anybody.
Attention weights show where the model pools from; they are no explanation. {intervals}
"""

_INTERVALS = "Intervals above are 95 % over videos: other videos\nwould give other numbers."
_NO_INTERVALS = "Other videos would give other metrics; there\nwere too few to tell by how much."


def model_card(description: ExportDescription) -> str:
    """The card, in Markdown.

    Args:
        description: the content of `signature.json`.
    """
    label, trained = description["label"], description["provenance"]["trained_with"]
    told = {name: for_markdown(str(trained.get(name) or "unknown")) for name in _TOLD}
    reads = ", ".join(f"{name} ({_describe(info)})" for name, info in description["reads"].items())
    writes = ", ".join(f"{name} ({info['dim']} columns)" for name, info in description["writes"].items())
    alignment = "; ".join(f"{name} {_steps(info)}" for name, info in description["reads"].items())
    limits = ", ".join(f"{count} ({for_markdown(stream)})" for stream, count in description["max_steps"].items())
    in_videos = description.get("reads_videos", False)
    names = [*description["reads"], "length", *(NUMBERS if in_videos else ())]
    arguments = ", ".join(f"{name}={name}" for name in names)
    lines = [
        f"# {for_markdown(description['recipe'])}: sentiment from {' and '.join(description['reads'])}",
        "",
        f"A sequence-to-sequence sentiment model after Pham et al. (2018), recipe `{description['recipe']}`. "
        f"It reads {reads}" + (f" and was also trained to translate that into {writes}" if writes else "") + ".",
        f"Its score is “{for_markdown(label['name'])}” in [{label['low']:g}, {label['high']:g}]; "
        f"{label['neutral']:g} is neutral. Nothing forces a score into that range.",
        "",
        *_metrics(description["metrics"]),
        *_signatures(description["signatures"]),
        _RUN.format(arguments=arguments),
        *text_section(description),
        *clips_section(description),
        _INSIDE.format(
            alignment=alignment,
            max_steps=limits or "longest",
            lengths=_LENGTHS.format(modalities=", ".join(description["reads"]))
            if reads_apart(description["reads"])
            else "",
            neighbours=_NEIGHBOURS if in_videos else "",
        ),
        _LIMITS.format(intervals=_INTERVALS if _has_intervals(description["metrics"]) else _NO_INTERVALS),
        "## Where it comes from",
        "",
        f"mmtrans {told['mmtrans']} (commit {told['git_commit']}), TensorFlow {told['tensorflow']}, "
        f"Keras {told['keras']}, seed {trained.get('seed', 'unknown')}; records with manifest sha256 "
        f"{told['manifest_hash']}. {_labels(trained)}"
        "`signature.json` holds the whole configuration and the sha256 of every file.",
        "",
    ]
    return "\n".join(lines)


def _labels(trained: Mapping[str, object]) -> str:
    text = labels_text(cast("dict[str, Labels] | None", trained.get("labels")))
    return f"{text} " if text else ""


def _describe(info: StreamDescription) -> str:
    return f"{info['dim']} columns, {_steps(info)}"


def _steps(info: StreamDescription) -> str:
    return "one step a word" if info["aligned"] else "at its own rate"


def _metrics(metrics: Mapping[str, Shown]) -> Iterator[str]:
    yield from ("## How well it does", "")
    if not metrics:
        yield from ("It was not evaluated.", "")
        return
    metrics = {for_markdown(split): result for split, result in metrics.items()}
    yield "| split | segments | " + " | ".join(FIELD_METRICS) + " |"
    yield "|---" * (len(FIELD_METRICS) + 2) + "|"
    for split, result in metrics.items():
        cells = [_interval(result, name) for name in FIELD_METRICS]
        yield f"| {split} | {result['segments']} | " + " | ".join(cells) + " |"
        medians = [_number(result["baselines"]["median"][name]) for name in FIELD_METRICS]
        yield f"| {split}, always the median | | " + " | ".join(medians) + " |"
    for split, result in metrics.items():
        if result["collapsed"]:
            yield from (
                "",
                f"**Collapsed on {split}**: its predictions, or their signs, hardly vary, and the labels do.",
            )
            yield "Do not use it; compare it with the median above."
        if quality := result.get("translation"):
            own, shuffled, copied = (_number(quality[name]) for name in ("r2", "source_shuffled_r2", "copy_last_r2"))
            yield from ("", f"Translation, {split}, free-running: R² {own} (sources shuffled {shuffled}, ")
            yield f"copying the last frame {copied})."
    yield ""


def _has_intervals(metrics: Mapping[str, Shown]) -> bool:
    return any(result[f"{name}_low"] is not None for result in metrics.values() for name in FIELD_METRICS)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _interval(result: Shown, name: str) -> str:
    low, high = result[f"{name}_low"], result[f"{name}_high"]
    return _number(result[name]) + ("" if None in (low, high) else f" ({low:.3f} to {high:.3f})")


def _signatures(signatures: Mapping[str, FunctionDescription]) -> Iterator[str]:
    yield from ("## Signatures", "", "| signature | inputs | outputs |", "|---|---|---|")
    for name, signature in signatures.items():
        inputs, outputs = (
            ", ".join(f"`{key}` {spec['dtype']} {_shape(spec)}" for key, spec in signature[side].items())
            for side in ("inputs", "outputs")
        )
        yield f"| `{name}` | {inputs} | {outputs} |"
    yield ""


def _shape(spec: Described) -> str:
    return "[" + ", ".join("?" if size is None else str(size) for size in spec["shape"] or ()) + "]"
