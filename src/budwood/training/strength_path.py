"""Which L2 strengths are tried, and from which known solutions each of them starts."""

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np

PER_DECADE = 3
FIRST = 0.1
"""On photos and ImageNet features the best strength is near 0.03."""
WEAKEST, STRONGEST = 1e-5, 1e2
"""How far the search goes while it gets better. With 525 classes of three photos the accuracy no longer changes
below 1e-5, only the scale of the logits, which calibration sets."""
TYPICAL = 6
"""Strengths that `search` tries, give or take one."""
KEPT_SOLUTIONS = 4
"""Strengths whose solutions are kept for others to start from."""


@dataclass(frozen=True)
class PathPoint:
    """Cross-validated quality of one strength: means over the held-out photos, and the loss's standard error."""

    strength: float
    loss: float
    accuracy: float
    loss_se: float


def best(path: Sequence[PathPoint]) -> PathPoint:
    """Return the point of lowest loss; of equal ones the strongest."""
    return min(path, key=lambda point: (point.loss, -point.strength))


Search = Generator[float, PathPoint, list[PathPoint]]
"""Yields strengths to try, takes what each is worth, and returns the path."""


def search(score: Callable[[float], PathPoint], near: float | None = None) -> list[PathPoint]:
    """Return the strengths tried, in falling order: the best of three a decade and what shows that it is.

    The cross-validated loss has one valley. Decades are tried from 0.1 on, downhill until the loss rises; then the
    strengths beside the best, on the side first whose decade is better, downhill until the loss rises. Where the best
    is known to be `near` one that was found, or weaker, only those beside it are tried, the weaker first.

    >>> path = search(lambda strength: PathPoint(strength, (math.log10(strength) + 1.6) ** 2, 0.9, 0.01))
    >>> [float(f"{point.strength:.2g}") for point in path], float(f"{best(path).strength:.2g}")
    ([0.1, 0.046, 0.022, 0.01, 0.001], 0.022)
    """
    (path,) = search_together([searching(near)], lambda strengths: [score(strengths[0])])
    return path


def trying(strengths: Sequence[float]) -> Search:
    """Return a search that tries these strengths and no others."""
    path = []
    for strength in sorted({float(one) for one in strengths}, reverse=True):
        path.append((yield strength))
    return path


def search_together(
    searches: Sequence[Search], score: Callable[[list[float]], list[PathPoint]]
) -> list[list[PathPoint]]:
    """Return the paths of searches that go on side by side, each from what its own strengths are worth.

    `score` is asked for one strength of every search at a time. One that has come to its end asks for its best again,
    which costs nothing where solutions start from known ones.
    """
    asked = [next(one) for one in searches]
    paths: dict[int, list[PathPoint]] = {}
    while len(paths) < len(searches):
        for place, point in enumerate(score(asked)):
            if place in paths:
                continue
            try:
                asked[place] = searches[place].send(point)
            except StopIteration as end:
                paths[place] = end.value
                asked[place] = best(end.value).strength
    return [paths[place] for place in range(len(searches))]


def searching(near: float | None = None) -> Search:
    """Return the search that `search` makes."""
    first = round(PER_DECADE * math.log10(FIRST))
    lowest, highest = (round(PER_DECADE * math.log10(end)) for end in (WEAKEST, STRONGEST))
    points: dict[int, PathPoint] = {}

    def at(place: int) -> Generator[float, PathPoint, None]:
        if place not in points:
            points[place] = yield 10.0 ** (place / PER_DECADE)

    def place_of_best() -> int:
        found = best(list(points.values()))
        return next(place for place, point in points.items() if point is found)

    def go(step: int) -> Generator[float, PathPoint, None]:
        """Go on from the best as long as it gets better."""
        while lowest <= (place := place_of_best() + step) <= highest:
            yield from at(place)
            if place_of_best() != place:
                break

    if near is not None:
        middle = round(PER_DECADE * math.log10(near))
        yield from at(middle)
        yield from go(-1)
        if place_of_best() == middle:
            yield from go(1)
        return [points[place] for place in sorted(points, reverse=True)]
    yield from at(first)
    for step in (-PER_DECADE, PER_DECADE):
        yield from go(step)
    middle = place_of_best()
    beside = [points.get(middle + side * PER_DECADE) for side in (-1, 1)]
    upward = beside[0] is None or (beside[1] is not None and beside[1].loss < beside[0].loss)
    for side in (1, -1) if upward else (-1, 1):
        yield from go(side)
    return [points[place] for place in sorted(points, reverse=True)]


class Known:
    """Solutions of strengths that were tried: those of the best, and of the last ones."""

    def __init__(self) -> None:
        self.points: list[PathPoint] = []
        self.solutions: dict[float, list[np.ndarray]] = {}

    def add(self, point: PathPoint, solutions: list[np.ndarray]) -> None:
        """Remember the solutions of a strength, one a fold, and forget those of the oldest."""
        self.points.append(point)
        self.solutions[point.strength] = solutions
        keep = best(self.points).strength
        for strength in list(self.solutions):
            if len(self.solutions) > KEPT_SOLUTIONS and strength != keep:
                del self.solutions[strength]

    def nearest(self, strength: float, folds: int) -> list[list[np.ndarray]]:
        """Return for each fold the solutions of the two strengths that are nearest to another one."""
        known = sorted(self.solutions, key=lambda other: abs(math.log(other / strength)))[:2]
        return [[self.solutions[other][fold] for other in known] for fold in range(folds)]
