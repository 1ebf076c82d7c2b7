"""Views: the units and edges of Keras's layers, and the same pixels in every order, thread and process."""

import math
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from budwood.config.recipe import Augment
from budwood.data import augment as module
from budwood.data import images
from budwood.data.augment import (
    COLOUR_OPERATIONS,
    OPERATIONS,
    PLACE_OPERATIONS,
    Renderer,
    adjust,
    downsample,
    draw_matrix,
    draw_operations,
    random_crop,
    rotation,
    shear,
    translation,
    warp,
    zoom,
)

SHA = sha256(b"a photo").hexdigest()
EVERYTHING = Augment(
    views=5,
    horizontal_flip=True,
    vertical_flip=True,
    rotation=0.1,
    zoom=0.2,
    height=0.1,
    width=0.1,
    translation=0.1,
    crop=0.4,
    brightness=20,
    channel_brightness=10,
    contrast=0.2,
    noise=4,
    downsample=0.5,
    rand_augment=2,
)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def waves(side: int) -> np.ndarray:
    """A smooth picture without any symmetry."""
    y, x = np.mgrid[:side, :side] / side
    channels = [np.sin(5 * x + 3 * y), np.cos(4 * x * y + y), np.sin(2 * x - 7 * y * y)]
    return (127.5 + 120 * np.stack(channels, -1)).round().astype(np.uint8)


def through_keras(layers, pixels: np.ndarray) -> np.ndarray:
    batch = pixels[np.newaxis].astype(np.float32)
    for layer in layers:
        batch = layer(batch, training=True)
    return keras.ops.convert_to_numpy(batch)[0]


ONE_STEP = {
    "rotation": ([keras.layers.RandomRotation((0.07, 0.07))], rotation(0.07)),
    "rotation back": ([keras.layers.RandomRotation((-0.3, -0.3))], rotation(-0.3)),
    "zoom out": ([keras.layers.RandomZoom((0.2, 0.2))], zoom(1.2, 1.2)),
    "zoom in": ([keras.layers.RandomZoom((-0.3, -0.3))], zoom(0.7, 0.7)),
    "height": ([keras.layers.RandomZoom((0.4, 0.4), (0.0, 0.0))], zoom(1.4, 1.0)),
    "width": ([keras.layers.RandomZoom((0.0, 0.0), (-0.2, -0.2))], zoom(1.0, 0.8)),
    "translation": (
        [keras.layers.RandomTranslation((0.1, 0.1), (-0.23, -0.23), fill_mode="reflect")],
        translation(0.1, -0.23),
    ),
    "far": (
        [keras.layers.RandomTranslation((-0.9, -0.9), (0.8, 0.8), fill_mode="reflect")],
        translation(-0.9, 0.8),
    ),
}


@pytest.mark.parametrize("name", ONE_STEP)
@pytest.mark.parametrize("pixels", [noise(64, 64), waves(96)], ids=["noise", "waves"])
def test_warp__is_what_keras_does(name, pixels):
    layers, matrix = ONE_STEP[name]
    expected = through_keras(layers, pixels)
    # Pillow rounds down, Keras keeps fractions.
    assert np.abs(warp(pixels, len(pixels), "crop", matrix) + 0.5 - expected).max() < 0.55


def test_warp__several_steps_are_those_of_keras_in_that_order():
    layers = [
        keras.layers.RandomRotation((0.08, 0.08)),
        keras.layers.RandomZoom((-0.3, -0.3), (-0.45, -0.45)),
        keras.layers.RandomTranslation((0.1, 0.1), (-0.05, -0.05), fill_mode="reflect"),
    ]
    matrix = rotation(0.08) @ zoom(0.7, 0.55) @ translation(0.1, -0.05)
    pixels = waves(128)
    # The middle, where Keras has not reflected what it had filled before.
    inside = np.s_[24:-24, 24:-24]
    difference = np.abs(warp(pixels, 128, "crop", matrix) + 0.5 - through_keras(layers, pixels))[inside]
    assert difference.max() < 2
    other = np.abs(warp(pixels, 128, "crop", translation(0.1, -0.05) @ zoom(0.7, 0.55) @ rotation(0.08)))
    assert np.abs(other + 0.5 - through_keras(layers, pixels))[inside].max() > 10


