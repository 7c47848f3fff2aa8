"""Seconds of work for a second of clip, step by step: sound decoded, voice and face measured, and all of `extract`."""

from __future__ import annotations

import importlib.util
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mmtrans.clips.account import ClipAccount
from mmtrans.clips.extract import extract
from mmtrans.clips.face.models import face_models
from mmtrans.clips.face.recording import RecordedFace
from mmtrans.clips.settings import ExtractSettings
from mmtrans.clips.sound.recording import RecordedSound
from mmtrans.clips.voice.stream import measure
from tools.benchmark_figures import Results
from tools.benchmark_options import Options
from tools.benchmark_process import peak_rss_mib

#: Six seconds of a still face and a machine's voice.
_FILM = Path(__file__).resolve().parents[2] / "tests/clips/face/loved.mp4"


def measure_extract(options: Options) -> Results:
    """CPU seconds, those of child processes included, for a second of a film; a child's start is among them."""
    path = Path(options.source or _FILM)
    has_face = (
        importlib.util.find_spec("ai_edge_litert") is not None and None not in face_models(expressions=False).values()
    )
    settings = ExtractSettings(steps="frames", face_fps=10.0 if has_face else 0.0)
    sound = RecordedSound(path, ClipAccount())
    blocks: list[np.ndarray] = []
    took = {"decode": _cpu_seconds_of(lambda: blocks.extend(sound.blocks()))}
    samples = np.concatenate(blocks)
    took["voice"] = _cpu_seconds_of(lambda: measure(samples))
    if has_face:
        with RecordedFace(path, settings, ClipAccount()) as face:
            took["face"] = _cpu_seconds_of(face.watch)
    with tempfile.TemporaryDirectory() as folder:
        took["extract"] = _cpu_seconds_of(lambda: extract(path, Path(folder) / "corpus", settings))
    ratios = {f"{step}_cpu_s_per_s": round(seconds / sound.seconds, 4) for step, seconds in took.items()}
    return {"clip_s": round(sound.seconds, 3), **ratios, "peak_rss_mib": peak_rss_mib()}


def _cpu_seconds_of(step: Callable[[], object]) -> float:
    before = _cpu_seconds()
    step()
    return _cpu_seconds() - before


def _cpu_seconds() -> float:
    """Of this process, and of the children that it has waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
