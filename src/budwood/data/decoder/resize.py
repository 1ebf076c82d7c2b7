"""From a picture of any shape to the square that a network sees."""

from PIL import Image

Box = tuple[float, float, float | int, float | int]
_PAD_GREY = (127, 127, 127)


def to_square(image: Image.Image, size: int, resize: str) -> Image.Image:
    """Return a picture as a square of `size` pixels, by antialiased bicubic interpolation.

    `resize` is "crop" (short side to `size`, then the middle square), "stretch" (both sides) or "pad" (long side
    to `size`, the rest mid grey, which is near zero after every preprocessing).
    """
    width, height = image.size
    if resize == "crop":
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        return _scale(image, (size, size), (left, top, left + side, top + side))
    if resize == "stretch":
        return _scale(image, (size, size), (0.0, 0.0, width, height))
    if resize == "pad":
        scale = size / max(width, height)
        fitted = (max(1, round(width * scale)), max(1, round(height * scale)))
        square = Image.new("RGB", (size, size), _PAD_GREY)
        corner = ((size - fitted[0]) // 2, (size - fitted[1]) // 2)
        square.paste(_scale(image, fitted, (0.0, 0.0, width, height)), corner)
        return square
    raise ValueError(f'resize = "{resize}" is unknown. Give "crop", "stretch" or "pad"')


def _scale(image: Image.Image, size: tuple[int, int], box: Box) -> Image.Image:
    return image.resize(size, Image.Resampling.BICUBIC, box=box, reducing_gap=2.0)
