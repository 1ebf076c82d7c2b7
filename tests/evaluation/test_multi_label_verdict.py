import numpy as np
import pytest

from budwood.evaluation.groups import Grouping
from budwood.evaluation.multi_label_differences import paired_map_difference
from budwood.evaluation.multi_label_verdict import (
    compare_label_models,
    compare_label_phases,
    photos_to_tell,
)
from budwood.evaluation.statistics import PairedDifference
from tests.evaluation.test_multi_label_differences import two_models


def phases(n, seed, better, **given):
    targets, after, before = two_models(n, seed, better)
    exact = tuple(((shares >= 0.5) == (targets > 0.5)).all(axis=1) for shares in (before, after))
    return compare_label_phases(targets, before, after, exact, resamples=200, **given), (
        targets,
        after,
        before,
    )


def test_compare_label_phases__is_the_paired_difference_of_mean_average_precision():
    found, arrays = phases(300, 0, 1.5)
    pair = paired_map_difference(*arrays, resamples=200)
    assert found["figure"] == "mean_average_precision" and found["n"] == 300
    assert (found["difference"], *found["interval"], found["p"]) == pytest.approx(
        (pair.difference, pair.low, pair.high, pair.p)
    )
    assert found["words"].startswith(
        f"Fine-tuning helped: +{100 * pair.difference:.1f} points of mean average precision on 300 test photos"
    )
    assert "became right in every label" in found["words"] and "accuracy" not in found["words"]


def test_compare_label_phases__harm_and_what_nobody_can_tell():
    assert phases(300, 0, -1.0)[0]["words"].startswith("Fine-tuning did harm: -")
    equal = phases(100, 3, 0.0, split="validation")[0]
    assert equal["words"].startswith("Cannot tell whether fine-tuning helped: ")
    assert equal["words"].endswith("which may flatter fine-tuning.")


def test_compare_label_phases__too_few_tell_nothing():
    few = phases(100, 4, 1.5, groups=Grouping(np.arange(100) // 25))[0]
    assert few["interval"] is None and few["p"] is None and "are of 4 groups" in few["words"]
    rare = phases(8, 0, 1.5)[0]
    assert rare["interval"] is None and "too few have a label or have it not; 5 or more" in rare["words"]
    nothing = np.ones((20, 2), np.float32)
    right = np.ones(20, bool)
    assert compare_label_phases(nothing, nothing * 0.9, nothing * 0.8, (right, right), resamples=10) is None


def test_compare_label_models__an_open_question_says_how_many_photos_it_takes():
    pair = PairedDifference(-0.02, -0.06, 0.02, 0.3, 400)
    words = compare_label_models("a", "b", pair, 400)
    assert words.startswith(
        "Cannot tell b from a: the difference is between -2.0 and 6.0 points of mean average"
    )
    assert "about 3,300 test photos would be needed" in words
    assert "too few have a label" in compare_label_models("a", "b", None, 9)
    same = compare_label_models("a", "b", PairedDifference(0.0, -0.1, 0.1, 1.0, 20), 20)
    assert same.endswith("both have the same mean average precision.")


def test_photos_to_tell__so_many_tell_in_four_of_five_cases():
    # A difference of 1 with a standard deviation of 0.1 a photo's root: of n photos 0.1 / sqrt(n / 100).
    n, deviation = 100, 0.04
    needed = photos_to_tell(PairedDifference(0.03, 0.03 - 1.96 * deviation, 0.03 + 1.96 * deviation, 0.4, n))
    drawn = np.random.default_rng(0).normal(0.03, deviation * np.sqrt(n / needed), 20_000)
    told = (np.abs(drawn) > 1.96 * deviation * np.sqrt(n / needed)).mean()
    assert told == pytest.approx(0.8, abs=0.02)
