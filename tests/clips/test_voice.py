import numpy as np
import pytest

from mmtrans.clips.voice.columns import COLUMNS, UNITS
from mmtrans.clips.voice.stream import VoiceStream, measure
from tests.clips.signals import chirp, noise, times, tone


def column(frames, name):
    """A column without the frames at the edges, whose windows reach into silence."""
    return frames[5:-5, COLUMNS.index(name)]


def test_there_are_40_columns_with_units():
    frames = measure(noise(0.5))
    assert frames.shape == (50, 40)
    assert frames.dtype == np.float32
    assert len(COLUMNS) == len(UNITS) == 40
    assert np.isfinite(frames).all()


def test_the_pitch_of_a_chirp_is_that_of_the_middle_of_each_frame():
    frames = measure(chirp(100, 300))
    middles = (np.arange(200) + 0.5) / 100
    expected = 100 + 100 * middles
    np.testing.assert_allclose(column(frames, "f0_hz"), expected[5:-5], rtol=1e-3)


@pytest.mark.parametrize("ratio_db", [0, 10, 20])
def test_the_ratio_of_a_tone_in_noise_is_that_of_their_powers(ratio_db):
    # A tone of amplitude 1 has the power one half.
    spread = np.sqrt(0.5 / 10 ** (ratio_db / 10))
    frames = measure(0.3 * (tone(150, 2.0, level=1.0) + noise(2.0, spread)))
    assert np.median(column(frames, "hnr_db")) == pytest.approx(ratio_db, abs=1.5)


def test_noise_has_no_pitch_and_a_flat_spectrum():
    frames = measure(noise(3.0, 0.1))
    assert (column(frames, "f0_hz") == 0).all()
    assert column(frames, "voicing").max() < 0.4
    assert np.median(column(frames, "hnr_db")) < -4
    assert column(frames, "centroid_hz").mean() == pytest.approx(4000, rel=0.02)
    # Uniform between 0 and 8 kHz.
    assert column(frames, "spread_hz").mean() == pytest.approx(8000 / np.sqrt(12), rel=0.02)
    assert column(frames, "rolloff_hz").mean() == pytest.approx(0.85 * 8000, rel=0.02)
    # The mean logarithm of an exponential variable is -0.577.
    assert column(frames, "flatness_db").mean() == pytest.approx(-0.577 * 10 / np.log(10), abs=0.1)
    assert column(frames, "energy_db").mean() == pytest.approx(-20, abs=0.3)
    assert column(frames, "alpha_ratio_db").mean() == pytest.approx(10 * np.log10(950 / 4000), abs=0.4)


@pytest.mark.parametrize("hz", [220.0, 1000.0, 3000.0])
def test_a_tone_is_where_it_is(hz):
    frames = measure(tone(hz))
    np.testing.assert_allclose(column(frames, "centroid_hz"), hz, rtol=1e-3)
    np.testing.assert_allclose(column(frames, "zero_crossings_hz"), hz, atol=41)
    np.testing.assert_allclose(column(frames, "energy_db"), 10 * np.log10(0.5**2 / 2), atol=0.05)
    assert column(frames, "spread_hz").max() < 40
    assert column(frames, "flux").max() < 0.01


def test_a_voice_above_the_range_is_told_as_its_subharmonic():
    np.testing.assert_allclose(column(measure(tone(1000.0)), "f0_hz"), 500, rtol=1e-3)


def test_silence_has_no_shape():
    frames = measure(np.zeros(8000))
    rows = {name: frames[:, place] for place, name in enumerate(COLUMNS)}
    assert (rows.pop("energy_db") == -100).all()
    np.testing.assert_allclose(rows.pop("hnr_db"), -30, atol=0.01)
    for name, values in rows.items():
        np.testing.assert_allclose(values, 0, atol=1e-6, err_msg=name)


