import numpy as np
import pytest
from scipy.stats import binom

from benchmarks.label_intervals import of_labels
from budwood.evaluation.jackknife import Spread, jackknife_interval
from budwood.evaluation.label_intervals import (
    FEW,
    auc_interval,
    average_precision_interval,
    f1_of_overlap,
)
from budwood.evaluation.statistics import wilson_interval


def test_f1_of_overlap__holds_f1_as_often_as_wilson_holds_a_share():
    # 40 photos have the label or are said to; of them half are both, in all photos of the kind.
    held = 0.0
    for both in range(41):
        low, high = f1_of_overlap(wilson_interval(both, 40))
        assert low <= 2 * both / (40 + both) <= high
        held += binom.pmf(both, 40, 0.5) * (low <= 2 / 3 <= high)
    assert 0.93 <= held <= 0.97


@pytest.mark.parametrize("value", [0.0, 1e-6, 0.3, 0.5, 0.97, 1 - 1e-6, 1.0])
def test_auc_interval__holds_the_area_and_mirrors(value):
    low, high = auc_interval(value, 8, 200, 0.05, 1.96)
    assert 0 <= low <= value <= high <= 1 and high - low > 0.1
    back = auc_interval(1 - value, 8, 200, 0.05, 1.96)
    assert back == pytest.approx((1 - high, 1 - low), abs=1e-6)


def test_auc_interval__ends_where_the_formulas_error_leaves_the_area_out():
    def error(area: float) -> float:
        shape = 1 + 49 * (1 - area) / (2 - area) + 49 * area / (1 + area)
        return float(np.sqrt(area * (1 - area) * shape / (30 * 70)))

    found = auc_interval(0.8, 30, 70, error(0.8), 1.96)
    for end in found:
        assert abs(end - 0.8) / error(end) == pytest.approx(1.96)
    # Less that was found makes it shorter, but not as short as that.
    narrow = auc_interval(0.8, 30, 70, 0.0, 1.96)
    assert 0.5 < (narrow[1] - narrow[0]) / (found[1] - found[0]) < 0.8


def test_auc_interval__of_fewer_photos_is_longer():
    many, few = auc_interval(0.9, 100, 400, 0.02, 1.96), auc_interval(0.9, 25, 100, 0.04, 1.96)
    assert few[0] < many[0] < 0.9 < many[1] < few[1]
    assert (few[1] - few[0]) / (many[1] - many[0]) == pytest.approx(2, rel=0.1)


def test_average_precision_interval__of_many_photos_is_the_jackknifes():
    spread = Spread(0.01, 0.06)
    assert average_precision_interval(0.8, spread, FEW, 12, 1.96) == jackknife_interval(0.8, spread, FEW, 12)
    few = average_precision_interval(0.8, spread, FEW - 1, 11, 1.96)
    assert few[0] < 0.8 < few[1] <= 1
    # Wilson's of so many photos, where the spread is theirs.
    exact = Spread(0.0, float(np.sqrt(0.25 / 10)))
    assert average_precision_interval(0.5, exact, 10, 9, 1.959964) == pytest.approx(wilson_interval(5, 10))
    assert average_precision_interval(1.0, Spread(0.0, 0.0), 10, 9, 1.959964) == pytest.approx(
        wilson_interval(10, 10)
    )


@pytest.mark.slow
@pytest.mark.parametrize("positives", [8, 16, 40])
def test_label_intervals__hold_the_truth(positives):
    shares: dict[str, list[float]] = {}
    for photos in (4 * positives, 20 * positives):
        for gap in (1.0, 2.0, 3.0):
            for name, held in of_labels(positives, photos, gap, 40).items():
                shares.setdefault(name, []).append(float(np.mean(held)))
    for name, some in shares.items():
        assert 0.93 - 0.01 <= np.mean(some) <= 0.97 + 0.01 and min(some) >= 0.88, (name, some)
