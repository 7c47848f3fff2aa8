"""Decoding by FFmpeg, which runs in the limited child process of `mmtrans.sources.untrusted.parent`.

FFmpeg opens local files only, and formats that hold their data themselves: no playlist, no list of other files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from mmtrans.clips.packets import Decoded

#: The formats that are read, by FFmpeg's names.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,asf,flv,mpegts,mpeg,mpegvideo,ogg,wav,w64,aiff,caf,au,flac,mp3,aac,ac3,"
    "eac3,amr,amrnb,amrwb,wv,ape,tta,dv,mxf,nut,ivf,rm,gxf,voc,nistsphere"
)

#: A channel that is so much weaker than the strongest one carries nobody's voice.
DEAD_CHANNEL_DB = -60.0

#: A gap of the time stamps that is filled with silence; a longer one is taken for a broken stamp.
SHORTEST_GAP_SECONDS, LONGEST_GAP_SECONDS = 0.05, 60.0

#: Recordings are read so far.
MAX_SECONDS = 12 * 3600.0

#: What a block holds.
_BLOCK_SECONDS = 10.0

Part = tuple[Mapping[str, object], Mapping[str, np.ndarray]]


class Sound(Decoded):
    """The sound of one opened file, as blocks `(channels, samples)` of the target rate.

    Args:
        container: the opened file.
        rate: samples a second of what comes out.
    """

    def __init__(self, container: Any, rate: int) -> None:
        super().__init__(container, container.streams.audio[0])
        self._rate = rate
        self.filled_seconds = 0.0

    def blocks(self) -> Iterator[np.ndarray]:
        """Blocks of samples, whose count of channels changes where the file's does."""
        import av

        resampler, setup = None, None
        start = (self._container.start_time or 0) / av.time_base
        anchor, samples, channels = start, 0, 1
        for frame in self._frames():
            if not frame.samples:
                continue
            found = (frame.format.name, frame.layout.name, frame.sample_rate)
            off = 0.0 if frame.time is None else frame.time - anchor - samples / frame.sample_rate
            gap = self._gap(off)
            if not gap and abs(off) >= SHORTEST_GAP_SECONDS:
                # Later frames follow the stamps as they are by now.
                anchor, samples = frame.time or 0.0, 0
            if resampler is not None and (gap or found != setup):
                yield from (block.to_ndarray() for block in resampler.resample(None))
                resampler = None
            if resampler is None:
                resampler = av.AudioResampler(format="fltp", rate=self._rate)
                anchor, samples, setup, channels = frame.time or 0.0, 0, found, frame.layout.nb_channels
            if gap:
                yield np.zeros((channels, round(gap * self._rate)), np.float32)
            samples += frame.samples
            yield from (block.to_ndarray() for block in resampler.resample(frame))
        if resampler is not None:
            yield from (block.to_ndarray() for block in resampler.resample(None))

    def _gap(self, off: float) -> float:
        """Seconds of silence before a frame whose time stamp is `off` seconds later than expected."""
        if abs(off) < SHORTEST_GAP_SECONDS:
            return 0.0
        if not 0 < off <= LONGEST_GAP_SECONDS:
            self.broken_stamps += 1
            return 0.0
        self.filled_seconds += off
        return off


def decode_sound(path: str, *, rate: int) -> Iterator[Part]:
    """Decodes the first sound of a file, mixed to one channel.

    Channels that are dead are left out of the mean, which needs a first pass over the file where it has several.

    Args:
        path: the file.
        rate: samples a second of what comes out.

    Yields:
        `{"failed": key, "detail": text}` and nothing more where there is nothing to decode; or what is known of the
        file, then `{}` with `samples` `(n,)` again and again, and at last what was met.
    """
    import av

    try:
        with open_media(path) as container:
            failed = _failure(container)
            if failed is None:
                known = _known(container)
                weights = _weights(Sound(container, rate), rate) if known["channels"] != 1 else None
    except (av.FFmpegError, UnicodeError) as error:
        failed = {"failed": "NOT_MEDIA", "detail": reason_of(error)}
    if failed is not None:
        yield failed, {}
        return
    with open_media(path) as container:
        yield {**known, "dead_channels": 0 if weights is None else int(np.count_nonzero(weights == 0))}, {}
        try:
            yield from _mixed(Sound(container, rate), weights, rate)
        except av.FFmpegError as error:
            raise ValueError(reason_of(error)) from error


