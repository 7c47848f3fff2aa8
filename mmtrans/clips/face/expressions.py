"""What an expression looks like to a small model of seven classes: a guess from one grey picture of 64 × 64 pixels."""

from __future__ import annotations

import numpy as np

from mmtrans.clips.face.mesh import EYE_CORNERS, box_of, cut_out, upright
from mmtrans.clips.face.models import Model

#: The model sees a square that is wider than the face's points by this factor.
_WIDER = 1.2


class ExpressionScorer:
    """Scores the expression of faces."""

    def __init__(self) -> None:
        self._model = Model("expressions")

    def __call__(self, picture: np.ndarray, points: np.ndarray) -> np.ndarray:
        """The scores `(7,)`, of sum 1, of the face of points `(468, 3)` in a picture `(height, width, 3)` uint8."""
        box = box_of(points)
        side = float((box[2:] - box[:2]).max()) * _WIDER
        turn = upright(points[EYE_CORNERS, :2])
        grey = cut_out(picture, (box[:2] + box[2:]) / 2, side, turn, self._model.size).convert("L")
        return self._model(np.asarray(grey, np.float32)[..., None] / 127.5 - 1)[0]
