"""An ensemble: what the parts yield, joined; and each part's features are those that it has alone."""

import keras
import numpy as np
import pytest
from PIL import Image

from budwood.config.recipe import Augment
from budwood.data.images import digest
from budwood.data.manifest import Photo
from budwood.features.ensemble import ExtractorEnsemble
from budwood.features.extractor import FeatureExtractor
from budwood.training.batches import StreamedBatches

SIZE = 24
DRAWN = Augment(views=3, horizontal_flip=True)


def part(channels: int, **options) -> FeatureExtractor:
    pixels = keras.Input((SIZE, SIZE, 3), name="pixels")
    kernel = keras.initializers.RandomNormal(stddev=0.05, seed=channels)
    maps = keras.layers.Conv2D(channels, 3, strides=4, kernel_initializer=kernel)(pixels)
    model = keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(maps))
    return FeatureExtractor(model, size=SIZE, resize="crop", engine="keras", augment=DRAWN, **options)


@pytest.fixture
def photos(tmp_path) -> list[Photo]:
    rng = np.random.default_rng(0)
    made = []
    for number in range(5):
        file = tmp_path / f"{number}.png"
        Image.fromarray(rng.integers(0, 256, (30, 28, 3), dtype=np.uint8)).save(file)
        made.append(Photo(image=file, name=file.name, label="a", sha256=digest(file)))
    return made


def test_rows__are_those_of_the_parts_joined(photos):
    views = [0, 2, 1, 1, 0]
    with ExtractorEnsemble([part(3), part(4)]) as features:
        assert features.shape == (7,) and features.missing(photos, views) == 10
        assert features.compute(photos, views).num_computed == 10
        rows = features.rows(photos, views)
        assert rows.shape == (5, 7) and len(rows) == 5 and rows.dtype == np.float32
        joined = np.concatenate([one.array(photos, views) for one in features.parts], axis=1)
        for found in (features.array(photos, views), rows[:], np.asarray(rows)):
            np.testing.assert_array_equal(found, joined)
        np.testing.assert_array_equal(rows[[3, 1]], joined[[3, 1]])
        np.testing.assert_array_equal(rows[2], joined[2])
        np.testing.assert_allclose(list(features.stream(photos, views)), joined, rtol=1e-5)
        pictures = [features.parts[0].renderer.render(one.image, one.sha256, 0) for one in photos]
        found = list(features.part.run(iter(pictures)))
        expected = np.concatenate([list(one.part.run(iter(pictures))) for one in features.parts], axis=1)
        np.testing.assert_array_equal(found, expected)


def test_compute__a_part_finds_what_it_yielded_beside_another(photos):
    with ExtractorEnsemble([part(3), part(4)]) as features:
        features.compute(photos)
        beside = features.fingerprint.split("+")
    with ExtractorEnsemble([part(4), part(5)]) as features:
        assert features.fingerprint.split("+")[0] == beside[1]
        found = features.compute(photos)
        assert (found.num_found, found.num_computed) == (5, 5)


def test_compute__a_photo_that_fails_is_named_once(photos):
    photos[2].image.write_bytes(b"no picture")
    with ExtractorEnsemble([part(3), part(4)]) as features:
        assert list(features.compute(photos).failed) == ["2.png"]


def test_claim__is_of_what_no_other_process_computes_under_any_part(photos):
    with ExtractorEnsemble([part(3), part(4)]) as ours, ExtractorEnsemble([part(4), part(5)]) as others:
        others.compute(photos[:1])
        with others.claim(photos[:3], 9) as theirs:
            assert theirs == photos[1:3]
            with ours.claim(photos, 9) as claimed:
                assert claimed == [photos[0], *photos[3:]]
                assert ours.compute(claimed, claimed=True).num_computed == 5
        with ours.claim(photos, 1) as claimed:
            assert claimed == photos[1:2]


def test_stream__feeds_an_epoch_and_ends_early(photos):
    with ExtractorEnsemble([part(3), part(4)]) as features:
        batches = StreamedBatches(features, photos, np.zeros(5, np.int64), Augment(views="per-epoch"), 0)
        batches = batches.epoch(1, np.arange(5), 2)
        assert next(iter(batches)).shape == (2, 7)
        batches.close()
