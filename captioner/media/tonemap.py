"""HDR to SDR as one colour cube: PQ or HLG in BT.2020 primaries in, BT.709 for a 203-nit reference white out.

Sources: SMPTE ST 2084 (PQ), ITU-R BT.2100 (HLG and its system gamma), BT.2408 (203 nits is diffuse white, 26 nits an
18 % grey card), BT.2390 (the Hermite knee), BT.2087 (primaries), BT.1886 (an SDR display's gamma of 2.4).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WHITE = 203.0
"""Nits of diffuse white: what SDR's own white stands for."""

PEAK = 1000.0
"""Nits that become SDR's peak: HLG's nominal display and the common PQ master. Anything brighter clips."""

POINTS = 33
"""Points along one edge of the cube; between them FFmpeg's lut3d interpolates tetrahedrally."""

_M1, _M2 = 2610 / 16384, 2523 / 32
_C1, _C2, _C3 = 3424 / 4096, 2413 / 128, 2392 / 128
_TO_709 = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]])
_LUMA_2020 = np.array([0.2627, 0.6780, 0.0593])


def pq_nits(signal: Floats) -> Floats:
    """Display light of a PQ signal (0 to 1), nits."""
    root = np.power(np.clip(signal, 0, 1), 1 / _M2)
    return 10_000 * np.power(np.maximum(root - _C1, 0) / (_C2 - _C3 * root), 1 / _M1)


def pq_signal(nits: Floats) -> Floats:
    """The PQ signal (0 to 1) of display light in nits."""
    power = np.power(np.clip(nits, 0, None) / 10_000, _M1)
    return np.power((_C1 + _C2 * power) / (1 + _C3 * power), _M2)


def hlg_nits(signal: Floats) -> Floats:
    """Display light (..., 3) of an HLG signal (..., 3) on a 1000-nit display, nits."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, np.square(signal) / 3, (np.exp((signal - c) / a) + b) / 12)
    luma = np.maximum(scene @ _LUMA_2020, 1e-9)
    nits: Floats = PEAK * scene * np.power(luma, 0.2)[..., None]
    return nits


def roll_off(nits: Floats) -> Floats:
    """BT.2390's curve from a `PEAK` master to a `WHITE` display: the dark stays, and `PEAK` becomes `WHITE`."""
    top = float(pq_signal(np.array(PEAK)))
    signal = np.clip(pq_signal(nits) / top, 0, 1)
    most = float(pq_signal(np.array(WHITE))) / top
    knee = 1.5 * most - 0.5
    t = np.clip((signal - knee) / (1 - knee), 0, 1)
    bend = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * most
    return np.minimum(pq_nits(np.where(signal < knee, signal, bend) * top), WHITE)


def to_sdr(signal: Floats, transfer: str) -> Floats:
    """An SDR signal (..., 3), 0 to 1, of an HDR signal (..., 3); `transfer` is "pq" or "hlg".

    The brightest component takes the curve and the others follow it, so hues stay.
    """
    light = pq_nits(signal) if transfer == "pq" else hlg_nits(signal)
    inside = np.maximum(light @ _TO_709.T, 0)
    brightest = np.maximum(inside.max(axis=-1, keepdims=True), 1e-6)
    mapped = inside * roll_off(brightest) / brightest
    signal_out: Floats = np.power(np.clip(mapped / WHITE, 0, 1), 1 / 2.4)
    return signal_out


def cube(transfer: str) -> str:
    """The text of a `.cube` file, red changing fastest."""
    edge = np.linspace(0, 1, POINTS)
    blue, green, red = np.meshgrid(edge, edge, edge, indexing="ij")
    table = to_sdr(np.stack([red, green, blue], axis=-1), transfer).reshape(-1, 3)
    lines = "\n".join(f"{r:.6f} {g:.6f} {b:.6f}" for r, g, b in table.tolist())
    return f"LUT_3D_SIZE {POINTS}\n{lines}\n"
