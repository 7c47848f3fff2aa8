"""The 468 points of a face, as MediaPipe's model of face landmarks finds them."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from mmtrans.clips.face.models import Model

NUM_POINTS = 468

#: What the model sees is wider than the face that was found, or than its points, by this factor.
_WIDER = 1.5

#: A face is one from this probability on.
_LEAST_SCORE = 0.5

#: Outer corners of the eyes, at the left of the picture and at its right.
EYE_CORNERS = (33, 263)


class MeshFinder:
    """Finds the points of a face in two rounds: the second looks where the first found them.

    So they depend little on where exactly the face was found.
    """

    def __init__(self) -> None:
        self._model = Model("points")

    def __call__(self, picture: np.ndarray, box: np.ndarray, eyes: np.ndarray) -> np.ndarray | None:
        """The points of the face within a box.

        Args:
            picture: `(height, width, 3)` uint8, in RGB.
            box: `(4,)`, left, top, right, bottom, in pixels.
            eyes: `(2, 2)`, x and y of both eyes, that at the left of the picture first.

        Returns:
            `(468, 3)`: x to the right and y down, in pixels, and z away from the camera in the same unit; `None` where
            there is no face.
        """
        points = self._look(picture, box, eyes)
        if points is None:
            return None
        return self._look(picture, box_of(points), points[EYE_CORNERS, :2])

    def _look(self, picture: np.ndarray, box: np.ndarray, eyes: np.ndarray) -> np.ndarray | None:
        centre = (box[:2] + box[2:]) / 2
        side = float((box[2:] - box[:2]).max()) * _WIDER
        turn = upright(eyes)
        cut = cut_out(picture, centre, side, turn, self._model.size)
        found, score = self._model(np.asarray(cut, np.float32) / 255)
        if 1 / (1 + np.exp(-np.clip(score.ravel()[0], -80, 80))) < _LEAST_SCORE:
            return None
        inside = found.reshape(NUM_POINTS, 3).astype(np.float64) / self._model.size * side
        points = (inside[:, :2] - side / 2) @ turn.T + centre
        return np.column_stack([points, inside[:, 2]])


def box_of(points: np.ndarray) -> np.ndarray:
    """The box `(4,)` around points `(468, 3)`: left, top, right, bottom."""
    return np.concatenate([points[:, :2].min(axis=0), points[:, :2].max(axis=0)])


def upright(eyes: np.ndarray) -> np.ndarray:
    """The turn `(2, 2)` that makes a face of which the eyes `(2, 2)` are level look as it does."""
    across = eyes[1] - eyes[0]
    angle = np.arctan2(across[1], across[0])
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def cut_out(picture: np.ndarray, centre: np.ndarray, side: float, turn: np.ndarray, size: int) -> Image.Image:
    """A turned square of a picture, whose edges go on outside of it.

    Args:
        picture: `(height, width, 3)` uint8.
        centre: `(2,)`, the middle of the square.
        side: its side, in pixels of the picture.
        turn: `(2, 2)`, how it is turned.
        size: its side in pixels of what comes out.
    """
    # The square around it whose sides are not turned; a turned one fits into it.
    reach = math.ceil(side * math.sqrt(0.5)) + 1
    corner = np.floor(centre).astype(int) - reach
    rows, columns = (
        np.clip(np.arange(start, start + 2 * reach), 0, length - 1) for start, length in _axes(picture, corner)
    )
    around = Image.fromarray(picture[rows[:, None], columns])
    step = side / size
    if step > 1:
        # Several pixels become one: their mean is taken first, so that fine patterns do not flicker.
        small = max(round(2 * reach / step), 1)
        around, step = around.resize((small, small), Image.Resampling.BOX), step * small / (2 * reach)
    middle = (centre - corner) * around.width / (2 * reach)
    matrix = turn * step
    first = middle - matrix @ [size / 2, size / 2]
    coefficients = (*matrix[0], first[0], *matrix[1], first[1])
    return around.transform((size, size), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR)


def _axes(picture: np.ndarray, corner: np.ndarray) -> list[tuple[int, int]]:
    """Of rows and columns, where a square begins, and how many there are."""
    height, width = picture.shape[:2]
    return [(int(corner[1]), height), (int(corner[0]), width)]
