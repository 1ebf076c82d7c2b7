import warnings

import numpy as np
import pytest
from scipy.stats import beta, betabinom

from budwood.core.errors import RunError
from budwood.evaluation.conformal import (
    SET_KINDS,
    as_kept,
    choose_rule,
    class_scores,
    coverage_range,
    fewest,
    observed_range,
    rank,
    refuse_bad_coverage,
    threshold,
)
from budwood.evaluation.groups import Grouping


def _made(n, classes=4, seed=0, sharp=1.5):
    """Return probabilities, and labels that they are wrong about."""
    rng = np.random.default_rng(seed)
    logits = sharp * rng.normal(size=(n, classes))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    true = 0.6 * logits + rng.gumbel(size=logits.shape)
    return shares, true.argmax(axis=1)


def _names(number):
    return [f"class {place}" for place in range(number)]


class _Given:
    """A classifier of scikit-learn's kind whose input is the probabilities."""

    def __init__(self, classes):
        self.classes_, self.n_classes, self.n_features_in_ = np.arange(classes), classes, classes

    def fit(self, x, y):
        return self

    def predict_proba(self, x):
        return np.asarray(x)

    def predict(self, x):
        return np.asarray(x).argmax(axis=1)

    def __sklearn_is_fitted__(self):
        return True

    def __sklearn_tags__(self):
        from sklearn.base import ClassifierMixin

        return ClassifierMixin.__sklearn_tags__(self)


def _mapie(kind, coverage, calibration, labels, new, **settings):
    classification = pytest.importorskip("mapie.classification")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        oracle = classification.SplitConformalClassifier(
            _Given(calibration.shape[1]), coverage, conformity_score=kind, prefit=True, random_state=1
        )
        oracle.conformalize(calibration, labels)
        return oracle.predict_set(new, conformity_score_params=settings)[1][:, :, 0]


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9, 0.97])
def test_choose_rule__lac_equals_mapie(coverage):
    shares, labels = _made(400)
    shares = as_kept(shares)
    rule = choose_rule(shares[:100], labels[:100], _names(4), coverage)
    expected = _mapie("lac", coverage, shares[:100], labels[:100], shares[100:])
    np.testing.assert_array_equal(rule.sets(shares[100:]), expected)


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.97])
def test_class_scores__randomised_equal_mapie(coverage):
    shares, labels = _made(400, seed=1)
    old, new = shares[:150], shares[150:]
    # MAPIE takes u of a class's own probability away, the same numbers for old and new photos.
    draw = lambda n: 1 - np.random.RandomState(1).uniform(size=n)  # noqa: E731
    own = class_scores(old, "adaptive", draw(150))[np.arange(150), labels[:150]]
    sets = class_scores(new, "adaptive", draw(250)) <= threshold(own, coverage)
    expected = _mapie("aps", coverage, old, labels[:150], new, include_last_label="randomized")
    np.testing.assert_array_equal(sets, expected)


def test_threshold__is_the_finite_sample_quantile():
    scores = np.random.default_rng(0).permutation(np.arange(1.0, 51.0))
    # ceil(51 * 0.9) = 46, the 46th smallest of 50.
    assert threshold(scores, 0.9) == 46
    assert rank(50, 0.9) == 46
    # No rounding makes ceil(10 * 0.9) a 10.
    assert threshold(np.arange(1.0, 10.0), 0.9) == 9
    assert threshold(np.arange(1.0, 9.0), 0.9) == np.inf


def test_threshold__groups_count_alike():
    scores = np.array([5.0, 1, 1, 1, 1, 1, 1, 1, 1, 1])
    # Two groups of one new: each weighs a third.
    groups = Grouping.of(["a"] + ["b"] * 9)
    assert threshold(scores, 0.3, groups) == 1
    assert threshold(scores, 0.5, groups) == 5
    assert threshold(scores, 0.7, groups) == np.inf
    # Repeating the photos of a group changes nothing.
    once = Grouping.of(["a", "b"])
    assert threshold(scores[:2], 0.5, once) == threshold(scores, 0.5, groups)


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9, 0.95, 0.99, 0.999])
def test_fewest__is_the_first_number_that_will_do(coverage):
    needed = fewest(coverage)
    assert threshold(np.arange(float(needed)), coverage) < np.inf
    assert threshold(np.arange(float(needed - 1)), coverage) == np.inf
    assert rank(needed, coverage) <= needed < rank(needed - 1, coverage) + 1


def test_coverage_range__as_the_issue_says_it():
    low, high = coverage_range(50, 0.9)
    assert (round(100 * low), round(100 * high)) == (81, 97)
    assert (low, high) == pytest.approx(beta.interval(0.95, 46, 5))
    seen = observed_range(50, 200, 0.9)
    assert seen == pytest.approx(np.array(betabinom.interval(0.95, 200, 46, 5)) / 200)
    # Of few test photos more is possible than of the rule itself.
    assert seen[0] < low
    assert observed_range(50, 20, 0.9)[0] < seen[0]


