"""What `metrics.json` says of a training: the kept model's figures, every phase, the verdict and the calibration."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Bool

from budwood.config.recipe import Recipe
from budwood.core.scaling import LabelScaling
from budwood.data.manifest import Photo
from budwood.evaluation.climb import DepthAnswers, choose_climb, measure_climb, promise_of
from budwood.evaluation.groups import Grouping, share_interval
from budwood.evaluation.label_coverage import LabelSets, ScoredLabels, describe_label_sets
from budwood.evaluation.multi_label import MultiLabel
from budwood.evaluation.multi_label_verdict import compare_label_phases
from budwood.evaluation.phases import MEASURED, PhaseEvaluation
from budwood.evaluation.sets import Scored, Sets, calibrating, describe_sets
from budwood.evaluation.taxonomy import LabelTree, score_tree
from budwood.evaluation.verdict import compare_phases
from budwood.features.twins import Twin
from budwood.runs.figures import (
    BeforeAfter,
    Calibration,
    ClimbDepth,
    ClimbScores,
    DepthScores,
    LabelPath,
    LabelSplitMetrics,
    LinearPath,
    LinearPoint,
    Metrics,
    Phase,
    SplitMetrics,
    TrainedPhase,
    TwinPair,
    Verdict,
    WithoutTwins,
)
from budwood.training.label_probe import LabelsFit
from budwood.training.linear_probe import LinearFit
from budwood.training.strength_path import PathPoint

PAIRS_KEPT = 100
"""Pairs of near twins of each kind that are named."""

PRECISIONS = (0.9, 0.95, 0.98)
"""Shares of right answers at which it is measured what is answered on a tree of labels."""

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
    twins: Sequence[Twin] = (),
    tree: LabelTree | None = None,
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
        twins: photos that show what a training photo shows though their perceptual hashes differ.
        tree: of the labels, where there is one.
    """
    parts = parts or {}
    groups = _groups_by_split(parts)
    kept = evaluations[chosen]
    settings = {"resamples": recipe.evaluate.resamples, "seed": recipe.seed}
    figures = {
        split: (LabelSplitMetrics if isinstance(kept.task, MultiLabel) else SplitMetrics).model_validate(
            {
                **kept.task.metrics(
                    labels[split], shares, classes, **settings, groups=groups.get(split)
                ).model_dump(by_alias=True),
                "without_twins": _without_twins(
                    kept.correct(split, labels[split]), split, parts, groups, twins
                ),
                **({"taxonomy": score_tree(tree, shares, labels[split], groups.get(split))} if tree else {}),
            }
        )
        for split, shares in kept.probabilities.items()
        if split in MEASURED
    }
    calibrated = {
        split: BeforeAfter.model_validate(kept.task.calibration(shares, labels[split], kept.scaling))
        for split, shares in kept.probabilities.items()
        if split in MEASURED
    }
    return Metrics(
        validation=figures.get("validation"),
        test=figures.get("test"),
        phases=tuple(_measured(phase, evaluations[phase.name], labels) for phase in phases),
        chosen_phase=chosen,
        verdict=_verdict(evaluations, labels, groups, recipe, failure),
        calibration=Calibration(
            temperature=kept.scaling if isinstance(kept.scaling, float) else None,
            scaling=kept.scaling if isinstance(kept.scaling, LabelScaling) else None,
            validation=calibrated.get("validation"),
            test=calibrated.get("test"),
        ),
        climbs=tuple(_climb(tree, kept, labels, groups, precision) for precision in PRECISIONS)
        if tree
        else (),
        sets=_sets(kept, labels, groups, classes) if "sets" in kept.task.sections else None,
        label_sets=_label_sets(kept, labels, groups, classes) if "label_sets" in kept.task.sections else None,
    )


def _climb(
    tree: LabelTree,
    kept: PhaseEvaluation,
    labels: Labels,
    groups: Mapping[str, Grouping],
    precision: float,
) -> ClimbScores:
    shares = kept.probabilities
    climb = choose_climb(
        tree, shares["validation"], labels["validation"], precision, groups.get("validation")
    )
    deepest = tree.taxonomy.num_levels
    measured = {
        split: {
            one.depth: one for one in measure_climb(climb, shares[split], labels[split], groups.get(split))
        }
        for split in shares
    }
    return ClimbScores(
        precision=precision,
        depths=tuple(
            ClimbDepth(
                depth=depth,
                threshold=climb.thresholds.get(depth),
                promise=promise_of(depth, deepest) if depth else None,
                most=climb.most.get(depth),
                validation=_depth_scores(measured["validation"][depth]),
                test=_depth_scores(measured["test"][depth]) if "test" in measured else None,
            )
            for depth in measured["validation"]
        ),
    )


def _depth_scores(found: DepthAnswers) -> DepthScores:
    return DepthScores(
        answered=found.answered,
        coverage=found.coverage,
        coverage_ci95=found.coverage_interval,
        correct=found.correct,
        precision=found.precision,
        precision_ci95=found.precision_interval,
    )


