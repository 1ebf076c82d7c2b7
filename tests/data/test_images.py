import io
import os
import struct
import threading
import zlib

import numpy as np
import pytest
from PIL import Image

from budwood.core.errors import ImageError
from budwood.data.images import MAX_PIXELS, decode, digest, fit_square, view
from budwood.data.inspection import measure

GREY = np.linspace(0, 255, 64).round().astype(np.uint8).reshape(8, 8)
STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def saved(image: Image.Image, format: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def png_header(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def kind_of(image) -> str:
    with pytest.raises(ImageError) as caught:
        decode(image)
    with pytest.raises(ImageError) as measured:
        measure(image)
    assert measured.value.kind == caught.value.kind
    return caught.value.kind


def test_decode__same_pixels_from_path_bytes_pillow_and_array(tmp_path):
    image = noise(7, 5)
    path = tmp_path / "a b\n花.png"
    image.save(path)
    pixels = np.asarray(image)
    for form in (path, str(path), path.read_bytes(), Image.open(path), image, pixels):
        np.testing.assert_array_equal(decode(form), pixels)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "PPM"])
def test_decode__16_bit_grey_is_scaled(format):
    deep = Image.fromarray(GREY.astype(np.uint16) * 257)
    np.testing.assert_array_equal(decode(saved(deep, format))[:, :, 0], GREY)


def test_decode__16_bit_dark_picture_stays_dark():
    deep = Image.fromarray(np.full((4, 4), 2570, np.uint16))
    assert (decode(saved(deep, "PNG")) == 10).all()


@pytest.mark.parametrize("scale", [1 / 255, 1.0, 257.0])
def test_decode__float_grey_is_scaled(scale):
    image = Image.fromarray(GREY.astype(np.float32) * np.float32(scale))
    np.testing.assert_array_equal(decode(saved(image, "TIFF"))[:, :, 1], GREY)


def test_decode__32_bit_integers_are_scaled():
    image = Image.fromarray(GREY.astype(np.int32) * 257)
    np.testing.assert_array_equal(decode(saved(image, "TIFF"))[:, :, 2], GREY)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_decode__transparency_is_laid_on_white(mode):
    image = Image.new(mode, (4, 4))
    assert (decode(saved(image, "PNG")) == 255).all()


def test_decode__half_transparent_black_is_grey():
    image = Image.new("RGBA", (4, 4), (0, 0, 0, 128))
    assert (decode(saved(image, "PNG")) == 127).all()


def test_decode__palette_with_transparency():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putdata([0, 1])
    pixels = decode(saved(image, "PNG", transparency=0))
    assert pixels.tolist() == [[[255, 255, 255], [200, 100, 50]]]
    pixels = decode(saved(image, "PNG", transparency=b"\x00\xff"))
    assert pixels.tolist() == [[[255, 255, 255], [200, 100, 50]]]


def test_decode__cmyk_jpeg():
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    red, green, blue = decode(saved(image, "JPEG", quality=95))[8, 8]
    assert red > 240 and green < 15 and blue < 15


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_decode__grey_and_one_bit(mode):
    image = Image.fromarray(np.where(GREY > 127, 255, 0).astype(np.uint8)).convert(mode)
    np.testing.assert_array_equal(decode(saved(image, "PNG"))[:, :, 0], np.where(GREY > 127, 255, 0))


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_decode__animation_gives_first_frame(format):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue", "lime")]
    options = {"lossless": True} if format == "WEBP" else {}
    data = saved(frames[0], format, save_all=True, append_images=frames[1:], **options)
    assert Image.open(io.BytesIO(data)).n_frames == 3
    assert (decode(data) == (255, 0, 0)).all()


@pytest.mark.parametrize("orientation", list(STORED))
@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
def test_decode__exif_rotated_copy_has_the_same_pixels(format, orientation):
    upright = noise(7, 5)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if format == "WEBP" else {}
    data = saved(upright.transpose(STORED[orientation]), format, exif=exif, **options)
    np.testing.assert_array_equal(decode(data), np.asarray(upright))
    np.testing.assert_array_equal(decode(Image.open(io.BytesIO(data))), np.asarray(upright))
    np.testing.assert_array_equal(view(data, 4), view(upright, 4))
    assert measure(data) == measure(Image.open(io.BytesIO(data))) == (7, 5)


def test_decode__exif_rotated_jpeg():
    upright = Image.fromarray(np.kron(GREY, np.ones((8, 16), np.uint8)))
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(upright.transpose(Image.Transpose.ROTATE_90), "JPEG", quality=100, exif=exif)
    assert np.abs(decode(data)[:, :, 0].astype(int) - np.asarray(upright)).max() <= 3
    assert measure(data) == (128, 64)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\x08\0\0\0\xff\xff"])
def test_decode__damaged_exif_is_passed_over(exif):
    assert decode(saved(noise(8, 8), "JPEG", exif=exif)).shape == (8, 8, 3)


def test_decode__at_least_keeps_both_sides():
    data = saved(noise(640, 480), "JPEG")
    assert decode(data).shape == (480, 640, 3)
    assert decode(data, at_least=100).shape == (120, 160, 3)
    assert decode(data, at_least=480).shape == (480, 640, 3)


def test_decode__leaves_the_callers_pillow_image_alone():
    opened = Image.open(io.BytesIO(saved(noise(640, 480), "JPEG")))
    view(opened, 32)
    measure(opened)
    assert opened.size == (640, 480)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "AVIF"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_decode__truncated(format, share):
    data = saved(noise(64, 64), format)
    assert kind_of(data[: int(len(data) * share)]) == "truncated"


