import io
import struct

import numpy as np
import pytest
from PIL import Image, features

from budwood.core.errors import DataError, ImageError
from budwood.data import images
from budwood.data.decoder import formats
from budwood.data.images import begins_like_a_picture, decode, sniff, view
from budwood.data.inspection import measure

PIXELS = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


def saved(format: str, **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, format, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("format", "name"),
    [
        *(
            ("JPEG", "JPEG"),
            ("PNG", "PNG"),
            ("GIF", "GIF"),
            ("BMP", "BMP"),
            ("WEBP", "WebP"),
            ("TIFF", "TIFF"),
        ),
        pytest.param(
            *("AVIF", "AVIF"),
            marks=pytest.mark.skipif(not features.check("avif"), reason="Pillow without AVIF"),
        ),
    ],
)
@pytest.mark.parametrize("ending", ["", ".jpg_large", ".txt"])
def test_sniff__tells_pictures_by_their_content(tmp_path, format, name, ending):
    file = tmp_path / f"a{ending}"
    file.write_bytes(saved(format))
    assert sniff(file) == name
    assert begins_like_a_picture(file.read_bytes()[: formats.START])
    assert decode(file).shape == PIXELS.shape


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"B",
        b"BMW is a maker of cars",
        b"P3 is no picture",
        b"path,label\n",
        b"\0\0\0\x18ftypqt  \0\0\0\0qt  ",
    ],
)
def test_sniff__takes_nothing_else_for_a_picture(tmp_path, content):
    file = tmp_path / "a"
    file.write_bytes(content)
    assert sniff(file) is None
    assert not begins_like_a_picture(content)


def test_sniff__a_file_that_cannot_be_read(tmp_path):
    assert sniff(tmp_path) is sniff(tmp_path / "none") is None


def test_decode__wrong_ending_is_read_by_its_content(tmp_path):
    file = tmp_path / "a.png"
    file.write_bytes(saved("BMP"))
    np.testing.assert_array_equal(decode(file), PIXELS)


def test_decode__heic_without_the_extra_names_it(monkeypatch):
    monkeypatch.setattr(formats, "_has_heif", lambda: False)
    with pytest.raises(ImageError, match=r"HEIC.*budwood\[heif\]") as caught:
        decode(HEIC + b"\0\0\0\x10meta" + bytes(100))
    assert caught.value.kind == "unsupported"
    assert not begins_like_a_picture(HEIC)


def test_decode__damaged_heic_says_so():
    pytest.importorskip("pillow_heif")
    with pytest.raises(ImageError, match="HEIC") as caught:
        decode(HEIC + b"\0\0\0\x10meta" + bytes(100))
    assert caught.value.kind == "truncated"


def test_decode__heic(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    smooth = np.broadcast_to(np.linspace(0, 255, 64, dtype=np.uint8)[None, :, None], (48, 64, 3)).copy()
    file = tmp_path / "a.HEIC"
    pillow_heif.from_pillow(Image.fromarray(smooth)).save(file, quality=95)
    assert sniff(file) == "HEIC"
    assert measure(file) == (64, 48)
    assert np.abs(decode(file).astype(int) - smooth).mean() < 4


def test_decode__avif_without_support_says_what_to_install(monkeypatch):
    monkeypatch.setattr(formats.features, "check", lambda name: False)
    with pytest.raises(ImageError, match=r"AVIF.*Pillow 11\.3"):
        decode(b"\0\0\0\x18ftypavif\0\0\0\0mif1avif\0\0\0\x10meta" + bytes(100))


def jpeg_header(width: int, height: int, content: bytes) -> bytes:
    """Give a JPEG another size in its header."""
    at = next(content.index(marker) for marker in (b"\xff\xc0", b"\xff\xc2") if marker in content)
    return content[: at + 5] + struct.pack(">HH", height, width) + content[at + 9 :]


def test_decode__large_jpeg_is_decoded_at_a_reduced_scale(monkeypatch):
    monkeypatch.setenv("BUDWOOD_MAX_PIXELS", "1000")
    assert decode(saved("JPEG")).shape == (24, 32, 3)
    assert measure(saved("JPEG")) == (64, 48)
    assert view(saved("JPEG"), 64).shape == (64, 64, 3)


def test_decode__too_large_jpeg_is_refused(monkeypatch):
    monkeypatch.setenv("BUDWOOD_MAX_PIXELS", "700")
    with pytest.raises(ImageError, match="64 x 48 pixels are more than the 2,800.*BUDWOOD_MAX_PIXELS"):
        decode(saved("JPEG"))


def test_decode__progressive_jpeg_is_held_whole_and_refused_earlier(monkeypatch):
    monkeypatch.setenv("BUDWOOD_MAX_PIXELS", "1000")
    with pytest.raises(ImageError, match="more than the 1,000"):
        decode(saved("JPEG", progressive=True))


def test_decode__jpeg_of_400_megapixels():
    assert decode(jpeg_header(20_000, 20_000, saved("JPEG")), at_least=448).shape == (2500, 2500, 3)
    with pytest.raises(ImageError, match="20001 x 20000 pixels are more than the 400,000,000"):
        decode(jpeg_header(20_001, 20_000, saved("JPEG")), at_least=448)


@pytest.mark.parametrize("given", ["many", "0", "-5"])
def test_max_pixels__refuses_what_is_no_number(monkeypatch, given):
    monkeypatch.setenv("BUDWOOD_MAX_PIXELS", given)
    with pytest.raises(DataError, match="BUDWOOD_MAX_PIXELS is"):
        images.decode(saved("PNG"))


def test_open_header__names_heic_whose_rest_is_damaged():
    junk = HEIC + bytes(range(256))
    assert formats.format_of(junk[:64]) is None
    with pytest.raises(ImageError, match="begins like a HEIC picture"):
        decode(junk)


def test_decode__what_takes_more_memory_is_refused_earlier(monkeypatch):
    monkeypatch.setenv("BUDWOOD_MAX_PIXELS", "4000")
    assert decode(saved("WEBP")).shape == PIXELS.shape
    animated = saved("WEBP", save_all=True, append_images=[Image.fromarray(255 - PIXELS)], duration=10)
    floats = io.BytesIO()
    Image.fromarray(PIXELS[:, :, 0].astype(np.float32)).save(floats, "TIFF")
    for content, most in ((animated, "1,000"), (floats.getvalue(), "2,000")):
        with pytest.raises(ImageError, match=f"more than the {most} that are decoded"):
            decode(content)
