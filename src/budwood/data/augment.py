"""Views: random renderings of a photo, decided by seed, content and number alone.

All that moves pixels is composed into one matrix and interpolated once, from the decoded photo; what changes colours
becomes one table a channel. Units and edges are those of Keras's preprocessing layers.
"""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageEnhance, ImageOps

from budwood.config.recipe import Augment
from budwood.data import images
from budwood.data.images import ImageLike, ValueRange

PLAIN = Augment()
"""Settings that draw nothing: every view is the plain one."""
VERSION = 1
"""Counts changes of what the same settings draw: stored views of another version are not taken for these."""
DECODER = 3
"""Counts changes of what some picture decodes to, so that no stored features of the older pixels are taken. 2: embedded
colour profiles are applied. 3: pictures are scaled in the order of Pillow 13."""
NO_PIXELS = {"views", "originals", "mixup", "cutmix"}
"""Settings of [augment] that leave a rendering as it is."""

Matrix = Float[np.ndarray, "3 3"]
"""From a place in a view to the place in the photo's square that it shows, both from the middle, in sides: (x, y, 1).
One transformation after another is the product of their matrices, first one first."""


@dataclass(frozen=True)
class Renderer:
    """Renders the views of photos: view 0 is the plain one, all others are drawn as `augment` says.

    Args:
        size, resize: of the original view (`budwood.data.images.view`).
        augment: the recipe's [augment].
        seed: decides the draws, with the photo's content and the number of the view.
        levels: the values that are black and white in pictures of more than 8 bits.

    >>> renderer = Renderer(32, "crop", Augment(horizontal_flip=True, rotation=0.1), seed=1)
    >>> photo = np.zeros((40, 50, 3), np.uint8)
    >>> renderer.render(photo, images.digest(photo), 7).shape
    (32, 32, 3)
    """

    size: int
    resize: str
    augment: Augment = PLAIN
    seed: int = 0
    levels: ValueRange | None = None

    def key(self, sha256: str, view: int) -> str:
        """Name one rendering of one photo among all of this size and way of resizing."""
        if self.levels is not None:
            sha256 = f"{sha256}[{self.levels.low!r},{self.levels.high!r}]"
        sha256 = f"{DECODER}/{sha256}"
        return f"{sha256}:0" if self._is_plain(view) else f"{sha256}:{self._digest}:{view}"

    def render(self, image: ImageLike, sha256: str, view: int) -> UInt8[np.ndarray, "size size 3"]:
        """Return one view of a photo, the same in every order, thread and process.

        Args:
            image: the photo.
            sha256: of its content, hexadecimal; decides the draws.
            view: 0 for the original view, or any other number for an augmented one.

        Raises:
            ImageError: the picture cannot be decoded.
        """
        if self._is_plain(view):
            return images.view(image, self.size, self.resize, self.levels)
        rng = np.random.default_rng([self.seed, view, int(sha256, 16)])
        # Twice the size, as for the original view, keeps JPEG's coarse scaling out of the result.
        pixels, resize = images.decode(image, 2 * self.size, self.levels), self.resize
        if self.augment.crop:
            pixels = random_crop(pixels, self.augment.crop, rng)
            resize = "pad" if resize == "pad" else "stretch"
        matrix = draw_matrix(self.augment, rng)
        operations = draw_operations(self.augment, rng)
        for operation, strength in operations:
            if operation in PLACE_OPERATIONS:
                matrix = matrix @ PLACE_OPERATIONS[operation](strength)
        pixels = warp(pixels, self.size, resize, matrix)
        for operation, strength in operations:
            if operation in COLOUR_OPERATIONS:
                pixels = np.asarray(COLOUR_OPERATIONS[operation](Image.fromarray(pixels), strength))
        return self._colour(pixels, rng)

    def _colour(
        self, pixels: UInt8[np.ndarray, "size size 3"], rng: np.random.Generator
    ) -> UInt8[np.ndarray, "size size 3"]:
        augment = self.augment
        if augment.brightness or augment.channel_brightness or augment.contrast:
            shifts = _either_way(rng, augment.brightness) + _either_way(rng, augment.channel_brightness, 3)
            pixels = adjust(pixels, shifts, 1 + float(_either_way(rng, augment.contrast)))
        if augment.downsample:
            pixels = downsample(pixels, rng.uniform(augment.downsample, 1.0))
        if augment.noise:
            noisy = rng.standard_normal(pixels.shape, np.float32)
            noisy *= augment.noise
            noisy += pixels
            pixels = _to_8_bit(noisy)
        return pixels

    def _is_plain(self, view: int) -> bool:
        return view == 0 or not self._settings

    @cached_property
    def _settings(self) -> dict[str, object]:
        """What is switched on, of what changes pixels."""
        settings = self.augment.model_dump(exclude=NO_PIXELS)
        if not self.augment.rand_augment:
            del settings["rand_magnitude"]
        return {name: value for name, value in settings.items() if value}

    @cached_property
    def _digest(self) -> str:
        text = json.dumps([VERSION, self.seed, self._settings], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def rotation(turns: float) -> Matrix:
    """Return a rotation by a fraction of a full turn, counted as `keras.layers.RandomRotation` does."""
    cos, sin = math.cos(2 * math.pi * turns), math.sin(2 * math.pi * turns)
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])


