import numpy as np
import pytest

from mmtrans.clips.face.pictures import Film
from mmtrans.clips.sound.decode import film_of, open_media
from tests.clips.faces import lay_on_its_side, write_film

pytest.importorskip("av")


def grey(level, height=16, width=32):
    return np.full((height, width, 3), level, np.uint8)


def steps_of(path, fps):
    """Step → the level of its picture, and the film."""
    with open_media(str(path)) as container:
        film = Film(container, film_of(container), fps)
        shown = [(range(first, last), int(picture.mean())) for first, last, picture in film.steps()]
        return {step: level for steps, level in shown for step in steps}, film


def test_a_step_has_the_picture_that_is_shown_in_its_middle(tmp_path):
    path = write_film(tmp_path / "a.mkv", [grey(10 * number) for number in range(20)], fps=20)
    levels, film = steps_of(path, 10)
    # The middles, .05, .15 and so on, are when every other picture comes.
    assert levels == {step: 10 * (2 * step + 1) for step in range(10)}
    assert film.seconds == pytest.approx(1.0, abs=0.01)
    assert steps_of(path, 5)[0] == {step: 10 * (4 * step + 2) for step in range(5)}


def test_of_a_varying_rate_each_picture_counts_so_long_as_it_is_shown(tmp_path):
    path = write_film(tmp_path / "a.mkv", [grey(0), grey(50), grey(100), grey(150)], times=[0, 0.1, 0.7, 0.72])
    assert list(steps_of(path, 10)[0].values()) == [0, 50, 50, 50, 50, 50, 50, 150]


def test_a_picture_stands_for_ten_seconds_at_most(tmp_path):
    path = write_film(tmp_path / "a.mkv", [grey(50), grey(100), grey(150)], times=[0, 30, 31])
    assert steps_of(path, 1)[0] == {**dict.fromkeys(range(10), 50), 30: 100, 31: 150}


def test_time_begins_with_the_file_also_where_sound_comes_before_the_picture(tmp_path):
    sound = np.zeros(16000)
    path = write_film(tmp_path / "a.mkv", [grey(50), grey(100)], times=[0.5, 0.6], sound=sound)
    assert steps_of(path, 10)[0] == {5: 50, 6: 100}


def test_a_picture_on_its_side_is_set_upright(tmp_path):
    picture = grey(0)
    picture[:, 16:] = 200
    path = lay_on_its_side(write_film(tmp_path / "a.mp4", [picture] * 3, codec="mpeg4"))
    with open_media(str(path)) as container:
        *_, upright = next(Film(container, film_of(container), 10).steps())
    assert upright.shape == (32, 16, 3)
    # Clockwise: what was at the right is below.
    assert upright[20:].mean() == pytest.approx(200, abs=5)
    assert upright[:12].mean() == pytest.approx(0, abs=5)


def test_large_pictures_are_made_smaller_and_wide_pixels_square(tmp_path):
    path = write_film(tmp_path / "a.mkv", [grey(50, 10, 2000)])
    with open_media(str(path)) as container:
        *_, small = next(Film(container, film_of(container), 10).steps())
    assert small.shape == (6, 1280, 3)


def test_damaged_packets_are_passed_over_and_counted(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    path = write_film(tmp_path / "a.avi", [noise] * 30, codec="png")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 40] = bytes(40)
    path.write_bytes(data)
    levels, film = steps_of(path, 10)
    assert film.damaged_packets == 1
    # The picture before stands for it.
    assert len(levels) == 30