@pytest.mark.parametrize("resize", ["crop", "stretch", "pad"])
@pytest.mark.parametrize("shape", [(40, 56), (90, 30), (5, 7)])
def test_warp__by_nothing_is_the_plain_view_and_flips_mirror_it(resize, shape):
    pixels = noise(*shape)
    plain = images.fit_square(pixels, 32, resize)
    assert np.array_equal(warp(pixels, 32, resize, np.eye(3)), plain)
    assert np.array_equal(warp(pixels, 32, resize, zoom(1.0, -1.0)), plain[:, ::-1])
    assert np.array_equal(warp(pixels, 32, resize, zoom(-1.0, 1.0)), plain[::-1])


@pytest.mark.parametrize("resize", ["crop", "stretch", "pad"])
@pytest.mark.parametrize("side", [20, 32, 40, 100, 400])
def test_warp__by_nearly_nothing_is_nearly_the_plain_view(resize, side):
    pixels = np.asarray(Image.fromarray(waves(300)).resize((side + side // 4, side)))
    slightly = warp(pixels, 32, resize, rotation(1e-5)).astype(float)
    difference = np.abs(slightly - images.fit_square(pixels, 32, resize))
    # The bars begin at a whole pixel, of which the larger picture has more.
    assert difference.mean() < (4 if resize == "pad" else 1.5)
    assert np.quantile(difference, 0.75 if resize == "pad" else 0.98) <= 3


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    resize=st.sampled_from(["crop", "stretch", "pad"]),
    turns=st.floats(-0.5, 0.5),
    zooms=st.tuples(st.floats(0.05, 1.95), st.floats(0.05, 1.95)),
    shifts=st.tuples(st.floats(-0.99, 0.99), st.floats(-0.99, 0.99)),
    level=st.integers(0, 255),
)
def test_warp__leaves_one_colour_as_it_is(height, width, resize, turns, zooms, shifts, level):
    pixels = np.full((height, width, 3), level, np.uint8)
    seen = warp(pixels, 24, resize, rotation(turns) @ zoom(*zooms) @ translation(*shifts))
    assert seen.shape == (24, 24, 3)
    colours = {level} if resize != "pad" or height == width else set(range(256))
    assert set(np.unique(seen)) <= colours


def test_warp__loses_little_against_an_ideal_rotation(test_data):
    """Sharper and freer of aliasing than a rotation of the small view (31 dB) or of the photo itself (30 dB)."""
    size, matrix, ratios = 96, rotation(0.07), []
    for path in sorted((test_data / "datasets" / "flower_photos" / "roses").glob("*.jpg"))[:6]:
        pixels = images.decode(path, at_least=2 * size)
        side = min(pixels.shape[:2])
        fine = Image.fromarray(warp(images.fit_square(pixels, side, "crop"), 4 * size, "crop", matrix))
        ideal = np.asarray(fine.resize((size, size), Image.Resampling.BICUBIC)).astype(float)
        error = np.mean((warp(pixels, size, "crop", matrix) - ideal) ** 2)
        ratios.append(10 * math.log10(255**2 / error))
    assert np.mean(ratios) > 34


def test_adjust__is_what_keras_does():
    pixels = noise(40, 40)[..., :] // 2 + 40
    contrast = keras.layers.RandomContrast(0.5)
    brightness = keras.layers.RandomBrightness(0.5)
    for shift, factor in ((0.0, 0.6), (0.0, 1.5), (70.0, 1.0), (-50.0, 1.3)):
        expected = brightness.transform_images(pixels[np.newaxis].astype(np.float32), {"rgb_delta": shift})
        expected = contrast.transform_images(expected, {"contrast_factor": factor})
        expected = keras.ops.convert_to_numpy(expected)[0]
        assert np.abs(adjust(pixels, np.full(3, shift), factor) - expected).max() <= 0.51


def test_adjust__shifts_channels_apart_and_clips():
    pixels = np.full((4, 4, 3), 100, np.uint8)
    assert adjust(pixels, np.array([30.0, -200.0, 200.0]), 1.0)[0, 0].tolist() == [130, 0, 255]


def test_downsample__takes_the_detail_and_keeps_the_mean():
    pixels = noise(64, 64)
    coarse = downsample(pixels, 0.25)
    assert coarse.shape == pixels.shape
    assert coarse.std() < 0.6 * pixels.std()
    assert abs(coarse.mean() - pixels.mean()) < 2
    assert np.array_equal(downsample(pixels, 1.0), pixels)
    assert downsample(pixels, 0.0).std(axis=(0, 1)).max() < 1


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 400), width=st.integers(1, 400), smallest=st.floats(0.01, 1), seed=st.integers(0)
)
def test_random_crop__keeps_its_share_of_any_photo(height, width, smallest, seed):
    part = random_crop(np.zeros((height, width, 3), np.uint8), smallest, np.random.default_rng(seed))
    # Sides are whole pixels.
    tolerance = (part.shape[0] + part.shape[1] + 1) / 2
    assert part.shape[0] * part.shape[1] >= smallest * height * width - tolerance
    assert part.shape[0] <= height
    assert part.shape[1] <= width


