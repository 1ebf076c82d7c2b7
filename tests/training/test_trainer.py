import keras
import numpy as np
import pytest
from scipy.special import expit, softmax

from budwood.config.learning import Distill, Frozen, Loss
from budwood.config.recipe import Augment, Head, Recipe
from budwood.core.errors import DataError
from budwood.evaluation.task import MULTI_LABEL
from budwood.network.heads import head_layers, head_model, to_logits
from budwood.training.batches import ArrayBatches
from budwood.training.task_training import MULTI_LABEL_TRAINING
from budwood.training.trainer import Trainer

RNG = np.random.default_rng(0)
FEATURES, LABELS = RNG.normal(size=(40, 6)).astype(np.float32), np.arange(40) % 3


def new_trainer(head=None, rates=None, own=None, loss=None, augment=None, **settings):
    model = head_model(to_logits(head_layers(head or Head(dropout=0.5), 3)), 6)
    recipe = Recipe(
        frozen=Frozen(batch_size=16, **settings), loss=loss or Loss(), augment=augment or Augment()
    )
    batches = ArrayBatches(FEATURES, LABELS, weights=own)
    return Trainer(model, batches, ["a", "b", "c"], recipe, recipe.frozen, rates or {})


def run_epoch(trainer, epoch=1):
    return trainer.run_epoch(epoch, keras.callbacks.CallbackList([], model=trainer.model))


def remember(trainer):
    trainer.best = trainer.weights()


@pytest.mark.parametrize("rates", [{}, {"head_logits": 0.5}])
def test_restore__goes_on_as_if_nothing_had_been(rates):
    first, second = new_trainer(rates=rates, ema=0.9), new_trainer(rates=rates, ema=0.9)
    run_epoch(first)
    remember(first)
    kept = first.arrays()
    assert second.restore(kept)
    assert [run_epoch(first, 2), *map(np.ndarray.tolist, first.weights())] == [
        run_epoch(second, 2),
        *map(np.ndarray.tolist, second.weights()),
    ]
    for one, other in zip(first.best, second.best, strict=True):
        np.testing.assert_array_equal(one, other)


