"""From the 468 points of a face to the columns of its shape: pose and expression."""

from __future__ import annotations

import numpy as np

from mmtrans.clips.face.columns import SHAPE
from mmtrans.clips.face.pose import pose_of

#: Points by the side of the person: right, left.
_LIDS = (((159, 145), (158, 153), (160, 144)), ((386, 374), (385, 380), (387, 373)))
_INNER_EYE, _OUTER_EYE = (133, 362), (33, 263)
_INNER_BROW, _MIDDLE_BROW, _OUTER_BROW = (55, 285), (105, 334), (70, 300)
_OPENINGS = ((81, 178), (311, 402))
_CORNERS, _INNER_CORNERS = (61, 291), (78, 308)
_LIP_PEAKS, _NOSE_WINGS = (37, 267), (98, 327)
_WINGS_OUTER, _LOWER_LIDS, _CHEEKS = (129, 358), (145, 374), (50, 280)

#: In the middle: the upper lip from above, the lower lip to below, the base of the nose, the chin, the bridge.
_LIP_TOP, _LIP_IN, _LOWER_LIP_IN, _LIP_BOTTOM = 0, 13, 14, 17
_NOSE_BASE, _CHIN, _BRIDGE = 2, 152, (6, 168, 197)

_SIDES = ("right", "left")


def shape_of(points: np.ndarray) -> np.ndarray:
    """The columns `SHAPE` of faces.

    Args:
        points: `(steps, 468, 3)`: x to the right, y down, z away from the camera, in one unit.

    Returns:
        `(steps, 36)`.
    """
    angles, frontal = pose_of(points)
    columns = {
        "pose_yaw": angles[:, 0],
        "pose_pitch": angles[:, 1],
        "pose_roll": angles[:, 2],
        **_eyes_and_brows(frontal),
        **_mouth(frontal),
        **_rest(frontal),
    }
    return np.stack([columns[name] for name in SHAPE], axis=1)


def _eyes_and_brows(face: np.ndarray) -> dict[str, np.ndarray]:
    columns = {}
    for side, name in enumerate(_SIDES):
        corners = face[:, [_INNER_EYE[side], _OUTER_EYE[side]], 1]
        columns |= {
            f"eye_open_{name}": np.mean([_distance(face, *lids) for lids in _LIDS[side]], axis=0),
            f"brow_inner_{name}": corners[:, 0] - face[:, _INNER_BROW[side], 1],
            f"brow_middle_{name}": corners.mean(axis=1) - face[:, _MIDDLE_BROW[side], 1],
            f"brow_outer_{name}": corners[:, 1] - face[:, _OUTER_BROW[side], 1],
        }
    brows = [
        np.mean([columns[f"brow_{part}_{name}"] for part in ("inner", "middle", "outer")], axis=0) for name in _SIDES
    ]
    return {
        **columns,
        "eye_asymmetry": columns["eye_open_right"] - columns["eye_open_left"],
        "brow_asymmetry": brows[0] - brows[1],
        "brow_distance": _distance(face, *_INNER_BROW),
    }


def _mouth(face: np.ndarray) -> dict[str, np.ndarray]:
    between_lips = face[:, [_LIP_IN, _LOWER_LIP_IN], 1].mean(axis=1)
    corners = [between_lips - face[:, corner, 1] for corner in _CORNERS]
    raises = [face[:, wing, 1] - face[:, peak, 1] for wing, peak in zip(_NOSE_WINGS, _LIP_PEAKS, strict=True)]
    return {
        "mouth_open": _distance(face, _LIP_IN, _LOWER_LIP_IN),
        "mouth_open_right": _distance(face, *_OPENINGS[0]),
        "mouth_open_left": _distance(face, *_OPENINGS[1]),
        "mouth_width": _distance(face, *_CORNERS),
        "mouth_inner_width": _distance(face, *_INNER_CORNERS),
        "mouth_corner_right": corners[0],
        "mouth_corner_left": corners[1],
        "mouth_asymmetry": corners[0] - corners[1],
        "mouth_shift": face[:, _CORNERS, 0].mean(axis=1) - _midline(face),
        "lip_upper": _distance(face, _LIP_TOP, _LIP_IN),
        "lip_lower": _distance(face, _LOWER_LIP_IN, _LIP_BOTTOM),
        "lip_forward": face[:, _NOSE_BASE, 2] - face[:, [_LIP_TOP, _LIP_BOTTOM], 2].mean(axis=1),
        "lip_raise_right": raises[0],
        "lip_raise_left": raises[1],
        "lip_to_chin": _distance(face, _LIP_BOTTOM, _CHIN),
    }


def _rest(face: np.ndarray) -> dict[str, np.ndarray]:
    columns = {
        "chin_drop": face[:, _CHIN, 1] - face[:, _NOSE_BASE, 1],
        "chin_shift": face[:, _CHIN, 0] - _midline(face),
        "nose_width": _distance(face, *_WINGS_OUTER),
    }
    for side, name in enumerate(_SIDES):
        columns[f"cheek_{name}"] = face[:, _LOWER_LIDS[side], 1] - face[:, _CHEEKS[side], 1]
        columns[f"nose_wrinkle_{name}"] = -_distance(face, _WINGS_OUTER[side], _INNER_EYE[side])
    return columns


def _midline(face: np.ndarray) -> np.ndarray:
    return face[:, _BRIDGE, 0].mean(axis=1)


def _distance(face: np.ndarray, one: int, other: int) -> np.ndarray:
    return np.linalg.norm(face[:, one] - face[:, other], axis=1)
