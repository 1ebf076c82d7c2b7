import numpy as np
import pytest

from budwood.core.progress.base import SILENT
from budwood.evaluation.task import SINGLE_LABEL
from budwood.exporting.checking import SplitPhotos
from budwood.exporting.formats import FORMATS
from budwood.exporting.int8 import SHARES, _logits, tries
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


def tried(quantizer, tmp_path, validation=None):
    validation = photos() if validation is None else validation
    return list(tries(quantizer, Form(), Brightness(), SINGLE_LABEL, validation, tmp_path, SILENT))


def test_tries__the_first_leaves_no_layer(tmp_path):
    quantizer = Rounded(0)
    found = next(tries(quantizer, Form(), Brightness(), SINGLE_LABEL, photos(), tmp_path, SILENT))
    assert (found.fallback.tries, found.fallback.left_at_f32, found.fallback.layers) == (1, (), None)
    assert quantizer.written[0] == (0, 1.0) and found.threshold is None


def test_tries__leave_the_noisiest_until_no_answers_are_lost(tmp_path):
    found = tried(Rounded(4), tmp_path)
    assert found[0].fallback.left_at_f32 == tuple(LAYERS[:4]) and found[0].fallback.tries == 3
    # Who is not content with it on other photos gets more.
    assert [one.fallback.tries for one in found] == [3, 4, 5]


def test_tries__the_last_is_given_whatever_it_loses(tmp_path):
    (found,) = tried(Rounded(99), tmp_path)
    assert found.fallback.tries == len(SHARES) and len(found.fallback.left_at_f32) == 16


def test_tries__few_lost_answers_may_be_chance(tmp_path):
    one = SplitPhotos("validation", PHOTOS[:1], ["dark"])
    assert tried(Rounded(99), tmp_path, one)[0].fallback.tries == 1


def test_tries__logits_are_calibrated_anew_where_it_is_worth_while(tmp_path):
    quantizer = Rounded(0, power=40.0)
    labels = ["bright", "dark"] * 30
    mixed = SplitPhotos("validation", PHOTOS * 6, labels)
    found = next(tries(quantizer, Form(), Brightness(), SINGLE_LABEL, mixed, tmp_path, SILENT))
    anew = found.fallback.recalibration
    assert anew.photos == 60 and anew.loss_after < anew.loss_before and len(anew.scale) == 1
    assert quantizer.written[1] == (0, pytest.approx(1 / anew.scale[0])) and quantizer.written[1][1] > 1


def test_tries__without_validation_photos(tmp_path):
    found = tried(Rounded(0), tmp_path, SplitPhotos("validation", [], []))
    assert found[0].fallback.recalibration is None and found[0].threshold is None


def test_logits__give_the_probabilities_again():
    shares = np.array([[0.7, 0.2, 0.1], [1.0, 0.0, 0.0]], np.float32)
    assert SINGLE_LABEL.probabilities(_logits(SINGLE_LABEL, shares)) == pytest.approx(shares, abs=1e-6)
