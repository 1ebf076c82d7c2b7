"""The nearest neighbours of features by their angle, in bounded memory.

Few vectors are compared with all others. Of many, what a projection on their main directions names is compared: at
100,000 x 1,280 that takes a fifth of the arithmetic and finds nearly all that a comparison of all finds.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import Float, Float32, Int

from budwood.core.system import num_cores

_PAIRS_COMPARED = 10**8
"""Pairs up to which all are compared."""
_ROWS = 256
_CHUNK = 64
"""Known vectors of which the nearest one is found first."""
_DIRECTIONS = 256
_SAMPLE = 8_192
"""Vectors that say which directions are the main ones."""
_NAMED = 16
"""Candidates that the projection names for each neighbour that is asked for."""

Vectors = Float[np.ndarray, "n features"]
Found = tuple[Int[np.ndarray, "n k"], Float32[np.ndarray, "n k"]]


def nearest(vectors: Vectors, known: Float[np.ndarray, "m features"], number: int = 1) -> Found:
    """Return of each vector which of the known ones are nearest by their angle, the nearest first, and its cosines.

    There are `number` of them, or as many as are known. What several threads do is the same whatever their number.

    >>> nearest(np.eye(2), np.array([[0.0, 2.0], [3.0, 0.0]]))[0].tolist()
    [[1], [0]]
    """
    from threadpoolctl import threadpool_limits

    vectors, known = _unit(vectors), _unit(known)
    number = min(number, len(known))
    exact = len(vectors) * len(known) <= _PAIRS_COMPARED or known.shape[1] <= 2 * _DIRECTIONS
    search = _in_all(known, number) if exact else _in_projection(known, number)
    places = np.empty((len(vectors), number), np.int64)
    cosines = np.empty((len(vectors), number), np.float32)

    def fill(start: int) -> None:
        rows = slice(start, start + _ROWS)
        places[rows], cosines[rows] = search(vectors[rows])

    # Between the products much is done by one thread only: blocks side by side keep all cores busy.
    with threadpool_limits(1), ThreadPoolExecutor(num_cores()) as pool:
        list(pool.map(fill, range(0, len(vectors), _ROWS)))
    return places, cosines


def _in_all(known: Float32[np.ndarray, "m features"], number: int) -> Callable[[np.ndarray], Found]:
    """Return what compares a few vectors with all known ones."""
    missing = -len(known) % _CHUNK
    table = np.concatenate([known, np.zeros((missing, known.shape[1]), np.float32)]).T

    def search(block: np.ndarray) -> Found:
        cosines = block @ table
        cosines[:, len(known) :] = -np.inf
        parts = cosines.reshape(len(block), -1, _CHUNK)
        # The nearest ones lie in the chunks with the nearest ones.
        best = _largest(parts.max(axis=2), number)
        inside = np.take_along_axis(parts, best[:, :, None], axis=1).reshape(len(block), -1)
        chosen = _sorted(inside, _largest(inside, number))
        places = np.take_along_axis(best, chosen // _CHUNK, axis=1) * _CHUNK + chosen % _CHUNK
        return places, np.take_along_axis(inside, chosen, axis=1)

    return search


def _in_projection(known: Float32[np.ndarray, "m features"], number: int) -> Callable[[np.ndarray], Found]:
    """Return what compares a few vectors with the known ones that a projection names."""
    sample = known[:: -(-len(known) // _SAMPLE)]
    directions = np.linalg.eigh(sample.T @ sample)[1][:, -_DIRECTIONS:]
    named = _in_all(known @ directions, min(_NAMED * number, len(known)))

    def search(block: np.ndarray) -> Found:
        candidates, _ = named(block @ directions)
        cosines = np.stack([known[places] @ one for places, one in zip(candidates, block, strict=True)])
        chosen = _sorted(cosines, _largest(cosines, number))
        return np.take_along_axis(candidates, chosen, axis=1), np.take_along_axis(cosines, chosen, axis=1)

    return search


def _largest(values: np.ndarray, number: int) -> np.ndarray:
    number = min(number, values.shape[1])
    return np.argpartition(-values, number - 1, axis=1)[:, :number]


def _sorted(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return places with the largest values first, and of equal ones the first place."""
    places = np.sort(places, axis=1)
    order = np.argsort(-np.take_along_axis(values, places, axis=1), axis=1, kind="stable")
    return np.take_along_axis(places, order, axis=1)


def _unit(vectors: Vectors) -> Float32[np.ndarray, "n features"]:
    vectors = np.asarray(vectors, np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
