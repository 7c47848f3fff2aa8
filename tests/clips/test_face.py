"""Faces in pictures: found, followed and measured."""

import numpy as np
import pytest

from mmtrans.clips.face import pose
from mmtrans.clips.face.columns import EXPRESSION, SHAPE, columns_of, units_of
from mmtrans.clips.face.detection import Detector, Face, overlap
from mmtrans.clips.face.expressions import ExpressionScorer
from mmtrans.clips.face.measures import shape_of
from mmtrans.clips.face.mesh import MeshFinder
from mmtrans.clips.face.tracking import Follower
from tests.clips.faces import astronaut, needs_models, rotation, turned

POSE = ("pose_yaw", "pose_pitch", "pose_roll")


def of(shape, *names):
    return shape[..., [SHAPE.index(name) for name in names]]


def measured(picture):
    """The mesh of the only face of a picture, and its columns."""
    (face,) = Detector()(picture)
    mesh = MeshFinder()(picture, face.box, face.eyes)
    return mesh, shape_of(mesh[None])[0]


@pytest.fixture(scope="module")
def looking():
    return measured(astronaut())


def some_face(seed=0):
    """Points `(468, 3)` like those of a face of 100 pixels."""
    return np.random.default_rng(seed).normal(0, 50, (468, 3))


@needs_models
def test_the_face_of_a_picture_is_where_it_is(looking):
    picture = astronaut()
    (face,) = Detector()(picture)
    # By eye: left, top, right and bottom of the face, and the middles of both eyes.
    assert overlap(face.box, np.array([78, 62, 180, 174])) > 0.8
    np.testing.assert_allclose(face.eyes, [[106, 102], [150, 105]], atol=4)
    mesh, _ = looking
    np.testing.assert_allclose(mesh[[33, 263, 4], :2], [[98, 101], [160, 104], [126, 124]], atol=4)
    # The nose is nearer than the ears.
    assert mesh[4, 2] < mesh[[234, 454], 2].min() - 40


@needs_models
@pytest.mark.parametrize("angles", [{"yaw": 20}, {"yaw": -20}, {"pitch": 20}, {"pitch": -20}, {"roll": 20}])
def test_a_turned_head_has_turned_by_so_many_degrees(looking, angles):
    mesh, before = looking
    _, after = measured(turned(astronaut(), mesh, **angles))
    change = of(after - before, *POSE)
    np.testing.assert_allclose(change, [angles.get(name, 0) for name in ("yaw", "pitch", "roll")], atol=5)


@needs_models
def test_a_pan_and_a_zoom_over_a_still_face_change_no_expression():
    from PIL import Image

    still = Image.fromarray(astronaut())
    shapes = []
    for number in range(8):
        left, top, side = 4 * number, 2 * number, 250 - 9 * number
        view = still.resize((200, 200), Image.Resampling.BICUBIC, (left, top, left + side, top + side))
        shapes.append(measured(np.asarray(view))[1])
    expression = of(np.array(shapes), *EXPRESSION)
    assert np.ptp(expression, axis=0).max() < 0.05
    assert expression.std(axis=0).mean() < 0.005
    assert np.ptp(of(np.array(shapes), *POSE), axis=0).max() < 5


@needs_models
def test_of_a_mirrored_face_the_sides_are_exchanged(looking):
    _, shape = looking
    _, mirrored = measured(astronaut()[:, ::-1])
    assert of(mirrored, "pose_roll") == pytest.approx(-of(shape, "pose_roll"), abs=1)
    for name in ("eye_open", "brow_outer", "mouth_corner", "cheek"):
        assert of(mirrored, f"{name}_left") == pytest.approx(of(shape, f"{name}_right"), abs=0.015)


@needs_models
def test_expressions_are_guessed(looking):
    mesh, _ = looking
    scores = ExpressionScorer()(astronaut(), mesh)
    assert scores.sum() == pytest.approx(1, abs=1e-3)
    assert columns_of(expressions=True)[len(SHAPE) + scores.argmax()] == "looks_happy"


@needs_models
def test_no_face_and_two_faces():
    picture = astronaut()
    assert Detector()(np.full((100, 150, 3), 128, np.uint8)) == []
    small = picture[::2, ::2]
    both = np.full((256, 400, 3), 128, np.uint8)
    both[:, :256] = picture
    both[64:192, 270:398] = small
    faces = sorted(Detector()(both), key=lambda face: face.box[0])
    assert len(faces) == 2
    assert faces[0].area > 3 * faces[1].area
    np.testing.assert_allclose(faces[1].eyes, faces[0].eyes / 2 + [270, 64], atol=4)


