"""Studies of several labels a photo: means, pairs and curves of the mean average precision."""

import json

import numpy as np
import pytest
from scipy.stats import t
from sklearn.metrics import average_precision_score

from budwood.core.errors import RunError
from budwood.evaluation.multi_label_differences import paired_map_difference
from budwood.runs.files import read_run
from budwood.studies.records import StudyFolder
from budwood.studies.results import load_study, read_results
from budwood.studies.trials import folder_name
from tests.studies.made import TEST, TRAIN, Made
from tests.studies.made import fill as fill_classes
from tests.studies.made_labels import LABELS, MadeLabels, draw, fill


@pytest.fixture
def made(tmp_path):
    return MadeLabels(tmp_path / "study")


def said_by(made, name, replicate):
    found = read_run(made.folder / "trials" / folder_name(f"{name} {replicate}")).label_predictions.of("test")
    order = np.argsort(found.names)
    return found.targets[order], found.probabilities[order]


def mean_average_precision(made, name, replicate):
    targets, shares = said_by(made, name, replicate)
    return float(np.mean([average_precision_score(targets[:, k], shares[:, k]) for k in range(len(LABELS))]))


def test_read_results__is_the_corrected_test_of_mean_average_precisions(made):
    fill(made, {"a": 2.4, "b": 1.6})
    found = read_results(made.folder)
    values = {
        name: np.array([mean_average_precision(made, name, f"split {number}") for number in range(5)])
        for name in "ab"
    }
    assert (found.task, found.figure.key, found.best) == ("multi-label", "mean_average_precision", "a")
    # Nadeau and Bengio (2003), by hand.
    factor = 1 / 5 + TEST / TRAIN
    gaps = values["a"] - values["b"]
    error = np.sqrt(gaps.var(ddof=1) * factor)
    half = t.ppf(0.975, 4) * error
    (pair,) = found.pairs
    assert pair.difference == pytest.approx(gaps.mean())
    assert (pair.low, pair.high) == pytest.approx((gaps.mean() - half, gaps.mean() + half))
    assert pair.p == pytest.approx(2 * t.sf(gaps.mean() / error, 4))
    assert pair.words.startswith("a is better than b on test photos, by ")
    assert "points of mean average precision (95 % interval" in pair.words and "5 splits" in pair.words
    first = found.summaries[0].test
    half = t.ppf(0.975, 4) * np.sqrt(values["a"].var(ddof=1) * factor)
    assert (first.mean, first.low) == pytest.approx((values["a"].mean(), values["a"].mean() - half))
    listed = {(one.configuration, one.replicate): one for one in found.trials}
    assert listed["b", "split 3"].test == pytest.approx(values["b"][3])
    assert 0 < listed["b", "split 3"].test_labels.exact_match < 1
    beside = found.summaries[0].beside
    assert beside.exact_match.mean == pytest.approx(
        np.mean([one.test_labels.exact_match for one in found.trials if one.configuration == "a"])
    )
    assert beside.macro_f1.low < beside.macro_f1.mean < beside.macro_f1.high


@pytest.mark.slow
def test_read_results__equal_ones_cannot_be_told_apart_and_how_many_photos_would_be_needed(made):
    fill(made, {"a": 2.0, "b": 1.95})
    (pair,) = read_results(made.folder).pairs
    assert pair.words.startswith("Cannot tell ") and pair.low < 0 < pair.high
    assert "points of mean average precision" in pair.words
    assert "test photos in a trial would be needed to tell a difference of this size." in pair.words


def test_read_results__one_trial_each_is_compared_photo_by_photo(made):
    fill(made, {"a": 2.4, "b": 1.4}, replicates=1)
    found = read_results(made.folder)
    (pair,) = found.pairs
    (targets, a), (_, b) = (said_by(made, name, "split 0") for name in "ab")
    expected = paired_map_difference(targets, a, b)
    assert (pair.difference, pair.low, pair.high, pair.p) == pytest.approx(
        (expected.difference, expected.low, expected.high, expected.p)
    )
    assert "paired bootstrap over photos" in pair.method and "McNemar" not in pair.method
    # The interval of one trial is that of its own figures.
    own = read_run(made.folder / "trials" / "a-split-0").metrics.test
    assert (found.summaries[0].test.low, found.summaries[0].test.high) == own.mean_average_precision_ci95


