"""Whether one picture is a copy of another: the two are laid over one another and compared place by place.

A copy may be mirrored, saved again at another size and quality, brightened, stamped, or have lost its edges. So one
picture is looked for in the other, upright and mirrored, at several scales and places on a coarse grid; where it fits
best, the fit is refined, and what is compared is the fine structure of small tiles, of which the middle one decides:
brightness does not change it, a stamp changes few tiles, and two photos of one scene hardly ever share it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Float32
from PIL import Image

from budwood.data.images import ImageLike, ValueRange, decode

VERSION = 2
"""Of how pictures are compared; another one with each change of what comes of it."""
COPY = 0.6
"""Similarity from which on one picture is a copy of the other; chosen on planted copies (benchmarks.near_twins)."""
MIRRORED = 0.8
"""The same of a mirror image: nobody takes a scene twice that way, and the round heads of two dandelions reach 0.71."""
SIDE = 128
"""Pixels of the long side of what is compared."""
_COARSE = 40
_SCALES = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7)
"""How much of the one side is left of a picture that lost its edges."""
_WORTH_A_LOOK = 0.7
"""Correlation on the coarse grid below which two pictures are no copies; the lowest of 540 planted copies had 0.90, a
crop of three quarters less than 0.8."""
_STEPS = 12
_STEPS_IN_DOUBT, _WORTH_MORE = 2, 0.8
"""Steps after which two pictures that correlate by less are no copies; the lowest of 540 copies had 0.90, of 48 scenes
that were taken twice 0.805."""
_UNLIKE = 0.3
"""Similarity after the steps at half the size below which two pictures are no copies: the steps at full size changed
that of copies by at most 0.06."""
_TILES = 6
_FLATTEST = 1.0
"""Standard deviation in levels of the fine structure of a tile below which it shows nothing."""

Grey = Float32[np.ndarray, "_ _"]
# Of the one picture the place (x, y) of another is (x0 + x * dx, y0 + y * dy).
Frame = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Overlay:
    """How alike two pictures are where they fit best."""

    similarity: float
    """Of their fine structure, in [-1, 1]: near 1 for a copy."""
    mirrored: bool
    """Whether one is the mirror image of the other."""
    shared: float
    """Of the larger picture's area, how much the smaller shows."""

    @property
    def is_copy(self) -> bool:
        """Return whether one is a copy of the other."""
        return self.similarity >= (MIRRORED if self.mirrored else COPY)


def grey(image: ImageLike, levels: ValueRange | None = None) -> Grey:
    """Return the brightness of a picture in at most 128 x 128 pixels. Raises as `decode` does."""
    picture = Image.fromarray(decode(image, SIDE, levels)).convert("L")
    scale = SIDE / max(picture.size)
    size = (max(8, round(scale * picture.width)), max(8, round(scale * picture.height)))
    return np.asarray(
        picture.resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR), np.float32
    )


def overlay(a: Grey, b: Grey) -> Overlay:
    """Return how alike two pictures are, as `grey` gives them."""
    best = Overlay(-1.0, False, 0.0)
    found = [
        (fit, frame, large, small[:, ::-1] if mirrored else small, mirrored)
        for large, small in ((a, b), (b, a))
        for fit, frame, mirrored in _places(large, small)
    ]
    found.sort(key=lambda one: -one[0])
    for fit, frame, large, small, mirrored in found[:2]:
        if fit < _WORTH_A_LOOK:
            break
        refined = _refined(large, small, frame)
        if refined is None:
            continue
        similarity = _similarity(large, small, refined)
        if similarity > best.similarity:
            best = Overlay(similarity, mirrored, _shared(large, small, refined))
        if best.is_copy:
            break
    return best


def _places(large: Grey, small: Grey) -> list[tuple[float, Frame, bool]]:
    """Return the correlation where the small picture fits best into the large one, and that place; also mirrored."""
    scale = _COARSE / max(large.shape)
    field = _resized(large, scale)
    sums, squares = _sums(field), _sums(field * field)
    most = min(field.shape[0] / small.shape[0], field.shape[1] / small.shape[1])
    best = [(-1.0, (0.0, 0.0, 1.0, 1.0), mirrored) for mirrored in (False, True)]
    for share in _SCALES:
        rows, columns = (max(4, round(share * most * side)) for side in small.shape)
        template = _reduced(small, (rows, columns))
        scores = _correlations(field, sums, squares, template)
        for mirrored, of_one in enumerate(scores):
            y, x = np.unravel_index(int(of_one.argmax()), of_one.shape)
            if of_one[y, x] > best[mirrored][0]:
                frame = (
                    int(x) / scale,
                    int(y) / scale,
                    columns / small.shape[1] / scale,
                    rows / small.shape[0] / scale,
                )
                best[mirrored] = (float(of_one[y, x]), frame, bool(mirrored))
    return best


