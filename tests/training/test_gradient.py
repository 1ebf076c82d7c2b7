import keras
import numpy as np
import pytest

from budwood.errors import DataError, RecipeError
from budwood.recipe import Frozen, Head
from budwood.training import gradient
from budwood.training.gradient import fit_gradient, make_optimizer
from budwood.training.heads import head_layers, head_model


def blobs(n=200, features=8, num_classes=3, seed=0, spread=2.0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(num_classes, size=n)
    centres = np.random.default_rng(99).normal(size=(num_classes, features)) * spread
    return (centres[labels] + rng.normal(size=(n, features))).astype(np.float32), labels


def new_head(head=None, seed=0):
    return head_model(head_layers(head or Head(), 3, seed), 8)


def fit(head, *, train=None, validation=None, seed=0, progress=None, **settings):
    train, validation = train or blobs(), validation or blobs(60, seed=1)
    kwargs = {} if progress is None else {"progress": progress}
    return fit_gradient(head, *train, *validation, Frozen(**settings), seed=seed, **kwargs)


def flat(model):
    return np.concatenate([weight.ravel() for weight in model.get_weights()])


def test_fit_gradient__learns():
    head = new_head(Head(hidden=[16], batch_norm=True, dropout=0.1))
    found = fit(head, epochs=12, learning_rate=0.01)
    x, y = blobs(300, seed=2)
    assert (head.predict(x, verbose=0).argmax(axis=1) == y).mean() > 0.9
    assert found.history[-1]["loss"] < found.history[0]["loss"]


def test_fit_gradient__history_has_a_row_an_epoch(recorded_stages):
    found = fit(new_head(), epochs=3, early_stopping=0, batch_size=32, progress=recorded_stages)
    assert [row["epoch"] for row in found.history] == [1, 2, 3]
    for row in found.history:
        assert row.keys() == {
            *("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"),
        }
        assert row["learning_rate"] == pytest.approx(1e-3)
    assert recorded_stages.stages == recorded_stages.totals == {"head": 3 * 7}


@pytest.mark.parametrize("optimizer", ["adam", "SGD"])
def test_fit_gradient__twice_is_identical(optimizer):
    rich = Head(hidden=[6], batch_norm=True, dropout=0.4)
    heads = [new_head(rich, seed=3) for _ in range(3)]
    for head, seed in zip(heads, (5, 5, 6), strict=True):
        fit(head, epochs=3, seed=seed, optimizer=optimizer)
    np.testing.assert_array_equal(flat(heads[0]), flat(heads[1]))
    assert (flat(heads[0]) != flat(heads[2])).any()


def test_fit_gradient__leaves_global_randomness_alone():
    np.random.seed(1)
    before = np.random.get_state()[1].tolist()
    fit(new_head(Head(dropout=0.3)), epochs=1)
    assert np.random.get_state()[1].tolist() == before


def test_fit_gradient__keeps_the_best_epoch():
    # Labels of the validation split turned round: the better the head learns, the worse it gets there.
    x, y = blobs(60, seed=1)
    head = new_head()
    found = fit(head, validation=(x, 2 - y), epochs=20, learning_rate=0.1, early_stopping=3)
    losses = [row["val_loss"] for row in found.history]
    assert found.best_epoch == int(np.argmin(losses)) + 1
    assert len(losses) == found.best_epoch + 3
    chances = head.predict(x, verbose=0)[np.arange(60), 2 - y]
    assert -np.log(chances).mean() == pytest.approx(min(losses), rel=1e-3)


def test_fit_gradient__early_stopping_0_goes_to_the_end_and_keeps_the_best():
    x, y = blobs(60, seed=1)
    head = new_head()
    found = fit(head, validation=(x, 2 - y), epochs=10, learning_rate=0.1, early_stopping=0)
    losses = [row["val_loss"] for row in found.history]
    assert len(losses) == 10
    chances = head.predict(x, verbose=0)[np.arange(60), 2 - y]
    assert -np.log(chances).mean() == pytest.approx(min(losses), rel=1e-3)


def test_fit_gradient__cosine_with_warmup():
    found = fit(
        new_head(), epochs=5, schedule="cosine", warmup_epochs=1, learning_rate=0.01, early_stopping=0
    )
    rates = [row["learning_rate"] for row in found.history]
    assert rates[:2] == pytest.approx([0.0, 0.01], abs=1e-6)
    assert rates[2:] == pytest.approx([0.01 * (1 + np.cos(np.pi * t / 4)) / 2 for t in (1, 2, 3)], rel=1e-4)


def test_fit_gradient__constant_with_warmup():
    found = fit(new_head(), epochs=4, warmup_epochs=2, learning_rate=0.01, early_stopping=0)
    assert [row["learning_rate"] for row in found.history] == pytest.approx([0, 0.005, 0.01, 0.01], rel=1e-4)


def test_fit_gradient__reduce_on_plateau():
    x, y = blobs(60, seed=1)
    found = fit(
        new_head(),
        validation=(x, 2 - y),
        epochs=8,
        learning_rate=0.1,
        schedule="reduce_on_plateau",
        early_stopping=0,
    )
    rates = [row["learning_rate"] for row in found.history]
    assert rates[0] == pytest.approx(0.1)
    assert rates[-1] <= 0.025 + 1e-6


def test_fit_gradient__rows_are_read_lazily(monkeypatch):
    """Where features are large, no read is of more than a batch."""
    monkeypatch.setattr(gradient, "IN_MEMORY_BYTES", 0)
    sizes = []

    class Lazy(np.ndarray):
        def __getitem__(self, chosen):
            rows = np.asarray(self)[chosen]
            sizes.append(len(rows))
            return rows

    heads = [new_head(), new_head()]
    x, y = blobs()
    fit(heads[0], epochs=2, batch_size=16)
    fit(heads[1], train=(x.view(Lazy), y), epochs=2, batch_size=16)
    assert max(sizes) == 16
    np.testing.assert_array_equal(flat(heads[0]), flat(heads[1]))


def test_fit_gradient__sees_every_photo_once_an_epoch(monkeypatch):
    seen = []
    original = gradient._Batches.take

    def take(self, chosen):
        if len(self.labels) == 200:
            seen.extend(chosen.tolist())
        return original(self, chosen)

    monkeypatch.setattr(gradient._Batches, "take", take)
    fit(new_head(), epochs=2, early_stopping=0)
    assert sorted(seen[:200]) == sorted(seen[200:400]) == list(range(200))
    assert seen[:200] != seen[200:400]


def test_fit_gradient__loss_that_is_no_number():
    x, y = blobs()
    with pytest.raises(RecipeError, match=r"epoch 1\. Lower frozen.learning_rate, it was 1e\+30"):
        fit(new_head(Head(l2=1.0)), train=(x, y), epochs=3, optimizer="sgd", learning_rate=1e30)


def test_fit_gradient__interrupt_passes_through(monkeypatch):
    def interrupt(self, epoch, logs=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(gradient._Record, "on_epoch_end", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fit(new_head(), epochs=2)


@pytest.mark.parametrize("empty", ["train", "validation"])
def test_fit_gradient__empty_split_is_refused(empty):
    nothing = (np.zeros((0, 8), np.float32), np.zeros(0, np.int64))
    with pytest.raises(DataError, match=f"the {empty} split is empty"):
        fit(new_head(), **{empty: nothing})


def test_fit_gradient__single_photo():
    one = (np.ones((1, 8), np.float32), np.array([2]))
    found = fit(new_head(), train=one, validation=one, epochs=2, early_stopping=0)
    assert len(found.history) == 2


@pytest.mark.parametrize("name", list(gradient._optimizers()))
def test_make_optimizer__every_optimizer_of_keras(name):
    optimizer = make_optimizer(Frozen(optimizer=name, learning_rate=0.02), 10)
    assert float(optimizer.learning_rate) == pytest.approx(0.02)
    assert not optimizer.weight_decay


def test_make_optimizer__settings_reach_it():
    assert make_optimizer(Frozen(optimizer="RMSprop", momentum=0.5), 10).momentum == 0.5
    assert make_optimizer(Frozen(optimizer="adamw", weight_decay=0.1), 10).weight_decay == 0.1


def test_make_optimizer__biases_do_not_decay():
    optimizer = make_optimizer(Frozen(optimizer="sgd", weight_decay=0.5, learning_rate=1.0), 10)
    dense = keras.layers.Dense(2, bias_initializer="ones", kernel_initializer="ones")
    dense.build((None, 2))
    optimizer.apply([np.zeros((2, 2), np.float32), np.zeros(2, np.float32)], dense.trainable_variables)
    np.testing.assert_allclose(dense.kernel.numpy(), 0.5)
    np.testing.assert_allclose(dense.bias.numpy(), 1.0)


def test_make_optimizer__unknown_name():
    with pytest.raises(RecipeError, match=r"unknown optimizer `adm`\. Did you mean adam\?"):
        make_optimizer(Frozen(optimizer="adm"), 10)


def test_make_optimizer__momentum_where_there_is_none():
    with pytest.raises(RecipeError, match="adam takes no momentum"):
        make_optimizer(Frozen(optimizer="adam", momentum=0.9), 10)


def test_make_optimizer__warmup_longer_than_training():
    with pytest.raises(RecipeError, match="leaves none of the 3 epochs"):
        make_optimizer(Frozen(schedule="cosine", epochs=3, warmup_epochs=3), 10)


def test_make_optimizer__warmup_with_plateau():
    with pytest.raises(RecipeError, match="warmup_epochs goes with"):
        make_optimizer(Frozen(schedule="reduce_on_plateau", warmup_epochs=1), 10)


@pytest.mark.slow
def test_fit_gradient__400_classes_of_58_000_photos_in_bounded_memory(tmp_path):
    resource = pytest.importorskip("resource", reason="Windows does not tell the peak memory this way")
    n, features, num_classes = 58_000, 1280, 400
    rng = np.random.default_rng(0)
    labels = rng.permutation(n) % num_classes
    centres = rng.normal(size=(num_classes, features)).astype(np.float32)
    rows = np.lib.format.open_memmap(tmp_path / "rows.npy", "w+", np.float32, (n, features))
    for first in range(0, n, 2000):
        part = labels[first : first + 2000]
        rows[first : first + 2000] = centres[part] + rng.normal(size=(len(part), features)) * 3
    rows.flush()
    train, validation = np.load(tmp_path / "rows.npy", mmap_mode="r"), rows[:2000].copy()
    del rows
    head = head_model(head_layers(Head(), num_classes), features)
    fit_gradient(head, validation, labels[:2000], validation, labels[:2000], Frozen(epochs=1))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = fit_gradient(
        head, train, labels, validation, labels[:2000], Frozen(epochs=2, batch_size=256, learning_rate=3e-3)
    )
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert found.history[-1]["val_accuracy"] > 0.9
    # Pages of the mapped file count as resident while memory is free: the file, not a second copy of it.
    assert grown < train.nbytes + 200e6