def _failure(container: Any) -> dict[str, object] | None:
    """Why a file has nothing to decode, or `None`."""
    if not container.streams.audio:
        return {"failed": "NO_SOUND", "detail": ""}
    if container.streams.audio[0].codec_context is None:
        return {"failed": "NOT_DECODED", "detail": "FFmpeg has no decoder for its sound"}
    return None


def open_media(path: str) -> Any:
    """Opens a local file of a format that holds its data itself."""
    import av

    options = {"protocol_whitelist": "file", "format_whitelist": FORMATS}
    return av.open(f"file:{path}", options=options, metadata_errors="replace")


def film_of(container: Any) -> Any:
    """The first film of an opened file, which no cover of a record is; `None` where there is none."""
    from av.stream import Disposition

    return next((film for film in container.streams.video if not film.disposition & Disposition.attached_pic), None)


def reason_of(error: Exception) -> str:
    """What FFmpeg says of a failure, on one line."""
    return " ".join(str(getattr(error, "strerror", None) or error).split())


def _known(container: Any) -> dict[str, object]:
    import av

    stream = container.streams.audio[0]
    announced = container.duration
    return {
        "format": container.format.name,
        "codec": stream.codec_context.name,
        "rate_hz": stream.codec_context.sample_rate,
        "channels": stream.codec_context.channels,
        "sounds": len(container.streams.audio),
        "has_film": film_of(container) is not None,
        "announced_seconds": None if announced is None else announced / av.time_base,
    }


def _weights(sound: Sound, rate: int) -> np.ndarray | None:
    """Weights of the channels in the mean, or `None` where their number changes or all are silent."""
    energy, samples = None, 0
    for block in sound.blocks():
        found = np.square(block, dtype=np.float64).sum(axis=1)
        if energy is not None and energy.shape != found.shape:
            return None
        energy = found if energy is None else energy + found
        samples += block.shape[1]
        if samples > MAX_SECONDS * rate:
            break
    if energy is None or not np.isfinite(energy).all() or energy.max() == 0:
        return None
    alive = energy > energy.max() * 10 ** (DEAD_CHANNEL_DB / 10)
    return (alive / alive.sum()).astype(np.float32)


def _mixed(sound: Sound, weights: np.ndarray | None, rate: int) -> Iterator[Part]:
    held: list[np.ndarray] = []
    count = total = not_finite = 0
    for block in sound.blocks():
        usual = weights is not None and len(weights) == len(block)
        mono = weights @ block if usual else block.mean(axis=0)
        bad = ~np.isfinite(mono)
        not_finite += int(bad.sum())
        held.append(np.where(bad, 0, np.clip(mono, -8, 8)).astype(np.float32))
        count += len(mono)
        total += len(mono)
        if count >= _BLOCK_SECONDS * rate:
            yield {}, {"samples": np.concatenate(held)}
            held, count = [], 0
        if total > MAX_SECONDS * rate:
            break
    if count:
        yield {}, {"samples": np.concatenate(held)}
    yield (
        {
            "seconds": total / rate,
            "damaged_packets": sound.damaged_packets,
            "broken_stamps": sound.broken_stamps,
            "filled_seconds": sound.filled_seconds,
            "is_cut_off": sound.is_cut_off,
            "not_finite": not_finite,
            "is_longer": total > MAX_SECONDS * rate,
        },
        {},
    )
