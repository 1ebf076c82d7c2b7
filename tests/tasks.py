"""A second task, which is in the tests alone."""

import numpy as np

from budwood.evaluation.task import SingleLabel


class Backwards(SingleLabel):
    """The same task with its numbers counted from the end: targets need not be places in `classes`."""

    name = "backwards"

    def encode(self, labels, classes):
        return len(classes) - 1 - super().encode(labels, classes)

    def _forwards(self, probabilities, targets):
        return probabilities.shape[1] - 1 - targets

    def fit_scaling(self, logits, targets):
        return super().fit_scaling(logits, self._forwards(logits, targets))

    def losses(self, probabilities, targets):
        return super().losses(probabilities, self._forwards(probabilities, targets))

    def correct(self, probabilities, targets):
        return super().correct(probabilities, self._forwards(probabilities, targets))

    def metrics(self, targets, probabilities, classes, **options):
        return super().metrics(self._forwards(probabilities, targets), probabilities, classes, **options)

    def calibration(self, probabilities, targets, temperature):
        return super().calibration(probabilities, self._forwards(probabilities, targets), temperature)


BACKWARDS = Backwards()


def training_backwards():
    """Return how gradient steps learn it."""
    from dataclasses import replace

    from budwood.training.task_training import TRAINING

    plain = TRAINING[SingleLabel.name]
    return replace(
        plain,
        shares=lambda targets, num: np.ascontiguousarray(plain.shares(targets, num)[:, ::-1]),
        measure=lambda logits, targets, calibrate: plain.measure(
            logits, max(2, logits.shape[1]) - 1 - targets, calibrate
        ),
    )
