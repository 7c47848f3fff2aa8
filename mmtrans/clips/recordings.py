"""One recording: its face is watched, then its sound is decoded once, and measured, cut and written as it comes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

import numpy as np

from mmtrans.clips.account import ClipAccount, Counted, LeftOut, Reason
from mmtrans.clips.face.recording import RecordedFace
from mmtrans.clips.frames import FrameStream, audio_of
from mmtrans.clips.lag import LagCurve
from mmtrans.clips.listing import Recording, may_have_picture
from mmtrans.clips.pieces import Piece, Span
from mmtrans.clips.settings import ExtractSettings
from mmtrans.clips.sound.recording import RecordedSound, RecordingError
from mmtrans.clips.steps import known_means, mean_of_words
from mmtrans.clips.store import LAG, ArrayWriter, ClipStore, Receipt, SegmentReceipt, array_name
from mmtrans.clips.voice.columns import ENERGY, FRAME_SECONDS, RATE_HZ
from mmtrans.clips.words.files import read_words_file, words_beside
from mmtrans.clips.words.timed import TimedWord, moved
from mmtrans.sources.words import storable_text
from mmtrans.system import interrupts
from tfrecords.manifest import file_sha256
from tfrecords.schema import segment_id

#: Samples of silence that stand for no sound, at a time: ten seconds.
_SILENT_BLOCK = 10 * RATE_HZ


def request_of(recording: Recording) -> dict[str, object]:
    """All that the segments of a recording depend on besides the settings."""
    files = [recording.path, *([beside] if (beside := words_beside(recording.path)) else [])]
    stats = [(file, file.stat()) for file in files]
    return {
        "wanted": [asdict(wanted) for wanted in recording.wanted],
        "files": [[storable_text(file.name), found.st_size, found.st_mtime_ns] for file, found in stats],
    }


def extract_recording(
    recording: Recording, request: dict[str, object], store: ClipStore, settings: ExtractSettings
) -> Receipt:
    """Measures a recording, writes the arrays of its segments, and notes that it is done.

    One whose decoding fails, as where memory is short, is tried again by the next command.

    Args:
        recording: what is wanted of which file.
        request: what `request_of` tells of it.
        store: the directory of the corpus.
        settings: how clips are extracted.
    """
    account = ClipAccount()
    sound = RecordedSound(recording.path, account, settings.audio_features)
    segments: list[SegmentReceipt] = []
    lag = LagCurve.empty()
    sha256 = None
    may_go_better = False
    with (
        store.new_arrays(recording.name) as path,
        ArrayWriter(path) as writer,
        RecordedFace(recording.path, settings, account) as face,
    ):
        try:
            spans, known = _spans(recording, settings, account)
            is_film = may_have_picture(recording.path)
            if settings.face_fps and is_film:
                face.watch()
            for piece in _pieces(sound, face, spans, FrameStream(settings), account):
                lag.add(piece.frames[:, ENERGY], known or (), piece.first)
                segment, arrays = _segment(piece, len(segments), settings, sound, face)
                reason = _why_not(piece, arrays, settings)
                if reason is not None:
                    account.leave(f"{recording.name}, from {segment['start']:g} s", reason)
                    continue
                for modality, array in arrays.items():
                    writer.add(array_name(segment["id"], modality), array)
                segments.append(segment)
            if lag.count:
                writer.add(LAG, lag.to_array())
            if face.steps:
                account.count(Counted.WITHOUT_FACE, sum("video" not in segment["steps"] for segment in segments))
            elif settings.face_fps and not is_film:
                account.count(Counted.FILM_AS_SOUND, bool(sound.known.get("has_film")))
            _count_words(segments, known, account)
            account.count(Counted.WITHOUT_WORDS, not any(segment["words"] for segment in segments))
            sha256 = file_sha256(recording.path)
        except RecordingError as error:
            # What came before a failure is no recording.
            segments, may_go_better = [], error.reason in (Reason.NOT_DECODED, Reason.NOT_MEASURED)
            account.leave(recording.name, error.reason, error.detail)
    receipt = Receipt(
        recording=recording.name,
        request=request,
        sha256=sha256,
        sound=dict(sound.known),
        picture=dict(face.known),
        seconds=sound.seconds or face.seconds,
        segments=segments,
        counts=account.in_words(),
        left_out=account.left_out(),
    )
    if not may_go_better:
        store.keep(receipt)
    return receipt


def failed(recording: Recording, reason: Reason, detail: str) -> Receipt:
    """What became of a recording of which nothing is known but why it is left out."""
    left = [LeftOut(clip=recording.name, reason=reason.value.format(detail))]
    return Receipt(
        recording=recording.name,
        request={},
        sha256=None,
        sound={},
        picture={},
        seconds=0.0,
        segments=[],
        counts={},
        left_out=left,
    )


def _spans(
    recording: Recording, settings: ExtractSettings, account: ClipAccount
) -> tuple[list[Span], list[TimedWord] | None]:
    """What is wanted, and the words with times that lie beside the recording."""
    beside = words_beside(recording.path)
    known: list[TimedWord] | None = None
    transcript: str | None = None
    if beside is not None:
        try:
            found = read_words_file(beside)
        except ValueError as error:
            raise RecordingError(Reason.BAD_WORDS, str(error)) from error
        if isinstance(found, str):
            transcript = found
        else:
            known = [moved(word, settings.clip_shift) for word in found]
    said = [wanted.transcript or (transcript if len(recording.wanted) == 1 else None) for wanted in recording.wanted]
    if known is not None:
        account.count(Counted.TRANSCRIPT_ASIDE, sum(text is not None for text in said))
        said = [None] * len(said)
    pairs = zip(recording.wanted, said, strict=True)
    return [Span(wanted, known, text, settings, account) for wanted, text in pairs], known


def _pieces(
    sound: RecordedSound, face: RecordedFace, spans: Sequence[Span], stream: FrameStream, account: ClipAccount
) -> Iterator[Piece]:
    """The pieces of all spans, in the order in which they end."""
    samples = frames = 0
    for block, others in _parts(sound, face, account):
        interrupts.raise_held_back()
        measured = stream.push(block, others)
        for span in spans:
            span.take_samples(block, samples)
            yield from span.take(measured, frames)
        samples += len(block)
        frames += len(measured)
    measured = stream.finish()
    for span in spans:
        yield from span.take(measured, frames)
        yield from span.finish()


def _parts(
    sound: RecordedSound, face: RecordedFace, account: ClipAccount
) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Samples, and what was measured of them elsewhere; of a film without sound, silence."""
    try:
        yield from sound.parts()
    except RecordingError as error:
        if error.reason is not Reason.NO_SOUND or not face.steps:
            raise
        account.count(Counted.WITHOUT_SOUND)
        rest = round(face.seconds * RATE_HZ)
        while rest > 0:
            yield np.zeros(min(rest, _SILENT_BLOCK), np.float32), None
            rest -= _SILENT_BLOCK