def zoom(height: float, width: float) -> Matrix:
    """Return a change of scale: beyond 1 zooms out, as in `keras.layers.RandomZoom`; -1 mirrors."""
    return np.diag([width, height, 1.0])


def translation(height: float, width: float) -> Matrix:
    """Return a shift down and to the right, as shares of the side."""
    return np.array([[1.0, 0.0, -width], [0.0, 1.0, -height], [0.0, 0.0, 1.0]])


def shear(vertical: float, horizontal: float) -> Matrix:
    """Return a shift of every column, and of every row, in proportion to its distance from the middle."""
    return np.array([[1.0, horizontal, 0.0], [vertical, 1.0, 0.0], [0.0, 0.0, 1.0]])


def draw_matrix(augment: Augment, rng: np.random.Generator) -> Matrix:
    """Flips, rotation, zooms and shift in this order, drawn within the recipe's bounds."""
    flips = rng.random(2) < 0.5
    matrix = zoom(
        -1.0 if augment.vertical_flip and flips[0] else 1.0,
        -1.0 if augment.horizontal_flip and flips[1] else 1.0,
    )
    if augment.rotation:
        matrix = matrix @ rotation(float(_either_way(rng, augment.rotation)))
    both, height, width = 1 + _either_way(rng, np.array([augment.zoom, augment.height, augment.width]), 3)
    return matrix @ zoom(both * height, both * width) @ translation(*_either_way(rng, augment.translation, 2))


def random_crop(
    pixels: UInt8[np.ndarray, "height width 3"], smallest: float, rng: np.random.Generator
) -> UInt8[np.ndarray, "cropped_height cropped_width 3"]:
    """Return a random part of a photo that keeps a share of its area drawn from `smallest` to 1.

    Its sides stand at 3:4 to 4:3 as far as a photo that is longer allows, as in Szegedy et al. 2015.
    """
    height, width = pixels.shape[:2]
    share = rng.uniform(smallest, 1.0)
    drawn = math.exp(rng.uniform(-math.log(4 / 3), math.log(4 / 3)))
    # Within these two, a part of that share fits into the photo.
    ratio = min(max(drawn, share * width / height), width / (height * share))
    area = share * width * height
    cropped_width = min(width, max(1, round(math.sqrt(area * ratio))))
    cropped_height = min(height, max(1, round(math.sqrt(area / ratio))))
    left = int(rng.integers(0, width - cropped_width + 1))
    top = int(rng.integers(0, height - cropped_height + 1))
    return pixels[top : top + cropped_height, left : left + cropped_width]


FINER = 1.5
"""Pixels of the picture that is interpolated, per pixel of the view: so many that little is blurred, so few that
little aliases. Measured on photos at 96 to 224 pixels: 37 dB from an ideal rotation, against 31 to 35 at 1."""
FINEST = 4.0


def warp(
    pixels: UInt8[np.ndarray, "height width 3"], size: int, resize: str, matrix: Matrix
) -> UInt8[np.ndarray, "size size 3"]:
    """Return the photo's square (`images.fit_square`) seen through a matrix, reflected at its edges.

    >>> pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    >>> bool((warp(pixels, 4, "crop", zoom(1.0, -1.0)) == pixels[:, ::-1]).all())
    True
    """
    if np.array_equal(abs(matrix), np.eye(3)):
        square = images.fit_square(pixels, size, resize)
        return np.ascontiguousarray(square[:: int(matrix[1, 1]), :: int(matrix[0, 0])])
    photo_side = (min if resize == "crop" else max)(pixels.shape[:2])
    closest = float(np.linalg.svd(matrix[:2, :2], compute_uv=False)[-1])
    side = max(size, round(min(photo_side, FINEST * size, FINER * size / max(closest, 1e-6))))
    square = images.fit_square(pixels, side, resize)
    # From pixels of the view, whose centres lie at halves, to pixels of the square.
    to_middle, to_corner = translation(0.5, 0.5), translation(-0.5, -0.5)
    places = zoom(float(side), float(side)) @ to_corner @ matrix @ to_middle @ zoom(1 / size, 1 / size)
    corners = places @ np.array([[0, size, 0, size], [0, 0, size, size], [1, 1, 1, 1]])
    before = np.maximum(0, np.ceil(1 - corners[:2].min(1))).astype(int)
    after = np.maximum(0, np.ceil(corners[:2].max(1) - side + 1)).astype(int)
    # NumPy's "symmetric" is what Keras calls "reflect".
    square = np.pad(square, ((before[1], after[1]), (before[0], after[0]), (0, 0)), mode="symmetric")
    places[:2, 2] += before
    # Pillow rounds down, which darkens by half a level of 255.
    through = Image.fromarray(square).transform(
        (size, size), Image.Transform.AFFINE, tuple(places[:2].ravel()), Image.Resampling.BILINEAR
    )
    return np.asarray(through)


