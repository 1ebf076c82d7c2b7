"""Mutates small pictures and decodes them, in a process of its own: `python tests/data/decoder/fuzz.py JPEG 5000 0`.

Prints, as JSON, what came of it: `decoded` and `refused` mutations, `unexpected` exceptions, the slowest by its
processor time, and by how many MB the memory rose at most.
"""

import io
import json
import resource
import struct
import sys
import time
import zlib
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image, ImageCms, features

from budwood.core.errors import ImageError
from budwood.data.decoder import machine
from budwood.data.images import view
from budwood.data.inspection import inspect

WIDTH, HEIGHT = 60, 44
INTERESTING = (
    0,
    1,
    2,
    3,
    7,
    8,
    16,
    127,
    128,
    255,
    256,
    1000,
    32767,
    32768,
    65535,
    2**24,
    2**31 - 1,
    2**31,
    2**32 - 1,
)


def picture(mode: str = "RGB") -> Image.Image:
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    return small.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC).convert(mode)


def saved(format: str, mode: str = "RGB", **options) -> bytes:
    file = io.BytesIO()
    picture(mode).save(file, format, **options)
    return file.getvalue()


def jpeg_seeds() -> Iterator[bytes]:
    exif = Image.Exif()
    exif[0x0112] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    yield saved("JPEG", exif=exif, icc_profile=profile)
    yield saved("JPEG", progressive=True)
    yield saved("JPEG", "CMYK")
    yield saved("JPEG", "L", quality=20, optimize=True)
    yield saved("JPEG", subsampling=0, restart_marker_rows=1)


def png_seeds() -> Iterator[bytes]:
    yield saved("PNG")
    yield saved("PNG", "RGBA")
    yield saved("PNG", "P", transparency=3)
    yield saved("PNG", "1")
    deep = io.BytesIO()
    Image.fromarray(np.asarray(picture("L")).astype(np.uint16) * 16).save(deep, "PNG")
    yield deep.getvalue()
    yield colour_16(2)
    yield colour_16(6)
    yield saved("PNG", save_all=True, append_images=[picture().rotate(90)])


def colour_16(kind: int) -> bytes:
    channels = {2: 3, 6: 4}[kind]
    rng = np.random.default_rng(0)
    rows = b"".join(b"\0" + rng.bytes(WIDTH * channels * 2) for _ in range(HEIGHT))
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, kind, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(png_chunk, chunks))


def png_chunk(chunk: tuple[bytes, bytes]) -> bytes:
    name, content = chunk
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def gif_seeds() -> Iterator[bytes]:
    yield saved("GIF")
    yield saved("GIF", "P", transparency=1, interlace=0)
    yield saved("GIF", save_all=True, append_images=[picture().rotate(90)], duration=10, loop=0)


def bmp_seeds() -> Iterator[bytes]:
    for mode in ("RGB", "L", "P", "1", "RGBA"):
        yield saved("BMP", mode)
    # Run-length coding of 8 bits.
    palette = b"".join(bytes((i, i, i, 0)) for i in range(256))
    rows = b"".join(bytes((WIDTH, row, 0, 0)) for row in range(HEIGHT)) + b"\0\1"
    head = struct.pack("<IiiHHIIiiII", 40, WIDTH, HEIGHT, 1, 8, 1, len(rows), 2835, 2835, 256, 0)
    offset = 14 + len(head) + len(palette)
    yield b"BM" + struct.pack("<IHHI", offset + len(rows), 0, 0, offset) + head + palette + rows


def webp_seeds() -> Iterator[bytes]:
    yield saved("WEBP")
    yield saved("WEBP", "RGBA", lossless=True)
    yield saved("WEBP", save_all=True, append_images=[picture().rotate(90)], duration=10)


def tiff_seeds() -> Iterator[bytes]:
    import tifffile

    for options in ({}, {"compression": "tiff_lzw"}, {"compression": "jpeg"}, {"compression": "packbits"}):
        yield saved("TIFF", **options)
    yield saved("TIFF", "1", compression="group4")
    yield saved("TIFF", "CMYK", compression="tiff_adobe_deflate")
    grey, colour = np.asarray(picture("L")), np.asarray(picture())
    for array, options in (
        (grey.astype(np.uint16) * 16, {}),
        (grey.astype(np.float64), {"compression": "zlib"}),
        (grey.astype(np.float32), {"tile": (16, 16)}),
        (colour.astype(np.uint16) * 16, {"byteorder": ">"}),
        (colour.astype(np.float32), {}),
        (grey.astype(np.int32), {"bigtiff": True}),
        (np.stack([grey] * 5).astype(np.float64), {"photometric": "minisblack", "metadata": {"axes": "ZYX"}}),
        (np.moveaxis(colour, -1, 0).astype(np.uint16), {"planarconfig": "separate"}),
    ):
        file = io.BytesIO()
        photometric = {"photometric": "rgb" if 3 in (array.shape[0], array.shape[-1]) else "minisblack"}
        tifffile.imwrite(file, array, **{**photometric, **options})
        yield file.getvalue()