def test_class_scores__adaptive_is_what_lies_above():
    shares = np.array([[0.5, 0.25, 0.125, 0.125], [0.25, 0.25, 0.25, 0.25]])
    np.testing.assert_array_equal(
        class_scores(shares, "adaptive"), [[0, 0.5, 0.75, 0.875], [0, 0.25, 0.5, 0.75]]
    )
    np.testing.assert_array_equal(class_scores(shares, "adaptive", 1.0)[0], [0.5, 0.75, 0.875, 1])
    np.testing.assert_array_equal(class_scores(shares, "lac"), 1 - shares)


@pytest.mark.parametrize("kind", SET_KINDS)
@pytest.mark.parametrize("per_class", [False, True])
def test_choose_rule__holds_what_it_promises(kind, per_class):
    inside, low_high = [], observed_range(100, 400, 0.9)
    of_class = np.zeros((100, 4))
    for seed in range(100):
        shares, labels = _made(500, seed=seed)
        rule = choose_rule(shares[:100], labels[:100], _names(4), 0.9, kind, per_class=per_class)
        sets = rule.sets(shares[100:])
        assert kind == "lac" or sets.any(axis=1).all()
        right = sets[np.arange(400), labels[100:]]
        inside.append(low_high[0] <= right.mean() <= low_high[1])
        of_class[seed] = [right[labels[100:] == number].mean() for number in range(4)]
    # Per class the coverage is a little more than promised, for each class has its own rounding up.
    assert np.mean(inside) >= 0.9
    if per_class:
        assert (of_class.mean(axis=0) > 0.89).all()


def test_choose_rule__adaptive_is_never_empty():
    shares, _ = _made(300, sharp=8.0)
    sure = shares.argmax(axis=1)
    lac = choose_rule(shares, sure, _names(4), 0.5).sets(shares)
    adaptive = choose_rule(shares, sure, _names(4), 0.5, "adaptive").sets(shares)
    assert (lac.sum(axis=1) == 0).mean() > 0.4
    assert (adaptive.sum(axis=1) == 1).all()
    assert adaptive[np.arange(300), sure].all()


def test_choose_rule__groups_are_the_photos():
    rng = np.random.default_rng(0)
    seen = []
    for _ in range(400):
        # Forty groups of 1 to 20 photos that are equally odd, large ones the oddest.
        sizes = rng.integers(1, 21, 60)
        odd = rng.random(60) * sizes / 20
        groups = Grouping(np.repeat(np.arange(40), sizes[:40]))
        rows = lambda some: np.stack([1 - 0.9 * some, 0.9 * some], axis=1)  # noqa: E731
        old = rows(np.repeat(odd[:40], sizes[:40]))
        rule = choose_rule(old, np.zeros(len(old), int), _names(2), 0.8, groups=groups)
        assert rule.units == (40,)
        seen.append(rule.sets(rows(odd[40:]))[:, 0].mean())
    expected = rank(40, 0.8) / 41
    assert np.mean(seen) == pytest.approx(expected, abs=0.012)


@pytest.mark.parametrize("coverage", [0.0, 1.0, -0.1, 90.0, float("nan")])
def test_refuse_bad_coverage__refused(coverage):
    with pytest.raises(RunError, match="such as 0.9"):
        refuse_bad_coverage(coverage)


def test_choose_rule__says_how_many_photos_a_coverage_needs():
    shares, labels = _made(50)
    with pytest.raises(
        RunError, match="coverage of 0.99 needs 99 photos .* there are 50. Give 0.9803 or less"
    ):
        choose_rule(shares, labels, _names(4), 0.99)
    # What the error says is possible is possible.
    choose_rule(shares, labels, _names(4), 0.9803)
    groups = Grouping(np.arange(50) // 2)
    with pytest.raises(RunError, match="needs 99 groups of photos .* there are 25"):
        choose_rule(shares, labels, _names(4), 0.99, groups=groups)
    labels = np.array([0] * 20 + [1] * 15 + [2] * 12 + [3] * 3)
    with pytest.raises(
        RunError, match="0.9 of each class needs 9 photos of each .*; class 3 has 3. Give 0.75 or"
    ):
        choose_rule(shares, labels, _names(4), 0.9, per_class=True)
    choose_rule(shares, labels, _names(4), 0.75, per_class=True)
    with pytest.raises(RunError, match="class 4 has 0, class 3 has 3. Do not ask for it per class"):
        choose_rule(np.pad(shares, ((0, 0), (0, 1))), labels, _names(5), 0.9, per_class=True)


def test_as_kept__is_what_the_file_of_predictions_says():
    shares = np.random.default_rng(0).dirichlet(np.full(5, 0.2), 200).astype(np.float32)
    read = np.array([[float(f"{share:.6g}") for share in row] for row in shares.tolist()])
    np.testing.assert_array_equal(as_kept(shares), read)
    np.testing.assert_array_equal(as_kept(read), read)
