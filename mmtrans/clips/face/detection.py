"""Faces in a picture, as MediaPipe's detector for faces within five metres finds them (BlazeFace, full range)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from mmtrans.clips.face.models import Model

#: A face is one from this probability on.
_LEAST_SCORE = 0.5

#: Boxes that overlap by this share are of one face.
_SAME_FACE = 0.3

#: Pixels of the detector's input from one anchor to the next.
_STRIDE = 4


@dataclass(frozen=True)
class Face:
    """A face that was found; all is in pixels of the picture.

    Attributes:
        box: `(4,)`, left, top, right, bottom.
        eyes: `(2, 2)`, x and y of the eye at the left of the picture, and of that at its right.
        score: its probability.
    """

    box: np.ndarray
    eyes: np.ndarray
    score: float

    @property
    def area(self) -> float:
        return float(np.prod(np.maximum(self.box[2:] - self.box[:2], 0)))


class Detector:
    """Finds the faces of pictures."""

    def __init__(self) -> None:
        self._model = Model("faces")
        cells = (np.arange(self._model.size // _STRIDE) + 0.5) * _STRIDE
        self._anchors = np.stack(np.meshgrid(cells, cells), axis=-1).reshape(-1, 1, 2)

    def __call__(self, picture: np.ndarray) -> list[Face]:
        """The faces of a picture `(height, width, 3)` uint8 in RGB, the most probable first."""
        size = self._model.size
        height, width = picture.shape[:2]
        scale = size / max(height, width)
        inside = max(round(width * scale), 1), max(round(height * scale), 1)
        offset = (size - inside[0]) // 2, (size - inside[1]) // 2
        square = Image.new("RGB", (size, size))
        square.paste(Image.fromarray(picture).resize(inside, Image.Resampling.BILINEAR), offset)
        found, logits = self._model(np.asarray(square, np.float32) / 127.5 - 1)
        scores = 1 / (1 + np.exp(-np.clip(logits[:, 0], -80, 80)))
        likely = np.flatnonzero(scores >= _LEAST_SCORE)
        points = found[likely].reshape(len(likely), 8, 2).astype(np.float64)
        centre, half = points[:, 0] + self._anchors[likely, 0], points[:, 1] / 2
        eyes = points[:, 2:4] + self._anchors[likely]
        boxes = (np.concatenate([centre - half, centre + half], axis=1) - [*offset, *offset]) / scale
        faces = [
            Face(box, (pair - offset) / scale, float(score))
            for box, pair, score in zip(boxes, eyes, scores[likely], strict=True)
            if (box[2:] > box[:2]).all()
        ]
        return _merged(sorted(faces, key=lambda face: -face.score))


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """The share of what two boxes cover that both do."""
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    both = float(np.prod(np.maximum(sides, 0)))
    either = float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2])) - both
    return both / either if either > 0 else 0.0


def _merged(faces: list[Face]) -> list[Face]:
    """One face for those that overlap: their mean, weighted by their scores."""
    merged = []
    while faces:
        same = [face for face in faces if overlap(face.box, faces[0].box) >= _SAME_FACE]
        weights = [face.score for face in same]
        box = np.average([face.box for face in same], axis=0, weights=weights)
        eyes = np.average([face.eyes for face in same], axis=0, weights=weights)
        merged.append(Face(box, eyes, faces[0].score))
        faces = [face for face in faces if not any(face is each for each in same)]
    return merged
