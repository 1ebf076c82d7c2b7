"""Copies of photos as people make them, planted to see whether they are found."""

import io
import random
from collections.abc import Callable, Mapping

from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps


def _jpeg(image: Image.Image, quality: int = 90) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def _half(image: Image.Image, chance: random.Random) -> bytes:
    return _jpeg(
        image.resize((max(1, image.width // 2), max(1, image.height // 2)), Image.Resampling.BICUBIC)
    )


def _cropped(image: Image.Image, chance: random.Random) -> bytes:
    """A tenth of the width and of the height, taken off anywhere."""
    left, top = int(chance.random() * image.width * 0.1), int(chance.random() * image.height * 0.1)
    return _jpeg(image.crop((left, top, left + round(0.9 * image.width), top + round(0.9 * image.height))))


def _stamped(image: Image.Image, chance: random.Random) -> bytes:
    """A date in a corner, and half-transparent words across the middle."""
    image = image.convert("RGBA")
    layer = Image.new("RGBA", image.size)
    draw = ImageDraw.Draw(layer)
    side = min(image.size)
    draw.text(
        (0.55 * image.width, 0.9 * image.height),
        "2024 07 15",
        (255, 150, 0, 255),
        ImageFont.load_default(side / 14),
    )
    draw.text(
        (0.5 * image.width, 0.5 * image.height),
        "SAMPLE PHOTO",
        (255, 255, 255, 128),
        ImageFont.load_default(side / 9),
        anchor="mm",
    )
    return _jpeg(Image.alpha_composite(image, layer).convert("RGB"))


KINDS: Mapping[str, Callable[[Image.Image, random.Random], bytes]] = {
    "JPEG 40": lambda image, chance: _jpeg(image, 40),
    "half the size": _half,
    "cropped by 10 %": _cropped,
    "mirrored": lambda image, chance: _jpeg(ImageOps.mirror(image)),
    "brightened": lambda image, chance: _jpeg(
        ImageEnhance.Brightness(image).enhance(chance.uniform(1.2, 1.5))
    ),
    "stamped": _stamped,
}
"""Each gives the bytes of a copy."""
