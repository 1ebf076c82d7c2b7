import keras
import numpy as np
import pytest

from budwood.progress import SILENT
from budwood.recipe import Augment, Frozen, Head, Loss
from budwood.training.feed import ArrayFeed
from budwood.training.heads import head_layers, head_model, to_logits
from budwood.training.trainer import Trainer

RNG = np.random.default_rng(0)
FEATURES, LABELS = RNG.normal(size=(40, 6)).astype(np.float32), np.arange(40) % 3


def new_trainer(head=None, rates=None, **settings):
    model = head_model(to_logits(head_layers(head or Head(dropout=0.5), 3)), 6)
    return Trainer(
        model,
        ArrayFeed(FEATURES, LABELS),
        Frozen(batch_size=16, **settings),
        Loss(),
        classes=["a", "b", "c"],
        augment=Augment(),
        seed=0,
        rates=rates or {},
    )


def run_epoch(trainer, epoch=1):
    with SILENT.stage("head") as stage:
        return trainer.run_epoch(epoch, keras.callbacks.CallbackList([], model=trainer.model), stage)


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
