"""`mmtrans translate`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmtrans.bounds import SEARCH
from mmtrans.cli.parser import add_number
from mmtrans.system.console import say, warn
from mmtrans.system.escape import for_file_name, for_json
from mmtrans.system.files import check_directory, check_new_file, write_atomically

#: Flag, default, help. They are parsed as `None` when not given, since a features target refuses them.
SEARCH_FLAGS = (
    ("--beam-width", 5, "hypotheses that a search keeps; 1 is greedy"),
    ("--n-best", 1, "hypotheses written: the best of a search, or so many draws"),
    ("--length-penalty", 0.6, "exponent of the length"),
    ("--coverage-penalty", 0.0, "weight of the source steps left unattended"),
    ("--temperature", 1.0, "divides the logits"),
    ("--sample-top-k", 0, "draw from the N most probable tokens instead of searching; 0 searches"),
    ("--seed", 0, "seed of the drawing, of a --latent too; a segment's draws follow from it and from the segment's id"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.description = (
        "Decode the target modality of a split, one JSON line a segment: its words, and hypotheses of tokens or of "
        "frames in the target's raw units."
    )
    parser.add_argument("run_dir", metavar="RUN", help="run directory made by `mmtrans train`")
    parser.add_argument("--split", choices=("train", "valid", "test"), default="test", help="default: test")
    parser.add_argument(
        "--data",
        metavar="RECORDS",
        help="the run's records where they lie now, or others: of those, segments that it was trained on are left out",
    )
    parser.add_argument("--out", metavar="FILE.jsonl", help="where the JSON lines go (default: stdout)")
    search = parser.add_argument_group("search, of a tokens target only")
    for flag, default, text in SEARCH_FLAGS:
        bounds = SEARCH.get(name_of(flag), {"low": 0})
        add_number(search, flag, type(default), bounds, help=f"{text} (default: {default:g})")
    length_help = "steps to decode: as many as the source lets expect (where the target has steps of its own, times "
    length_help += "the ratio of both over train), as many as the true target has, or as the model decides"
    lengths = ("source", "target", "free")
    parser.add_argument("--length", choices=lengths, default="source", help=f"{length_help} (default: source)")
    latent_help = "of a run with --bottleneck vae: its mean, a draw given the source, or one given its length alone"
    parser.add_argument(
        "--latent", choices=("mean", "posterior", "prior"), default="mean", help=f"{latent_help} (default: mean)"
    )
    parser.add_argument("--features", metavar="FILE.npz", help="also write the decoded features")
    add_number(parser, "--plot-attention", int, {"low": 0}, default=0, help="draw the attention of N segments")
    parser.add_argument("--segments", type=_ids, default=(), metavar="ID,ID", help="draw that of these segments")
    add_number(parser, "--worst", int, {"low": 0}, default=0, help="draw that of the N that are translated worst")
    parser.add_argument("--plots", metavar="DIR", help="where it is drawn (default: plots/ beside the run's results)")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Decodes a split, and returns counts and, for words, chrF, for features R²."""
    given = [flag for flag, _, _ in SEARCH_FLAGS if getattr(arguments, name_of(flag)) is not None]
    for flag, default, _ in SEARCH_FLAGS:
        if flag not in given:
            setattr(arguments, name_of(flag), default)
    check(arguments, given)
    for flag, path in (("--out", arguments.out), ("--features", arguments.features)):
        if path is not None:
            check_new_file(path, flag)
    from mmtrans.cli.quiet import import_tensorflow

    import_tensorflow()
    from mmtrans.decoding.options import SearchOptions
    from mmtrans.evaluation.results import place_of
    from mmtrans.evaluation.suitability import check_features, open_records, unseen
    from mmtrans.inference.translate import save_features, translate
    from mmtrans.models.translator import SEARCH_NEEDS_TOKENS
    from mmtrans.runs.run import Run

    trained = Run.open(arguments.run_dir)
    if arguments.latent != "mean":
        given = [flag for flag in given if flag != "--seed"]
    if given and trained.config.output.target == "features":
        raise ValueError(f"{SEARCH_NEEDS_TOKENS} Flags: {', '.join(given)} ({trained.path}).")
    records = open_records(trained, arguments.data)
    check_features(trained, records)
    plots = Path(arguments.plots) if arguments.plots else place_of(trained, records) / "plots"
    if arguments.plot_attention or arguments.segments or arguments.worst:
        check_directory(plots, "--plots")
    split = arguments.split
    if split == "test" and not records.count("test"):
        warn("the records have no test fold; the valid split stands in.")
        split = "valid"
    options = SearchOptions(
        beam_width=arguments.beam_width,
        n_best=arguments.n_best,
        length_penalty=arguments.length_penalty,
        coverage_penalty=arguments.coverage_penalty,
        temperature=arguments.temperature,
        sample_top_k=arguments.sample_top_k,
        seed=(arguments.seed, 0),
    )
    chosen = unseen([trained], records, split, labelled=False)
    for note in chosen.notes:
        warn(note)
    translated = list(translate(trained, chosen.records, split, options, arguments.length, arguments.latent))
    chosen_plots = drawn(trained, translated, arguments)
    lines = (json.dumps(item.to_json(), ensure_ascii=False, allow_nan=False) for item in translated)
    write_lines(arguments.out, list(map(for_json, lines)))
    if arguments.features:
        save_features(Path(arguments.features), translated)
    if chosen_plots:
        plot(plots, trained, chosen_plots)
    counts = {"segments": len(translated), "left_out": chosen.left_out}
    figures = {**chrf(trained, translated), **frames_r2(trained, translated, arguments)}
    return {"split": split, "records": records.manifest.manifest_hash, **counts, **figures}


