"""What `metrics.json` says of a training: the kept model's figures, every phase, the verdict and the calibration."""

from collections.abc import Mapping, Sequence, Set

import numpy as np
from jaxtyping import Bool

from budwood.config.recipe import Recipe
from budwood.data.manifest import Photo
from budwood.evaluation.groups import Grouping, share_interval
from budwood.evaluation.phases import PhaseEvaluation
from budwood.evaluation.verdict import compare_phases
from budwood.runs.figures import (
    BeforeAfter,
    Calibration,
    LinearPath,
    LinearPoint,
    Metrics,
    Phase,
    SplitMetrics,
    TrainedPhase,
    Verdict,
    WithoutTwins,
)
from budwood.training.linear_probe import LinearFit

Labels = Mapping[str, np.ndarray]
"""Targets by split, as the task encodes them."""


def describe(
    classes: Sequence[str],
    labels: Labels,
    evaluations: Mapping[str, PhaseEvaluation],
    phases: Sequence[TrainedPhase],
    chosen: str,
    recipe: Recipe,
    failure: str | None = None,
    parts: Mapping[str, Sequence[Photo]] | None = None,
    twins: Set[str] = frozenset(),
) -> Metrics:
    """Return what `metrics.json` holds.

    Args:
        classes: names in the order of the columns.
        labels: targets of the photos by split.
        evaluations: of each phase, by name and in their order.
        phases: what each phase did.
        chosen: the phase whose model was kept.
        recipe: its seed and the resamples behind the intervals.
        failure: why a phase that was tried left no model.
        parts: photos by split, in the order of the labels: which of them belong together, and which show nearly the
            same as a training photo; by default none do.
        twins: names of photos that show what a training photo shows though their perceptual hashes differ.
    """
    parts = parts or {}
    groups = _groups_by_split(parts)
    kept = evaluations[chosen]
    settings = {"resamples": recipe.evaluate.resamples, "seed": recipe.seed}
    figures = {
        split: SplitMetrics.model_validate(
            {
                **kept.task.metrics(labels[split], shares, classes, **settings, groups=groups.get(split)),
                "without_twins": _without_twins(
                    kept.correct(split, labels[split]), split, parts, groups, twins
                ),
            }
        )
        for split, shares in kept.probabilities.items()
    }
    calibrated = {
        split: BeforeAfter.model_validate(kept.task.calibration(shares, labels[split], kept.temperature))
        for split, shares in kept.probabilities.items()
    }
    return Metrics(
        validation=figures.get("validation"),
        test=figures.get("test"),
        phases=tuple(_measured(phase, evaluations[phase.name], labels) for phase in phases),
        chosen_phase=chosen,
        verdict=_verdict(evaluations, labels, groups, failure),
        calibration=Calibration(
            temperature=kept.temperature,
            validation=calibrated.get("validation"),
            test=calibrated.get("test"),
        ),
    )


def _groups_by_split(parts: Mapping[str, Sequence[Photo]]) -> dict[str, Grouping]:
    return {split: Grouping.of([photo.group or "" for photo in part]) for split, part in parts.items()}


def _without_twins(
    correct: Bool[np.ndarray, "n"],
    split: str,
    parts: Mapping[str, Sequence[Photo]],
    groups: Mapping[str, Grouping],
    twins: Set[str],
) -> WithoutTwins | None:
    """Return the accuracy without the photos that nearly show what a training photo shows; None where there are none.

    None too where no photo would be left.
    """
    learned = {photo.kin.near for photo in parts.get("train", ()) if photo.kin.near}
    part = parts.get(split, ())
    alone = np.array(
        [photo.kin.near not in learned and photo.name not in twins for photo in part], dtype=bool
    )
    if alone.all() or not alone.any():
        return None
    rest = correct[alone]
    return WithoutTwins(
        twins=int((~alone).sum()),
        n=len(rest),
        accuracy=float(rest.mean()),
        accuracy_ci95=share_interval(rest, groups[split].part(alone)),
    )


def linear_path(found: LinearFit) -> LinearPath:
    """Return what `linear_path.json` holds of a linear fit."""
    points = tuple(
        LinearPoint(l2_strength=one.strength, loss=one.loss, accuracy=one.accuracy, loss_se=one.loss_se)
        for one in found.path
    )
    return LinearPath(chosen=found.strength, path=points)


def _measured(phase: TrainedPhase, evaluation: PhaseEvaluation, labels: Labels) -> Phase:
    def accuracy(split: str) -> float | None:
        if split not in evaluation.probabilities:
            return None
        return float(evaluation.correct(split, labels[split]).mean())

    return Phase(
        **{name: getattr(phase, name) for name in TrainedPhase.model_fields},
        validation_accuracy=accuracy("validation"),
        test_accuracy=accuracy("test"),
        validation_loss=evaluation.loss("validation", labels["validation"]),
    )


def _verdict(
    evaluations: Mapping[str, PhaseEvaluation],
    labels: Labels,
    groups: Mapping[str, Grouping],
    failure: str | None,
) -> Verdict:
    if len(evaluations) < 2:
        reason = f"Fine-tuning came to nothing: {failure}" if failure else "Only one phase was trained"
        return Verdict(words=f"{reason}, so there is nothing to compare.")
    before, after = evaluations.values()
    split = "test" if "test" in before.probabilities else "validation"
    was_right, is_right = before.correct(split, labels[split]), after.correct(split, labels[split])
    return Verdict.model_validate(compare_phases(was_right, is_right, split=split, groups=groups.get(split)))