def _sets(
    kept: PhaseEvaluation, labels: Labels, groups: Mapping[str, Grouping], classes: Sequence[str]
) -> Sets:
    by_split = {
        split: Scored.of(shares, labels[split], groups.get(split))
        for split, shares in kept.probabilities.items()
    }
    calibrated_on = calibrating(by_split)
    return describe_sets(calibrated_on, by_split[calibrated_on], by_split.get("test"), classes)


def _label_sets(
    kept: PhaseEvaluation, labels: Labels, groups: Mapping[str, Grouping], classes: Sequence[str]
) -> LabelSets:
    by_split = {
        split: ScoredLabels.of(shares, labels[split], groups.get(split))
        for split, shares in kept.probabilities.items()
    }
    return describe_label_sets(by_split, classes)


def _groups_by_split(parts: Mapping[str, Sequence[Photo]]) -> dict[str, Grouping]:
    return {split: Grouping.of([photo.group or "" for photo in part]) for split, part in parts.items()}


def _without_twins(
    correct: Bool[np.ndarray, "n"],
    split: str,
    parts: Mapping[str, Sequence[Photo]],
    groups: Mapping[str, Grouping],
    twins: Sequence[Twin],
) -> WithoutTwins | None:
    """Return the accuracy without the photos that nearly show what a training photo shows; None where none does."""
    learned = {photo.kin.near: photo.name for photo in parts.get("train", ()) if photo.kin.near}
    part = parts.get(split, ())
    seen = {twin.photo: twin for twin in twins}
    alone = np.array([photo.kin.near not in learned and photo.name not in seen for photo in part], dtype=bool)
    if alone.all():
        return None
    rest = correct[alone]
    return WithoutTwins(
        twins=int((~alone).sum()),
        pairs=tuple(
            _pairs(
                [photo for photo, is_alone in zip(part, alone, strict=True) if not is_alone], learned, seen
            )
        ),
        n=len(rest),
        accuracy=float(rest.mean()) if len(rest) else None,
        accuracy_ci95=share_interval(rest, groups[split].part(alone)) if len(rest) else None,
    )


def _pairs(
    photos: Sequence[Photo], learned: Mapping[str, str], seen: Mapping[str, Twin]
) -> Iterator[TwinPair]:
    """Yield the pairs that a report can show: by features the most alike first, then those that the hash knows."""
    by_features = sorted(
        (seen[photo.name] for photo in photos if photo.name in seen), key=lambda one: -one.similarity
    )
    for twin in by_features[:PAIRS_KEPT]:
        yield TwinPair(
            photo=twin.photo,
            known=twin.known,
            by="features",
            similarity=round(twin.similarity, 4),
            mirrored=twin.mirrored,
        )
    for photo in [photo for photo in photos if photo.name not in seen][:PAIRS_KEPT]:
        yield TwinPair(photo=photo.name, known=learned[photo.kin.near], by="hash")


def linear_path(found: LinearFit) -> LinearPath:
    """Return what `linear_path.json` holds of a linear probe."""
    return LinearPath(chosen=found.strength, path=_points(found.path))


def label_paths(found: LabelsFit, labels: Sequence[str]) -> LinearPath:
    """Return what `linear_path.json` holds of a linear probe of several labels."""
    paths = zip(labels, found.strengths.tolist(), found.path, strict=True)
    return LinearPath(
        chosen=float(np.median(found.strengths)),
        path=(),
        labels=tuple(
            LabelPath(label=label, chosen=strength, path=_points(path)) for label, strength, path in paths
        ),
    )


def _points(path: Sequence[PathPoint]) -> tuple[LinearPoint, ...]:
    return tuple(
        LinearPoint(l2_strength=one.strength, loss=one.loss, accuracy=one.accuracy, loss_se=one.loss_se)
        for one in path
    )


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
    recipe: Recipe,
    failure: str | None,
) -> Verdict:
    if len(evaluations) < 2:
        reason = f"Fine-tuning came to nothing: {failure}" if failure else "Only one phase was trained"
        return Verdict(words=f"{reason}, so there is nothing to compare.")
    before, after = evaluations.values()
    split = "test" if "test" in before.probabilities else "validation"
    was_right, is_right = before.correct(split, labels[split]), after.correct(split, labels[split])
    if isinstance(after.task, MultiLabel):
        found = compare_label_phases(
            labels[split],
            before.probabilities[split],
            after.probabilities[split],
            (was_right, is_right),
            split=split,
            groups=groups.get(split),
            resamples=recipe.evaluate.resamples,
            seed=recipe.seed,
        )
        if found is None:
            return Verdict(
                words=f"No label is measured by the {split} photos, so the phases cannot be compared by them."
            )
        return Verdict.model_validate(found)
    return Verdict.model_validate(compare_phases(was_right, is_right, split=split, groups=groups.get(split)))
