import numpy as np
import pytest

from budwood.core.errors import RunError
from budwood.evaluation.statistics import corrected_resampled_t, holm, wilson_interval
from budwood.studies.results import read_results
from tests.studies.made import TEST, TRAIN, Made, fill, rights


def pair_of(results, a, b):
    return next(pair for pair in results.pairs if {pair.a, pair.b} == {a, b})


def test_read_results__a_better_recipe_is_called_better_and_the_worse_named_second(made):
    fill(made, {"bad": 0.6, "good": 0.9})
    found = read_results(made.folder)
    (pair,) = found.pairs
    assert found.best == "good"
    assert pair.words.startswith("good is better than bad on test photos, by ")
    assert "6 splits" in pair.words
    # What `fill` draws from: 96.9 and 62.5 %.
    assert 0 < pair.low < 0.344 < pair.high


def test_read_results__equal_recipes_cannot_be_told_apart(made):
    fill(made, {"a": 0.85, "b": 0.85})
    (pair,) = read_results(made.folder).pairs
    assert pair.words.startswith("Cannot tell ")
    assert pair.low < 0 < pair.high
    assert pair.p > 0.05


def test_read_results__is_the_corrected_test_of_the_differences(made):
    fill(made, {"a": 0.85, "b": 0.8})
    found = read_results(made.folder)
    (pair,) = found.pairs
    a, b = (
        np.array([row.mean() for row in np.split(of, 6)])
        for of in (read_correct(made, pair.a), read_correct(made, pair.b))
    )
    expected = corrected_resampled_t(list(a - b), TRAIN, TEST)
    assert (pair.difference, pair.low, pair.high, pair.p) == pytest.approx(expected)


def read_correct(made, configuration):
    from budwood.core.files import read_csv

    return np.array(
        [
            row["correct"] == "1"
            for number in range(6)
            for row in read_csv(
                made.folder / "trials" / f"{configuration}-split-{number}" / "predictions.csv"
            )
            if row["split"] == "test"
        ]
    )


@pytest.mark.slow
def test_read_results__several_pairs_are_adjusted(made):
    fill(made, {"a": 0.9, "b": 0.8, "c": 0.7})
    found = read_results(made.folder)
    assert [pair.p_adjusted for pair in found.pairs] == pytest.approx(holm([pair.p for pair in found.pairs]))
    assert [one.name for one in found.summaries] == ["a", "b", "c"]


def test_read_results__the_same_test_photos_every_time_are_compared_photo_by_photo(tmp_path):
    made = Made(tmp_path / "study", replicate_kind="seed")
    photos = [f"p{number}" for number in range(400)]
    fill(made, {"a": 0.9, "b": 0.75}, replicates=3, n=400, photos=photos)
    found = read_results(made.folder)
    (pair,) = found.pairs
    assert "bootstrap over photos" in pair.method
    assert pair.words.startswith("a is better than b on test photos, by ")
    mean = found.summaries[0].test.mean
    assert (found.summaries[0].test.low, found.summaries[0].test.high) == pytest.approx(
        wilson_interval(round(mean * 400), 400)
    )


def test_read_results__one_trial_each_is_mcnemars(made):
    fill(made, {"a": 0.9, "b": 0.6}, replicates=1)
    (pair,) = read_results(made.folder).pairs
    assert "McNemar" in pair.method
    assert pair.words.startswith("a is better than b")


def test_read_results__equal_differences_are_no_certainty(made):
    for number in range(3):
        right = np.arange(TEST) < 90
        made.add("a", f"split {number}", right)
        made.add("b", f"split {number}", np.arange(TEST) < 89)
    (pair,) = read_results(made.folder).pairs
    assert pair.difference == pytest.approx(0.01)
    assert pair.words.startswith("Cannot tell")
    assert "split 0 alone, for the difference is the same in all 3" in pair.words
    assert (pair.trials, pair.low < 0 < pair.high) == (1, True)
    # Nor are equal accuracies.
    found = read_results(made.folder).summaries[0].test
    assert (found.low, found.high) == pytest.approx(wilson_interval(90, 100))