def test_the_slope_of_a_spectrum_that_falls_by_12_db_a_khz():
    # White noise through a filter whose response is a straight line in dB.
    spectrum = np.fft.rfft(noise(4.0))
    khz = np.fft.rfftfreq(4 * 16000, 1 / 16000) / 1000
    frames = measure(np.fft.irfft(spectrum * 10 ** (-12 * khz / 20)))
    assert column(frames, "slope_500_1500").mean() == pytest.approx(-12, abs=1)
    assert column(frames, "slope_0_500").mean() == pytest.approx(-12, abs=3)
    # Two bands 3 kHz apart, from their lower ends on.
    assert column(frames, "hammarberg_db").mean() == pytest.approx(24, abs=4)


def test_coefficients_are_a_cosine_transform_of_26_bands():
    sound = chirp(120, 180, 1.0)
    frames = measure(sound)
    number = 40
    window = np.sin(np.pi * np.arange(400) / 400) ** 2
    start = number * 160 + 80 - 200
    power = np.abs(np.fft.rfft(sound[start : start + 400] * window, 512)) ** 2 / np.sum(window**2)
    mel = np.linspace(2595 * np.log10(1 + 20 / 700), 2595 * np.log10(1 + 8000 / 700), 28)
    edges = 700 * (10 ** (mel / 2595) - 1)
    bands = []
    for low, middle, high in zip(edges, edges[1:], edges[2:], strict=False):
        total = 0.0
        for bin, value in enumerate(power):
            hz = bin * 16000 / 512
            total += value * max(min((hz - low) / (middle - low), (high - hz) / (high - middle)), 0)
        bands.append(np.log(total + 1e-10))
    for order in range(1, 14):
        angles = np.cos(np.pi * order * (2 * np.arange(26) + 1) / 52)
        expected = np.sqrt(2 / 26) * np.dot(bands, angles)
        assert frames[number, COLUMNS.index(f"mfcc_{order}")] == pytest.approx(expected, abs=1e-3)


def test_changes_are_slopes_over_five_frames():
    frames = measure(noise(0.2))
    for name in ("mfcc_1", "mfcc_13"):
        values = np.pad(frames[:, COLUMNS.index(name)], 2, mode="edge")
        expected = [(values[i + 3] - values[i + 1] + 2 * (values[i + 4] - values[i])) / 10 for i in range(20)]
        np.testing.assert_allclose(frames[:, COLUMNS.index(f"{name}_delta")], expected, atol=1e-4)


def test_flux_is_of_unlike_frames():
    sound = np.concatenate([tone(300.0), tone(3000.0)])
    flux = column(measure(sound), "flux")
    assert 90 < flux.argmax() + 5 < 110
    assert flux.max() > 10 * np.median(flux)


@pytest.mark.parametrize("samples", [0, 1, 159, 160, 161, 319, 320, 479, 480, 700])
def test_short_sounds_have_a_frame_for_each_whole_10_ms(samples):
    assert measure(noise(1.0)[:samples]).shape == (samples // 160, 40)


def test_blocks_change_nothing():
    sound = noise(2.0) * np.cos(7 * times(2.0))
    stream = VoiceStream()
    parts = [stream.push(part) for part in np.split(sound, [1, 3, 150, 790, 791, 5000, 20000])]
    np.testing.assert_allclose(np.concatenate([*parts, stream.finish()]), measure(sound), atol=1e-4)


def test_what_is_held_does_not_grow():
    stream = VoiceStream()
    held = []
    for number in range(4):
        stream.push(noise(10.0, seed=number))
        held.append(stream._samples.nbytes + stream._waiting.nbytes)
    assert max(held) < 10_000


def test_an_independent_tool_finds_the_same_pitch_and_ratio():
    parselmouth = pytest.importorskip("parselmouth")
    sound = 0.3 * (chirp(140, 160) + noise(2.0, 0.03))
    frames = measure(sound)
    theirs = parselmouth.Sound(sound, 16000)
    pitch = theirs.to_pitch_ac(time_step=0.01, pitch_floor=75, pitch_ceiling=500)
    ratio = theirs.to_harmonicity_cc(time_step=0.01, minimum_pitch=75)
    for number in range(20, 180, 10):
        time = (number + 0.5) / 100
        ours = dict(zip(COLUMNS, frames[number], strict=True))
        assert ours["f0_hz"] == pytest.approx(pitch.get_value_at_time(time), rel=0.01)
        assert ours["hnr_db"] == pytest.approx(ratio.get_value(time), abs=2)
