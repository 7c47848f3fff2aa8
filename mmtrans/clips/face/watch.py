"""What runs in the limited child process: pictures decoded, the face found, followed and measured."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mmtrans.clips.face.columns import SHAPE, measured_columns
from mmtrans.clips.face.detection import Detector
from mmtrans.clips.face.expressions import ExpressionScorer
from mmtrans.clips.face.measures import shape_of
from mmtrans.clips.face.mesh import NUM_POINTS, MeshFinder
from mmtrans.clips.face.pictures import Film
from mmtrans.clips.face.tracking import Follower
from mmtrans.clips.sound.decode import Part, film_of, open_media, reason_of

#: Steps of a part.
_BLOCK = 64


class _Watcher:
    """Measures the pictures of a film, and counts what it sees."""

    def __init__(self, fps: float, *, expressions: bool) -> None:
        self._detector, self._mesh = Detector(), MeshFinder()
        self._scorer = ExpressionScorer() if expressions else None
        self._follower = Follower(fps)
        self._width = len(measured_columns(expressions=expressions))
        self.several = 0

    def look(self, step: int, picture: np.ndarray) -> tuple[int, np.ndarray, np.ndarray] | None:
        """The number of the followed face, its points and its scores; `None` where it is not seen."""
        faces = self._detector(picture)
        self.several += len(faces) > 1
        followed = self._follower(step, faces)
        points = None if followed is None else self._mesh(picture, followed[1].box, followed[1].eyes)
        if followed is None or points is None:
            return None
        return followed[0], points, self._scorer(picture, points) if self._scorer else np.zeros(0)

    def rows(self, seen: list[tuple[int, np.ndarray, np.ndarray] | None]) -> np.ndarray:
        """Numbers of faces and their columns, `(steps, 1 + columns)`; NaN where no face is."""
        rows = np.full((len(seen), 1 + self._width), np.nan, np.float32)
        found = [place for place, face in enumerate(seen) if face is not None]
        faces = [face for face in seen if face is not None]
        if faces:
            points = np.array([points for _, points, _ in faces]).reshape(-1, NUM_POINTS, 3)
            rows[found, 0] = [number for number, _, _ in faces]
            rows[found, 1 : 1 + len(SHAPE)] = shape_of(points)
            rows[found, 1 + len(SHAPE) :] = [scores for _, _, scores in faces]
        return rows


def watch_face(path: str, *, fps: float, expressions: bool) -> Iterator[Part]:
    """Measures the face of the main speaker of a film.

    Args:
        path: the file.
        fps: steps a second.
        expressions: whether the seven expression scores are wanted.

    Yields:
        `{"failed": key}` and nothing more where there is no film that can be decoded; or what is known of it, then
        `{}` with `rows` `(steps, 1 + columns)` again and again, of all steps from the first, and at last what was met.
    """
    import av

    try:
        container = open_media(path)
    except (av.FFmpegError, UnicodeError):
        # Decoding the sound tells why.
        yield {"failed": "NOT_MEDIA"}, {}
        return
    try:
        with container:
            stream = film_of(container)
            if stream is None or stream.codec_context is None:
                yield {"failed": "NO_PICTURE"}, {}
                return
            known = {"codec": stream.codec_context.name, "width": stream.width, "height": stream.height}
            yield known, {}
            film = Film(container, stream, fps)
            watcher = _Watcher(fps, expressions=expressions)
            yield from _rows(film, watcher)
            yield (
                {
                    "seconds": film.seconds,
                    "damaged_packets": film.damaged_packets,
                    "broken_stamps": film.broken_stamps,
                    "is_cut_off": film.is_cut_off,
                    "several": watcher.several,
                },
                {},
            )
    except av.FFmpegError as error:
        raise ValueError(reason_of(error)) from error


def _rows(film: Film, watcher: _Watcher) -> Iterator[Part]:
    held: list[tuple[int, np.ndarray, np.ndarray] | None] = []
    done = 0
    for first, last, picture in film.steps():
        face = watcher.look(first, picture)
        for step in (*[None] * (first - done), *range(first, last)):
            held.append(None if step is None else face)
            if len(held) == _BLOCK:
                yield {}, {"rows": watcher.rows(held)}
                held = []
        done = last
    if held:
        yield {}, {"rows": watcher.rows(held)}
