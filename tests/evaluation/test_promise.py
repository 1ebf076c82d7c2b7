"""What a few photos promise of answers."""

import numpy as np
import pytest
from scipy.stats import binomtest

from budwood.evaluation.promise import fewest, promise


@pytest.mark.parametrize("kind", ["average", "confidence"])
@pytest.mark.parametrize("precision", [0.8, 0.9, 0.95, 0.98])
def test_fewest__so_many_right_answers_promise_it_and_one_fewer_do_not(kind, precision):
    number = fewest(precision, kind)
    for photos, chosen in ((number, 0.5), (number - 1, None)):
        found = promise(np.full(photos, 0.5), np.ones(photos, bool), np.ones(photos), precision, kind)
        assert found.threshold == chosen
        assert (found.most >= precision) == (chosen is not None)


def test_promise__confidence_is_the_lower_end_of_an_exact_interval():
    rng = np.random.default_rng(0)
    right = rng.random(80) < 0.9
    found = promise(np.full(80, 0.5), right, np.ones(80), 0.99, "confidence")
    exact = binomtest(int(right.sum()), 80, alternative="greater").proportion_ci(0.95, "exact").low
    assert found.threshold is None and found.most == pytest.approx(exact)


def test_promise__average_counts_one_mistake_more():
    # Of 40 answers one is wrong: with one more 5 %.
    sure = np.linspace(0.9, 0.5, 41)
    right = np.ones(41, bool)
    right[[10, 40]] = False
    found = promise(sure, right, np.ones(41), 0.95, "average")
    assert found.threshold == sure[39] and found.most == pytest.approx(0.95)
    assert promise(sure, right, np.ones(41), 0.951, "average").threshold is None


@pytest.mark.parametrize("kind", ["average", "confidence"])
def test_promise__photos_of_one_probability_are_answered_together(kind):
    sure, right = np.full(100, 0.7), np.arange(100) < 60
    assert promise(sure, right, np.ones(100), 0.9, kind).threshold is None
    assert promise(sure, right, np.ones(100), 0.5, kind).threshold == 0.7


@pytest.mark.parametrize("kind", ["average", "confidence"])
def test_promise__a_group_weighs_as_one_photo(kind):
    sure, right = np.linspace(0.9, 0.5, 50), np.arange(50) % 20 != 19
    alone = promise(sure, right, np.ones(50), 0.8, kind)
    together = promise(np.repeat(sure, 3), np.repeat(right, 3), np.full(150, 1 / 3), 0.8, kind)
    assert together.threshold == alone.threshold and together.most == pytest.approx(alone.most)


@pytest.mark.parametrize("kind", ["average", "confidence"])
def test_promise__nothing_of_no_photos_nor_of_wrong_ones(kind):
    none = promise(np.zeros(0), np.zeros(0, bool), np.zeros(0), 0.9, kind)
    wrong = promise(np.full(30, 0.9), np.zeros(30, bool), np.ones(30), 0.9, kind)
    assert (none.threshold, none.most) == (wrong.threshold, wrong.most) == (None, 0.0)
