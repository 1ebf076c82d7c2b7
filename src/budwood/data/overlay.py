"""Whether one picture is a copy of another: the two are laid over one another and compared place by place.

A copy may be mirrored, saved again at another size and quality, brightened, stamped, or have lost its edges. So one
picture is looked for in the other, upright and mirrored, at several scales and places on a coarse grid; where it fits
best, the fit is refined, and what is compared is the fine structure of small tiles, of which the middle one decides:
brightness does not change it, a stamp changes few tiles, and two photos of one scene hardly ever share it.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Float32
from PIL import Image

from budwood.data.images import ImageLike, ValueRange, decode

COPY = 0.6
"""Similarity from which on one picture is a copy of the other; chosen on planted copies (benchmarks.near_twins)."""
SIDE = 128
"""Pixels of the long side of what is compared."""
_COARSE = 40
_SCALES = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7)
"""How much of the one side is left of a picture that lost its edges."""
_WORTH_A_LOOK = 0.6
"""Correlation on the coarse grid below which two pictures are no copies, as a copy's is 0.8 and more."""
_STEPS = 12
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
    found = []
    for mirrored in (False, True):
        other = b[:, ::-1] if mirrored else b
        for large, small in ((a, other), (other, a)):
            found.append((*_place(large, small), large, small, mirrored))
    found.sort(key=lambda one: -one[0])
    for fit, frame, large, small, mirrored in found[:2]:
        if fit < _WORTH_A_LOOK:
            break
        frame = _refined(large, small, frame)
        similarity = _similarity(large, small, frame)
        if similarity > best.similarity:
            best = Overlay(similarity, mirrored, _shared(large, small, frame))
    return best


def _place(large: Grey, small: Grey) -> tuple[float, Frame]:
    """Return the correlation where the small picture fits best into the large one, and that place."""
    scale = _COARSE / max(large.shape)
    field = _resized(large, scale)
    height, width = field.shape
    most = min(height / small.shape[0], width / small.shape[1])
    best, place = -1.0, (0.0, 0.0, 1.0, 1.0)
    for share in _SCALES:
        rows, columns = (max(4, round(share * most * side)) for side in small.shape)
        template = _warped(
            small, (0.0, 0.0, small.shape[1] / columns, small.shape[0] / rows), (rows, columns)
        )
        scores = _correlations(field, template)
        y, x = np.unravel_index(int(scores.argmax()), scores.shape)
        if scores[y, x] > best:
            best = float(scores[y, x])
            place = (
                int(x) / scale,
                int(y) / scale,
                columns / small.shape[1] / scale,
                rows / small.shape[0] / scale,
            )
    return best, place


def _correlations(field: Grey, template: Grey) -> Float[np.ndarray, "_ _"]:
    """Return the correlation of a template with a field at every place where it lies within."""
    windows = np.lib.stride_tricks.sliding_window_view(field, template.shape)
    count = template.size
    centred = template - template.mean()
    products = np.tensordot(windows, centred, axes=2)
    sums = _sums(field, template.shape)
    squares = _sums(field * field, template.shape)
    spread = np.maximum(squares - sums * sums / count, 1e-3) * max(float((centred**2).sum()), 1e-3)
    return products / np.sqrt(spread)


def _sums(values: Grey, shape: tuple[int, int]) -> Float[np.ndarray, "_ _"]:
    total = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    total[1:, 1:] = values.astype(np.float64).cumsum(axis=0).cumsum(axis=1)
    rows, columns = shape
    return (
        total[rows:, columns:] - total[:-rows, columns:] - total[rows:, :-columns] + total[:-rows, :-columns]
    )


