"""Names and units of the columns, in their order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: Samples a second of the sound that is measured.
RATE_HZ = 16_000

#: Samples from one frame to the next: 10 ms.
HOP = 160

FRAME_SECONDS = HOP / RATE_HZ

#: Mel-frequency cepstral coefficients, from the first; the zeroth is the energy's.
NUM_MFCC = 13

_MFCC = [f"mfcc_{number}" for number in range(1, NUM_MFCC + 1)]

#: Column → unit.
UNITS = {
    "energy_db": "dB of full scale",
    "f0_hz": "Hz, 0 where no voice is",
    "voicing": "0 to 1",
    "hnr_db": "dB",
    "zero_crossings_hz": "Hz",
    "centroid_hz": "Hz",
    "spread_hz": "Hz",
    "rolloff_hz": "Hz",
    "flatness_db": "dB",
    "flux": "0 to 1.41",
    "slope_0_500": "dB a kHz",
    "slope_500_1500": "dB a kHz",
    "alpha_ratio_db": "dB",
    "hammarberg_db": "dB",
    **dict.fromkeys(_MFCC, "log of power"),
    **dict.fromkeys((f"{name}_delta" for name in _MFCC), "log of power a frame"),
}

COLUMNS = tuple(UNITS)


@dataclass(frozen=True)
class AudioColumns:
    """A set of columns that audio may have.

    Attributes:
        units: column → unit, in their order.
        pitch: number of the column that is 0 where no voice is.
        voiced: numbers of those that mean something only where a voice is, pitch among them.
    """

    units: Mapping[str, str]
    pitch: int
    voiced: list[int]


ENERGY, F0 = COLUMNS.index("energy_db"), COLUMNS.index("f0_hz")

VOICE = AudioColumns(UNITS, F0, [F0])

_FORMANT = {"frequency": "Hz", "bandwidth": "Hz", "amplitudeLogRelF0": "dB of the pitch's amplitude"}

#: Column → unit of eGeMAPSv02's low-level descriptors, by their names in opensmile.
_EGEMAPS_UNITS = {
    "Loudness_sma3": "loudness as heard",
    "alphaRatio_sma3": "dB",
    "hammarbergIndex_sma3": "dB",
    "slope0-500_sma3": "slope as openSMILE scales it",
    "slope500-1500_sma3": "slope as openSMILE scales it",
    "spectralFlux_sma3": "flux as openSMILE scales it",
    **{f"mfcc{number}_sma3": "log of power" for number in range(1, 5)},
    "F0semitoneFrom27.5Hz_sma3nz": "semitones from 27.5 Hz, 0 where no voice is",
    "jitterLocal_sma3nz": "share of a period",
    "shimmerLocaldB_sma3nz": "dB",
    "HNRdBACF_sma3nz": "dB",
    "logRelF0-H1-H2_sma3nz": "dB",
    "logRelF0-H1-A3_sma3nz": "dB",
    **{f"F{number}{name}_sma3nz": unit for number in range(1, 4) for name, unit in _FORMANT.items()},
}

EGEMAPS = AudioColumns(
    _EGEMAPS_UNITS,
    list(_EGEMAPS_UNITS).index("F0semitoneFrom27.5Hz_sma3nz"),
    # So openSMILE names what it smooths over voiced frames alone.
    [number for number, name in enumerate(_EGEMAPS_UNITS) if name.endswith("_sma3nz")],
)

#: Choice of `--audio-features` → its columns.
AUDIO_FEATURES = {"voice": VOICE, "egemaps": EGEMAPS}
