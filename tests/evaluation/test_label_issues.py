"""Suspicious labels held against label noise whose truth is known."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from budwood.evaluation.label_issues import find_probable_values, find_wrong_labels, find_wrong_values


def find(labels, probabilities):
    rows, predicted = np.arange(len(labels)), probabilities.argmax(1)
    return find_wrong_labels(labels, predicted, probabilities[rows, labels], probabilities[rows, predicted])


def simulate(noise, *, num_classes=5, per_class=300, spread=1.0, seed=0):
    """True labels, labels of which a share is wrong, and what a model trained on those says, out of sample."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(num_classes), per_class)
    centres = rng.normal(0, 1.3, (num_classes, 16))
    features = centres[truth] + rng.normal(0, spread, (len(truth), 16))
    wrong = rng.random(len(truth)) < noise
    given = np.where(wrong, (truth + rng.integers(1, num_classes, len(truth))) % num_classes, truth)
    fitted = LogisticRegression(C=0.1, max_iter=500)
    return truth, given, cross_val_predict(fitted, features, given, cv=5, method="predict_proba")


@pytest.mark.parametrize("noise", [0.03, 0.1, 0.2])
def test_find_wrong_labels__finds_the_noise_and_little_else(noise):
    truth, given, probabilities = simulate(noise)
    found = [one.index for one in find(given, probabilities)]
    is_wrong = truth != given
    precision, recall = is_wrong[found].mean(), is_wrong[found].sum() / is_wrong.sum()
    print(f"noise {noise}: {len(found)} listed, precision {precision:.3f}, recall {recall:.3f}")
    assert precision > 0.85 and recall > 0.85


def test_find_wrong_labels__clean_labels_are_hardly_suspected():
    _, given, probabilities = simulate(0.0)
    assert len(find(given, probabilities)) < 0.02 * len(given)


def test_find_wrong_labels__tells_wrong_labels_from_hard_photos():
    """Classes that overlap: most mistakes are hard photos, and of those fewer are listed than of the wrong labels."""
    truth, given, probabilities = simulate(0.05, spread=1.9)
    found = np.array([one.index for one in find(given, probabilities)])
    mistakes = np.flatnonzero(probabilities.argmax(1) != given)
    is_wrong = truth != given
    listed, all_mistakes = is_wrong[found].mean(), is_wrong[mistakes].mean()
    recall = is_wrong[found].sum() / is_wrong.sum()
    print(
        f"precision {listed:.3f} of {len(found)} listed, {all_mistakes:.3f} of {len(mistakes)}; recall {recall:.3f}"
    )
    assert all_mistakes < 0.5
    assert listed > all_mistakes + 0.15
    assert recall > 0.6


def test_find_wrong_labels__widest_margin_first():
    _, given, probabilities = simulate(0.1)
    margins = [one.margin for one in find(given, probabilities)]
    assert margins == sorted(margins, reverse=True) and min(margins) > 0


def test_find_wrong_labels__below_the_threshold_of_the_other_class():
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.3, 0.7], [0.05, 0.95], [0.1, 0.9]])
    assert find(labels, probabilities) == []
    probabilities[1] = [0.02, 0.98]
    assert [one.index for one in find(labels, probabilities)] == [1]


def test_find_wrong_labels__a_class_without_photos_suspects_nobody():
    labels = np.array([0, 0, 1])
    probabilities = np.array([[0.9, 0.1, 0.0], [0.0, 0.0, 1.0], [0.1, 0.9, 0.0]])
    assert find(labels, probabilities) == []


def test_find_wrong_labels__nothing_to_look_at():
    assert find(np.zeros(0, int), np.zeros((0, 2))[:, :1].repeat(2, 1)) == []


def test_find_wrong_labels__a_class_asks_for_no_more_than_is_given():
    labels, predicted = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 1])
    of_label, of_predicted = np.array([1.0, 1.0, 0.04, 0.99, 0.99]), np.array([1.0, 1.0, 0.96, 0.99, 0.99])

    assert find_wrong_labels(labels, predicted, of_label, of_predicted) == []
    (found,) = find_wrong_labels(labels, predicted, of_label, of_predicted, 0.9)
    assert found.index == 2


