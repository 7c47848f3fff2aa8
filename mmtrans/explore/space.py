"""The representations of segments: which are near to which, and a map of them."""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from mmtrans.explore.shapes import Space

#: Neighbours that a page names.
NEIGHBOURS = 5

#: Segments without which a map tells nothing.
LEAST = 3

NAMES = {
    "joint": "joint representation: output of the translation's encoder, mean over the steps",
    "sentiment": "representation of the regressor: its pooled vector, which the score is linear in",
}

TOO_FEW = "No map: it takes at least three segments."


def map_space(vectors: dict[str, np.ndarray]) -> Space | None:
    """Neighbours and places of segments by their joint representation, or by the regressor's where there is no other.

    Args:
        vectors: `joint` and `sentiment`, `(n, dim)` float32 each; a baseline has no `joint`.

    Returns:
        the space; `None` for less than three segments.
    """
    name = next(name for name in NAMES if name in vectors)
    points = vectors[name].astype(np.float64)
    if len(points) < LEAST:
        return None
    if points.shape[1] == 1:
        points = np.pad(points, [(0, 0), (0, 1)])
    count = min(NEIGHBOURS, len(points) - 1)
    near = NearestNeighbors(n_neighbors=count).fit(points).kneighbors(return_distance=False)
    shares = np.zeros(2)
    places = np.zeros((len(points), 2))
    if points.std(axis=0).any():
        pca = PCA(2, svd_solver="full")
        places, shares = pca.fit_transform(points), pca.explained_variance_ratio_
    scale = np.abs(places).max() or 1.0
    x, y = np.round(places / scale, 4).T.tolist()
    return Space(NAMES[name], list(zip(x, y, strict=True)), tuple(np.round(shares, 3).tolist()), near.tolist())
