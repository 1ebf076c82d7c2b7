import numpy as np
import pytest

from budwood.core.progress.base import SILENT
from budwood.evaluation.task import SINGLE_LABEL
from budwood.exporting.checking import Source, SplitPhotos
from budwood.exporting.formats import FORMATS
from budwood.exporting.int8 import FILLED_UP, SHARES, _logits, find_int8
from budwood.exporting.network import Network
from budwood.inference.model_info import ModelInfo
from tests.exporting.brightness import PHOTOS, Brightness, bright

LAYERS = [f"layer {number}" for number in range(32)]


def photos():
    labels = ["bright" if np.asarray(one).mean() > 127.5 else "dark" for one in PHOTOS]
    return SplitPhotos("validation", PHOTOS * 6, labels * 6)


class Rounded:
    """Loses everything while fewer than `needed` layers are left, and then is as sure as `power` says."""

    def __init__(self, needed: int, power: float = 1.0):
        self.needed, self.power, self.written = needed, power, []

    def noisiest(self):
        return LAYERS

    def write(self, folder, left=(), scaling=1.0):
        self.written.append((len(left), scaling))
        (folder / "model").write_text(f"{int(len(left) >= self.needed)} {self.power / scaling}")


class Form(type(FORMATS["keras"])):
    def load(self, folder):
        good, power = map(float, (folder / "model").read_text().split())

        def run(pixels):
            shares = bright(pixels)["probabilities"] ** power
            shares /= shares.sum(axis=1, keepdims=True)
            return {"probabilities": shares if good else shares[:, ::-1]}

        return run


NO_PHOTOS = SplitPhotos("train", [], [])


def found_by(quantizer, tmp_path, validation=None, training=NO_PHOTOS):
    validation = photos() if validation is None else validation
    # Nobody asks for the model itself.
    source = Source(object.__new__(ModelInfo), Network, Brightness(), SINGLE_LABEL, NO_PHOTOS, validation)
    return find_int8(quantizer, Form(), source, training, tmp_path, SILENT)


def test_find_int8__the_first_leaves_no_layer(tmp_path):
    quantizer = Rounded(0)
    found = found_by(quantizer, tmp_path)
    assert (found.fallback.tries, found.fallback.left_at_f32, found.fallback.layers) == (1, (), None)
    assert (found.fallback.photos, found.fallback.difference) == (60, 0.0)
    assert quantizer.written[0] == (0, 1.0) and found.threshold is None


def test_find_int8__leaves_the_noisiest_until_no_answers_are_lost(tmp_path):
    found = found_by(Rounded(4), tmp_path)
    assert found.fallback.left_at_f32 == tuple(LAYERS[:4]) and found.fallback.tries == 3
    assert found.folder.name.startswith("int8-3")


def test_find_int8__the_last_is_given_whatever_it_loses(tmp_path):
    fallback = found_by(Rounded(99), tmp_path).fallback
    assert fallback.tries == len(SHARES) and len(fallback.left_at_f32) == 16
    assert fallback.difference == -1.0 and fallback.difference_ci95[1] < 0


def test_find_int8__few_lost_answers_may_be_chance(tmp_path):
    one = SplitPhotos("validation", PHOTOS[:1], ["dark"])
    assert found_by(Rounded(99), tmp_path, one).fallback.tries == 1


def test_find_int8__few_validation_photos_are_filled_up_by_those_of_the_training(tmp_path):
    one, many = SplitPhotos("validation", PHOTOS[:1], ["dark"]), photos()
    training = SplitPhotos("train", [*many.pictures] * 5, [*many.labels] * 5)
    fallback = found_by(Rounded(4), tmp_path, one, training).fallback
    assert (fallback.photos, fallback.tries) == (FILLED_UP, 3)
    # Of photos that were learned from nothing is calibrated.
    assert fallback.recalibration is None
    (tmp_path / "none").mkdir()
    assert found_by(Rounded(99), tmp_path / "none", NO_PHOTOS, training).fallback.tries == 5


def test_find_int8__calibrates_logits_anew_where_it_is_worth_while(tmp_path):
    quantizer = Rounded(0, power=40.0)
    labels = ["bright", "dark"] * 30
    found = found_by(quantizer, tmp_path, SplitPhotos("validation", PHOTOS * 6, labels))
    anew = found.fallback.recalibration
    assert anew.photos == 60 and anew.loss_after < anew.loss_before and len(anew.scale) == 1
    assert quantizer.written[1] == (0, pytest.approx(1 / anew.scale[0])) and quantizer.written[1][1] > 1
    assert found.folder.name == "int8-1-calibrated"


def test_logits__give_the_probabilities_again():
    shares = np.array([[0.7, 0.2, 0.1], [1.0, 0.0, 0.0]], np.float32)
    assert SINGLE_LABEL.probabilities(_logits(SINGLE_LABEL, shares)) == pytest.approx(shares, abs=1e-6)
