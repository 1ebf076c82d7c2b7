"""Photos that are unlike all others, by the distance of their features to the nearest of them."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int

from budwood.auditing.findings import Outlier, Shown
from budwood.data.manifest import Photo

NEIGHBOURS = 60
"""It is the distance to the 60th nearest photo that counts, of few photos to the (n / 7)th: what does not belong may
come in a small group."""
UNUSUAL = 2.5
"""Robust standard deviations of the logarithm of the similarity below the median from which on a photo is listed."""
MOST = 0.03
"""Share of the photos that is listed at most, those first that are farthest from others."""
FEWEST = 30
"""Photos below which nothing is usual."""
COMPARED_WITH = 10_000
"""Photos, drawn by the seed, with which each is compared: 50 MB of features, and no time that grows with the square."""
_AT_A_TIME = 1024
_LEAST = 1e-3
"""Similarity below which photos are equally unlike."""

Rows = Callable[[Sequence[int]], Float[np.ndarray, "n features"]]
Labels = Int[np.ndarray, "n"] | Float[np.ndarray, "n k"]
"""Class numbers; or of each label of several 1, 0, or NaN where it is unknown."""


def find_outliers(rows: Rows, labels: Labels, photos: Sequence[Photo], *, seed: int = 0) -> list[Outlier]:
    """Return the photos that are unlike all others, the farthest first.

    Features are brought to length 1 after what all photos share is taken off and directions that vary much are made
    short (shrunk whitening within classes): what is far then is so by what is rare.

    Args:
        rows: gives the features of photos by their places.
        labels: their class numbers, or targets of several labels.
        photos: as many.
        seed: draws the photos that others are compared with where there are more than 10,000.
    """
    n = len(photos)
    if n < FEWEST:
        return []
    distances = neighbour_distances(rows, labels, seed)
    logs = np.log(np.maximum(1 - distances, _LEAST))
    middle = float(np.median(logs))
    deviation = 1.4826 * float(np.median(np.abs(logs - middle)))
    limit = 1 - float(np.exp(middle - UNUSUAL * deviation))
    # Where distances trail off, many are beyond it, and a list of all would say little.
    limit = max(limit, float(np.quantile(distances, 1 - MOST)))
    listed = np.flatnonzero(distances > limit)
    order = listed[np.lexsort((listed, -distances[listed]))].tolist()
    return [
        Outlier(
            photo=Shown(photos[place].name, photos[place].label, photos[place].split or ""),
            distance=round(float(distances[place]), 4),
            limit=round(limit, 4),
            rank=rank,
        )
        for rank, place in enumerate(order, 1)
    ]


def neighbour_distances(rows: Rows, labels: Labels, seed: int = 0) -> Float[np.ndarray, "n"]:
    """Return 1 minus the cosine similarity of each photo to its 60th nearest one, whatever their classes."""
    n = len(labels)
    chosen = np.sort(np.random.default_rng(seed).permutation(n)[:COMPARED_WITH])
    known = _unit(rows(chosen.tolist()))
    mean, whiten = _whitening(known, labels[chosen])
    known = _unit((known - mean) @ whiten)
    number = max(1, min(NEIGHBOURS, len(chosen) // 7))
    found = np.empty(n)
    for first in range(0, n, _AT_A_TIME):
        places = np.arange(first, min(first + _AT_A_TIME, n))
        similar = _unit((_unit(rows(places.tolist())) - mean) @ whiten) @ known.T
        # A photo is no neighbour of its own.
        at = np.searchsorted(chosen, places)
        own = (at < len(chosen)) & (chosen[np.minimum(at, len(chosen) - 1)] == places)
        similar[np.flatnonzero(own), at[own]] = -np.inf
        found[places] = 1.0 - np.partition(similar, -number, axis=1)[:, -number]
    return found


def _whitening(
    features: Float[np.ndarray, "n features"], labels: Labels
) -> tuple[Float[np.ndarray, "features"], Float[np.ndarray, "features features"]]:
    """Return the mean and the map under which photos vary alike in all directions within their classes."""
    around = _around_classes(features, labels) if labels.ndim == 1 else _around_labels(features, labels)
    covariance = around.T @ around / len(features)
    typical = np.trace(covariance) / len(covariance) or 1.0
    # Of few photos what they vary in is little more than themselves.
    shrinkage = features.shape[1] / (features.shape[1] + len(features))
    covariance = (1 - shrinkage) * covariance + shrinkage * typical * np.eye(len(covariance))
    variances, directions = np.linalg.eigh(covariance)
    return features.mean(axis=0), (directions / np.sqrt(variances)).astype(np.float32)


def _around_classes(
    features: Float[np.ndarray, "n features"], labels: Int[np.ndarray, "n"]
) -> Float[np.ndarray, "n features"]:
    classes, own = np.unique(labels, return_inverse=True)
    counts = np.bincount(own)
    sums = np.zeros((len(classes), features.shape[1]), np.float32)
    np.add.at(sums, own, features)
    return features - (sums / counts[:, None])[own]


def _around_labels(
    features: Float[np.ndarray, "n features"], targets: Float[np.ndarray, "n k"]
) -> Float[np.ndarray, "n features"]:
    """Return features without what the labels of the photos explain of them by least squares."""
    known = ~np.isnan(targets)
    shares = np.where(known, targets, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    design = np.column_stack([np.ones(len(targets)), np.where(known, targets, shares)]).astype(np.float32)
    return features - design @ np.linalg.lstsq(design, features, rcond=None)[0]


def _unit(features: Float[np.ndarray, "n features"]) -> Float[np.ndarray, "n features"]:
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.maximum(lengths, np.finfo(np.float32).tiny)
