import numpy as np
import pytest

from budwood.core.errors import RunError
from budwood.exporting.checking import (
    SplitPhotos,
    answered,
    answers_of,
    files_of,
    measure_speed,
    own_runtime,
    squares,
)
from tests.exporting.brightness import INPUT, PHOTOS, Brightness, bright

TEST = SplitPhotos("test", PHOTOS, ["bright"] * len(PHOTOS))


def test_answers_of__the_run_first_and_then_each_runtime_photo_by_photo():
    own, same, other = answers_of(
        INPUT, TEST, [own_runtime(Brightness()), bright, lambda pixels: bright(255 - pixels)]
    )
    assert own.probabilities[:, 0] == pytest.approx(np.arange(0, 200, 20) / 255, abs=1e-6)
    assert (same.probabilities == own.probabilities).all() and own.distances is None
    assert other.probabilities == pytest.approx(own.probabilities[:, ::-1], abs=1e-6)


def test_answers_of__a_model_that_mixes_the_pictures_of_a_batch_is_refused():
    with pytest.raises(RunError, match="answers otherwise for one picture at a time"):
        answers_of(INPUT, TEST, [lambda pixels: bright(pixels - pixels.mean(axis=0))])


def test_answered__distances_are_a_number_a_picture():
    found = answered({"probabilities": np.ones((2, 1)), "distance": np.array([[0.1], [0.2]])})
    assert found.distances.tolist() == [0.1, 0.2]


def test_split_photos__some_are_spread_over_all():
    labels = [str(number) for number in range(10)]
    photos = SplitPhotos("train", PHOTOS, labels)
    assert photos.some(4).labels == ["0", "3", "6", "9"]
    assert photos.some(10).labels == labels and photos.some(99).labels == labels
    assert photos.some(0).labels == [] and len(photos.some(7).pictures) == 7


def test_split_photos__joined_with_those_of_another_split():
    joined = TEST.joined(SplitPhotos("train", PHOTOS[:2], ["dark"] * 2))
    assert (joined.split, len(joined.pictures), list(joined.labels[-3:])) == (
        "test",
        12,
        ["bright", "dark", "dark"],
    )


def test_squares__in_order_as_batches_of_one():
    found = list(squares(PHOTOS, INPUT))
    assert [one.shape for one in found] == [(1, 8, 8, 3)] * 10 and found[0].dtype == np.float32
    assert [float(one[0, 0, 0, 0]) for one in found] == list(range(0, 200, 20))


def test_measure_speed__of_both_and_the_sizes_of_their_folders(tmp_path):
    for name, size in (("plain", 3_000_000), ("less", 1_000_000)):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep" / "model").write_bytes(b"0" * size)
    assert [path.name for path in files_of(tmp_path)] == ["model", "model"]
    places = tmp_path / "plain", tmp_path / "less"
    speed = measure_speed(PHOTOS, INPUT, (bright, bright), places)
    assert (speed.f32_megabytes, speed.megabytes) == (3.0, 1.0)
    assert min(speed.f32_milliseconds, speed.milliseconds) >= 0
