import numpy as np
import pytest
from PIL import Image

from budwood.core.errors import RunError
from budwood.exporting.checking import (
    SplitPhotos,
    answered,
    answers_of,
    files_of,
    measure_speed,
    squares,
)
from budwood.inference.predictor import InputContract, Predictor, Scores

INPUT = InputContract(8, "stretch")
PHOTOS = [Image.fromarray(np.full((9, 11, 3), shade, np.uint8)) for shade in range(0, 200, 20)]


class Brightness(Predictor):
    """Says how bright a square is, and that it is not so."""

    def __init__(self):
        super().__init__(["bright", "dark"], INPUT)

    def scores(self, views):
        return (Scores(*[_bright(view[None].astype(np.float32))["probabilities"][0]] * 2) for view in views)

    def probabilities(self, rows):
        raise NotImplementedError

    def extractor(self, progress=None):
        raise NotImplementedError


def _bright(pixels):
    share = pixels.mean(axis=(1, 2, 3)) / 255
    return {"probabilities": np.stack([share, 1 - share], axis=1).astype(np.float32)}


TEST = SplitPhotos("test", PHOTOS, ["bright"] * len(PHOTOS))


def test_answers_of__the_run_first_and_then_each_runtime_photo_by_photo():
    own, same, other = answers_of(Brightness(), TEST, [_bright, lambda pixels: _bright(255 - pixels)])
    assert own.probabilities[:, 0] == pytest.approx(np.arange(0, 200, 20) / 255, abs=1e-6)
    assert (same.probabilities == own.probabilities).all() and own.distances is None
    assert other.probabilities == pytest.approx(own.probabilities[:, ::-1], abs=1e-6)


def test_answers_of__a_model_that_mixes_the_pictures_of_a_batch_is_refused():
    with pytest.raises(RunError, match="answers otherwise for one picture at a time"):
        answers_of(Brightness(), TEST, [lambda pixels: _bright(pixels - pixels.mean(axis=0))])


def test_answered__distances_are_a_number_a_picture():
    found = answered({"probabilities": np.ones((2, 1)), "distance": np.array([[0.1], [0.2]])})
    assert found.distances.tolist() == [0.1, 0.2]


def test_split_photos__some_are_spread_over_all():
    labels = [str(number) for number in range(10)]
    photos = SplitPhotos("train", PHOTOS, labels)
    assert photos.some(4).labels == ["0", "3", "6", "9"]
    assert photos.some(10).labels == labels and photos.some(99).labels == labels


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
    speed = measure_speed(PHOTOS, INPUT, (_bright, _bright), places)
    assert (speed.f32_megabytes, speed.megabytes) == (3.0, 1.0)
    assert min(speed.f32_milliseconds, speed.milliseconds) >= 0