def test_read_results__no_photo_differs_on_the_same_photos(tmp_path):
    made = Made(tmp_path / "study", replicate_kind="seed")
    for number in range(3):
        for name in ("a", "b"):
            made.add(name, f"seed {number}", [True] * 8, photos=list("stuvwxyz"))
    (pair,) = read_results(made.folder).pairs
    assert pair.low < -0.1 and pair.high > 0.1
    assert "both are right equally often" in pair.words


def test_read_results__measured_on_other_photos_is_not_compared(made):
    fill(made, {"a": 0.9, "b": 0.8}, replicates=2)
    for number in range(2):
        made.add("c", f"split {number}", [True] * 50, photos=[f"other {number}/{n}" for n in range(50)])
    found = read_results(made.folder)
    assert {frozenset((pair.a, pair.b)) for pair in found.pairs} == {frozenset("ab")}
    assert "Measured on other photos, and not compared: c." in found.as_text()


def test_read_results__intervals_of_means_know_of_the_overlap(made):
    fill(made, {"a": 0.85})
    found = read_results(made.folder).summaries[0].test
    values = [row.mean() for row in np.split(read_correct(made, "a"), 6)]
    mean, low, high, _ = corrected_resampled_t(values, TRAIN, TEST)
    assert (found.mean, found.low, found.high) == pytest.approx((mean, low, min(high, 1.0)))


def test_read_results__failed_trials_are_listed_and_the_rest_counts(made):
    fill(made, {"a": 0.9, "b": 0.8}, replicates=3)
    made.add("b", "split 3", [], error="no space left")
    made.add("a", "split 3", rights(0.9, np.random.default_rng(1)))
    made.add("never", "split 0", [], error="always fails")
    found = read_results(made.folder)
    assert found.failures == {"b, split 3": "no space left", "never, split 0": "always fails"}
    assert pair_of(found, "a", "b").trials == 3
    text = found.as_text()
    assert "3 of 4" in text and "0 of 1" in text
    assert "Failed: b, split 3: no space left" in text
    assert found.best == "a"


def test_read_results__counts_the_looks_at_test_photos(made):
    fill(made, {"a": 0.9, "b": 0.8}, replicates=3)
    found = read_results(made.folder)
    assert found.test_evaluations == 6
    assert "6 test-set evaluations, one by every trial;" in found.as_text()
    made.trials = made.trials[:1]
    made.add("a", "split 9", [], error="x")
    assert "1 test-set evaluation;" in read_results(made.folder).as_text()


def test_read_results__validation_alone(made):
    made.has_test = False
    fill(made, {"a": 0.9, "b": 0.6})
    found = read_results(made.folder)
    assert (found.split, found.test_evaluations) == ("validation", 0)
    assert "No test-set evaluation" in found.as_text()
    assert found.pairs[0].words.startswith("a is better than b")


def test_read_results__one_test_photo_and_all_alike(made):
    for number in range(3):
        made.add("a", f"split {number}", [True])
        made.add("b", f"split {number}", [True])
    (pair,) = read_results(made.folder).pairs
    assert pair.p == 1.0
    assert "both are right equally often" in pair.words


def test_read_results__learning_curve(made):
    rng = np.random.default_rng(0)
    for number in range(4):
        for size, share in ((50, 0.7), (100, 0.8), (None, 0.87)):
            name = f"a, {size} photos" if size else "a"
            made.add(name, f"split {number}", rights(share, rng, 1000), train=size or 200, size=size)
    (curve,) = read_results(made.folder).curves
    assert [point.photos for point in curve.points] == [50, 100, 200]
    assert curve.next_photos == 400
    assert 0.87 < curve.expected < 0.95
    assert curve.words in read_results(made.folder).as_text()


def test_read_results__no_study(tmp_path):
    with pytest.raises(RunError, match="is no study"):
        read_results(tmp_path)


def test_read_results__two_splits_are_too_few_and_no_difference_is_beyond_the_whole(made):
    for split, right in ((0, 9), (1, 1)):
        made.add("a", f"split {split}", [True] * right + [False] * (10 - right), loss=0.2)
        made.add("b", f"split {split}", [False] * right + [True] * (10 - right))
    results = read_results(made.folder)
    (pair,) = results.pairs
    assert (pair.low, pair.high) == (-1.0, 1.0)
    assert "Two splits hardly say how much figures vary" in results.as_text()