@pytest.mark.slow
def test_read_results__the_same_photos_with_several_seeds(tmp_path):
    made = MadeLabels(tmp_path / "study", replicate_kind="seed")
    photos = [f"p{number:03}" for number in range(TEST)]
    fill(made, {"a": 2.4, "b": 1.4}, replicates=2, photos=photos)
    found = read_results(made.folder)
    (pair,) = found.pairs
    gaps = [
        mean_average_precision(made, "a", f"seed {number}")
        - mean_average_precision(made, "b", f"seed {number}")
        for number in range(2)
    ]
    assert pair.difference == pytest.approx(np.mean(gaps)) and pair.trials == 2
    assert "paired bootstrap over photos" in pair.method and "2 seeds" in pair.words
    # What is not known of the photos does not grow less with the trainings: as long as that of one, about.
    one = read_run(made.folder / "trials" / "a-seed-0").metrics.test.mean_average_precision_ci95
    mean = found.summaries[0].test
    assert 0.5 < (mean.high - mean.low) / (one[1] - one[0]) < 1.3


def test_read_results__groups_are_exchanged_whole_and_too_few_tell_nothing(tmp_path):
    photos = [f"p{number:03}" for number in range(TEST)]
    for num_groups in (25, 10):
        made = MadeLabels(tmp_path / f"study{num_groups}")
        groups = [f"scene {number % num_groups}" for number in range(TEST)]
        fill(made, {"a": 2.4, "b": 1.4}, replicates=1, photos=photos, groups=groups)
        found = read_results(made.folder)
        if num_groups == 25:
            assert "groups of photos" in found.pairs[0].method and found.summaries[0].test.ends
            continue
        assert (found.pairs, found.few_groups, found.summaries[0].test.ends) == ([], 10, None)
        text = found.as_text()
        assert "no interval is stated, and nothing is compared" in text and "(no interval)" in text


def test_read_results__too_few_positives_for_an_interval(made):
    rng = np.random.default_rng(0)
    targets = np.zeros((60, 3), bool)
    targets[:2] = True
    for name in "ab":
        made.add(name, "split 0", targets, rng.random((60, 3)))
    found = read_results(made.folder)
    assert found.pairs == [] and found.few_positives and found.few_groups is None
    text = found.as_text()
    assert "Too few test photos have a label, or have it not: 5 or more" in text
    assert "Measured on other photos" not in text


def test_read_results__no_label_can_be_measured(made):
    fill(made, {"a": 2.0}, replicates=2)
    made.add("a", "split 2", np.zeros((20, 3), bool), np.full((20, 3), 0.3))
    found = read_results(made.folder)
    assert found.trials[-1].test is None and found.trials[-1].test_labels.macro_f1 is None
    assert found.summaries[0].test.mean == pytest.approx(np.mean([one.test for one in found.trials[:2]]))


@pytest.mark.slow
def test_read_results__learning_curve_is_of_the_mean_average_precision(made):
    rng = np.random.default_rng(0)
    for size, skill in ((50, 1.0), (100, 1.5), (None, 2.0)):
        name = f"a, {size} photos" if size else "a"
        for number in range(2):
            targets = draw(rng, 120)
            logits = skill * (targets - 0.5) + rng.normal(size=targets.shape)
            shares = np.round(1 / (1 + np.exp(-2 * logits)), 6)
            made.add(name, f"split {number}", targets, shares, train=size or 200, size=size)
    found = read_results(made.folder)
    (curve,) = found.curves
    assert [point.photos for point in curve.points] == [50, 100, 200]
    assert curve.words.startswith("a: mean average precision ") and "accuracy" not in curve.words
    assert curve.points[-1].value < curve.expected < 1 and curve.low < curve.expected < curve.high
    written = json.dumps(found.to_json()["curves"])
    assert '"mean_average_precision"' in written and '"accuracy"' not in written
    asked = load_study(made.folder, target=0.97).curves[0].words
    assert "97 % would take" in asked


def test_read_results__a_trial_of_another_task_is_refused(made, tmp_path):
    fill(made, {"a": 2.0}, replicates=1)
    other = Made(tmp_path / "classes")
    fill_classes(other, {"a": 0.9}, replicates=1)
    record = StudyFolder(other.folder).read()
    StudyFolder(other.folder).write(record.model_copy(update={"task": "multi-label"}))
    with pytest.raises(RunError, match="another task than its study"):
        read_results(other.folder)


def test_to_json__says_what_the_figures_are_of(made, tmp_path):
    fill(made, {"a": 2.0}, replicates=2)
    written = read_results(made.folder).to_json()
    assert (written["task"], written["figure"]) == ("multi-label", "mean_average_precision")
    assert written["configurations"][0]["beside"]["macro_f1"]["mean"] > 0.5
    other = Made(tmp_path / "classes")
    fill_classes(other, {"a": 0.9}, replicates=2)
    written = read_results(other.folder).to_json()
    assert (written["task"], written["figure"]) == ("single-label", "accuracy")
    assert "beside" not in written["configurations"][0]