def test_random_crop__draws_shares_ratios_and_places():
    y, x = np.mgrid[:300, :400].astype(np.uint16)
    places = np.stack([y // 2, x // 2, x], -1).astype(np.uint8)
    parts = [random_crop(places, 0.35, np.random.default_rng(seed)) for seed in range(400)]
    shares = np.array([part.shape[0] * part.shape[1] / (300 * 400) for part in parts])
    ratios = np.array([part.shape[1] / part.shape[0] for part in parts])
    assert 0.34 < shares.min() < 0.4
    assert 0.95 < shares.max() <= 1
    assert abs(shares.mean() - 0.675) < 0.03
    assert 0.74 < ratios.min() < 0.8
    assert 1.3 < ratios.max() < 1.35
    corners = np.array([part[0, 0, :2] for part in parts])
    assert corners.min() == 0
    assert (corners.max(0) > 40).all()


@pytest.mark.parametrize(
    ("setting", "bound", "of"),
    [
        ("rotation", 0.2, lambda m: math.atan2(m[1, 0], m[0, 0]) / (2 * math.pi)),
        ("zoom", 0.3, lambda m: m[0, 0] - 1),
        ("height", 0.3, lambda m: m[1, 1] - 1),
        ("width", 0.3, lambda m: m[0, 0] - 1),
        ("translation", 0.1, lambda m: m[0, 2]),
    ],
)
def test_draw_matrix__is_uniform_within_the_bounds(setting, bound, of):
    settings = Augment(**{setting: bound})
    drawn = np.array([of(draw_matrix(settings, np.random.default_rng(seed))) for seed in range(500)])
    assert np.abs(drawn).max() <= bound + 1e-12
    assert np.abs(drawn).max() > 0.97 * bound
    assert abs(drawn.mean()) < 0.1 * bound
    assert abs(drawn.std() - bound / math.sqrt(3)) < 0.06 * bound


def test_draw_matrix__zoom_scales_both_sides_alike_height_and_width_one():
    for seed in range(20):
        both = draw_matrix(Augment(zoom=0.5), np.random.default_rng(seed))
        assert both[0, 0] == both[1, 1] != 1
        high = draw_matrix(Augment(height=0.5), np.random.default_rng(seed))
        assert high[0, 0] == 1 != high[1, 1]


def test_draw_matrix__flips_every_second_time_and_only_as_asked():
    signs = np.array(
        [
            np.diag(
                draw_matrix(Augment(horizontal_flip=True, vertical_flip=True), np.random.default_rng(seed))
            )
            for seed in range(400)
        ]
    )
    assert set(np.unique(signs)) == {-1, 1}
    assert (np.abs((signs[:, :2] < 0).mean(0) - 0.5) < 0.08).all()
    assert abs((signs[:, 0] * signs[:, 1] < 0).mean() - 0.5) < 0.08
    only = [
        draw_matrix(Augment(horizontal_flip=True), np.random.default_rng(seed))[1, 1] for seed in range(50)
    ]
    assert set(only) == {1.0}


def test_operations__are_the_fourteen_of_the_paper():
    assert len(set(OPERATIONS)) == 14


@pytest.mark.parametrize("name", sorted(set(COLOUR_OPERATIONS) - {"identity", "auto_contrast", "equalize"}))
def test_operations__grow_with_their_strength(name):
    image = Image.fromarray(noise(48, 48) // 2 + 50)
    changes = [
        np.abs(np.asarray(COLOUR_OPERATIONS[name](image, strength)).astype(float) - np.asarray(image)).mean()
        for strength in (0.0, -0.4, -0.9)
    ]
    assert changes[0] == 0
    assert 0 < changes[1] < changes[2]


@pytest.mark.parametrize("name", PLACE_OPERATIONS)
def test_operations__move_as_far_as_the_paper_says(name):
    assert np.array_equal(PLACE_OPERATIONS[name](0.0), np.eye(3))
    furthest = {
        "rotate": rotation(30 / 360),
        "shear_x": shear(0.0, 0.3),
        "shear_y": shear(0.3, 0.0),
        "translate_x": translation(0.0, 150 / 331),
        "translate_y": translation(150 / 331, 0.0),
    }
    assert np.array_equal(PLACE_OPERATIONS[name](1.0), furthest[name])


def test_draw_operations__all_alike_with_either_sign():
    drawn = [
        operation
        for seed in range(300)
        for operation in draw_operations(
            Augment(rand_augment=3, rand_magnitude=7.0), np.random.default_rng(seed)
        )
    ]
    assert len(drawn) == 900
    counts = [sum(name == operation for name, _ in drawn) for operation in OPERATIONS]
    assert min(counts) > 35
    assert max(counts) < 100
    assert {strength for _, strength in drawn} == {-0.7, 0.7}


def test_render__applies_the_operations_of_rand_augment(monkeypatch):
    picture = waves(64)
    turned = Renderer(64, "crop", Augment(rand_augment=2))
    monkeypatch.setattr(module, "draw_operations", lambda *_: [("rotate", 0.6), ("solarize", 0.5)])
    expected = warp(picture, 64, "crop", rotation(0.05))
    expected = np.where(expected < 128, expected, 255 - expected)
    assert np.array_equal(turned.render(picture, SHA, 1), expected)


@pytest.mark.parametrize("resize", ["crop", "stretch", "pad"])
def test_render__view_0_is_the_plain_one(tmp_path, resize):
    Image.fromarray(noise(300, 200)).save(tmp_path / "photo.jpg")
    plain = images.view(tmp_path / "photo.jpg", 64, resize)
    assert np.array_equal(Renderer(64, resize, EVERYTHING).render(tmp_path / "photo.jpg", SHA, 0), plain)
    # Nothing to draw: every view is plain.
    nothing = Renderer(64, resize, Augment(views="per-epoch", mixup=0.2, rand_magnitude=3))
    assert np.array_equal(nothing.render(tmp_path / "photo.jpg", SHA, 7), plain)
    assert nothing.key(SHA, 7) == nothing.key(SHA, 0) == f"3/{SHA}:0"


def test_render__every_view_is_another_picture_and_every_photo_drawn_for_itself():
    photo = noise(60, 80)
    renderer = Renderer(32, "crop", Augment(rotation=0.3, translation=0.2))
    views = [renderer.render(photo, SHA, view) for view in range(6)]
    views.append(renderer.render(photo, sha256(b"another").hexdigest(), 1))
    views.append(Renderer(32, "crop", renderer.augment, seed=1).render(photo, SHA, 1))
    assert len({view.tobytes() for view in views}) == 8


def test_render__is_the_same_in_every_order_thread_and_process():
    photo = noise(90, 70)
    renderer = Renderer(48, "crop", EVERYTHING, seed=3)
    alone = {view: renderer.render(photo, SHA, view).tobytes() for view in range(1, 30)}
    with ThreadPoolExecutor(4) as pool:
        together = pool.map(lambda view: renderer.render(photo, SHA, view).tobytes(), reversed(alone))
        assert list(together) == [alone[view] for view in reversed(alone)]
    code = f"""
        import sys
        from hashlib import sha256
        import numpy as np
        from budwood.data.augment import Renderer
        from budwood.config.recipe import Augment
        photo = np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8)
        settings = Augment.model_validate_json(sys.argv[1])
        print(sha256(Renderer(48, "crop", settings, seed=3).render(photo, "{SHA}", 5)).hexdigest())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), EVERYTHING.model_dump_json()],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == sha256(alone[5]).hexdigest()


@settings(max_examples=60, deadline=None)
@given(
    settings=st.fixed_dictionaries(
        {},
        optional={
            "horizontal_flip": st.booleans(),
            "rotation": st.floats(0, 0.5),
            "zoom": st.floats(0, 0.99),
            "height": st.floats(0, 0.99),
            "width": st.floats(0, 0.99),
            "translation": st.floats(0, 0.99),
            "crop": st.floats(0, 1),
            "brightness": st.floats(0, 255),
            "channel_brightness": st.floats(0, 255),
            "contrast": st.floats(0, 0.99),
            "noise": st.floats(0, 255),
            "downsample": st.floats(0, 1),
            "rand_augment": st.integers(0, 14),
            "rand_magnitude": st.floats(0, 10),
        },
    ),
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    resize=st.sampled_from(["crop", "stretch", "pad"]),
    view=st.integers(0, 10**6),
)
def test_render__any_settings_on_any_picture(settings, height, width, resize, view):
    renderer = Renderer(32, resize, Augment(**settings))
    picture = noise(height, width)
    seen = renderer.render(picture, SHA, view)
    assert seen.shape == (32, 32, 3)
    assert np.array_equal(seen, renderer.render(picture, SHA, view))


def test_render__brightness_noise_and_downsampling_reach_the_pixels():
    grey = np.full((40, 40, 3), 128, np.uint8)

    def views(**settings):
        renderer = Renderer(32, "crop", Augment(**settings))
        return np.stack([renderer.render(grey, SHA, view) for view in range(1, 60)]).astype(float) - 128

    one = views(brightness=25)
    assert np.ptp(one, axis=(1, 2, 3)).max() == 0
    assert 23 < np.abs(one).max() <= 25
    each = views(channel_brightness=25)
    assert np.ptp(each, axis=(1, 2)).max() == 0
    assert np.ptp(each, axis=3).max() > 20
    noisy = views(noise=8)
    assert abs(noisy.std() - 8) < 0.2
    assert abs(noisy.mean()) < 0.1
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[::2] = 255
    coarse = Renderer(32, "crop", Augment(downsample=0.3))
    contrasts = [coarse.render(stripes, SHA, view).std() for view in range(1, 30)]
    assert min(contrasts) < 20
    assert max(contrasts) > 60


def test_key__names_what_decides_the_pixels():
    def key(view=1, seed=0, **settings):
        return Renderer(224, "crop", Augment(**{"rotation": 0.1, **settings}), seed).key(SHA, view)

    assert key(view=0) == f"3/{SHA}:0"
    assert key().startswith(f"3/{SHA}:")
    assert key().endswith(":1")
    same = [key(views=9), key(views="per-epoch", originals=True), key(mixup=1), key(rand_magnitude=2)]
    assert set(same) == {key()}
    others = [key(), key(view=2), key(seed=1), key(rotation=0.2), key(horizontal_flip=True), key(noise=1)]
    assert len(set(others)) == len(others)
    assert key(rand_augment=1, rand_magnitude=2) != key(rand_augment=1, rand_magnitude=3)


def test_key__changes_with_the_version(monkeypatch):
    before = Renderer(224, "crop", EVERYTHING).key(SHA, 1)
    monkeypatch.setattr(module, "VERSION", module.VERSION + 1)
    assert Renderer(224, "crop", EVERYTHING).key(SHA, 1) != before
