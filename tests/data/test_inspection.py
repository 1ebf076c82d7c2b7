import io

import numpy as np
import pytest
from PIL import Image

from budwood.data.images import decode
from budwood.data.inspection import inspect, inspections, look, measure
from budwood.data.perceptual_hash import grids_of, small_luma


def perceptual_hash(image):
    return grids_of(small_luma(image)[None], image.size)[0]


def scene(seed, size=(96, 64)):
    small = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def saved(image, form="PNG", **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def exif_of(**tags):
    exif = Image.Exif()
    for tag, value in (
        (0x0112, tags.get("orientation")),
        (0x010F, tags.get("make")),
        (0x0110, tags.get("model")),
    ):
        if value is not None:
            exif[tag] = value
    if "time" in tags:
        exif.get_ifd(0x8769)[0x9003] = tags["time"]
    return exif


def test_inspect__size_and_hash_of_the_whole_picture():
    found = inspect(saved(scene(0)))
    assert (found.width, found.height, found.pages, found.samples, found.taken) == (96, 64, 1, None, "")
    assert found.hash == perceptual_hash(scene(0)).tobytes()
    assert found.sharpness > 0


@pytest.mark.parametrize("orientation", range(1, 9))
def test_inspect__is_of_the_upright_picture(orientation):
    upright = np.asarray(scene(0))
    turned = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: upright.transpose(1, 0, 2)[::-1],
        7: upright.transpose(1, 0, 2)[::-1, ::-1],
        8: upright.transpose(1, 0, 2)[:, ::-1],
    }[orientation]
    image = Image.fromarray(np.ascontiguousarray(turned))
    found = inspect(saved(image, exif=exif_of(orientation=orientation)))
    assert (found.width, found.height) == measure(saved(scene(0))) == (96, 64)
    expected = perceptual_hash(scene(0)).ravel().astype(int)
    assert np.abs(np.frombuffer(found.hash, np.uint8).astype(int) - expected).max() <= 1


@pytest.mark.parametrize(
    ("tags", "taken"),
    [
        ({"time": "2024:05:01 10:20:30"}, "2024:05:01 10:20:30"),
        (
            {"time": "2024:05:01 10:20:30", "make": "Make ", "model": "Model\0"},
            "2024:05:01 10:20:30 Make Model",
        ),
        ({"time": "0000:00:00 00:00:00", "make": "Make"}, ""),
        ({"time": "yesterday"}, ""),
        ({"make": "Make"}, ""),
    ],
)
def test_inspect__when_it_was_taken_and_with_what(tags, taken):
    assert inspect(saved(scene(0), "JPEG", exif=exif_of(**tags))).taken == taken


@pytest.mark.parametrize("orientation", [0, 9, 5000])
def test_inspect__a_way_to_be_turned_that_there_is_not_is_none(orientation):
    content = saved(scene(0), "JPEG", exif=exif_of(orientation=orientation))
    assert measure(content) == (96, 64) == decode(content).shape[1::-1]


def test_inspections__many_at_once_are_as_one_by_one():
    contents = [
        *(saved(scene(seed)) for seed in range(20)),
        *(saved(scene(seed, (40, 300)), "JPEG") for seed in range(3)),
        saved(Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30) * 100)),
        saved(scene(1).convert("1")),
        saved(scene(2, (1, 1))),
    ]
    np.random.default_rng(0).shuffle(contents)
    assert inspections([look(one) for one in contents]) == [inspect(one) for one in contents]
    assert inspections([]) == []


def test_inspect__more_than_8_bits_have_samples_and_no_sharpness():
    deep = np.random.default_rng(0).integers(0, 4096, (30, 40)).astype(np.uint16)
    found = inspect(saved(Image.fromarray(deep), "TIFF"))
    assert found.sharpness is None and found.samples is not None
    assert found.hash != bytes(256)
