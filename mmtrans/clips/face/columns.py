"""Names and units of the columns of the face, in their order."""

from __future__ import annotations

#: Lengths are shares of the face's size: the distance of the outer corners of the eyes, as seen from the front.
_LENGTH = "face sizes"

#: Sides are those of the person.
_POSE = ("pose_yaw", "pose_pitch", "pose_roll")

EXPRESSION = (
    "eye_open_right",
    "eye_open_left",
    "eye_asymmetry",
    "brow_inner_right",
    "brow_inner_left",
    "brow_middle_right",
    "brow_middle_left",
    "brow_outer_right",
    "brow_outer_left",
    "brow_distance",
    "brow_asymmetry",
    "mouth_open",
    "mouth_open_right",
    "mouth_open_left",
    "mouth_width",
    "mouth_inner_width",
    "mouth_corner_right",
    "mouth_corner_left",
    "mouth_asymmetry",
    "mouth_shift",
    "lip_upper",
    "lip_lower",
    "lip_forward",
    "lip_raise_right",
    "lip_raise_left",
    "lip_to_chin",
    "chin_drop",
    "chin_shift",
    "cheek_right",
    "cheek_left",
    "nose_wrinkle_right",
    "nose_wrinkle_left",
    "nose_width",
)

#: What is measured of the points of one picture.
SHAPE = (*_POSE, *EXPRESSION)

#: The classes of the model of expressions, in its order.
SCORES = tuple(f"looks_{name}" for name in ("angry", "disgusted", "afraid", "happy", "sad", "surprised", "neutral"))


def measured_columns(*, expressions: bool) -> tuple[str, ...]:
    """The columns of one picture, with the seven expression scores or without."""
    return (*SHAPE, *SCORES) if expressions else SHAPE


def columns_of(*, expressions: bool) -> tuple[str, ...]:
    """All columns of a step: those of a picture, and the changes of its shape."""
    return (*measured_columns(expressions=expressions), *(f"{name}_change" for name in SHAPE))


def units_of(*, expressions: bool) -> dict[str, str]:
    """Column → unit."""
    units = {name: "degrees" if name in _POSE else _LENGTH for name in SHAPE}
    changes = {f"{name}_change": f"{unit} a second" for name, unit in units.items()}
    return {**units, **(dict.fromkeys(SCORES, "0 to 1") if expressions else {}), **changes}