def adjust(
    pixels: UInt8[np.ndarray, "height width 3"], shifts: Float[np.ndarray, "3"], contrast: float
) -> UInt8[np.ndarray, "height width 3"]:
    """Return each channel shifted, clipped, then scaled about its mean by `contrast` and clipped, rounded
    once.

    >>> int(adjust(np.full((2, 2, 3), 100, np.uint8), np.array([5.0, 0.0, -200.0]), 1.0).sum())
    820
    """
    image = Image.fromarray(pixels)
    values = np.clip(np.arange(256) + shifts[:, None], 0, 255)  # (3, 256)
    counts = np.array(image.histogram()).reshape(3, 256)
    means = (counts * values).sum(1, keepdims=True) / (pixels.shape[0] * pixels.shape[1])
    table = _to_8_bit((values - means) * contrast + means)
    return np.asarray(image.point(table.ravel().tolist()))


def downsample(
    pixels: UInt8[np.ndarray, "height width 3"], share: float
) -> UInt8[np.ndarray, "height width 3"]:
    """Return the picture at a share of its resolution, scaled back up."""
    height, width = pixels.shape[:2]
    small = (max(1, round(width * share)), max(1, round(height * share)))
    image = Image.fromarray(pixels).resize(small, Image.Resampling.BICUBIC)
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))


# Strengths are from -1 to 1, the sign drawn. Ranges: Cubuk et al. 2019 (AutoAugment), table 6, as RandAugment has them.
PLACE_OPERATIONS: dict[str, Callable[[float], np.ndarray]] = {
    "rotate": lambda strength: rotation(strength * 30 / 360),
    "shear_x": lambda strength: shear(0.0, strength * 0.3),
    "shear_y": lambda strength: shear(strength * 0.3, 0.0),
    "translate_x": lambda strength: translation(0.0, strength * 150 / 331),
    "translate_y": lambda strength: translation(strength * 150 / 331, 0.0),
}
COLOUR_OPERATIONS: dict[str, Callable[[Image.Image, float], Image.Image]] = {
    "identity": lambda image, strength: image,
    "auto_contrast": lambda image, strength: ImageOps.autocontrast(image),
    "equalize": lambda image, strength: ImageOps.equalize(image),
    "solarize": lambda image, strength: ImageOps.solarize(image, round(256 * (1 - abs(strength)))),
    "posterize": lambda image, strength: ImageOps.posterize(image, 8 - round(4 * abs(strength))),
    "color": lambda image, strength: ImageEnhance.Color(image).enhance(1 + 0.9 * strength),
    "contrast": lambda image, strength: ImageEnhance.Contrast(image).enhance(1 + 0.9 * strength),
    "brightness": lambda image, strength: ImageEnhance.Brightness(image).enhance(1 + 0.9 * strength),
    "sharpness": lambda image, strength: ImageEnhance.Sharpness(image).enhance(1 + 0.9 * strength),
}
OPERATIONS = (*COLOUR_OPERATIONS, *PLACE_OPERATIONS)
"""The 14 operations of RandAugment."""


def draw_operations(augment: Augment, rng: np.random.Generator) -> list[tuple[str, float]]:
    """RandAugment (Cubuk et al. 2020): operations drawn alike and with replacement, each with its signed strength."""
    names = rng.integers(0, len(OPERATIONS), augment.rand_augment)
    signs = rng.choice([-1.0, 1.0], augment.rand_augment)
    return [
        (OPERATIONS[name], float(sign) * augment.rand_magnitude / 10)
        for name, sign in zip(names, signs, strict=True)
    ]


def _either_way(rng: np.random.Generator, bound: float | np.ndarray, num: int | None = None) -> np.ndarray:
    return np.asarray(rng.uniform(-bound, bound, num))


def _to_8_bit(values: np.ndarray) -> np.ndarray:
    """Round and clip the pixels, in place where that spares memory."""
    return np.clip(np.rint(values, out=values), 0, 255, out=values).astype(np.uint8)