@needs_models
def test_what_is_no_face_has_no_points():
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    box, eyes = np.array([50.0, 50, 150, 150]), np.array([[80.0, 80], [120, 80]])
    assert MeshFinder()(noise, box, eyes) is None


def test_measures_do_not_depend_on_where_how_large_and_how_turned_a_face_is():
    face = some_face()
    moved = 3.5 * face @ rotation(yaw=25, pitch=-15, roll=40).T + [300, 200, 10]
    still, other = shape_of(np.array([face, moved]))
    np.testing.assert_allclose(of(other, *EXPRESSION), of(still, *EXPRESSION), atol=1e-9)


def test_lengths_are_shares_of_the_face_size():
    face = some_face()
    face[pose._RIGID] = 80 * pose._REFERENCE
    face[[13, 14]] = 80 * np.array([[0, 0.7, -0.2], [0, 0.95, -0.2]])
    face[[61, 291]] = 80 * np.array([[-0.3, 0.8, 0], [0.3, 0.75, 0]])
    shape = shape_of(face[None])[0]
    np.testing.assert_allclose(of(shape, *POSE), 0, atol=1e-6)
    assert of(shape, "mouth_open") == pytest.approx(0.25)
    assert of(shape, "mouth_width") == pytest.approx(np.hypot(0.6, 0.05))
    np.testing.assert_allclose(
        of(shape, "mouth_corner_right", "mouth_corner_left", "mouth_asymmetry"), [0.025, 0.075, -0.05], atol=1e-9
    )
    flat = 80 * pose._REFERENCE * [1, 1, pose._FLATTER] @ rotation(yaw=17, pitch=-8, roll=30).T
    face[pose._RIGID] = flat
    np.testing.assert_allclose(pose.pose_of(face[None])[0][0], [17, -8, 30], atol=0.05)


def test_columns_have_names_units_and_an_order():
    assert len(SHAPE) == 36
    assert len(EXPRESSION) == 33
    for expressions, count in ((False, 72), (True, 79)):
        columns = columns_of(expressions=expressions)
        assert len(set(columns)) == count
        assert tuple(units_of(expressions=expressions)) == columns


def face(left, side, score=0.9):
    box = np.array([left, 10.0, left + side, 10.0 + side])
    return Face(box, np.array([[left + 0.3 * side, 20], [left + 0.7 * side, 20]]), score)


def followed(fps, pictures):
    """The left edges of the followed face."""
    follower = Follower(fps)
    seen = [follower(step, faces) for step, faces in enumerate(pictures)]
    return [None if each is None else each[1].box[0] for each in seen], [each and each[0] for each in seen]


def test_the_largest_face_is_followed_though_another_is_seen_better():
    lefts, numbers = followed(10, [[face(100, 20, 0.99), face(10 + step, 40)] for step in range(5)])
    assert lefts == [10, 11, 12, 13, 14]
    assert len(set(numbers)) == 1


def test_who_is_followed_may_be_away_for_a_moment():
    pictures = [[face(10, 40), face(100, 30)]] * 3 + [[face(100, 30)]] * 4 + [[face(12, 40), face(100, 30)]]
    assert followed(10, pictures)[0] == [10, 10, 10, None, None, None, None, 12]


def test_who_is_gone_for_longer_has_a_follower():
    lefts, numbers = followed(10, [[face(10, 40), face(100, 30)]] * 3 + [[face(100, 30)]] * 10)
    assert lefts == [10] * 3 + [None] * 6 + [100] * 4
    assert numbers[2] != numbers[-1]


def test_a_face_that_comes_larger_is_followed_only_after_a_while():
    lefts, _ = followed(10, [[face(10, 20)]] * 5 + [[face(10, 20), face(100, 60)]] * 30)
    assert lefts[:8] == [10] * 8
    assert lefts[-1] == 100


def test_after_a_cut_a_face_elsewhere_is_another():
    lefts, numbers = followed(2, [[face(10, 20)]] * 3 + [[face(200, 20)]] * 4)
    assert lefts[-1] == 200
    assert numbers[0] != numbers[-1]