def _ids(text: str) -> tuple[str, ...]:
    """The type of a list of ids."""
    return tuple(filter(None, text.split(",")))


def name_of(flag: str) -> str:
    """The attribute that argparse gives a flag."""
    return flag.removeprefix("--").replace("-", "_")


def check(arguments: argparse.Namespace, given: Sequence[str]) -> None:
    """Raises a ValueError for a width that drawing does not read, or that is too small for what is to be written."""
    if arguments.sample_top_k:
        if "--beam-width" in given and arguments.beam_width != arguments.n_best:
            raise ValueError(
                f"Drawing has no beam. Expected --n-best for the number of draws. Received: "
                f"beam_width={arguments.beam_width}, sample_top_k={arguments.sample_top_k}. Leave --beam-width out."
            )
    elif arguments.n_best > arguments.beam_width:
        raise ValueError(
            f"A search returns at most its width. Expected --n-best up to {arguments.beam_width}. "
            f"Received: n_best={arguments.n_best}. Raise --beam-width."
        )


def write_lines(out: str | None, lines: list[str]) -> None:
    """Writes lines to a file, whole or not at all, or to stdout."""
    if out is None:
        for line in lines:
            say(line)
        return
    path = Path(out)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, "\n".join(lines) + "\n")
    say(f"Wrote {len(lines)} segments to {path}.")


def chrf(trained, translated) -> dict[str, float]:
    """chrF of the best hypotheses where the target is text; sacrebleu's, between 0 and 100."""
    translated = [item for item in translated if item.reference]
    if trained.recipe.target.modalities != ("text",) or not translated:
        return {}
    import sacrebleu

    hypotheses = [" ".join(item.hypotheses[0].tokens) for item in translated]
    references = [" ".join(item.reference) for item in translated]
    score = sacrebleu.corpus_chrf(hypotheses, [references]).score
    warn(f"chrF: {score:.1f} (0 to 100, against the words as spoken; <unk> matches none)")
    return {"chrf": score}


def frames_r2(trained, translated, arguments: argparse.Namespace) -> dict[str, float | None]:
    """R² of the decoded frames where the target is features; says where they are."""
    if trained.config.output.target != "features":
        return {}
    from mmtrans.cli.show import format_number
    from mmtrans.inference.translate import features_r2

    r2 = features_r2(trained, translated)
    places = " and in ".join(["the lines of JSON", *filter(None, [arguments.features])])
    warn(f"R² of the frames, free-running: {format_number(r2)} (1 is perfect, 0 the train mean). They are in {places}.")
    return {"r2": r2}


def drawn(trained, translated, arguments: argparse.Namespace) -> list:
    """The segments whose attention is drawn: the first ones, those that are named, and the worst, each once.

    Raises:
        ValueError: an id that no segment has.
    """
    from mmtrans.inference.attention import worst

    by_id = {item.id: item for item in translated}
    missing = [id_ for id_ in arguments.segments if id_ not in by_id]
    if missing:
        raise ValueError(
            f"No such segments. Expected ids of the {arguments.split} split. Received: --segments {','.join(missing)}. "
            f"The lines of JSON have the ids."
        )
    chosen = [*translated[: arguments.plot_attention], *(by_id[id_] for id_ in arguments.segments)]
    chosen += worst(trained, translated, arguments.worst) if arguments.worst else []
    return list({item.id: item for item in chosen}.values())


def plot(directory: Path, trained, translated) -> None:
    """Draws attention weights of segments, and says where."""
    from mmtrans.inference.attention import draw_attention

    directory.mkdir(parents=True, exist_ok=True)
    for item in translated:
        draw_attention(directory / f"attention-{for_file_name(item.id)}.png", trained, item)
    warn(f"Drew the attention of {len(translated)} segments in {directory}.")
