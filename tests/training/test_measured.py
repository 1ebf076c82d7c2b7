import numpy as np
import pytest
from scipy.special import expit, log_expit, log_softmax
from sklearn.metrics import average_precision_score

from budwood.evaluation.task import TASKS
from budwood.training.measured import MEASURE, average_precisions, from_label_logits, from_logits

RNG = np.random.default_rng(0)
TARGETS = (RNG.random((12, 4)) < 0.4).astype(np.float32)
LOGITS = (RNG.normal(size=(12, 4)) * 3).astype(np.float32)
UNKNOWN = RNG.random((12, 4)) < 0.3


def with_unknown(targets=TARGETS):
    return np.where(UNKNOWN, np.nan, targets).astype(np.float32)


def test_measure__knows_every_task():
    assert MEASURE.keys() == TASKS.keys()


def test_from_logits__of_several_classes():
    logits, labels = RNG.normal(size=(50, 8)).astype(np.float32) * 4, RNG.integers(8, size=50)
    found = from_logits(logits, labels)
    expected = -log_softmax(logits.astype(np.float64), axis=1)[np.arange(50), labels]
    np.testing.assert_allclose(found.losses, expected)
    assert (found.correct == (logits.argmax(axis=1) == labels)).all()
    top = np.argsort(logits, axis=1)[:, -5:]
    assert (found.in_top5 == (top == labels[:, None]).any(axis=1)).all()
    assert found.row().keys() == {"val_loss", "val_accuracy", "val_top5_accuracy"}


def test_from_logits__of_one_logit():
    logits, labels = np.array([[-3.0], [2.0], [40.0], [200.0]], np.float32), np.array([0, 1, 1, 0])
    found = from_logits(logits, labels)
    signs = np.array([-1, 1, 1, -1])
    np.testing.assert_allclose(found.losses, -log_expit(signs * logits[:, 0].astype(np.float64)), atol=1e-15)
    assert found.correct.tolist() == [True, True, True, False]
    assert found.in_top5 is None
    assert found.row(prefix="").keys() == {"loss", "accuracy"}


def test_from_label_logits__what_a_history_shows():
    found = from_label_logits(LOGITS, with_unknown())
    known = ~UNKNOWN
    assert found.row().keys() == {
        "val_loss",
        "val_accuracy",
        "val_label_accuracy",
        "val_mean_average_precision",
    }
    p = expit(LOGITS.astype(np.float64))
    losses = -np.where(TARGETS == 1, np.log(p), np.log(1 - p))
    assert found.row()["val_loss"] == pytest.approx(losses[known].mean())
    assert found.row()["val_label_accuracy"] == pytest.approx(((LOGITS > 0) == (TARGETS == 1))[known].mean())
    expected = [average_precision_score(TARGETS[k, i], LOGITS[k, i]) for i, k in enumerate(known.T)]
    assert found.row()["val_mean_average_precision"] == pytest.approx(np.mean(expected))


def test_from_label_logits__calibrated_forgives_a_certainty_that_is_too_great():
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(400, 3))
    targets = (rng.random((400, 3)) < expit(logits)).astype(np.float32)
    plain = from_label_logits(logits, targets).losses.mean()
    found = from_label_logits(logits * 5, targets, True)
    np.testing.assert_allclose(found.scaling.scale, 1 / 5, rtol=0.3)
    assert found.losses.mean() == pytest.approx(plain, rel=0.02)


def test_average_precisions__leave_out_a_label_of_one_side():
    targets = np.array([[1, 0, 1], [0, 0, np.nan], [1, 0, 1]], np.float32)
    assert len(average_precisions(np.ones((3, 3)), targets)) == 1


def test_from_label_logits__nothing_known():
    found = from_label_logits(LOGITS, np.full_like(TARGETS, np.nan), True)
    assert found.scaling.scale == (1.0,) * 4 and "mean_average_precision" not in found.figures


def test_from_logits__parts_of_the_rows_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(50, 7)).astype(np.float32), rng.integers(0, 7, 50)
    whole = from_logits(logits, labels, calibrate=True)
    monkeypatch.setattr("budwood.training.measured._ROWS_AT_A_TIME", 8)
    parts = from_logits(logits, labels, calibrate=True)
    assert parts.row() == whole.row() and parts.scaling == whole.scaling
    np.testing.assert_array_equal(parts.losses, whole.losses)
