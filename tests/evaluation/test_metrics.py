import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn import metrics

from budwood.evaluation import metrics as module
from budwood.evaluation.calibration import ece

DESIGN_KEYS = {
    *("n", "loss", "accuracy", "accuracy_ci95", "top5_accuracy", "balanced_accuracy", "macro_f1", "ece"),
    *("weighted_precision", "weighted_recall", "weighted_f1", "per_class", "confusion"),
}


def compute_metrics(*arguments, **options):
    """The figures as they stand in a file."""
    return module.compute_metrics(*arguments, **options).to_json()


def simulate(n: int, num_classes: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(num_classes, size=n)
    logits = rng.normal(size=(n, num_classes)) + 2 * np.eye(num_classes)[labels]
    return labels, softmax(logits, axis=1).astype(np.float32), [f"c{number}" for number in range(num_classes)]


def numbers_in(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for item in value for number in numbers_in(item)]
    return [] if value is None or isinstance(value, str) else [value]


def test_compute_metrics__equal_scikit_learn():
    labels, probabilities, classes = simulate(400, 7)
    predicted = probabilities.argmax(axis=1)
    found = compute_metrics(labels, probabilities, classes, resamples=200)
    assert found.keys() >= DESIGN_KEYS
    assert found["n"] == 400
    assert found["accuracy"] == metrics.accuracy_score(labels, predicted)
    assert found["loss"] == pytest.approx(metrics.log_loss(labels, probabilities), rel=1e-5)
    assert found["top5_accuracy"] == metrics.top_k_accuracy_score(labels, probabilities, k=5)
    assert found["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(labels, predicted))
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(labels, predicted, average="macro"))
    for name in ("precision", "recall", "f1"):
        score = getattr(metrics, f"{name}_score")
        assert found[f"weighted_{name}"] == pytest.approx(score(labels, predicted, average="weighted"))
        assert [row[name] for row in found["per_class"]] == pytest.approx(
            score(labels, predicted, average=None)
        )
    assert [row["support"] for row in found["per_class"]] == np.bincount(labels).tolist()
    assert [row["class"] for row in found["per_class"]] == classes
    assert found["confusion"] == metrics.confusion_matrix(labels, predicted).tolist()


def test_compute_metrics__top5_needs_more_than_five_classes():
    found = compute_metrics(*simulate(30, 5), resamples=100)
    assert found["top5_accuracy"] is None
    assert found["top5_accuracy_ci95"] is None


def test_compute_metrics__intervals_are_near_those_of_naive_resampling():
    # Of so many photos a class the bias is small, so that both kinds of intervals have to agree.
    labels, probabilities, classes = simulate(400, 4, seed=3)
    probabilities = probabilities / probabilities.sum(axis=1, keepdims=True, dtype=np.float64)
    predicted = probabilities.argmax(axis=1)
    losses = -np.log(probabilities[np.arange(400), labels])
    scores = ("macro_f1", "loss", "balanced_accuracy", "weighted_f1", "weighted_precision", "weighted_recall")
    naive: dict[str, list[float]] = {name: [] for name in scores}
    for drawn in np.random.default_rng(9).integers(400, size=(1500, 400)):
        true, said = labels[drawn], predicted[drawn]
        counts = np.bincount(true * 4 + said, minlength=16).reshape(4, 4)
        hits, total, taken = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
        f1 = 2 * hits / (total + taken)
        naive["macro_f1"].append(f1.mean())
        naive["weighted_f1"].append(f1 @ total / 400)
        naive["weighted_precision"].append((hits / taken) @ total / 400)
        naive["weighted_recall"].append(hits.sum() / 400)
        naive["balanced_accuracy"].append((hits / total).mean())
        naive["loss"].append(losses[drawn].mean())
    found = compute_metrics(labels, probabilities, classes)
    for name, values in naive.items():
        np.testing.assert_allclose(
            found[f"{name}_ci95"], np.quantile(values, [0.025, 0.975]), atol=0.012, err_msg=name
        )
    assert "no_interval" not in found


def test_compute_metrics__states_no_interval_of_averages_from_one_photo_a_class():
    labels, probabilities, classes = simulate(60, 60)
    labels = np.arange(60)
    found = compute_metrics(labels, probabilities, classes, resamples=100)
    for name in ("macro_f1", "weighted_f1", "weighted_precision", "balanced_accuracy"):
        assert found[f"{name}_ci95"] is None
        assert found["no_interval"][name] == "few-photos-a-class"
    # One photo a class: balanced accuracy is the accuracy, which has one.
    assert found["balanced_accuracy"] == found["accuracy"] and found["accuracy_ci95"] is not None
    # From two photos a class on it is nearly that of the accuracy.
    _, chance, classes = simulate(120, 60)
    found = compute_metrics(np.arange(120) % 60, chance, classes, resamples=100)
    assert found["balanced_accuracy_ci95"] == pytest.approx(found["accuracy_ci95"], abs=0.03)


def test_compute_metrics__states_no_interval_of_the_calibration_error_of_few_photos():
    found = compute_metrics(*simulate(49, 3), resamples=100)
    assert found["ece_ci95"] is None
    assert found["no_interval"] == {"ece": "few-photos"}
    assert compute_metrics(*simulate(50, 3), resamples=100)["ece_ci95"] is not None


def test_compute_metrics__seed_decides_the_intervals():
    case = simulate(60, 3)
    first, again, other = (compute_metrics(*case, resamples=100, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first["loss_ci95"] != other["loss_ci95"]
    assert first["loss"] == other["loss"]


def test_compute_metrics__class_absent_from_the_split():
    labels = np.array([0, 0, 2, 2])
    probabilities = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.1, 0.1, 0.8]])
    found = compute_metrics(labels, probabilities, ["a", "b", "c"], resamples=100)
    assert found["balanced_accuracy"] == 0.75
    assert found["per_class"][1] == {"class": "b", "precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}
    assert found["confusion"] == [[1, 1, 0], [0, 0, 0], [0, 0, 2]]


def test_compute_metrics__states_no_interval_of_macro_f1_where_a_class_is_absent():
    labels, probabilities, classes = simulate(80, 4)
    here = labels != 2
    found = compute_metrics(labels[here], probabilities[here], classes, resamples=100)
    assert found["no_interval"] == {"macro_f1": "class-without-photos"}
    assert found["balanced_accuracy_ci95"] is not None and found["weighted_f1_ci95"] is not None


def test_compute_metrics__certain_and_wrong_is_a_finite_loss():
    found = compute_metrics(np.array([1]), np.array([[1.0, 0.0]], np.float32), ["a", "b"], resamples=100)
    assert found["accuracy"] == 0.0
    assert 30 < found["loss"] < 40


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 12), num_classes=st.integers(2, 8), seed=st.integers(0, 2**16), same=st.booleans())
def test_compute_metrics__any_split_gives_plain_finite_numbers(n, num_classes, seed, same):
    labels, probabilities, classes = simulate(n, num_classes, seed)
    if same:
        probabilities[:] = probabilities[0]
    found = compute_metrics(labels, probabilities, classes, resamples=100)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert all(type(number) in (int, float) and math.isfinite(number) for number in numbers_in(found))
    stated = [key for key in found if f"{key}_ci95" in found and found[key] is not None]
    without = {key for key in stated if found[f"{key}_ci95"] is None}
    assert without == set(found.get("no_interval", {}))
    for name in set(stated) - without:
        low, high = found[f"{name}_ci95"]
        assert low <= found[name] + 1e-12 and found[name] - 1e-12 <= high, name
        assert low >= 0 and (high <= 1 or name == "loss"), name


def test_ece__by_hand():
    confidence = np.array([0.95, 0.95, 0.55, 0.55])
    correct = np.array([True, False, True, True])
    # Bins of (14/15, 1] and (8/15, 9/15]: |0.5 - 0.95| and |1 - 0.55|, each with half of the photos.
    assert ece(confidence, correct) == pytest.approx(0.45)


def test_ece__calibrated_predictions_have_none():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, 200_000)
    assert ece(confidence, rng.random(200_000) < confidence) < 0.01


def test_ece__ends_of_the_bins():
    assert ece(np.array([0.0, 1.0]), np.array([False, True])) == 0.0