@pytest.mark.parametrize("progressive", [False, True])
def test_measure__finds_every_truncation_that_decode_finds(progressive):
    data = saved(noise(64, 64), "JPEG", progressive=progressive)
    assert measure(data) == (64, 64)
    for length in [*range(20, len(data) - 1, 97), len(data) - 2, len(data) - 1]:
        assert kind_of(data[:length]) in ("truncated", "unreadable")


def test_decode__text_renamed_jpg(tmp_path):
    path = tmp_path / "notes.jpg"
    path.write_text("these are notes")
    assert kind_of(path) == "not_an_image"
    with pytest.raises(ImageError, match=r"notes\.jpg: not a picture"):
        decode(path)


def test_decode__empty_file():
    assert kind_of(b"") == "empty"


def test_decode__damaged_data():
    data = bytearray(saved(noise(64, 64), "PNG"))
    data[100:140] = bytes(40)
    assert kind_of(bytes(data)) in ("unreadable", "truncated")


def test_decode__bomb_is_refused_from_the_header(monkeypatch):
    def forbidden(*arguments):
        raise AssertionError("decoded")

    monkeypatch.setattr(Image.core, "zip_decoder", forbidden)
    assert kind_of(png_header(20_000, 20_000)) == "too_large"
    # One row above the limit, in the range where Pillow itself would only warn, and that as an error here.
    assert kind_of(png_header(10_000, MAX_PIXELS // 10_000 + 1)) == "too_large"


def test_decode__below_the_limit_pillow_does_not_warn():
    limit = Image.MAX_IMAGE_PIXELS
    assert kind_of(png_header(10_000, MAX_PIXELS // 10_000)) == "truncated"
    assert limit == Image.MAX_IMAGE_PIXELS


def test_decode__real_bomb(tmp_path):
    path = tmp_path / "bomb.png"
    Image.new("1", (20_000, 20_000)).save(path)
    assert kind_of(path) == "too_large"


def test_decode__missing_file_and_folder(tmp_path):
    assert kind_of(tmp_path / "none.png") == "unreadable"
    assert kind_of(tmp_path) == "not_an_image"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_decode__named_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    assert kind_of(tmp_path / "pipe.jpg") == "not_an_image"


def test_decode__no_permission(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.png").touch()
    monkeypatch.setattr("builtins.open", refuse)
    assert kind_of(tmp_path / "a.png") == "permission"


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1), (4, 6, 3), (4, 6, 4)])
def test_decode__array_shapes(shape):
    assert decode(np.full(shape, 255, np.uint8)).shape == (4, 6, 3)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 4), np.float32),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((0, 4), np.uint8),
    ],
)
def test_decode__other_arrays_are_refused(pixels):
    with pytest.raises(ImageError, match="Expected uint8|no pixels"):
        decode(pixels)


@pytest.mark.parametrize("resize", ["crop", "stretch", "pad"])
@pytest.mark.parametrize("size", [(1, 1), (8, 8), (500, 3), (3, 500), (300, 200)])
def test_view__any_size_to_square(size, resize):
    assert view(saved(noise(*size), "PNG"), 64, resize).shape == (64, 64, 3)


def test_view__one_pixel_fills_the_square():
    assert (view(Image.new("RGB", (1, 1), (10, 20, 30)), 224) == (10, 20, 30)).all()


def test_view__crop_takes_the_middle():
    pixels = np.zeros((10, 30, 3), np.uint8)
    pixels[:, 10:20] = 200
    assert (view(pixels, 10) == 200).all()
    assert (view(pixels.transpose(1, 0, 2), 10) == 200).all()


def test_view__pad_keeps_everything_on_grey():
    square = view(np.full((10, 30, 3), 200, np.uint8), 30, "pad")
    assert (square[10:20] == 200).all()
    assert (square[:10] == 127).all() and (square[20:] == 127).all()


def test_view__is_decode_then_fit_square():
    data = saved(noise(300, 200), "PNG")
    np.testing.assert_array_equal(view(data, 64, "crop"), fit_square(decode(data), 64, "crop"))


def test_view__large_jpeg_is_close_to_full_decoding():
    smooth = noise(12, 9).resize((1600, 1200), Image.Resampling.BICUBIC)
    data = saved(smooth, "JPEG", quality=95)
    quick, full = view(data, 64), fit_square(decode(data), 64, "crop")
    assert np.abs(quick.astype(int) - full.astype(int)).mean() < 1


def test_fit_square__unknown_resize():
    with pytest.raises(ValueError, match="squash"):
        fit_square(np.zeros((4, 4, 3), np.uint8), 4, "squash")


def test_digest__of_the_file_and_of_the_pixels(tmp_path):
    path = tmp_path / "a.png"
    noise(7, 5).save(path)
    assert digest(path) == digest(str(path)) == digest(path.read_bytes())
    pixels = decode(path)
    assert digest(pixels) == digest(noise(7, 5)) != digest(path)
    assert digest(pixels) != digest(np.ascontiguousarray(pixels.reshape(7, 5, 3)))
    assert digest(np.asfortranarray(pixels)) == digest(pixels)


def test_decode__threads_agree():
    data = [saved(noise(40 + index, 40), "JPEG") for index in range(8)]
    expected = [view(item, 32) for item in data]
    differing = []

    def work():
        for _ in range(5):
            differing.extend(
                i for i, item in enumerate(data) if not np.array_equal(view(item, 32), expected[i])
            )

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not differing
