"""Which face of a picture is that of the main speaker: the one that has been largest of late, and is kept to."""

from __future__ import annotations

from dataclasses import dataclass

from mmtrans.clips.face.detection import Face, overlap

#: A face is the one of a picture before if the boxes overlap by this share.
_SAME_FACE = 0.2

#: A face that was not seen for longer is gone, and with it who was followed.
_GONE_SECONDS = 0.5

#: How long a face has to be seen until its size counts in full.
_SETTLED_SECONDS = 3.0

#: Another face is followed once it counts so many times as much.
_TAKES_OVER = 2.0


def longest_gap(fps: float) -> int:
    """For how many steps a face may be away and is still the same."""
    return int(_GONE_SECONDS * fps)


@dataclass
class _Track:
    """One face over pictures: its number, how it was last seen and when, and what it counts."""

    number: int
    face: Face
    step: int
    weight: float


class Follower:
    """Follows one face over pictures that are taken evenly.

    Args:
        fps: pictures a second.
    """

    def __init__(self, fps: float) -> None:
        self._longest_gap = longest_gap(fps)
        self._share = min(1 / (_SETTLED_SECONDS * fps), 1.0)
        self._tracks: list[_Track] = []
        self._followed: int | None = None
        self._begun = 0

    def __call__(self, step: int, faces: list[Face]) -> tuple[int, Face] | None:
        """Takes the faces of the picture of a step, and gives the number of the followed one and how it is seen there.

        The first picture's largest face is followed first.
        """
        self._tracks = [track for track in self._tracks if step - track.step <= self._longest_gap + 1]
        pairs = sorted(
            (
                (overlap(face.box, track.face.box), index, track)
                for index, face in enumerate(faces)
                for track in self._tracks
            ),
            key=lambda pair: -pair[0],
        )
        is_first = not self._tracks
        taken: set[int] = set()
        for shared, index, track in pairs:
            if shared >= _SAME_FACE and index not in taken and track.step != step:
                taken.add(index)
                track.face, track.step = faces[index], step
        for index, face in enumerate(faces):
            if index not in taken:
                self._begun += 1
                self._tracks.append(_Track(self._begun, face, step, face.area if is_first else 0.0))
        for track in self._tracks:
            seen = track.face.area if track.step == step else 0.0
            track.weight += self._share * (seen - track.weight)
        return self._chosen(step)

    def _chosen(self, step: int) -> tuple[int, Face] | None:
        if not self._tracks:
            self._followed = None
            return None
        best = max(self._tracks, key=lambda track: track.weight)
        current = next((track for track in self._tracks if track.number == self._followed), None)
        if current is None or best.weight > _TAKES_OVER * current.weight:
            current = best
        self._followed = current.number
        return (current.number, current.face) if current.step == step else None
