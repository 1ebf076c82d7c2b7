from contextlib import contextmanager
from types import SimpleNamespace

import keras
import numpy as np
import pytest

import budwood.training.callbacks as module
from budwood.config.recipe import Head, Recipe
from budwood.network.heads import head_layers, head_model, to_logits
from budwood.training.batches import ArrayBatches, TrainingData
from budwood.training.callbacks import Hook, KeepCheckpoints, KeepToTime, ShowProgress, TellUser
from budwood.training.checkpoints import Checkpoints
from budwood.training.loop import DivergedError, fit

RNG = np.random.default_rng(0)
DATA = TrainingData(
    ArrayBatches(RNG.normal(size=(40, 4)).astype(np.float32), np.arange(40) % 2),
    RNG.normal(size=(10, 4)).astype(np.float32),
    np.arange(10) % 2,
    ["a", "b"],
)


def train(*callbacks, head=Head(), **settings):  # noqa: B008
    recipe = Recipe.from_dict(
        {
            "frozen": {"epochs": 2, "batch_size": 20, "early_stopping": 0, **settings},
            "head": head.model_dump(),
        }
    )
    model = head_model(to_logits(head_layers(head, 2)), 4)
    return model, fit(model, DATA, recipe, callbacks=callbacks)


class Recorded(Hook):
    def __init__(self):
        super().__init__()
        self.told = []

    @contextmanager
    def running(self):
        self.told.append(f"running, {len(self.fit.state.history)} epochs done")
        try:
            yield
        finally:
            self.told.append("left")

    def on_epoch_end(self, epoch, logs=None):
        self.told.append(f"epoch end {sorted(logs)[0]} {len(self.fit.state.history)}")
        self.averaged = self.model.get_weights()

    def on_epoch_done(self):
        self.told.append(f"done, {'finished' if self.fit.state.finished else 'more to come'}")
        self.raw = self.model.get_weights()

    def on_note(self, text, kind):
        self.told.append(kind)


def test_hook__is_told_in_order_and_last_of_the_raw_weights():
    hook = Recorded()
    train(hook, ema=0.9)
    assert hook.told == [
        "running, 0 epochs done",
        *("epoch end accuracy 1", "done, more to come"),
        *("epoch end accuracy 2", "done, finished"),
        "left",
    ]
    assert (hook.averaged[0] != hook.raw[0]).any()


def test_hook__is_left_where_the_fit_fails():
    hook = Recorded()
    with pytest.raises(DivergedError):
        train(hook, head=Head(l2=1.0), optimizer="sgd", learning_rate=1e30)
    assert hook.told == ["running, 0 epochs done", "left"]


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_fit__that_diverges_at_once_leaves_the_weights_that_it_was_given(ema):
    recipe = Recipe.from_dict(
        {"frozen": {"epochs": 2, "ema": ema, "optimizer": "sgd", "learning_rate": 1e30}, "head": {"l2": 1.0}}
    )
    model = head_model(to_logits(head_layers(recipe.head, 2)), 4)
    given = model.get_weights()
    with pytest.raises(DivergedError):
        fit(model, DATA, recipe)
    for found, before in zip(model.get_weights(), given, strict=True):
        np.testing.assert_array_equal(found, before)


def test_keep_checkpoints__a_rate_set_by_a_later_callback_is_kept(tmp_path):
    """State is written when every callback has been told of the epoch's end."""

    class Halve(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.optimizer.learning_rate = float(self.model.optimizer.learning_rate) / 2

    class Interrupt(Hook):
        def on_epoch_done(self):
            if len(self.fit.state.history) == 2:
                raise KeyboardInterrupt

    def keep():
        return KeepCheckpoints(Checkpoints(tmp_path, "frozen", {}))

    with pytest.raises(KeyboardInterrupt):
        train(keep(), Halve(), Interrupt(), epochs=4)
    _, resumed = train(keep(), Halve(), epochs=4)
    _, whole = train(Halve(), epochs=4)
    assert resumed.history == whole.history
    assert [row["learning_rate"] for row in whole.history] == [1e-3, 5e-4, 2.5e-4, 1.25e-4]


def test_keep_checkpoints__notes_are_told_again_with_their_kind(tmp_path):
    class Explode(Hook):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                self.model.optimizer.learning_rate = 1e35

    def told(*callbacks):
        notes = []
        keep = KeepCheckpoints(Checkpoints(tmp_path, "frozen", {}))
        train(TellUser(lambda text, kind: notes.append((text, kind))), keep, *callbacks, head=Head(l2=1.0))
        return notes

    first = told(Explode())
    assert [kind for _, kind in first] == ["diverged"]
    assert told() == first


def test_show_progress__counts_what_a_resumed_fit_had_done(tmp_path, recorded_stages):
    for _ in range(2):
        train(KeepCheckpoints(Checkpoints(tmp_path, "frozen", {})), ShowProgress(recorded_stages))
        assert recorded_stages.stages == recorded_stages.totals == {"head": 4}


@pytest.mark.parametrize(
    ("num_batches", "until", "epochs"),
    [
        # Two steps of 10 s and eight of 1 s, then ten of 1 s: 28, 38 and 48 s.
        (10, 37.9, 1),
        (10, 38.1, 2),
        (10, 48.1, 3),
        # Of four steps the slow ones count: 22 s, then 4 s that are taken for 22.
        (4, 43.9, 1),
        (4, 44.1, 3),
        # One step an epoch, of 10 s, 10 s and 1 s.
        (1, 19.9, 1),
        (1, 29.9, 2),
        (1, 30.1, 3),
    ],
)
def test_keep_to_time__the_steps_in_which_the_graph_is_made_are_no_measure(
    num_batches, until, epochs, monkeypatch
):
    now = [0.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    told = []
    state = SimpleNamespace(history=[])
    keeps = KeepToTime(until)
    keeps.fit = SimpleNamespace(
        trainer=SimpleNamespace(num_batches=num_batches, epochs=3),
        state=state,
        phase="finetune",
        note=lambda *given: told.append(given),
    )
    model = SimpleNamespace(stop_training=False)
    keeps.set_model(model)
    steps = 0
    while len(state.history) < 3 and not model.stop_training:
        keeps.on_epoch_begin(len(state.history))
        for batch in range(num_batches):
            now[0] += 10.0 if steps < 2 else 1.0
            steps += 1
            keeps.on_train_batch_end(batch)
        state.history.append({})
        keeps.on_epoch_end(len(state.history) - 1)
    assert len(state.history) == epochs
    assert [text for text, _ in told] == (
        [f"finetune: the time is over after {epochs} of 3 epochs"] if epochs < 3 else []
    )
