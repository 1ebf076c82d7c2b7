import keras
import numpy as np
import pytest
from scipy.special import expit, log_softmax, rel_entr, softmax

from budwood.config.learning import Distill, Loss
from budwood.training.losses import (
    Distillation,
    make_loss,
    make_metrics,
    one_hot,
)

LABELS = np.array([0, 0, 0, 1, 2, 2])
LOGITS = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32) * 3


def value(loss, targets, logits):
    return float(keras.ops.convert_to_numpy(loss(targets, logits)))


def test_make_loss__of_several_logits():
    expected = -log_softmax(LOGITS, axis=1)[np.arange(6), LABELS].mean()
    assert value(make_loss(Loss(), 3), one_hot(LABELS, 3), LOGITS) == pytest.approx(expected, rel=1e-5)


def test_make_loss__label_smoothing():
    shares = one_hot(LABELS, 3) * 0.9 + 0.1 / 3
    expected = -(shares * log_softmax(LOGITS, axis=1)).sum(axis=1).mean()
    found = value(make_loss(Loss(label_smoothing=0.1), 3), one_hot(LABELS, 3), LOGITS)
    assert found == pytest.approx(expected, rel=1e-5)


def test_make_loss__focal():
    log_likelihood = log_softmax(LOGITS, axis=1)[np.arange(6), LABELS]
    expected = -((1 - np.exp(log_likelihood)) ** 2 * log_likelihood).mean()
    found = value(make_loss(Loss(focal=2.0), 3), one_hot(LABELS, 3), LOGITS)
    assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("settings", [{}, {"label_smoothing": 0.2}, {"focal": 2.0}])
def test_make_loss__one_logit_is_worth_two(settings):
    """A logit z has the loss of the pair -z/2, z/2 with the same targets."""
    z = np.linspace(-4, 4, 9, dtype=np.float32)[:, None]
    pair = np.concatenate([-z / 2, z / 2], axis=1)
    labels = np.arange(9) % 2
    one = value(make_loss(Loss(**settings), 1), one_hot(labels, 2)[:, 1:], z)
    two = value(make_loss(Loss(**settings), 2), one_hot(labels, 2), pair)
    assert one == pytest.approx(two, rel=1e-4)


def test_make_loss__class_weights_are_sample_weights():
    weights = np.array([1.0, 4.0, 0.0])
    losses = -log_softmax(LOGITS, axis=1)[np.arange(6), LABELS]
    targets = one_hot(LABELS, 3)
    found = make_loss(Loss(), 3)(targets, LOGITS, sample_weight=targets @ weights.astype(np.float32))
    assert float(found) == pytest.approx((losses * weights[LABELS]).mean(), rel=1e-5)


def test_make_metrics__accuracy_of_one_logit():
    (accuracy,) = make_metrics(1, 2)
    logits = np.array([[-2.0], [0.5], [3.0], [-0.1]], np.float32)
    shares = np.array([[0.0], [1.0], [0.3], [0.9]], np.float32)
    accuracy.update_state(shares, logits)
    assert float(accuracy.result()) == 0.5
    assert accuracy.name == "accuracy"
    assert ((expit(logits) > 0.5) == (logits > 0)).all()


@pytest.mark.parametrize(("num_classes", "names"), [(5, ["accuracy"]), (6, ["accuracy", "top5_accuracy"])])
def test_make_metrics__top5_where_it_says_something(num_classes, names):
    assert [metric.name for metric in make_metrics(num_classes, num_classes)] == names


def distil(loss, num_logits, temperature, weight):
    return Distillation(
        make_loss(loss, num_logits), num_logits, Distill(run="r", temperature=temperature, weight=weight)
    )


TAUGHT = softmax(np.random.default_rng(1).normal(size=(6, 3)) * 2, axis=1).astype(np.float32)


@pytest.mark.parametrize("settings", [{}, {"label_smoothing": 0.1}, {"focal": 2.0}])
@pytest.mark.parametrize(("temperature", "weight"), [(1.0, 0.5), (4.0, 0.9), (0.5, 1.0)])
def test_distillation__mixes_the_plain_loss_with_the_distance_to_the_teacher(settings, temperature, weight):
    plain, weights = make_loss(Loss(**settings), 3), np.array([1.0, 2, 0, 1, 3, 0.5], np.float32)
    labels = one_hot(LABELS, 3)
    distances = rel_entr(TAUGHT, softmax(LOGITS.astype(np.float64) / temperature, axis=1)).sum(axis=1)
    expected = (1 - weight) * value(plain, labels, LOGITS) + weight * temperature**2 * distances.mean()
    loss = distil(Loss(**settings), 3, temperature, weight)
    assert value(loss, np.hstack([labels, TAUGHT]), LOGITS) == pytest.approx(expected, rel=1e-5)
    plain_losses = np.array([value(plain, labels[[n]], LOGITS[[n]]) for n in range(6)])
    by_photo = weights * ((1 - weight) * plain_losses + weight * temperature**2 * distances)
    found = float(loss(np.hstack([labels, TAUGHT]), LOGITS, sample_weight=weights))
    assert found == pytest.approx(by_photo.mean(), rel=1e-5)


@pytest.mark.parametrize("settings", [{}, {"label_smoothing": 0.2}, {"focal": 2.0}])
def test_distillation__one_logit_is_worth_two(settings):
    z = np.linspace(-4, 4, 9, dtype=np.float32)[:, None]
    pair, labels = np.concatenate([-z / 2, z / 2], axis=1), one_hot(np.arange(9) % 2, 2)
    taught = softmax(np.random.default_rng(2).normal(size=(9, 2)), axis=1).astype(np.float32)
    one = value(distil(Loss(**settings), 1, 3.0, 0.7), np.hstack([labels[:, 1:], taught]), z)
    two = value(distil(Loss(**settings), 2, 3.0, 0.7), np.hstack([labels, taught]), pair)
    assert one == pytest.approx(two, rel=1e-4)


def test_distillation__is_nothing_where_the_student_says_the_same():
    same = softmax(LOGITS / 2, axis=1)
    assert value(distil(Loss(), 3, 2.0, 1.0), np.hstack([one_hot(LABELS, 3), same]), LOGITS) == pytest.approx(
        0, abs=1e-6
    )
    # A teacher that is certain, to the last bit.
    certain = np.hstack([one_hot(LABELS, 3), one_hot(LABELS, 3)])
    expected = -log_softmax(LOGITS, axis=1)[np.arange(6), LABELS].mean()
    assert value(distil(Loss(), 3, 1.0, 1.0), certain, LOGITS) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("num_logits", "num_classes"), [(1, 2), (3, 3), (7, 7)])
def test_make_metrics__the_teacher_has_no_part_in_them(num_logits, num_classes):
    rng = np.random.default_rng(4)
    logits = rng.normal(size=(20, num_logits)).astype(np.float32)
    targets = one_hot(rng.integers(num_classes, size=20), num_classes)[:, -num_logits:]
    taught = rng.random((20, num_classes)).astype(np.float32) + 1
    for alone, beside in zip(
        make_metrics(num_logits, num_classes), make_metrics(num_logits, num_classes), strict=True
    ):
        alone.update_state(targets, logits)
        beside.update_state(np.hstack([targets, taught]), logits)
        assert float(alone.result()) == float(beside.result())