def _correlations(
    field: Grey, sums: Float[np.ndarray, "_ _"], squares: Float[np.ndarray, "_ _"], template: Grey
) -> Float[np.ndarray, "2 _ _"]:
    """Return the correlation of a template and of its mirror image with a field, at every place where it lies within.

    `sums` and `squares` are those of the field, as `_sums` gives them.
    """
    windows = np.lib.stride_tricks.sliding_window_view(field, template.shape)
    count, places = template.size, windows.shape[:2]
    centred = template - template.mean()
    both = np.stack([centred.ravel(), centred[:, ::-1].ravel()], axis=1)
    products = (windows.reshape(-1, count) @ both).T.reshape(2, *places)
    total = _within(sums, template.shape)
    variance = np.maximum(_within(squares, template.shape) - total * total / count, 1e-3)
    return products / np.sqrt(variance * max(float((centred**2).sum()), 1e-3))


def _sums(values: Grey) -> Float[np.ndarray, "_ _"]:
    """Return the sum of all values above and left of each place."""
    total = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    total[1:, 1:] = values.astype(np.float64).cumsum(axis=0).cumsum(axis=1)
    return total


def _within(total: Float[np.ndarray, "_ _"], shape: tuple[int, int]) -> Float[np.ndarray, "_ _"]:
    """Return the sum within every window of a shape."""
    rows, columns = shape
    return (
        total[rows:, columns:] - total[:-rows, columns:] - total[rows:, :-columns] + total[:-rows, :-columns]
    )


def _refined(large: Grey, small: Grey, frame: Frame) -> Frame | None:
    """Return the place after steps that make the squared difference smaller, on normalised pictures: first at half the
    size, where a step takes a third of the time.

    None where they are too little alike to be copies.
    """
    field, target = _smooth(large, 1.0), _smooth(small, 1.0)
    fields = (field, *np.gradient(field))
    half = _resized(target, 0.5)
    # How many pixels at full size one pixel at half the size stands for.
    more_y, more_x = (whole / part for whole, part in zip(target.shape, half.shape, strict=True))
    x0, y0, dx, dy = frame
    found = _stepped(fields, half, (x0, y0, dx * more_x, dy * more_y), _STEPS_IN_DOUBT)
    if found is None:
        return None
    x0, y0, dx, dy = found
    near = x0, y0, dx / more_x, dy / more_y
    if not _is_usual(near):
        near = frame
    if _similarity(large, small, near) < _UNLIKE:
        return None
    found = _stepped(fields, target, near)
    return found if found and _is_usual(found) else frame


def _is_usual(frame: Frame) -> bool:
    """Return whether one picture is neither far larger in the other nor far smaller."""
    return all(0.4 < step < 2.5 for step in frame[2:])


def _stepped(fields: Sequence[Grey], target: Grey, frame: Frame, in_doubt: int | None = None) -> Frame | None:
    """Return the place after steps that make the squared difference of a field and a target smaller.

    None where they correlate by less than `_WORTH_MORE` after `in_doubt` steps.

    Args:
        fields: the field, and how fast it rises along y and along x.
        target: what is looked for in it.
        frame: where it is looked for.
        in_doubt: after how many steps that is asked; None: never.
    """
    height, width = target.shape
    x = np.arange(width, dtype=np.float32) / width - 0.5
    y = np.arange(height, dtype=np.float32) / height - 0.5
    x0, y0, dx, dy = frame
    design = np.ones((6, height, width), np.float32)
    columns = design.reshape(6, -1)
    for number in range(_STEPS):
        seen, gy, gx = _warped(fields, (x0, y0, dx, dy), target.shape)
        if number == in_doubt and _correlation(seen.ravel(), target.ravel()) < _WORTH_MORE:
            return None
        # Brightness and contrast are solved for with the place.
        design[:5] = gx, gx * x[None], gy, gy * y[:, None], seen
        residual = (target - seen).ravel()
        solution = np.linalg.lstsq(columns @ columns.T, columns @ residual, rcond=1e-7)[0]
        step = np.clip(solution[:4], -4, 4).tolist()
        # The middle moves by step[0], the ends by half of step[1] more.
        dx, x0 = dx + step[1] / width, x0 + step[0] - step[1] / 2
        dy, y0 = dy + step[3] / height, y0 + step[2] - step[3] / 2
        if max(map(abs, step)) < 0.02:
            break
    return x0, y0, dx, dy


