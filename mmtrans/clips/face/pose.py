"""How a face is turned, and its points as seen from the front."""

from __future__ import annotations

import numpy as np

#: Points that expressions move little, and where they are in a face that looks ahead: x to its left, y down, z back, in
#: distances of the outer corners of the eyes. The mean of scikit-image's astronaut and her mirror image, as our model
#: of points finds her; she looks ahead where the forehead (151) stands above the base of the nose (2, 94).
_PAIRS = {
    (33, 263): (0.5, 0.0, 0.0),
    (133, 362): (0.191, 0.019, -0.059),
    (98, 327): (0.216, 0.442, -0.17),
    (116, 345): (0.693, 0.154, 0.159),
    (122, 351): (0.063, 0.061, -0.266),
    (193, 417): (0.085, -0.033, -0.206),
}
_MIDDLE = {
    151: (-0.392, -0.282),
    168: (-0.044, -0.255),
    6: (0.044, -0.296),
    197: (0.125, -0.344),
    195: (0.198, -0.397),
    5: (0.278, -0.453),
    4: (0.374, -0.47),
    1: (0.444, -0.44),
    2: (0.492, -0.255),
    94: (0.484, -0.308),
}
_RIGID = [*(number for pair in _PAIRS for number in pair), *_MIDDLE]
_REFERENCE = np.array(
    [(side * x, y, z) for x, y, z in _PAIRS.values() for side in (-1, 1)] + [(0, y, z) for y, z in _MIDDLE.values()]
)

#: The points that the model finds of a turned face are those of one turned less; a flatter reference makes up for it.
#: Chosen on a picture whose own points were turned by 10 and 20 degrees.
_FLATTER = 0.8

#: Rounds until the angles are still, to a hundredth of a degree.
_ROUNDS = 60


def pose_of(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Angles of faces, and their points as seen from the front.

    The angles are those by which the reference is turned to lie on the points in the picture; their depths, which are
    less sure, only start the search. The points are turned to lie on the reference in all three dimensions.

    Args:
        points: `(steps, 468, 3)`: x to the right, y down, z away from the camera, in one unit.

    Returns:
        `(steps, 3)`: yaw, pitch and roll in degrees: above 0 the face turns to its right, looks down, and its
        head tilts to its left shoulder; yaw comes first, roll last. And `(steps, 468, 3)`: x to the face's left, y down
        and z back, from the middle of the rigid points, in distances of the outer corners of the eyes.
    """
    seen = points[:, _RIGID]
    middle = seen.mean(axis=1, keepdims=True)
    turn, size = _turn_onto(_REFERENCE, seen - middle)
    frontal = (points - middle) @ turn / size[:, None, None]
    return _angles(_turn_in_picture(seen - middle)), frontal


def _turn_in_picture(seen: np.ndarray) -> np.ndarray:
    """The turns `(steps, 3, 3)` that bring the reference nearest to `seen` `(steps, points, 3)` in x and y."""
    reference = _REFERENCE * [1, 1, _FLATTER]
    reference = reference - reference.mean(axis=0)
    guess = seen.copy()
    turn, size = _turn_onto(reference, guess)
    for _ in range(_ROUNDS):
        guess[..., 2] = (reference @ turn.transpose(0, 2, 1))[..., 2] * size[:, None]
        turn, size = _turn_onto(reference, guess)
    return turn


def _turn_onto(reference: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The turn `(steps, 3, 3)` and the size `(steps,)` that bring `reference` nearest to `seen`, by Kabsch's method."""
    centred = reference - reference.mean(axis=0)
    left, values, right = np.linalg.svd(np.swapaxes(seen, 1, 2) @ centred)
    # A reflection is no turn.
    sign = np.ones((len(seen), 3))
    sign[:, 2] = np.sign(np.linalg.det(left @ right))
    turn = (left * sign[:, None]) @ right
    return turn, np.maximum((values * sign).sum(axis=1) / np.square(centred).sum(), 1e-12)


def _angles(turn: np.ndarray) -> np.ndarray:
    yaw = np.arctan2(-turn[:, 2, 0], turn[:, 2, 2])
    pitch = np.arcsin(np.clip(turn[:, 2, 1], -1, 1))
    roll = np.arctan2(-turn[:, 0, 1], turn[:, 1, 1])
    return np.degrees(np.stack([yaw, pitch, roll], axis=1))