def _refined(large: Grey, small: Grey, frame: Frame) -> Frame:
    """Return the place after steps that make the squared difference smaller, on normalised pictures."""
    height, width = small.shape
    target = _smooth(small, 1.0)
    x = np.arange(width, dtype=np.float32) / width - 0.5
    y = np.arange(height, dtype=np.float32) / height - 0.5
    field = _smooth(large, 1.0)
    along_y, along_x = np.gradient(field)
    x0, y0, dx, dy = frame
    for _ in range(_STEPS):
        here = (x0, y0, dx, dy)
        seen = _warped(field, here, small.shape)
        gx, gy = _warped(along_x, here, small.shape), _warped(along_y, here, small.shape)
        # Brightness and contrast are solved for with the place.
        columns = [gx, gx * x[None], gy, gy * y[:, None], seen, np.ones_like(seen)]
        design = np.stack([one.ravel() for one in columns], axis=1)
        residual = (target - seen).ravel()
        solution = np.linalg.lstsq(design.T @ design, design.T @ residual, rcond=1e-7)[0]
        step = np.clip(solution[:4], -4, 4).tolist()
        # The middle moves by step[0], the ends by half of step[1] more.
        dx, x0 = dx + step[1] / width, x0 + step[0] - step[1] / 2
        dy, y0 = dy + step[3] / height, y0 + step[2] - step[3] / 2
        if not (0.4 < dx < 2.5 and 0.4 < dy < 2.5):
            return frame
        if max(map(abs, step)) < 0.02:
            break
    return x0, y0, dx, dy


def _similarity(large: Grey, small: Grey, frame: Frame) -> float:
    """Return the correlation of the fine structure in the middle one of the tiles."""
    height, width = small.shape
    fine = _smooth(small, 0.8) - _smooth(small, 3.0)
    other = _warped(_smooth(large, 0.8) - _smooth(large, 3.0), frame, small.shape)
    x0, y0, dx, dy = frame
    xs, ys = x0 + dx * np.arange(width), y0 + dy * np.arange(height)
    inside_x = np.flatnonzero((xs >= 0) & (xs <= large.shape[1] - 1))
    inside_y = np.flatnonzero((ys >= 0) & (ys <= large.shape[0] - 1))
    if len(inside_x) < 0.6 * width or len(inside_y) < 0.6 * height:
        return -1.0
    fine = fine[inside_y[0] : inside_y[-1] + 1, inside_x[0] : inside_x[-1] + 1]
    other = other[inside_y[0] : inside_y[-1] + 1, inside_x[0] : inside_x[-1] + 1]
    values = []
    for rows in np.array_split(np.arange(fine.shape[0]), _TILES):
        for columns in np.array_split(np.arange(fine.shape[1]), _TILES):
            one = fine[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].ravel()
            two = other[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].ravel()
            one, two = one - one.mean(), two - two.mean()
            a, b = float(one @ one), float(two @ two)
            if max(a, b) < _FLATTEST**2 * one.size:
                continue
            values.append(float(one @ two) / max(np.sqrt(a * b), 1e-6))
    if len(values) < 3:
        return 0.0
    return float(np.median(values))


def _shared(large: Grey, small: Grey, frame: Frame) -> float:
    area = frame[2] * small.shape[1] * frame[3] * small.shape[0] / large.size
    return float(min(area, 1 / area))


def _warped(field: Grey, frame: Frame, shape: tuple[int, int]) -> Grey:
    """Return what of a field a frame shows, interpolated between its pixels."""
    x0, y0, dx, dy = frame
    rows = _between(y0 + dy * (np.arange(shape[0]) + 0.5) - 0.5, field.shape[0], dy)
    columns = _between(x0 + dx * (np.arange(shape[1]) + 0.5) - 0.5, field.shape[1], dx)
    return rows @ field @ columns.T


def _between(places: np.ndarray, length: int, step: float) -> Float32[np.ndarray, "n length"]:
    """Return the weights of the pixels around each place; wider ones where pixels are far apart."""
    reach = max(1.0, step)
    places = np.clip(places, 0, length - 1)
    weights = np.maximum(1 - np.abs(places[:, None] - np.arange(length)[None]) / reach, 0)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _resized(field: Grey, scale: float) -> Grey:
    height, width = (max(4, round(scale * side)) for side in field.shape)
    return _warped(field, (0.0, 0.0, field.shape[1] / width, field.shape[0] / height), (height, width))


def _smooth(values: Grey, sigma: float) -> Grey:
    rows, columns = _blur(values.shape[0], sigma), _blur(values.shape[1], sigma)
    return rows @ values @ columns.T


@lru_cache(maxsize=64)
def _blur(length: int, sigma: float) -> Float32[np.ndarray, "length length"]:
    places = np.arange(length)
    weights = np.exp(-((places[:, None] - places[None]) ** 2) / (2 * sigma**2))
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
