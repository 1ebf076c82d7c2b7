import hashlib
import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from budwood.data.decoder import colour
from budwood.data.images import decode, view

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PIXELS = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)


def s15(value: float) -> bytes:
    return round(value * 65536).to_bytes(4, "big", signed=True)


def profile(space: bytes = b"RGB ", gamma: float = 2.2, wide: bool = True) -> bytes:
    """A matrix profile of wide primaries (those of Adobe RGB), or one of grey, written by hand."""
    curve = b"curv" + bytes(4) + (1).to_bytes(4, "big") + round(gamma * 256).to_bytes(2, "big") + bytes(2)

    def xyz(x: float, y: float, z: float) -> bytes:
        return b"XYZ " + bytes(4) + s15(x) + s15(y) + s15(z)

    tags = {b"wtpt": xyz(0.9642, 1.0, 0.8249)}
    if space == b"RGB ":
        tags |= {b"rXYZ": xyz(0.60974, 0.31111, 0.01947), b"gXYZ": xyz(0.20528, 0.62567, 0.06087)}
        tags |= {b"bXYZ": xyz(0.14919, 0.06322, 0.74457)}
        tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    else:
        tags[b"kTRC"] = curve
    offset, table, data = 132 + 12 * len(tags), b"", b""
    for name, content in tags.items():
        table += name + (offset + len(data)).to_bytes(4, "big") + len(content).to_bytes(4, "big")
        data += content
    body = len(tags).to_bytes(4, "big") + table + data
    header = (
        (128 + len(body)).to_bytes(4, "big") + b"lcms" + bytes.fromhex("02100000") + b"mntr" + space + b"XYZ "
    )
    header += bytes(12) + b"acsp" + bytes(28) + s15(0.9642) + s15(1.0) + s15(0.8249)
    return header.ljust(128, b"\0") + body


def saved(image: Image.Image, format: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
def test_decode__a_profile_is_applied(format):
    options = {"lossless": True} if format == "WEBP" else {}
    content = saved(Image.new("RGB", (8, 8), (100, 200, 100)), format, icc_profile=profile(), **options)
    red, green, blue = decode(content)[4, 4].astype(int)
    # Green of wide primaries lies outside of sRGB: red is clipped.
    assert red < 30 and green > 195 and 80 < blue < 120
    grey = saved(Image.new("RGB", (8, 8), (128, 128, 128)), format, icc_profile=profile(), **options)
    assert np.abs(decode(grey)[4, 4].astype(int) - 128).max() <= 2


def test_decode__a_profile_and_transparency():
    image = Image.new("RGBA", (8, 8), (100, 200, 100, 255))
    image.paste((0, 0, 0, 0), (0, 0, 4, 8))
    found = decode(saved(image, icc_profile=profile()))
    assert (found[:, :4] == 255).all()
    assert found[4, 6, 0] < 30


def test_decode__a_palette_with_a_profile():
    image = Image.new("RGB", (8, 8), (100, 200, 100)).convert("P", palette=Image.Palette.ADAPTIVE)
    assert decode(saved(image, icc_profile=profile()))[4, 4, 0] < 40


def test_decode__a_profile_of_grey():
    dark = decode(saved(Image.new("L", (8, 8), 128), icc_profile=profile(b"GRAY", gamma=1.0)))
    assert (dark[..., 0] > 180).all()


@pytest.mark.parametrize("icc", [SRGB, b"no profile", SRGB[:200], bytes(500), profile(b"GRAY")])
def test_decode__srgb_and_damaged_profiles_change_nothing(icc):
    content = saved(Image.fromarray(PIXELS), icc_profile=icc)
    np.testing.assert_array_equal(decode(content), PIXELS)


def test_decode__profile_of_another_kind_of_picture_changes_nothing():
    grey = Image.fromarray(PIXELS[:, :, 0])
    np.testing.assert_array_equal(decode(saved(grey, icc_profile=profile()))[:, :, 0], PIXELS[:, :, 0])


def test_view__a_profile_is_applied_to_a_reduced_jpeg():
    content = saved(Image.new("RGB", (800, 800), (100, 200, 100)), "JPEG", icc_profile=profile(), quality=95)
    assert view(content, 32)[16, 16, 0] < 40


def test_decode__adobe_cmyk_is_not_inverted():
    """Photoshop writes the inks inverted, and an Adobe marker."""
    content = saved(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)
    assert b"Adobe" in content
    red, green, blue = decode(content)[8, 8]
    assert red > 240 and green < 15 and blue < 15
    white = decode(saved(Image.new("CMYK", (16, 16), (0, 0, 0, 0)), "JPEG", quality=95))
    assert white.min() > 250
    black = decode(saved(Image.new("CMYK", (16, 16), (0, 0, 0, 255)), "TIFF"))
    assert black.max() < 5


def test_to_rgb__bands_of_transparency_do_not_show(monkeypatch):
    rgba = Image.fromarray(np.random.default_rng(1).integers(0, 256, (60, 50, 4), dtype=np.uint8))
    palette = Image.fromarray(PIXELS).convert("P")
    palette.info["transparency"] = 7
    whole = [np.asarray(colour.to_rgb(image)) for image in (rgba, palette)]
    monkeypatch.setattr(colour, "BAND", 130)
    for image, expected in zip((rgba, palette), whole, strict=True):
        np.testing.assert_array_equal(np.asarray(colour.to_rgb(image)), expected)


@pytest.mark.skipif(not os.environ.get("BUDWOOD_TEST_DATA"), reason="needs photos")
def test_decode__photos_without_a_profile_are_as_ever():
    """The pixels are those that Pillow gives by itself."""
    files = sorted(Path(os.environ["BUDWOOD_TEST_DATA"], "datasets", "flower_photos").rglob("*.jpg"))[::60]
    plain = 0
    for file in files:
        with Image.open(file) as image:
            if "icc_profile" in image.info:
                continue
            plain += 1
            assert image.getexif().get(0x0112, 1) == 1
            expected = hashlib.sha256(image.convert("RGB").tobytes()).hexdigest()
        assert hashlib.sha256(decode(file).tobytes()).hexdigest() == expected
    assert plain > 50
