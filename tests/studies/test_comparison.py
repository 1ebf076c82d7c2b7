import numpy as np
import pytest

from budwood.evaluation.groups import Grouping, cautious_range, grouped_difference, mean_share_interval
from budwood.evaluation.statistics import wilson_interval
from budwood.runs.figures import Metrics
from budwood.studies.comparison import measured_on
from budwood.studies.outcomes import CompleteTrial
from budwood.studies.results import read_results
from budwood.studies.words import trust_sentences
from tests.studies.made import Made

PHOTOS = 400


def studied(folder, num_groups, trainings, share_b=0.7):
    """Two configurations on the same photos, right or wrong in whole groups, and what each was right on."""
    rng = np.random.default_rng(0)
    made = Made(folder / "study", replicate_kind="seed")
    of = np.arange(PHOTOS) * num_groups // PHOTOS
    groups = None if num_groups == PHOTOS else [f"scene {number}" for number in of]
    ease = rng.random(num_groups)[of]
    photos = [f"p{number}" for number in range(PHOTOS)]
    right = {}
    for name, share in (("a", 0.9), ("b", share_b)):
        right[name] = np.array([ease * 0.9 + rng.random(PHOTOS) * 0.1 < share for _ in range(trainings)])
        for number, row in enumerate(right[name]):
            made.add(name, f"seed {number}", row, photos=photos, loss=1 - share, groups=groups)
    return read_results(made.folder), right, Grouping(of)


# The rows are read in the order of their names.
ORDER = np.argsort([f"p{number}-test" for number in range(PHOTOS)])


@pytest.mark.parametrize("trainings", [1, 3])
def test_read_results__intervals_and_pairs_are_of_groups(tmp_path, trainings):
    found, right, groups = studied(tmp_path, 40, trainings)
    mean_a, mean_b = (right[name].mean(axis=0) for name in "ab")
    estimate = found.summaries[0].test
    assert (estimate.low, estimate.high) == pytest.approx(mean_share_interval(mean_a, groups))
    low, high = wilson_interval(round(mean_a.mean() * PHOTOS), PHOTOS)
    assert estimate.high - estimate.low > 1.5 * (high - low)
    (pair,) = found.pairs
    expected = grouped_difference(mean_a[ORDER], mean_b[ORDER], Grouping(groups.numbers[ORDER]))
    assert "whole groups" in pair.method
    assert (pair.difference, pair.low, pair.high) == pytest.approx(
        (expected.difference, expected.low, expected.high)
    )
    # Which exchanges are drawn depends on the order of the groups.
    assert pair.p == pytest.approx(expected.p, abs=0.01)


def test_read_results__too_few_groups_get_a_range_and_no_comparison(tmp_path):
    found, right, groups = studied(tmp_path, 12, 2)
    estimate = found.summaries[0].test
    assert found.pairs == []
    assert (estimate.few_groups, found.few_groups) == (12, 12)
    assert (estimate.low, estimate.high) == pytest.approx(cautious_range(right["a"].mean(axis=0), groups))
    assert "12 groups" in trust_sentences(found)[0]
    assert "12 groups" in found.as_text()


def test_read_results__photos_that_stand_alone_are_compared_as_ever(tmp_path):
    found, right, _ = studied(tmp_path, PHOTOS, 1)
    (pair,) = found.pairs
    assert found.few_groups is None
    assert "McNemar" in pair.method
    assert (found.summaries[0].test.low, found.summaries[0].test.high) == wilson_interval(
        int(right["a"].sum()), PHOTOS
    )


def test_read_results__of_groups_no_number_of_photos_is_named_that_would_be_enough(tmp_path):
    found, _, _ = studied(tmp_path, 40, 1, share_b=0.88)
    (pair,) = found.pairs
    assert pair.words.startswith("Cannot tell ")
    assert "more groups of photos are needed" in pair.words


@pytest.mark.parametrize(("num_groups", "least", "most"), [(200, 200, 200), (40, 40, 80), (12, 11.9, 12)])
def test_measured_on__is_as_many_photos_as_say_as_much(num_groups, least, most):
    """Photos that are right and wrong in whole groups, two trainings on each."""
    of = np.arange(200) * num_groups // 200
    right = np.random.default_rng(0).random(num_groups)[of] < 0.7
    correct = {"test": {f"p{number}": bool(one) for number, one in enumerate(right)}}
    groups = {} if num_groups == 200 else {f"p{number}": f"g{one}" for number, one in enumerate(of)}
    trial = CompleteTrial("seed 0", Metrics.model_construct(), 1.0, 100, correct, groups)
    assert least <= measured_on([trial, trial], "test") + 1e-9 and measured_on([trial], "test") <= most + 0.2