def test_restore__of_another_model_changes_nothing():
    trainer, other = new_trainer(), new_trainer(Head(hidden=[4]))
    remember(other)
    before = trainer.weights()
    assert not trainer.restore(other.arrays())
    for old, new in zip(before, trainer.weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert trainer.best == []


def test_averaged__gives_the_raw_weights_back():
    trainer = new_trainer(ema=0.99, learning_rate=0.1)
    run_epoch(trainer)
    raw = trainer.weights()
    with pytest.raises(KeyboardInterrupt), trainer.averaged():
        inside = trainer.weights()
        raise KeyboardInterrupt
    assert (inside[0] != raw[0]).any()
    for old, new in zip(raw, trainer.weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_averaged__does_nothing_unasked():
    trainer = new_trainer()
    raw = trainer.weights()
    run_epoch(trainer)
    with trainer.averaged():
        assert (trainer.weights()[0] != raw[0]).any()


def test_seed_random_layers__decides_what_dropout_draws():
    trainer = new_trainer()

    def drawn(*seeds):
        trainer.seed_random_layers(*seeds)
        return np.asarray(trainer.model(np.ones((1, 6), np.float32), training=True))

    trainer.model.get_layer("head_logits").set_weights([np.ones((6, 3)), np.zeros(3)])
    assert (drawn(1) == drawn(1)).all()
    assert len({float(drawn(number)[0, 0]) for number in range(10)}) > 1


def test_run_epoch__means_are_over_photos_not_batches():
    """The last batch is smaller: it counts by its photos."""
    trainer = new_trainer(Head(), optimizer="sgd", learning_rate=1e-30)
    found = run_epoch(trainer)
    logits = np.asarray(trainer.model(FEATURES), np.float64)
    assert found["accuracy"] == pytest.approx((logits.argmax(axis=1) == LABELS).mean(), rel=1e-5)
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(40), LABELS]
    assert found["loss"] == pytest.approx(losses.mean(), rel=1e-5)


def taught_trainer(features, labels, probabilities, augment=None, classes="abc", head=None, **settings):
    model = head_model(to_logits(head_layers(head or Head(), len(classes))), features.shape[1])
    recipe = Recipe(
        frozen=Frozen(**settings),
        loss=Loss(class_weights="balanced"),
        augment=augment or Augment(),
        distill=Distill(run="r", temperature=3.0, weight=0.8),
    )
    batches = ArrayBatches(features, labels, probabilities)
    return Trainer(model, batches, list(classes), recipe, recipe.frozen)


def test_run_epoch__a_step_with_a_teacher_follows_the_gradient_on_paper():
    """Of logits z the loss has the gradient (1 - w) (p - y) + w T (p_T - q_T), Hinton et al. 2015, eq. 2."""
    labels = np.array([0, 0, 0, 1, 2, 2, 1, 0])
    teacher = softmax(RNG.normal(size=(8, 3)) * 2, axis=1).astype(np.float32)
    trainer = taught_trainer(FEATURES[:8], labels, teacher, optimizer="sgd", learning_rate=0.5, batch_size=8)
    kernel, bias = (weight.astype(np.float64) for weight in trainer.weights())
    z = FEATURES[:8] @ kernel + bias
    weights = (8 / (3 * np.bincount(labels)))[labels]
    at_temperature = softmax(np.log(teacher.astype(np.float64)) / 3, axis=1)
    gradient = 0.2 * (softmax(z, axis=1) - np.eye(3)[labels])
    gradient += 0.8 * 3 * (softmax(z / 3, axis=1) - at_temperature)
    gradient *= weights[:, None] / 8
    run_epoch(trainer)
    np.testing.assert_allclose(trainer.weights()[0], kernel - 0.5 * FEATURES[:8].T @ gradient, atol=2e-6)
    np.testing.assert_allclose(trainer.weights()[1], bias - 0.5 * gradient.sum(axis=0), atol=2e-6)


@pytest.mark.parametrize(("classes", "head"), [("abc", Head()), ("ab", Head(logits="single"))])
def test_run_epoch__what_the_teacher_says_is_mixed_as_the_photos_are(classes, head, monkeypatch):
    num = len(classes)
    teacher = softmax(RNG.normal(size=(6, num)), axis=1).astype(np.float32)
    labels = np.arange(6) % num
    # Features that say whose they are.
    trainer = taught_trainer(
        np.eye(6, dtype=np.float32), labels, teacher, Augment(mixup=1.0), classes, head, batch_size=6
    )
    seen = []
    step = trainer.model.train_on_batch
    monkeypatch.setattr(
        trainer.model,
        "train_on_batch",
        lambda *batch, **options: seen.append(batch) or step(*batch, **options),
    )
    run_epoch(trainer)
    ((features, targets, weights),) = seen
    assert ((features > 0).sum(axis=1) == 2).any()
    at_temperature = softmax(np.log(teacher) / 3, axis=1)
    shares = features @ np.eye(num)[labels]
    expected = np.hstack([shares[:, -trainer.num_logits :], features @ at_temperature])
    np.testing.assert_allclose(targets, expected, atol=1e-6)
    np.testing.assert_allclose(weights, np.ones(6), rtol=1e-6)


@pytest.mark.parametrize("augment", [Augment(), Augment(mixup=0.4)])
def test_run_epoch__weights_of_photos_are_those_of_classes_where_a_class_has_one(augment):
    by_photo = new_trainer(Head(), own=np.array([6.0, 2.0, 1.0])[LABELS], augment=augment)
    by_class = new_trainer(Head(), loss=Loss(class_weights={"a": 6.0, "b": 2.0, "c": 1.0}), augment=augment)
    alike = new_trainer(Head(), augment=augment)
    figures = [run_epoch(trainer) for trainer in (by_photo, by_class, alike)]
    assert figures[0] == pytest.approx(figures[1], rel=1e-5)
    for one, other, third in zip(by_photo.weights(), by_class.weights(), alike.weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
        assert np.abs(one - third).max() > 1e-5


def test_run_epoch__a_photo_of_weight_0_teaches_nothing():
    half = (np.arange(40) < 20).astype(float)
    wrong = np.where(half > 0, LABELS, (LABELS + 1) % 3)
    trainers = [new_trainer(Head(), own=half), new_trainer(Head(), own=half)]
    trainers[1].batches.labels = wrong
    for trainer in trainers:
        run_epoch(trainer)
    for one, other in zip(*(trainer.weights() for trainer in trainers), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_run_epoch__equal_weights_change_nothing():
    plain, weighed = new_trainer(), new_trainer(own=np.full(40, 2.5))
    assert run_epoch(plain) == run_epoch(weighed)


class TestLabels:
    """Of several labels a photo."""

    targets = (RNG.random((40, 3)) < 0.4).astype(np.float32)

    def trainer(self, targets, own=None, loss=None, augment=None, teacher=None, **settings):
        model = head_model(to_logits(head_layers(Head(), 3, activation="sigmoid")), 6)
        recipe = Recipe(
            frozen=Frozen(**settings),
            loss=loss or Loss(),
            augment=augment or Augment(),
            distill=Distill(run="r", temperature=3.0, weight=0.8) if teacher is not None else Distill(),
        )
        batches = ArrayBatches(FEATURES[: len(targets)], targets, teacher, own)
        return Trainer(model, batches, ["a", "b", "c"], recipe, recipe.frozen, task=MULTI_LABEL)

    def test_run_epoch__a_step_follows_the_gradient_on_paper(self):
        """Of logits z the loss has the gradient (1 - w) v (p - y) + w T (p_T - q_T), over labels that are known."""
        targets, known = self.targets.copy(), RNG.random((40, 3)) > 0.2
        targets[~known] = np.nan
        teacher = expit(RNG.normal(size=(40, 3))).astype(np.float32)
        own = RNG.uniform(0.5, 2, 40)
        loss = Loss(class_weights={"b": 4.0})
        trainer = self.trainer(
            targets, own, loss, None, teacher, optimizer="sgd", learning_rate=0.5, batch_size=40
        )
        kernel, bias = (weight.astype(np.float64) for weight in trainer.weights())
        z = FEATURES @ kernel + bias
        by_side = MULTI_LABEL_TRAINING.weights(loss, targets, ["a", "b", "c"], own / own.mean())
        weights = np.where(targets == 1, by_side[1], by_side[0])
        gradient = 0.2 * np.where(known, weights * (expit(z) - np.nan_to_num(targets)), 0)
        softened = expit(np.log(teacher / (1 - teacher.astype(np.float64))) / 3)
        gradient += 0.8 * 3 * (expit(z / 3) - softened)
        gradient *= (own / own.mean())[:, None] / (40 * 3)
        run_epoch(trainer)
        np.testing.assert_allclose(trainer.weights()[0], kernel - 0.5 * FEATURES.T @ gradient, atol=2e-6)
        np.testing.assert_allclose(trainer.weights()[1], bias - 0.5 * gradient.sum(axis=0), atol=2e-6)

    def test_run_epoch__a_label_that_is_unknown_in_one_photo_is_so_in_its_mixture(self, monkeypatch):
        targets = self.targets[:6].copy()
        targets[0, 1] = targets[3, 1] = np.nan
        targets[1:3, 1], targets[4, 2], targets[5, 2] = [0, 1], 0, 1
        targets[4, 0], targets[5, 0] = 0, 1
        trainer = self.trainer(targets, augment=Augment(mixup=1.0), batch_size=6)
        seen = []
        step = trainer.runner.train_on_batch
        monkeypatch.setattr(
            trainer.runner,
            "train_on_batch",
            lambda *args, **options: seen.append(args) or step(*args, **options),
        )
        found = run_epoch(trainer)
        mixed = seen[0][1]
        # Known of both photos is what every column but the second has.
        assert not np.isnan(mixed[:, [0, 2]]).any() and 2 <= np.isnan(mixed[:, 1]).sum() <= 4
        assert np.isfinite(found["loss"]) and found.keys() == {"loss", "accuracy", "label_accuracy"}
        assert (seen[0][2] == 1).all()

    def test_run_epoch__learns_and_leaves_unknown_labels_alone(self):
        targets = (FEATURES[:, :3] > 0).astype(np.float32)
        targets[:37, 2] = np.nan
        targets[37:, 2] = [0, 1, 1]
        trainer = self.trainer(targets, batch_size=8, learning_rate=0.1)
        for epoch in range(12):
            found = run_epoch(trainer, epoch + 1)
        assert found["accuracy"] > 0.9 and found["label_accuracy"] > 0.95

    def test_trainer__a_label_without_a_positive_is_refused(self):
        targets = self.targets.copy()
        targets[:, 1] = 0
        with pytest.raises(DataError, match="label 'b' is on none"):
            self.trainer(targets)