def _similarity(large: Grey, small: Grey, frame: Frame) -> float:
    """Return the correlation of the fine structure in the middle one of the tiles."""
    height, width = small.shape
    fine = _smooth(small, 0.8) - _smooth(small, 3.0)
    (other,) = _warped((_smooth(large, 0.8) - _smooth(large, 3.0),), frame, small.shape)
    x0, y0, dx, dy = frame
    xs, ys = x0 + dx * np.arange(width), y0 + dy * np.arange(height)
    inside_x = np.flatnonzero((xs >= 0) & (xs <= large.shape[1] - 1))
    inside_y = np.flatnonzero((ys >= 0) & (ys <= large.shape[0] - 1))
    if len(inside_x) < 0.6 * width or len(inside_y) < 0.6 * height:
        return -1.0
    if min(len(inside_x), len(inside_y)) < _TILES:
        return 0.0
    inside = np.s_[inside_y[0] : inside_y[-1] + 1, inside_x[0] : inside_x[-1] + 1]
    one, two = fine[inside].astype(np.float64), other[inside].astype(np.float64)
    count, sum_one, sum_two = (_of_tiles(values) for values in (np.ones_like(one), one, two))
    variance_one = _of_tiles(one * one) / count - (sum_one / count) ** 2
    variance_two = _of_tiles(two * two) / count - (sum_two / count) ** 2
    covariance = _of_tiles(one * two) / count - sum_one * sum_two / count**2
    shows = np.maximum(variance_one, variance_two) >= _FLATTEST**2
    if np.count_nonzero(shows) < 3:
        return 0.0
    deviations = np.sqrt(np.maximum(variance_one * variance_two, 1e-12))
    return float(np.median((covariance / deviations)[shows]))


def _of_tiles(values: Float[np.ndarray, "_ _"]) -> Float[np.ndarray, "tiles tiles"]:
    """Return the sum of the values of each tile."""
    rows, columns = (
        [tile[0] for tile in np.array_split(np.arange(length), _TILES)] for length in values.shape
    )
    return np.add.reduceat(np.add.reduceat(values, rows, axis=0), columns, axis=1)


def _correlation(one: Float32[np.ndarray, "n"], two: Float32[np.ndarray, "n"]) -> float:
    one, two = one - one.mean(), two - two.mean()
    return float(one @ two) / max(float(np.sqrt((one @ one) * (two @ two))), 1e-6)


def _shared(large: Grey, small: Grey, frame: Frame) -> float:
    area = frame[2] * small.shape[1] * frame[3] * small.shape[0] / large.size
    return float(min(area, 1 / area))


def _warped(fields: Sequence[Grey], frame: Frame, shape: tuple[int, int]) -> list[Grey]:
    """Return what of fields of one shape a frame shows, interpolated between their pixels."""
    x0, y0, dx, dy = frame
    height, width = fields[0].shape
    rows, columns = _between(y0, dy, shape[0], height), _between(x0, dx, shape[1], width).T
    return [rows @ field @ columns for field in fields]


def _between(start: float, step: float, count: int, length: int) -> Float32[np.ndarray, "count length"]:
    """Return the weights of the pixels around each of `count` places; wider ones where places are far apart."""
    reach = max(1.0, step)
    places = np.clip(start + step * (np.arange(count) + 0.5) - 0.5, 0, length - 1).astype(np.float32)
    weights = np.maximum(1 - np.abs(places[:, None] - np.arange(length, dtype=np.float32)) / reach, 0)
    return weights / weights.sum(axis=1, keepdims=True)


def _resized(field: Grey, scale: float) -> Grey:
    return _reduced(field, (max(4, round(scale * field.shape[0])), max(4, round(scale * field.shape[1]))))


def _reduced(field: Grey, shape: tuple[int, int]) -> Grey:
    """Return a field with so many rows and columns."""
    rows, columns = (_whole(count, length) for count, length in zip(shape, field.shape, strict=True))
    return rows @ field @ columns.T


@lru_cache(maxsize=1024)
def _whole(count: int, length: int) -> Float32[np.ndarray, "count length"]:
    return _between(0.0, length / count, count, length)


def _smooth(values: Grey, sigma: float) -> Grey:
    rows, columns = _blur(values.shape[0], sigma), _blur(values.shape[1], sigma)
    return rows @ values @ columns.T


@lru_cache(maxsize=64)
def _blur(length: int, sigma: float) -> Float32[np.ndarray, "length length"]:
    places = np.arange(length)
    weights = np.exp(-((places[:, None] - places[None]) ** 2) / (2 * sigma**2))
    # Products with smaller ones may be denormal in float32, which processors compute many times as slowly.
    weights[weights < 1e-30] = 0
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
