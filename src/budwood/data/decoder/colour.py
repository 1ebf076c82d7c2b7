"""From a decoded picture of any colour mode to 8-bit RGB in sRGB: profiles applied, transparency laid on white."""

import functools
import io
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageCms

from budwood.core.errors import ImageError
from budwood.data.decoder.machine import is_machine_fault

BAND = 4_000_000
"""Pixels that are composed at a time."""
SAME = 2
"""Levels of 255 by which a profile may differ from sRGB and still count as it."""
_SPACES = {
    "RGB": "RGB ",
    "RGBA": "RGB ",
    "RGBX": "RGB ",
    "P": "RGB ",
    "L": "GRAY",
    "LA": "GRAY",
    "CMYK": "CMYK",
}


def to_rgb(image: Image.Image) -> Image.Image:
    """Return a loaded picture as RGB; the same object where it is that already.

    An embedded colour profile (ICC) is applied, so that every picture ends in sRGB. One that is damaged, or is for
    another kind of picture, is passed over, as viewers do.
    """
    try:
        transform = _transform_of(image)
        if image.has_transparency_data:
            return _on_white(image, transform)
        if transform is not None:
            return _apply(image, transform)
        return image if image.mode == "RGB" else image.convert("RGB")
    except ValueError as error:
        raise ImageError(f"colour mode {image.mode} has no RGB form here; save it as RGB") from error


def bands(width: int, height: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield the boxes of horizontal bands that cover a picture, so that little is held at once."""
    rows = max(1, BAND // max(1, width))
    for top in range(0, height, rows):
        yield 0, top, width, min(height, top + rows)


def _on_white(image: Image.Image, transform: ImageCms.ImageCmsTransform | None) -> Image.Image:
    result = Image.new("RGB", image.size)
    for box in bands(*image.size):
        band = image.crop(box)
        rgba = band.convert("RGBA")
        if transform is not None:
            alpha = rgba.getchannel("A")
            rgba = _apply(band, transform)
            rgba.putalpha(alpha)
        white = Image.new("RGBA", rgba.size, "white")
        result.paste(Image.alpha_composite(white, rgba).convert("RGB"), box)
    return result


def _apply(image: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    base = {"P": "RGB", "RGBA": "RGB", "RGBX": "RGB", "LA": "L"}.get(image.mode, image.mode)
    image = image if image.mode == base else image.convert(base)
    result = ImageCms.applyTransform(image, transform)
    assert result is not None
    return result


def _transform_of(image: Image.Image) -> ImageCms.ImageCmsTransform | None:
    profile = image.info.get("icc_profile")
    # The colour space that a profile is for stands at byte 16.
    if not isinstance(profile, bytes) or len(profile) < 128 or image.mode not in _SPACES:
        return None
    if profile[16:20] != _SPACES[image.mode].encode():
        return None
    return _transform(profile, {"GRAY": "L", "CMYK": "CMYK"}.get(_SPACES[image.mode], "RGB"))


@functools.lru_cache(maxsize=64)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the way from a profile to sRGB; None where it is sRGB in all but name, or is damaged."""
    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            # Several threads use one transform at once.
            flags=ImageCms.Flags.NOCACHE | ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        return None if mode == "RGB" and _is_identity(transform) else transform
    except Exception as error:  # damaged profiles make LittleCMS say nearly anything
        if is_machine_fault(error):
            raise
        return None


def _is_identity(transform: ImageCms.ImageCmsTransform) -> bool:
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    changed = np.asarray(_apply(Image.fromarray(cube), transform))
    return int(np.abs(changed.astype(int) - cube).max()) <= SAME