def simulate_values(noise, *, num=4, n=1200, seed=0):
    """True values of several labels, values of which a share is turned round, and what models say out of sample."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 12))
    truth = features @ rng.normal(size=(12, num)) * 1.5 + rng.logistic(size=(n, num)) * 0.3 > [0, 2, 4, 5]
    given = np.where(rng.random(truth.shape) < noise, ~truth, truth).astype(np.float32)
    fitted = LogisticRegression(max_iter=500)
    chance = np.stack(
        [
            cross_val_predict(fitted, features, given[:, k], cv=5, method="predict_proba")[:, 1]
            for k in range(num)
        ],
        axis=1,
    )
    return truth, given, chance


def test_find_wrong_values__finds_the_noise_and_little_else():
    truth, given, chance = simulate_values(0.05)
    found = find_wrong_values(given, chance)
    is_wrong = truth != (given == 1)
    assert np.mean([is_wrong[one.index, one.label] for one in found]) > 0.8
    assert len(found) > 0.7 * is_wrong.sum()
    assert all(one.given == given[one.index, one.label] for one in found)
    margins = [one.margin for one in found]
    assert margins == sorted(margins, reverse=True) and min(margins) > 0


def test_find_wrong_values__of_one_label_are_the_wrong_labels_of_two_classes():
    _, given, chance = simulate_values(0.1, num=4)
    column = chance[:, [1]]
    expected = find(given[:, 1].astype(int), np.hstack([1 - column, column]))
    found = find_wrong_values(given[:, [1]], column)
    assert [(one.index, one.margin) for one in found] == [(one.index, one.margin) for one in expected]


def test_find_wrong_values__are_the_errors_that_the_confident_joint_counts():
    """Northcutt, Jiang and Chuang 2021, section 3.1, written out photo by photo for each label."""
    _, given, chance = simulate_values(0.05)
    expected = set()
    for label in range(given.shape[1]):
        has = given[:, label] == 1
        of_has, of_lacks = chance[has, label].mean(), (1 - chance[~has, label]).mean()
        for place in range(len(given)):
            sure = chance[place, label] >= of_has, 1 - chance[place, label] >= of_lacks
            # Of two answers that both reach their threshold, the more probable one counts.
            said = chance[place, label] > 0.5 if all(sure) else sure[0] if any(sure) else has[place]
            if said != has[place] and (chance[place, label] > 0.5) != has[place]:
                expected.add((place, label))
    assert {(one.index, one.label) for one in find_wrong_values(given, chance)} == expected
    assert len(expected) > 50


def test_find_probable_values__of_unknown_ones_alone_the_surest_first():
    truth, given, chance = simulate_values(0.0)
    holes = given.copy()
    holes[:100] = np.nan
    found = find_probable_values(holes, chance)
    assert found and all(place < 100 and truth[place, label] for place, label in found)
    shares = [chance[cell] for cell in found]
    assert shares == sorted(shares, reverse=True)
    assert len(find_probable_values(holes, chance, 0.5)) > len(found)
    assert find_probable_values(given, chance) == []
    assert find_probable_values(np.full((3, 2), np.nan), np.full((3, 2), 0.9)) == []
    chance[found[0]] = np.nan
    assert found[0] not in find_probable_values(holes, chance)


def test_find_wrong_values__lists_nothing_that_is_unknown():
    _, given, chance = simulate_values(0.05)
    holes = given.copy()
    listed = find_wrong_values(given, chance)
    for one in listed[:20]:
        holes[one.index, one.label] = np.nan
    found = {(one.index, one.label) for one in find_wrong_values(holes, chance)}
    assert not found & {(one.index, one.label) for one in listed[:20]}
    assert find_wrong_values(np.full((3, 2), np.nan), np.full((3, 2), 0.9)) == []