def heic_seeds() -> Iterator[bytes]:
    import pillow_heif

    for mode in ("RGB", "RGBA", "L"):
        file = io.BytesIO()
        pillow_heif.from_pillow(picture(mode)).save(file, quality=60)
        yield file.getvalue()


def avif_seeds() -> Iterator[bytes]:
    yield saved("AVIF", speed=10)
    yield saved("AVIF", "RGBA", speed=10)


def other_seeds() -> Iterator[bytes]:
    yield saved("JPEG2000", irreversible=True)
    yield saved("JPEG2000", "RGBA")
    for mode in ("RGB", "L", "1", "I"):
        yield saved("PPM", mode)


SEEDS: dict[str, Callable[[], Iterator[bytes]]] = {
    "JPEG": jpeg_seeds,
    "PNG": png_seeds,
    "GIF": gif_seeds,
    "BMP": bmp_seeds,
    "WebP": webp_seeds,
    "TIFF": tiff_seeds,
    "HEIC": heic_seeds,
    "AVIF": avif_seeds,
    "other": other_seeds,
}


def available() -> list[str]:
    """Formats that can be written here."""
    left = set() if features.check("avif") else {"AVIF"}
    try:
        import pillow_heif  # noqa: F401
    except ImportError:
        left.add("HEIC")
    return [name for name in SEEDS if name not in left]


def mutate(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(content)
    for _ in range(int(rng.integers(1, 5))):
        if len(changed) < 12:
            break
        # Most of what a decoder can stumble over stands at the beginning.
        end = len(changed) - 8 if rng.random() < 0.5 else min(200, len(changed) - 8)
        at = int(rng.integers(0, end)) if end > 0 else 0
        kind = int(rng.integers(0, 8))
        length = int(rng.integers(1, 40))
        if kind <= 1:
            changed[at] ^= 1 << int(rng.integers(0, 8))
        elif kind == 2:
            changed[at : at + length] = rng.bytes(len(changed[at : at + length]))
        elif kind == 3:
            value = INTERESTING[int(rng.integers(0, len(INTERESTING)))]
            size, order = int(rng.choice([1, 2, 4])), rng.choice(["big", "little"])
            changed[at : at + size] = (value % 256**size).to_bytes(size, str(order))
        elif kind == 4:
            del changed[at : at + length]
        elif kind == 5:
            changed[at:at] = changed[at : at + length] * int(rng.integers(1, 20))
        elif kind == 6:
            start = int(rng.integers(0, max(1, len(other) - length)))
            changed[at : at + length] = other[start : start + length]
        elif rng.random() < 0.3:
            del changed[int(rng.integers(0, len(changed))) :]
    if changed[:4] == b"\x89PNG" and rng.random() < 0.8:
        changed = mended_png(changed)
    return bytes(changed)


def mended_png(content: bytearray) -> bytearray:
    """With checksums that are right, so that what they cover is looked at."""
    at = 8
    while at + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, at)
        if at + 12 + length > len(content):
            break
        checksum = zlib.crc32(content[at + 4 : at + 8 + length])
        struct.pack_into(">I", content, at + 8 + length, checksum)
        at += 12 + length
    return content


def fuzz(format: str, number: int, seed: int) -> dict:
    machine.WAITS = (0.0, 0.0)
    seeds = list(SEEDS[format]())
    for content in seeds:
        inspect(content)
        view(content, 32)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result: dict = {"format": format, "number": number, "decoded": 0, "refused": 0, "unexpected": []}
    slowest, before = 0.0, peak
    for index in range(number):
        rng = np.random.default_rng([seed, index])
        first, other = rng.integers(0, len(seeds), 2)
        content = mutate(seeds[first], seeds[other], rng)
        started = time.process_time()
        try:
            for read in (inspect, lambda image: view(image, 32)):
                read(content)
            result["decoded"] += 1
        except ImageError:
            result["refused"] += 1
        except Exception as error:
            result["unexpected"].append(f"{index}: {type(error).__name__}: {error}"[:300])
        seconds = time.process_time() - started
        if seconds > slowest:
            slowest, result["slowest"] = seconds, index
    rise = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {**result, "seconds": round(slowest, 3), "megabytes": round(rise / 1024)}


if __name__ == "__main__":
    import warnings

    warnings.simplefilter("ignore")
    print(json.dumps(fuzz(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
