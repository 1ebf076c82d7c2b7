import keras
import numpy as np
import pytest
from scipy.special import expit, rel_entr

from budwood.config.learning import Distill, Loss
from budwood.training.label_losses import (
    LabelDistillation,
    LabelLoss,
    make_label_metrics,
    soften_labels,
)

RNG = np.random.default_rng(0)
TARGETS = (RNG.random((12, 4)) < 0.4).astype(np.float32)
LOGITS = (RNG.normal(size=(12, 4)) * 3).astype(np.float32)
UNKNOWN = RNG.random((12, 4)) < 0.3


def value(loss, targets, logits, **options):
    return float(keras.ops.convert_to_numpy(loss(targets, logits, **options)))


def with_unknown(targets=TARGETS):
    return np.where(UNKNOWN, np.nan, targets).astype(np.float32)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_label_loss__is_the_binary_cross_entropy_of_keras(smoothing):
    exact = keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=smoothing)
    found = value(LabelLoss(Loss(label_smoothing=smoothing)), TARGETS, LOGITS)
    assert found == pytest.approx(value(exact, TARGETS, LOGITS), rel=1e-6)
    mixed = 0.3 * TARGETS + 0.7 * TARGETS[::-1]
    found = value(LabelLoss(Loss(label_smoothing=smoothing)), mixed, LOGITS)
    assert found == pytest.approx(value(exact, mixed, LOGITS), rel=1e-6)


def test_label_loss__focal_is_that_of_keras():
    exact = keras.losses.BinaryFocalCrossentropy(gamma=2.0, from_logits=True)
    found = value(LabelLoss(Loss(focal=2.0)), TARGETS, LOGITS)
    assert found == pytest.approx(value(exact, TARGETS, LOGITS), rel=1e-5)


@pytest.mark.parametrize("clip", [0.0, 0.05])
def test_label_loss__asymmetric_is_that_of_the_paper(clip):
    p = expit(LOGITS.astype(np.float64))
    shifted = np.maximum(p - clip, 0)
    expected = np.where(TARGETS == 1, -(1 - p) * np.log(p), -(shifted**4) * np.log(1 - shifted)).mean()
    found = value(LabelLoss(Loss(focal=1.0, asymmetric=4.0, clip=clip)), TARGETS, LOGITS)
    assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("settings", [{}, {"focal": 0.5}, {"asymmetric": 0.5, "clip": 0.1}, {"clip": 0.1}])
def test_label_loss__gradients_are_finite_however_certain_the_logits(settings):
    logits = keras.Variable(np.array([[-200.0, -30, -2.4, 0, 30, 200]], np.float32))
    import tensorflow as tf

    for targets in (0.0, 1.0, 0.5, np.nan):
        with tf.GradientTape() as tape:
            loss = LabelLoss(Loss(**settings))(np.full((1, 6), targets, np.float32), logits)
        gradient = np.asarray(tape.gradient(loss, logits.value))
        assert np.isfinite(gradient).all() and np.isfinite(float(loss))
        if targets == 0.0 and "clip" in settings:
            # What is improbable already is left alone.
            assert not gradient[0, :3].any() and gradient[0, 3] > 0


@pytest.mark.parametrize(
    "settings", [{}, {"focal": 2.0}, {"asymmetric": 4.0, "clip": 0.05}, {"label_smoothing": 0.1}]
)
def test_label_loss__unknown_labels_add_nothing(settings):
    loss = LabelLoss(Loss(**settings))
    cells = [
        [value(loss, TARGETS[[i], k : k + 1], LOGITS[[i], k : k + 1]) for k in range(4)] for i in range(12)
    ]
    expected = np.where(UNKNOWN, 0, cells).sum() / UNKNOWN.size
    assert value(loss, with_unknown(), LOGITS) == pytest.approx(expected, rel=1e-5)


def test_label_loss__weights_of_sides_and_of_photos():
    weights = np.array([[0.5, 1, 1, 2], [1, 3, 0.25, 1]])
    of_photos = RNG.uniform(0.5, 2, 12).astype(np.float32)
    p = expit(LOGITS.astype(np.float64))
    losses = np.where(TARGETS == 1, -np.log(p) * weights[1], -np.log(1 - p) * weights[0])
    expected = (losses.mean(axis=1) * of_photos).mean()
    found = value(LabelLoss(Loss(), weights), TARGETS, LOGITS, sample_weight=of_photos)
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("temperature", "weight"), [(1.0, 0.5), (4.0, 0.9)])
def test_label_distillation__mixes_the_plain_loss_with_the_distance_to_the_teacher(temperature, weight):
    taught = expit(RNG.normal(size=(12, 4))).astype(np.float32)
    student = expit(LOGITS.astype(np.float64) / temperature)
    distances = (rel_entr(taught, student) + rel_entr(1 - taught, 1 - student)).mean(axis=1)
    plain = LabelLoss(Loss(focal=1.0))
    loss = LabelDistillation(plain, 4, Distill(run="r", temperature=temperature, weight=weight))
    expected = (1 - weight) * value(
        plain, with_unknown(), LOGITS
    ) + weight * temperature**2 * distances.mean()
    assert value(loss, np.hstack([with_unknown(), taught]), LOGITS) == pytest.approx(expected, rel=1e-4)


def test_label_distillation__a_certain_teacher_is_a_label():
    loss = LabelDistillation(LabelLoss(Loss()), 4, Distill(run="r", temperature=1.0, weight=1.0))
    found = value(loss, np.hstack([with_unknown(), TARGETS]), LOGITS)
    assert found == pytest.approx(value(LabelLoss(Loss()), TARGETS, LOGITS), rel=1e-5)


def test_soften_labels__divides_the_logits():
    logits = np.linspace(-20, 20, 30).reshape(10, 3)
    np.testing.assert_allclose(soften_labels(expit(logits), 2.5), expit(logits / 2.5), rtol=1e-6)
    certain = soften_labels(np.array([[0.0, 1.0]], np.float32), 1.0)
    np.testing.assert_allclose(certain, [[0, 1]], atol=1e-30)


def test_make_label_metrics__exact_match_and_share_of_known_labels():
    logits = np.array([[1.0, -1, 1], [1, -1, 1], [-1, -1, -1]], np.float32)
    targets = np.array([[1, 0, np.nan], [1, 1, 0.8], [np.nan, np.nan, np.nan]], np.float32)
    taught = np.full((3, 3), 0.9, np.float32)
    exact, shares = make_label_metrics(3, 3)
    for metric in (exact, shares):
        metric.update_state(np.hstack([targets, taught]), logits)
    assert (exact.name, shares.name) == ("accuracy", "label_accuracy")
    assert float(exact.result()) == pytest.approx(2 / 3)
    assert float(shares.result()) == pytest.approx(4 / 5)
