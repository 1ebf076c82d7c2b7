"""A model being trained: its gradient steps, and all that the next step depends on, in arrays."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

import keras
import numpy as np
from keras import ops

from budwood.config.learning import Finetune, Frozen
from budwood.config.recipe import Recipe
from budwood.evaluation.task import SINGLE_LABEL, Task
from budwood.network.fold_batch_norm import fold_batch_norm
from budwood.training.batches import Batches
from budwood.training.checkpoints import Arrays
from budwood.training.class_weights import relative
from budwood.training.mirrored import ONE, Devices
from budwood.training.mixing import mix
from budwood.training.optimizers import make_optimizer
from budwood.training.precision import precision_of
from budwood.training.task_training import TRAINING


class Trainer:
    """Trains a model of logits on batches of features, epoch by epoch.

    Args:
        model: features in, logits `(None, classes)` out, or `(None, 1)` for the second of two classes.
        batches: the training photos.
        classes: their names.
        recipe: its [loss], [distill] (whose teacher the batches have) and seed, and of [augment] mixup and cutmix.
        settings: its [frozen] or [finetune].
        rates: multiples of the learning rate, by layer.
        held: names of BatchNorm layers whose gamma and beta are trained and whose statistics are fixed.
        task: what an answer is.
        devices: on which the model is, see `Devices.copy`.
    """

    def __init__(
        self,
        model: keras.Model,
        batches: Batches,
        classes: Sequence[str],
        recipe: Recipe,
        settings: Frozen | Finetune,
        rates: Mapping[str, float] = {},
        held: Collection[str] = (),
        task: Task = SINGLE_LABEL,
        devices: Devices = ONE,
    ):
        self.devices = devices
        self.training = TRAINING[task.name]
        self.model, self.batches = model, batches
        self.augment, self.seed, self.distill = recipe.augment, recipe.seed, recipe.distill
        self.epochs, self.batch_size, self.averages = settings.epochs, settings.batch_size, settings.ema > 0
        self.num_batches = math.ceil(len(batches.labels) / settings.batch_size)
        self.num_classes, self.num_logits = len(classes), model.output.shape[-1]
        own = relative(batches.weights)
        self.weight_of_class = self.training.weights(recipe.loss, batches.labels, classes, own).astype(
            np.float32
        )
        self.own = None if own is None else own.astype(np.float32)
        self.best: list[np.ndarray] = []
        """The weights to keep, in the order of `model.weights`."""
        loss = self.training.loss(recipe.loss, self.num_logits, self.weight_of_class)
        if self.distill.run:
            loss = self.training.distillation(loss, self.num_logits, self.distill)
        with devices.scope():
            self.runner = fold_batch_norm(model, precision_of(settings), held)
            """Computes what the model does, on the same variables, in less time."""
            optimizer = make_optimizer(settings, self.num_batches, model, rates)
            # Callbacks are told of the model, and read and set the rate of its optimizer.
            for compiled in {id(one): one for one in (model, self.runner)}.values():
                compiled.compile(
                    optimizer=optimizer,
                    loss=loss,
                    metrics=self.training.metrics(self.num_logits, self.num_classes),
                    # XLA compiles for longer than a head trains, and its steps on a CPU are slower.
                    jit_compile=False,
                )
            optimizer.build(model.trainable_variables)

    def seed_random_layers(self, *seeds: int) -> None:
        """Set what dropout and the like draw from to what the seeds say, whatever was drawn before."""
        weights = {id(weight) for weight in self.model.weights}
        states = [variable for variable in self.model.variables if id(variable) not in weights]
        for number, state in enumerate(states):
            rng = np.random.default_rng([self.seed, *seeds, number])
            state.assign(rng.integers(2**31, size=tuple(state.shape)))

    def run_epoch(self, epoch: int, watchers: keras.callbacks.CallbackList) -> dict[str, float]:
        """Pass over the rows once and return the mean of each figure; end early where the loss is not finite."""
        labels, size = self.batches.labels, self.batch_size
        order = np.random.default_rng([self.seed, epoch]).permutation(len(labels))
        totals: dict[str, float] = {"loss": 0.0}
        taught = self.batches.taught(epoch, order, size) if self.distill.run else None
        with _closing(self.batches.epoch(epoch, order, size)) as batches:
            for number, rows in enumerate(batches):
                watchers.on_train_batch_begin(number)
                chosen = order[number * size : (number + 1) * size]
                targets = self.training.shares(labels[chosen], self.num_classes)
                if taught is not None:
                    # Side by side they are mixed alike.
                    targets = np.hstack(
                        [targets, self.training.soften(next(taught), self.distill.temperature)]
                    )
                if self.own is not None:
                    # Of a mixture too each photo counts by its own weight.
                    weights = self.own[chosen] * self._weights_of(targets[:, : self.num_classes])
                    targets = np.hstack([targets, weights[:, None]])
                features, targets = mix(
                    np.asarray(rows, np.float32),
                    targets,
                    self.augment,
                    np.random.default_rng([self.seed, epoch, number]),
                )
                if self.own is not None:
                    targets, weights = targets[:, :-1], targets[:, -1]
                of_labels, of_teacher = np.hsplit(targets, [self.num_classes])
                if self.own is None:
                    weights = self._weights_of(of_labels)
                logs = self.devices.train_on_batch(
                    self.runner,
                    features,
                    # Of one logit, the share of the second class.
                    np.hstack([of_labels[:, -self.num_logits :], of_teacher]),
                    weights,
                )
                for key, value in logs.items():
                    totals[key] = totals.get(key, 0.0) + float(value) * len(chosen)
                watchers.on_train_batch_end(number, logs)
                if not math.isfinite(totals["loss"]):
                    break
        return {key: total / len(labels) for key, total in totals.items()}

    def _weights_of(self, shares: np.ndarray) -> np.ndarray:
        """Return how much photos count by the shares that they show."""
        return self.training.of_photos(shares, self.weight_of_class)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Give the model the moving average of its weights, where one is asked for; then with the raw ones
        again."""
        if not self.averages:
            yield
            return
        variables = self.model.trainable_variables
        raw = [ops.convert_to_numpy(variable) for variable in variables]
        self.model.optimizer.finalize_variable_values(variables)
        try:
            yield
        finally:
            for variable, value in zip(variables, raw, strict=True):
                variable.assign(value)

    def weights(self) -> list[np.ndarray]:
        """Return copies of `model.weights`."""
        return [ops.convert_to_numpy(weight) for weight in self.model.weights]

    def set_weights(self, weights: Sequence[np.ndarray]) -> None:
        for weight, value in zip(self.model.weights, weights, strict=True):
            weight.assign(value)

    def arrays(self) -> Arrays:
        """Everything that the next epoch depends on: variables of the model, seeds included, and of the optimizer; and
        the weights to keep."""
        best = {f"best/{number}": value for number, value in enumerate(self.best)}
        return best | {key: ops.convert_to_numpy(variable) for key, variable in self._variables().items()}

    def restore(self, arrays: Arrays) -> bool:
        """Take up what `arrays()` gave; false, and nothing is changed, where it does not fit."""
        variables = self._variables()
        best = {f"best/{number}": weight for number, weight in enumerate(self.model.weights)}
        wanted = {key: tuple(value.shape) for key, value in (variables | best).items()}
        if {key: array.shape for key, array in arrays.items()} != wanted:
            return False
        for key, variable in variables.items():
            variable.assign(arrays[key])
        self.best = [arrays[key] for key in best]
        return True

    def _variables(self) -> dict[str, keras.Variable]:
        parts = {"model": self.model.variables, "optimizer": self.model.optimizer.variables}
        return {
            f"{part}/{number}": variable
            for part, variables in parts.items()
            for number, variable in enumerate(variables)
        }


@contextmanager
def _closing(batches: Iterator[np.ndarray]) -> Iterator[Iterator[np.ndarray]]:
    try:
        yield batches
    finally:
        # Ends the thread that reads ahead; a plain iterator has none.
        close = getattr(batches, "close", None)
        if close:
            close()
