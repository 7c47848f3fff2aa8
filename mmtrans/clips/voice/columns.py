"""Names and units of the columns, in their order."""

from __future__ import annotations

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

ENERGY, F0 = COLUMNS.index("energy_db"), COLUMNS.index("f0_hz")
