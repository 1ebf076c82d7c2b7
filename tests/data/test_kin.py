"""Photos that show the same: in other bytes, at another quality, size and format."""

import io

import numpy as np
import pytest
from PIL import Image

from budwood.data.check import check
from budwood.data.manifest import Manifest, Photo


def scene(seed, size=(160, 120)):
    rng = np.random.default_rng(seed)
    small = Image.fromarray((rng.random((6, 8, 3)) * 255).astype(np.uint8))
    return small.resize(size, Image.Resampling.BICUBIC)


def saved(image, kind="JPEG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def with_exif(image):
    exif = Image.Exif()
    exif[0x010F] = "maker"
    return saved(image, quality=92, exif=exif)


def checked(contents):
    photos = tuple(Photo(content, name, name[0]) for name, content in contents.items())
    found = check(Manifest(photos, tuple(sorted({photo.label for photo in photos}))), for_training=False)
    return found, {photo.name: photo for photo in found.photos}


def test_check__told_apart_by_exif_alone_under_two_labels():
    found, kept = checked(
        {"a/1": with_exif(scene(1)), "b/1": saved(scene(1), quality=92), "a/2": saved(scene(2))}
    )
    assert {problem.kind for problem in found.problems} >= {"conflict"}
    assert sum(problem.kind == "conflict" for problem in found.problems) == 2
    assert set(kept) == {"a/2"}


def test_check__equal_pixels_in_another_format():
    found, kept = checked(
        {"a/1.png": saved(scene(1), "PNG"), "a/1.bmp": saved(scene(1), "BMP"), "b/2": saved(scene(2))}
    )
    assert [problem.kind for problem in found.problems] == ["duplicate"]
    assert kept["a/1.png"].kin.equal == kept["a/1.bmp"].kin.equal != kept["b/2"].kin.equal


def test_check__plain_pictures_of_equal_pixels():
    white = Image.new("RGB", (64, 64), "white")
    found, kept = checked({"a/1": with_exif(white), "a/2": saved(white, quality=92), "b/2": saved(scene(2))})
    assert [problem.kind for problem in found.problems] == ["duplicate"]
    assert len(kept) == 3


def test_check__nearly_plain_pictures_are_not_one():
    greys = {f"a/{level}": saved(Image.new("RGB", (64, 64), (level,) * 3)) for level in (90, 120, 200)}
    _, kept = checked(greys | {"b/2": saved(scene(2))})
    assert len({photo.kin.near for photo in kept.values()}) == 4


@pytest.mark.parametrize(
    "again",
    [
        lambda image: saved(image, quality=40),
        lambda image: saved(image.resize((128, 96)), quality=85),
        lambda image: saved(image.resize((80, 60)), quality=70),
        lambda image: saved(image, "PNG"),
        lambda image: saved(image, "WEBP", quality=60),
        lambda image: saved(image.convert("L"), quality=80),
        lambda image: saved(image.convert("RGBA"), "PNG"),
    ],
    ids=["jpeg40", "smaller", "half", "png", "webp", "grey", "rgba"],
)
def test_kin__saved_again(again):
    contents = {f"a/{seed}": saved(scene(seed), quality=92) for seed in range(60)}
    found, kept = checked(contents | {"b/copy": again(scene(7))})
    assert kept["b/copy"].kin.same == kept["a/7"].kin.same
    assert len({photo.kin.same for photo in kept.values()}) == 60
    assert "conflict" not in {problem.kind for problem in found.problems}


def test_kin__turned_by_exif_and_turned_in_pixels():
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = scene(1).transpose(Image.Transpose.ROTATE_90)
    contents = {
        "a/1": saved(scene(1), quality=90),
        "a/2": saved(turned, quality=90, exif=exif),
        "b/3": saved(scene(3)),
    }
    _, kept = checked(contents)
    assert kept["a/1"].kin.same == kept["a/2"].kin.same


def test_kin__photos_of_a_fixed_camera_are_not_one():
    background = np.asarray(scene(0)).astype(int)
    contents = {}
    for number in range(80):
        pixels = background.copy()
        y, x = np.random.default_rng(number).integers(0, 80, 2)
        pixels[y : y + 30, x : x + 30] = 255 - pixels[y : y + 30, x : x + 30]
        contents[f"a/{number}"] = saved(Image.fromarray(pixels.astype(np.uint8)), quality=90)
    _, kept = checked(contents)
    largest = max(map([photo.kin.near for photo in kept.values()].count, {p.kin.near for p in kept.values()}))
    assert largest <= 3


def test_kin__does_not_depend_on_the_order():
    contents = {f"a/{seed}": saved(scene(seed), quality=92) for seed in range(20)}
    contents |= {f"b/{seed}": saved(scene(seed), quality=50) for seed in range(5)}
    _, kept = checked(contents)
    _, again = checked(dict(reversed(contents.items())))
    assert {name: photo.kin for name, photo in kept.items()} == {name: p.kin for name, p in again.items()}


def test_kin__is_known_without_decoding_again(monkeypatch, tmp_path):
    monkeypatch.setenv("BUDWOOD_CACHE", str(tmp_path))
    contents = {"a/1": with_exif(scene(1)), "a/2": saved(scene(1), quality=92), "b/2": saved(scene(2))}
    _, kept = checked(contents)
    for name in ("look", "decode"):
        monkeypatch.setattr(f"budwood.data.check.{name}", lambda *_: pytest.fail("decoded again"))
    _, again = checked(contents)
    assert {name: photo.kin for name, photo in kept.items()} == {name: p.kin for name, p in again.items()}
