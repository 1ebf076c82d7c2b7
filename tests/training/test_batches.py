"""Feeds: the right view of the right photo in the right order, read ahead and never all at once."""

import threading
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
from budwood.features.extractor import FeatureExtractor
from budwood.features.store.table import Rows
from budwood.network.graph import cut
from budwood.training import batches as module
from budwood.training.batches import (
    ArrayBatches,
    Batches,
    StoredBatches,
    StreamedBatches,
    make_batches,
    prefetch,
)

SIZE, NUM = 40, 11
LABELS = np.arange(NUM) % 3
PIXELS = {"rotation": 0.1, "brightness": 30.0}
BANK = Augment(views=4, **PIXELS)
PER_EPOCH = Augment(views="per-epoch", **PIXELS)
BESIDE = Augment(views="per-epoch", originals=True, **PIXELS)


@pytest.fixture
def photos(tmp_path) -> list[Photo]:
    rng = np.random.default_rng(0)
    made = []
    for number in range(NUM):
        file = tmp_path / f"{number}.png"
        Image.fromarray(rng.integers(0, 256, (44, 50, 3), dtype=np.uint8)).save(file)
        made.append(Photo(image=file, name=file.name, label="a", sha256=digest(file)))
    return made


@pytest.fixture(scope="module")
def model() -> keras.Model:
    pixels = keras.Input((SIZE, SIZE, 3), name="pixels")
    start = keras.initializers.RandomNormal(stddev=0.05, seed=0)
    maps = keras.layers.Conv2D(8, 3, strides=2, kernel_initializer=start, name="conv")(pixels)
    return keras.Model(pixels, keras.layers.GlobalAveragePooling2D(name="pooling")(maps))


def boundary(model: keras.Model, at: str, augment: Augment, seed: int = 5) -> FeatureExtractor:
    return FeatureExtractor(
        cut(model, at)[0], size=SIZE, resize="crop", engine="keras", augment=augment, seed=seed
    )


def expected_rows(model, at, photos, views, augment, seed=5) -> np.ndarray:
    renderer = Renderer(SIZE, "crop", augment, seed)
    pixels = [
        renderer.render(photo.image, photo.sha256, int(view))
        for photo, view in zip(photos, views, strict=True)
    ]
    return cut(model, at)[0].predict_on_batch(np.stack(pixels).astype(np.float32))


