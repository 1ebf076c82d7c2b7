import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from budwood.core.errors import ImageError
from budwood.data.images import Samples, ValueRange, decode, view
from budwood.data.inspection import Inspection, inspect

TWELVE = ValueRange(0.0, 4095.0)
GREY = (np.arange(48 * 64).reshape(48, 64) * 4095 // (48 * 64 - 1)).astype(np.uint16)
COLOUR = np.stack([GREY, GREY[::-1], GREY[:, ::-1]], axis=-1)
EXPECTED_GREY = np.round(GREY * (255 / 4095)).astype(int)
EXPECTED = np.round(COLOUR * (255 / 4095)).astype(int)


def png(pixels: np.ndarray) -> bytes:
    """A PNG of 16 bits a sample, of 1, 2, 3 or 4 channels; the rows alternate between two filters."""
    height, width = pixels.shape[:2]
    channels = pixels.shape[2] if pixels.ndim == 3 else 1

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b""
    for row in range(height):
        line = pixels[row].astype(">u2").tobytes()
        if row % 2:
            step = 2 * channels
            line = bytes((line[i] - (line[i - step] if i >= step else 0)) % 256 for i in range(len(line)))
        rows += bytes([row % 2]) + line
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def tiff(pixels: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    options = {
        "photometric": "rgb" if pixels.ndim == 3 and pixels.shape[-1] == 3 else "minisblack",
        **options,
    }
    tifffile.imwrite(file, pixels, **options)
    return file.getvalue()


def lzw(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "TIFF", compression="tiff_lzw")
    return file.getvalue()


GREY_FILES = {
    "png": png(GREY),
    "tiff": tiff(GREY),
    "tiff, big endian": tiff(GREY, byteorder=">"),
    "tiff, lzw": lzw(GREY),
    "tiff, deflate": tiff(GREY, compression="zlib"),
    "tiff, tiles": tiff(GREY, tile=(16, 16)),
    "bigtiff": tiff(GREY, bigtiff=True),
    "signed": tiff(GREY.astype(np.int16)),
    "signed 32": tiff(GREY.astype(np.int32)),
    "unsigned 32": tiff(GREY.astype(np.uint32)),
    "float": tiff(GREY.astype(np.float32)),
    "double": tiff(GREY.astype(np.float64)),
    "double, deflate": tiff(GREY.astype(np.float64), compression="zlib"),
    "white is zero": tiff(4095 - GREY, photometric="miniswhite"),
    "double, white is zero": tiff((4095 - GREY).astype(np.float64), photometric="miniswhite"),
}


@pytest.mark.parametrize("name", GREY_FILES)
def test_decode__12_bits_of_grey(name):
    found = decode(GREY_FILES[name], levels=TWELVE).astype(int)
    assert np.abs(found - EXPECTED_GREY[:, :, None]).max() <= 1
    assert inspect(GREY_FILES[name]).samples.high == 4095


@pytest.mark.parametrize(
    "content",
    [
        *(png(COLOUR), tiff(COLOUR), tiff(COLOUR, byteorder=">"), tiff(COLOUR, tile=(16, 16))),
        tiff(np.moveaxis(COLOUR, -1, 0), planarconfig="separate"),
        *(tiff(COLOUR.astype(np.float32)), tiff(COLOUR.astype(np.int16)), tiff(COLOUR.astype(np.float64))),
    ],
)
def test_decode__12_bits_of_colour(content):
    assert np.abs(decode(content, levels=TWELVE).astype(int) - EXPECTED).max() <= 1
    assert inspect(content) == Inspection(64, 48, inspect(content).samples)
    assert inspect(content).samples.high == 4095


def test_decode__colour_in_a_file_too(tmp_path):
    for name, content in (("a.png", png(COLOUR)), ("a.tif", tiff(COLOUR))):
        (tmp_path / name).write_bytes(content)
        assert np.abs(decode(tmp_path / name, levels=TWELVE).astype(int) - EXPECTED).max() <= 1


@pytest.mark.parametrize("channels", [2, 4])
def test_decode__transparency_of_16_bits_is_laid_on_white(channels):
    pixels = np.zeros((4, 6, channels), np.uint16)
    pixels[:, 3:, -1] = 65535
    pixels[:, 3:, :-1] = 4095
    pixels[0, 3:, :-1] = 0
    found = decode(png(pixels), levels=TWELVE)
    assert (found[:, :3] == 255).all()
    assert (found[1:, 3:] == 255).all()
    assert (found[0, 3:] == 0).all()


def test_decode__bits_that_fill_the_type_are_as_before():
    deep = GREY.astype(np.uint16) * 16
    np.testing.assert_array_equal(decode(png(deep))[:, :, 0], np.asarray(deep / 257 + 0.5).astype(np.uint8))


def test_view__takes_the_range_given():
    bright, dark = view(png(GREY), 32, levels=TWELVE), view(png(GREY), 32)
    assert bright.mean() > 120 > 10 > dark.mean()


def test_view__only_clear():
    with pytest.raises(ImageError, match="uint16 values from 0 to 4095 can be read in several ways"):
        view(png(GREY), 32, only_clear=True)
    assert view(png(GREY), 32, levels=TWELVE, only_clear=True).mean() > 120
    assert view(png(GREY * 16), 32, only_clear=True).mean() > 120


def test_decode__a_format_that_declares_its_bits_needs_no_range():
    content = b"P5 4 1 4095\n" + np.array([0, 1024, 2048, 4095], ">u2").tobytes()
    assert inspect(content).samples is None
    assert decode(content, levels=ValueRange(0.0, 10.0))[0, :, 0].tolist() == [0, 64, 128, 255]


@pytest.mark.parametrize("channels", [2, 5, 8])
def test_decode__channels_that_are_no_colours_are_refused(channels):
    planes = np.zeros((channels, 20, 30), np.uint8)
    content = tiff(planes, planarconfig="separate", photometric="minisblack", metadata=None)
    if channels == 5:
        assert kind_of(content) == "channels"
    content = tiff(np.moveaxis(planes, 0, -1).astype(np.float32), planarconfig="contig", metadata=None)
    assert kind_of(content) == "channels"


def kind_of(content: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        decode(content)
    with pytest.raises(ImageError) as inspected:
        inspect(content)
    assert inspected.value.kind == caught.value.kind
    return caught.value.kind


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float64])
def test_decode__of_several_pages_the_first_is_read(dtype):
    pages = np.stack([np.full((20, 30), 10 * page, dtype) for page in range(1, 5)])
    content = tiff(pages, photometric="minisblack")
    assert (decode(content, levels=ValueRange(0.0, 255.0)) == 10).all()
    if dtype != np.float64:
        assert inspect(content).pages == 4


def test_inspect__smaller_copies_are_no_pages():
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(np.zeros((40, 60), np.uint8), photometric="minisblack")
        writer.write(np.zeros((20, 30), np.uint8), photometric="minisblack", subfiletype=1)
    assert inspect(file.getvalue()).pages == 1


def test_decode__cut_short_doubles():
    content = tiff(GREY.astype(np.float64))
    assert kind_of(content[: len(content) // 2]) == "truncated"


def test_decode__a_bomb_of_doubles_is_refused():
    """A strip that unpacks to far more than its header says."""
    content = bytearray(tiff(np.zeros((8, 8)), compression="zlib"))
    with tifffile.TiffFile(io.BytesIO(bytes(content))) as read:
        page = read.pages[0]
        offset, count = page.tags["StripOffsets"], page.tags["StripByteCounts"]
    bomb = zlib.compress(bytes(50_000_000))
    at = len(content)
    content += bomb
    struct.pack_into("<I", content, offset.offset + 8, at)
    struct.pack_into({3: "<H", 4: "<I"}[int(count.dtype)], content, count.offset + 8, min(len(bomb), 65535))
    assert kind_of(bytes(content)) == "unreadable"


def test_decode__too_large_for_its_type(monkeypatch):
    monkeypatch.setenv("BUDWOOD_MAX_PIXELS", "4000")
    assert decode(tiff(GREY)).shape == (48, 64, 3)
    assert kind_of(tiff(GREY.astype(np.float64))) == "too_large"


def test_inspect__says_what_the_samples_are():
    found = inspect(tiff(GREY.astype(np.int16) - 1024))
    assert found.samples == Samples("int32", -1024.0, 3071.0, found.samples.bright)
    assert 3000 < found.samples.bright <= 3071