def _why_not(piece: Piece, arrays: Mapping[str, np.ndarray], settings: ExtractSettings) -> Reason | None:
    """Why a piece becomes no segment, if it does not."""
    if settings.steps == "words" and not piece.words:
        return Reason.NO_WORDS
    return None if arrays else Reason.NOTHING_MEASURED


def _segment(
    piece: Piece, number: int, settings: ExtractSettings, sound: RecordedSound, face: RecordedFace
) -> tuple[SegmentReceipt, dict[str, np.ndarray]]:
    """A segment and its arrays by modality; a step is a word or a frame."""
    wanted = piece.wanted
    start = piece.first * FRAME_SECONDS
    end = start + len(piece.frames) * FRAME_SECONDS
    arrays = {}
    if sound.known:
        frames = audio_of(piece.frames, settings)
        by_word = settings.steps == "words"
        arrays["audio"] = mean_of_words(frames, piece.words, piece.first, settings.audio) if by_word else frames
    if face.steps:
        rows, first = face.between(start, end)
        if settings.steps == "words":
            rows = known_means(rows, piece.words, first, 1 / settings.face_fps)
        if not np.isnan(rows).all():
            arrays["video"] = rows
    segment: SegmentReceipt = {
        "id": segment_id(wanted.video_id, number if wanted.index is None else wanted.index),
        "label": wanted.label,
        "split": wanted.split,
        "speaker": wanted.speaker or wanted.video_id,
        "start": round(start, 3),
        "end": round(end, 3),
        "steps": {name: len(array) for name, array in arrays.items()},
        "words": [
            (storable_text(word.text), round(word.start, 3), round(word.end, 3), word.how) for word in piece.words
        ],
    }
    return segment, arrays


def _count_words(segments: Sequence[SegmentReceipt], known: Sequence[TimedWord] | None, account: ClipAccount) -> None:
    by_how = {
        "given": Counted.GIVEN,
        "aligned": Counted.ALIGNED,
        "recognised": Counted.RECOGNISED,
        "spread": Counted.SPREAD,
    }
    used = [word for segment in segments for word in segment["words"]]
    for how, counted in by_how.items():
        account.count(counted, sum(word[3] == how for word in used))
    if known is not None:
        account.count(Counted.WORDS_OUTSIDE, max(len(known) - len({word[:3] for word in used}), 0))