@pytest.mark.parametrize("at", ["pixels", "conv", "pooling"])
@pytest.mark.parametrize(
    "augment", [Augment(), BANK, PER_EPOCH, BESIDE], ids=["plain", "bank", "per-epoch", "beside"]
)
@pytest.mark.parametrize("row_bytes", [0, 10**9], ids=["streamed", "stored"])
def test_batches__are_the_features_of_the_epochs_views(model, photos, at, augment, row_bytes, monkeypatch):
    monkeypatch.setattr(module, "STORED_ROW_BYTES", row_bytes)
    with boundary(model, at, augment) as features:
        batches = make_batches(features, photos, LABELS, augment, seed=5)
        assert isinstance(batches, Batches)
        assert isinstance(
            batches, StreamedBatches if augment.views == "per-epoch" and not row_bytes else StoredBatches
        )
        assert batches.shape == features.shape
        num_rows = 2 * NUM if augment.originals else NUM
        assert np.array_equal(batches.labels, np.tile(LABELS, num_rows // NUM))
        assert batches.prepare().failed == {}
        order = np.random.default_rng(1).permutation(num_rows)
        for epoch in (1, 2):
            drawn = {
                0: np.zeros(NUM, int),
                4: np.random.default_rng([5, epoch]).integers(0, 4, NUM),
                "per-epoch": np.full(NUM, epoch),
            }[augment.views]
            views = np.concatenate([np.zeros(num_rows - NUM, int), drawn])
            expected = expected_rows(model, at, (photos * 2)[:num_rows], views, augment)
            given = list(batches.epoch(epoch, order, 4))
            assert [len(batch) for batch in given] == [4] * (num_rows // 4) + [num_rows % 4]
            assert {batch.dtype for batch in given} == {np.dtype("uint8" if at == "pixels" else "float32")}
            np.testing.assert_allclose(np.concatenate(given), expected[order], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("augment", [PER_EPOCH, BESIDE], ids=["per-epoch", "beside"])
def test_batches__are_the_same_streamed_or_stored(model, photos, augment, monkeypatch):
    """Through OpenVINO, to the last bit."""
    given = []
    for row_bytes in (0, 10**9):
        monkeypatch.setattr(module, "STORED_ROW_BYTES", row_bytes)
        with FeatureExtractor(cut(model, "conv")[0], size=SIZE, resize="crop", augment=augment) as features:
            batches = make_batches(features, photos, LABELS, augment, seed=0)
            batches.prepare()
            given.append(np.concatenate(list(batches.epoch(3, np.arange(len(batches.labels))[::-1], 4))))
    assert np.array_equal(*given)


def test_prepare__computes_what_can_be_known(model, photos):
    for augment, num in ((Augment(), NUM), (BANK, 3 * NUM), (PER_EPOCH, 0), (BESIDE, 0)):
        with boundary(model, "pooling", augment) as features:
            extraction = make_batches(features, photos, LABELS, augment, seed=5).prepare()
            # What an earlier batches computed plain is found.
            assert extraction.num_computed == num
            assert extraction.num_found == (NUM if augment in (BANK, BESIDE) else 0)


def test_stored_batches__a_repeated_training_finds_the_views_of_every_epoch(model, photos):
    with boundary(model, "pooling", PER_EPOCH) as features:
        batches = make_batches(features, photos, LABELS, PER_EPOCH, seed=5)
        first = [np.concatenate(list(batches.epoch(epoch, np.arange(NUM), 4))) for epoch in (1, 2)]
        assert features.missing(photos, [2] * NUM) == 0
        assert features.missing(photos, [3] * NUM) == NUM
    gone = [replace(photo, image="gone.png") for photo in photos]
    with boundary(model, "pooling", PER_EPOCH) as features:
        batches = make_batches(features, gone, LABELS, PER_EPOCH, seed=5)
        again = [np.concatenate(list(batches.epoch(epoch, np.arange(NUM), 4))) for epoch in (1, 2)]
    assert np.array_equal(first, again)
    assert not np.array_equal(*first)


def test_streamed_batches__stores_no_augmented_view(model, photos):
    with boundary(model, "pixels", BESIDE) as features:
        # 40 x 40 pixels are few; those of a network are not.
        batches = StreamedBatches(features, photos, LABELS, BESIDE, 5)
        batches.prepare()
        list(batches.epoch(1, np.arange(2 * NUM), 8))
        assert features.missing(photos, [1] * NUM) == NUM
        assert features.missing(photos) == 0


def test_make_feed__streams_what_is_large(photos):
    pixels = keras.Input((SIZE, SIZE, 3))
    wide, narrow = (
        keras.Model(pixels, keras.layers.Dense(width)(keras.layers.GlobalAveragePooling2D()(pixels)))
        for width in (4097, 4096)
    )
    for model, kind in ((wide, StreamedBatches), (narrow, StoredBatches)):
        features = FeatureExtractor(model, size=SIZE, resize="crop", augment=PER_EPOCH)
        assert type(make_batches(features, photos, LABELS, PER_EPOCH, 0)) is kind
        assert type(make_batches(features, photos, LABELS, BANK, 0)) is StoredBatches


@pytest.mark.parametrize("kind", [StoredBatches, StreamedBatches])
def test_batches__a_photo_that_changed_meanwhile_is_named(model, photos, kind):
    Image.new("RGB", (44, 50)).save(photos[7].image)
    before = threading.active_count()
    with boundary(model, "pooling", PER_EPOCH) as features:
        batches = kind(features, photos, LABELS, PER_EPOCH, 5)
        with pytest.raises(ImageError, match="7.png: changed since it was checked"):
            list(batches.epoch(1, np.arange(NUM), 4))
        assert threading.active_count() == before


@pytest.mark.parametrize("kind", [StoredBatches, StreamedBatches])
def test_batches__closed_midway_leave_no_thread(model, photos, kind):
    with boundary(model, "pooling", PER_EPOCH) as features:
        batches = kind(features, photos * 20, np.tile(LABELS, 20), PER_EPOCH, 5)
        before = threading.active_count()
        given = batches.epoch(1, np.arange(20 * NUM), 4)
        next(given)
        given.close()
        assert threading.active_count() == before
        # The next epoch begins afresh.
        assert len(list(batches.epoch(2, np.arange(20 * NUM), 44))) == 5


def test_batches__read_one_batch_at_a_time(model, photos, monkeypatch):
    asked = []
    read = Rows.__getitem__
    monkeypatch.setattr(Rows, "__getitem__", lambda rows, part: asked.append(len(part)) or read(rows, part))
    with boundary(model, "conv", BANK) as features:
        batches = make_batches(features, photos, LABELS, BANK, seed=5)
        batches.prepare()
        given = batches.epoch(1, np.arange(NUM), 3)
        next(given)
        given.close()
    # One in hand, two read ahead.
    assert 1 <= len(asked) <= 3
    assert set(asked) == {3}


@pytest.mark.parametrize("stored", [False, True])
def test_array_batches__gives_rows_in_the_order_asked(model, photos, stored):
    with boundary(model, "pooling", Augment()) as features:
        features.compute(photos)
        array = features.array(photos)
        batches = ArrayBatches(features.rows(photos) if stored else array, LABELS)
        assert isinstance(batches, Batches)
        assert (batches.shape, batches.prepare().num_computed) == ((8,), 0)
        order = np.random.default_rng(2).permutation(NUM)
        given = list(batches.epoch(1, order, 4))
        assert [len(batch) for batch in given] == [4, 4, 3]
        assert np.array_equal(np.concatenate(given), array[order])


def test_prefetch__keeps_the_order_and_works_ahead_of_the_caller():
    made = []
    release = threading.Event()

    def items():
        for number in range(20):
            made.append((number, threading.current_thread().name))
            if number == 2:
                release.set()
            yield number

    ahead = prefetch(items())
    assert next(ahead) == 0
    # Two more are made while the caller is busy, and no third.
    assert release.wait(10)
    assert [number for number, _ in made] == [0, 1, 2]
    assert list(ahead) == list(range(1, 20))
    assert {name.split("_")[0] for _, name in made} == {"prefetch"}


def test_prefetch__raises_in_its_place_what_the_making_raised():
    def items():
        yield from range(3)
        raise OSError("the disk is gone")

    before = threading.active_count()
    ahead, given = prefetch(items()), []
    with pytest.raises(OSError, match="the disk is gone"):
        for item in ahead:
            given.append(item)
    assert given == [0, 1, 2]
    assert threading.active_count() == before
    assert list(ahead) == []


def test_prefetch__closes_what_it_reads():
    closed = []

    def items():
        try:
            yield from range(100)
        finally:
            closed.append(threading.current_thread().name)

    before = threading.active_count()
    ahead = prefetch(items())
    assert next(ahead) == 0
    ahead.close()
    assert len(closed) == 1
    assert threading.active_count() == before
    assert list(prefetch(iter([]))) == []


@pytest.mark.parametrize(
    "augment", [Augment(), BANK, PER_EPOCH, BESIDE], ids=["plain", "bank", "per-epoch", "beside"]
)
@pytest.mark.parametrize("row_bytes", [0, 10**9], ids=["streamed", "stored"])
def test_taught__is_said_of_the_views_that_the_student_sees(model, photos, augment, row_bytes, monkeypatch):
    monkeypatch.setattr(module, "STORED_ROW_BYTES", row_bytes)
    shares = keras.layers.Softmax()(keras.layers.Rescaling(0.1)(model.output))
    teacher = FeatureExtractor(
        keras.Model(model.input, shares), size=SIZE, resize="crop", engine="keras", augment=augment, seed=5
    )
    with boundary(model, "conv", augment) as features, teacher:
        batches = make_batches(features, photos, LABELS, augment, 5, teacher)
        batches.prepare()
        known = {0: NUM, 4: 4 * NUM, "per-epoch": NUM if augment.originals else 0}[augment.views]
        assert batches.prepare_teacher().num_computed == known
        assert batches.prepare_teacher().num_computed == 0
        order = np.random.default_rng(1).permutation(len(batches.labels))
        for epoch in (1, 2):
            taught = np.concatenate(list(batches.taught(epoch, order, 4)))
            seen = np.concatenate(list(batches.epoch(epoch, order, 4)))
            # What the teacher would say of the features that the student was given.
            expected = keras.ops.softmax(0.1 * seen.mean(axis=(1, 2)), axis=1)
            np.testing.assert_allclose(taught, expected, rtol=1e-3)
            assert teacher.missing(batches.photos, batches.views(epoch)) == 0
        assert len(np.unique(taught.round(6), axis=0)) > NUM // 2


def test_taught__a_photo_that_is_gone_is_named(model, photos):
    teacher = FeatureExtractor(model, size=SIZE, resize="crop", engine="keras", augment=PER_EPOCH, seed=5)
    photos[3].image.unlink()
    with boundary(model, "pooling", PER_EPOCH) as features, teacher:
        batches = make_batches(features, photos, LABELS, PER_EPOCH, 5, teacher)
        with pytest.raises(ImageError, match=r"3\.png"):
            batches.taught(1, np.arange(NUM), 4)
