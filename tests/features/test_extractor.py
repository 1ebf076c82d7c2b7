"""Frozen features: stored as asked, whatever the dtype, and never under another feature extractor's name."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from PIL import Image

from budwood.config.recipe import Augment
from budwood.core.errors import ImageError
from budwood.data.augment import Renderer
from budwood.data.images import digest
from budwood.data.manifest import Photo
from budwood.features.extractor import FeatureExtractor, with_pooling
from budwood.features.store.store import FeatureStore
from budwood.network.graph import BOUNDARY, cut

SIZE = 32
DRAWN = Augment(views=3, rotation=0.1, horizontal_flip=True)


def small_model(gain: float = 1.0) -> keras.Model:
    pixels = keras.Input((SIZE, SIZE, 3), name="pixels")
    start = keras.initializers.RandomNormal(stddev=0.05, seed=0)
    maps = keras.layers.Conv2D(4, 3, strides=4, kernel_initializer=start, name="conv")(pixels)
    return keras.Model(pixels, keras.layers.Rescaling(gain, name="gain")(maps))


@pytest.fixture
def photos(tmp_path) -> list[Photo]:
    rng = np.random.default_rng(0)
    made = []
    for number in range(6):
        file = tmp_path / f"{number}.png"
        Image.fromarray(rng.integers(0, 256, (40, 44, 3), dtype=np.uint8)).save(file)
        made.append(Photo(image=file, name=file.name, label="a", sha256=digest(file)))
    return made


def features(model: keras.Model, **options) -> FeatureExtractor:
    return FeatureExtractor(model, size=SIZE, resize="crop", engine="keras", **options)


def rendered(photos, views, augment=DRAWN, seed=0) -> np.ndarray:
    renderer = Renderer(SIZE, "crop", augment, seed)
    return np.stack(
        [renderer.render(photo.image, photo.sha256, view) for photo, view in zip(photos, views, strict=True)]
    )


def test_compute__stores_the_models_output_of_each_view(photos):
    model = small_model()
    views = [0, 1, 2, 3, 1, 0]
    with features(model, augment=DRAWN, seed=4) as frozen:
        assert frozen.missing(photos, views) == 6
        result = frozen.compute(photos, views)
        assert (result.num_computed, result.num_found) == (6, 0)
        assert frozen.missing(photos, views) == 0
        expected = model.predict_on_batch(rendered(photos, views, seed=4).astype(np.float32))
        np.testing.assert_allclose(frozen.array(photos, views), expected, rtol=1e-5, atol=1e-4)
        assert np.array_equal(frozen.rows(photos, np.array(views))[[3]], frozen.array(photos[3:4], [3]))
        # The original views of the first and the last photo are there already.
        assert (frozen.compute(photos).num_found, frozen.missing(photos)) == (2, 0)


def test_compute__finds_nothing_of_another_seed_or_augmentation(photos):
    with features(small_model(), augment=DRAWN, seed=1) as frozen:
        frozen.compute(photos, [1] * 6)
    other = DRAWN.model_copy(update={"rotation": 0.2})
    for augment, seed, missing in ((DRAWN, 1, 0), (DRAWN, 2, 6), (other, 1, 6)):
        with features(small_model(), augment=augment, seed=seed) as frozen:
            assert frozen.missing(photos, [1] * 6) == missing
            assert frozen.missing(photos) == 6


def test_fingerprint__is_of_the_frozen_part_alone():
    plain = features(small_model()).fingerprint
    assert features(small_model(), dtype="float16", augment=DRAWN, seed=9).fingerprint == plain
    assert features(small_model(gain=2.0)).fingerprint != plain
    assert features(small_model(), precision="bf16").fingerprint != plain


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_dtype__is_what_is_stored(photos, dtype):
    model = small_model()
    with features(model, dtype=dtype) as frozen:
        frozen.compute(photos)
        stored = frozen.array(photos)
        assert frozen.rows(photos).dtype == stored.dtype == np.dtype(dtype)
    expected = model.predict_on_batch(rendered(photos, [0] * 6).astype(np.float32)).astype(dtype)
    np.testing.assert_allclose(stored, expected, rtol=1e-3, atol=1e-3)


def test_dtype__each_has_its_own_rows_in_one_folder(photos):
    with features(small_model(), dtype="float16") as half, features(small_model()) as single:
        assert half._table.folder == single._table.folder
        half.compute(photos)
        assert (half.missing(photos), single.missing(photos)) == (0, 6)


def test_dtype__falls_back_where_float16_overflows(photos):
    # The mean of the pixels, a thousand times: only the bright photo is beyond 65504.
    pixels = keras.Input((SIZE, SIZE, 3))
    model = keras.Model(pixels, keras.layers.Rescaling(1000.0)(keras.layers.GlobalAveragePooling2D()(pixels)))
    dark, bright = (np.full((40, 40, 3), level, np.uint8) for level in (20, 200))
    given = [Photo(image=image, name=str(image.max()), label="a") for image in (dark, bright)]
    with features(model, dtype="float16") as frozen:
        frozen.compute(given[:1])
        before = frozen.rows(given[:1])
        assert (frozen.dtype, frozen.notes) == ("float16", [])
        result = frozen.compute(given)
        assert (result.num_computed, frozen.dtype) == (2, "float32")
        np.testing.assert_allclose(frozen.array(given)[:, 0], [20e3, 200e3], rtol=1e-5)
        assert before[:].dtype == np.float16
        assert "float16" in frozen.notes[0].text


def test_pixels__are_stored_as_they_are(photos):
    model = small_model()
    identity, whole = cut(model, "pixels")
    views = [0, 1, 2, 3, 1, 0]
    with features(identity, augment=DRAWN) as frozen:
        result = frozen.compute(photos, views)
        assert (result.num_computed, frozen.shape, frozen.dtype) == (6, (SIZE, SIZE, 3), "uint8")
        assert np.array_equal(frozen.array(photos, views), rendered(photos, views))
        assert frozen.part.engine == "none"
        streamed = np.stack(list(frozen.stream(photos, views)))
        assert streamed.dtype == np.uint8
        assert np.array_equal(streamed, rendered(photos, views))
    assert whole.output.shape == model.output.shape


def test_stream__gives_what_compute_would_store_and_stores_nothing(photos):
    with FeatureExtractor(small_model(), size=SIZE, resize="crop", augment=DRAWN) as frozen:
        streamed = np.stack(list(frozen.stream(photos, [2] * 6)))
        assert frozen.missing(photos, [2] * 6) == 6
        frozen.compute(photos, [2] * 6)
        assert np.array_equal(streamed, frozen.array(photos, [2] * 6))


def test_stream__raises_where_a_photo_is_gone(photos):
    gone = Photo(image="nowhere.png", name="nowhere.png", label="a", sha256="0" * 64)
    with features(small_model(), augment=DRAWN) as frozen, pytest.raises(ImageError, match="nowhere.png"):
        list(frozen.stream([photos[0], gone], [1, 1]))


@pytest.mark.parametrize(("pooling", "of"), [("avg", np.mean), ("max", np.max)])
def test_with_pooling__is_one_vector_a_photo(pooling, of):
    model = small_model()
    pooled = with_pooling(model, pooling)
    pixels = np.random.default_rng(0).uniform(0, 255, (2, SIZE, SIZE, 3)).astype(np.float32)
    assert pooled.layers[-1].name == BOUNDARY
    expected = of(model.predict_on_batch(pixels), axis=(1, 2))
    np.testing.assert_allclose(pooled.predict_on_batch(pixels), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("engine", ["keras", "openvino"])
def test_compute__keeps_what_a_lower_boundary_yields_on_the_way(photos, engine):
    whole = with_pooling(small_model(), "avg")
    photos = [*photos[:5], replace(photos[5], split="test")]
    options = {"engine": engine, "augment": DRAWN}
    below = {**options, "dtype": "float16"}

    def features(model, **more):
        return FeatureExtractor(model, size=SIZE, resize="crop", **more)

    with features(cut(whole, "conv")[0], **below) as lower:
        lower.compute(photos[:1])
        with features(whole, lower=lower, **options) as upper:
            result = upper.compute(photos, [0, 1, 2, 0, 0, 0])
            found = upper.array(photos, [0, 1, 2, 0, 0, 0])
        assert (result.num_computed, result.num_found) == (6, 0)
        # No phase learns from the test photo; the others are there under their views.
        assert lower.missing(photos, [0, 1, 2, 0, 0, 0]) == 1
        assert lower.missing(photos[1:2]) == 1
        kept = lower.array(photos[:5], [0, 1, 2, 0, 0])
        assert kept.dtype == np.float16
    FeatureStore().clear()
    # The same bits as by themselves.
    with features(cut(whole, "conv")[0], **below) as alone, features(whole, **options) as upper:
        alone.compute(photos[:5], [0, 1, 2, 0, 0])
        upper.compute(photos, [0, 1, 2, 0, 0, 0])
        np.testing.assert_array_equal(alone.array(photos[:5], [0, 1, 2, 0, 0]), kept)
        np.testing.assert_array_equal(upper.array(photos, [0, 1, 2, 0, 0, 0]), found)


def test_compute__a_lower_boundary_beyond_float16(photos):
    whole = with_pooling(small_model(gain=1e5), "avg")
    with features(cut(whole, "gain")[0], dtype="float16") as lower:
        with features(whole, lower=lower) as upper:
            upper.compute(photos)
        assert lower.dtype == "float32"
        lower.compute(photos)
        expected = cut(whole, "gain")[0].predict_on_batch(rendered(photos, [0] * 6).astype(np.float32))
        np.testing.assert_allclose(lower.array(photos), expected, rtol=1e-5, atol=1.0)
