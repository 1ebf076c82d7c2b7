"""What the phases of a training say of the photos that they did not learn from: the better one, and both compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from budwood.config.recipe import Recipe
from budwood.evaluation.calibration import before_and_after
from budwood.evaluation.metrics import compute_metrics
from budwood.evaluation.verdict import compare_phases

MEASURED = ("validation", "test")


@dataclass(frozen=True)
class PhaseEvaluation:
    """What one phase's model says of the photos that it did not learn from."""

    probabilities: dict[str, Float[np.ndarray, "n classes"]]
    """By split: a row a photo."""
    temperature: float
    """By which the logits were divided for them."""

    def correct(self, split: str, labels: Int[np.ndarray, "n"]) -> Bool[np.ndarray, "n"]:
        return self.probabilities[split].argmax(axis=1) == labels

    def loss(self, split: str, labels: Int[np.ndarray, "n"]) -> float:
        """Mean negative log-likelihood, as `compute_metrics` has it."""
        from sklearn.metrics import log_loss

        shares = self.probabilities[split].astype(np.float64)
        shares /= shares.sum(axis=1, keepdims=True)
        return float(log_loss(labels, shares, labels=np.arange(shares.shape[1])))


def better(measured: Mapping[str, PhaseEvaluation], labels: Mapping[str, Int[np.ndarray, "n"]]) -> str:
    """The phase with the lower loss on the validation photos; the earlier one where they are equal."""
    return min(measured, key=lambda name: measured[name].loss("validation", labels["validation"]))


def describe(
    classes: Sequence[str],
    labels: Mapping[str, Int[np.ndarray, "n"]],
    measured: Mapping[str, PhaseEvaluation],
    phases: Sequence[dict[str, Any]],
    chosen: str,
    recipe: Recipe,
    failure: str | None = None,
) -> dict[str, Any]:
    """What `metrics.json` holds: validation and test of the model that was kept, what each phase gave, the verdict,
    and what the temperature did to the probabilities.

    `failure` says why a phase that was tried left no model.
    """
    kept = measured[chosen]
    parts = {
        split: compute_metrics(
            labels[split], shares, classes, resamples=recipe.evaluate.resamples, seed=recipe.seed
        )
        for split, shares in kept.probabilities.items()
    }
    described = []
    for phase in phases:
        found = measured[phase["name"]]
        accuracy = {
            f"{split}_accuracy": float(found.correct(split, labels[split]).mean())
            if split in found.probabilities
            else None
            for split in MEASURED
        }
        loss = {"validation_loss": found.loss("validation", labels["validation"])}
        described.append({**phase, **accuracy, **loss})
    return {
        "validation": parts.get("validation"),
        "test": parts.get("test"),
        "phases": described,
        "chosen_phase": chosen,
        "verdict": _verdict(measured, labels, failure),
        "calibration": {
            "temperature": kept.temperature,
            **{
                split: before_and_after(shares, labels[split], kept.temperature)
                for split, shares in kept.probabilities.items()
            },
        },
    }


def _verdict(
    measured: Mapping[str, PhaseEvaluation], labels: Mapping[str, Int[np.ndarray, "n"]], failure: str | None
) -> dict[str, Any]:
    if len(measured) < 2:
        none: dict[str, Any] = dict.fromkeys(["difference", "interval", "p", "method", "n"])
        reason = f"Fine-tuning came to nothing: {failure}" if failure else "Only one phase was trained"
        return none | {"words": f"{reason}, so there is nothing to compare."}
    before, after = measured.values()
    split = "test" if "test" in before.probabilities else "validation"
    return compare_phases(
        before.correct(split, labels[split]), after.correct(split, labels[split]), split=split
    )
