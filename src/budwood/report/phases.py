"""Both phases of a training: what each gave, what their difference is worth, and which layers were trained."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from budwood.core import text as words
from budwood.evaluation.statistics import wilson_interval
from budwood.report import settings
from budwood.report.curves import Charted, decimals, epoch_table, learning_curves, percent
from budwood.report.gap import Gap, describe_gap, what_is_harder
from budwood.report.layers import LayerTable, layer_table
from budwood.report.summary import START, Contents
from budwood.report.svg.axes import Axis
from budwood.report.svg.intervals import Row, interval_rows
from budwood.runs.schema import EpochRow
from budwood.training.probe_size import views_learned

TITLES = {START: "Before", "frozen": "Frozen backbone", "finetune": "Fine-tuning"}


@dataclass(frozen=True)
class Difference:
    """The verdict's interval as places on a scale around 0, in percent of its width."""

    left: float
    width: float
    value: float
    end: str
    """Points of accuracy at the end of the scale."""
    title: str
    method: str


@dataclass(frozen=True)
class PhaseTable:
    """A column for each phase, a row for each of its figures."""

    titles: Sequence[str]
    kept: Sequence[bool]
    figures: Sequence[tuple[str, Sequence[str]]]


@dataclass(frozen=True)
class PhasesSection:
    """What the report says of a training with fine-tuning."""

    lead: str
    curves: Charted
    reading: Sequence[str]
    """What one should know to read the curves."""
    difference: Difference | None
    table: PhaseTable
    layers: LayerTable | None
    spikes: Sequence[str]
    made_up_for: str
    notes: Sequence[str]
    accuracies: Markup | None


def describe_phases(contents: Contents) -> PhasesSection | None:
    """Return what the report says of both phases; None for a training without fine-tuning."""
    if "finetune" not in contents.phases:
        return None
    kept = contents.best_epochs(contents.kept)
    notes = {
        epoch: f"best of {backbone}" if backbone else "best of its phase"
        for name in contents.phases
        for epoch, backbone in contents.best_epochs(name).items()
    }
    notes |= {epoch: f"kept of {backbone}" if backbone else "kept" for epoch, backbone in kept.items()}
    epochs = words.listing([f"{epoch}" for epoch in kept])
    first, name = _start(contents)
    gaps = [gap for row, gap in _gaps(contents) if row["epoch"] == max(kept)]
    charts = learning_curves(
        contents.history,
        mark=(float(max(kept)), f"kept: {epochs}"),
        start=(first - 0.5, name) if first else None,
        alt=(f"F{name[1:]} with epoch {first}. " if first else "")
        + f"Kept {'epoch' if len(kept) == 1 else 'epochs'}: {epochs}.",
        gap=gaps[0].label if gaps else None,
    )
    return PhasesSection(
        lead=_lead(contents),
        curves=Charted("", charts, epoch_table(contents.history, notes, with_phase=True)),
        reading=_reading(contents),
        difference=_difference(contents),
        table=_phase_table(contents),
        layers=layer_table(contents),
        spikes=contents.loss_spikes,
        made_up_for=_made_up_for(contents),
        notes=[one for one in contents.warnings if one not in contents.loss_spikes],
        accuracies=_accuracies(contents),
    )


def _start(contents: Contents) -> tuple[int | None, str]:
    """Return the first epoch of fine-tuning, None where none stands before or after it, and what happens
    there."""
    tuned = contents.epochs("finetune")
    before = contents.history[: len(contents.history) - len(tuned)]
    goes_on = any(row["phase"] == "finetune" for row in before)
    name = f"fine-tuning {'goes on' if goes_on else 'starts'}"
    return (tuned[0]["epoch"] if tuned and before else None), name


def _lead(contents: Contents) -> str:
    frozen, finetune = contents.recipe.frozen, contents.recipe.finetune
    fit = f"{words.count(len(contents.epochs('frozen')), 'epoch')} with {frozen.optimizer}"
    if START in contents.phases:
        first = f"This run went on from the model of the run {words.name(contents.info.from_)}."
    elif "frozen" in contents.phases:
        first = (
            "The head was trained first, on features of the frozen backbone "
            f"({fit if contents.chosen is None else 'a logistic regression'})."
        )
    else:
        first = "No head was trained before."
    unfrozen = contents.phases["finetune"].unfrozen_layers
    rate = np.format_float_positional(finetune.learning_rate, trim="-")
    return words.sentences(
        first,
        f"Fine-tuning then trained {settings.unfrozen(unfrozen, finetune)}: "
        f"{words.count(len(contents.epochs('finetune')), 'epoch')} with {finetune.optimizer} "
        f"at a learning rate of {rate}.",
        f"Fine-tuning is kept {settings.when_kept(finetune)}." if len(contents.phases) > 1 else "",
    )


def _reading(contents: Contents) -> list[str]:
    """Return what one should know to read the learning curves."""
    augmentation = settings.augmentation(contents.recipe.augment)
    learned = views_learned(contents.recipe, sum(photo.split == "train" for photo in contents.photos))
    if not augmentation:
        augmentation = "There was no augmentation: the training photos were shown as they are."
    elif contents.chosen is not None:
        of_each = (
            f"learned from all {learned} views of each" if learned > 1 else "saw the original photos alone"
        )
        augmentation += f" The logistic regression {of_each}."
    right = "have every label right" if contents.multi_label else "were classified correctly"
    best = contents.best_epochs(contents.kept)
    met = ", ".join([*what_is_harder(contents), "moving weights"])
    seen = f"of the training photos, as the steps of that epoch met them ({met})"
    if contents.kept == "frozen" and contents.chosen is not None:
        seen = "of the original training photos" if learned == 1 else "of the views of the training photos"
    gaps = {row["epoch"]: gap.words for row, gap in _gaps(contents)}
    gap = [
        f"At epoch {row['epoch']}, {which}, {percent(row.get('accuracy'))} {seen} and "
        f"{percent(row.get('val_accuracy'))} of the validation photos {right}. " + gaps.get(row["epoch"], "")
        for row in contents.history
        if row["epoch"] in best
        for which in [f"of which {best[row['epoch']]} was kept" if best[row["epoch"]] else "which was kept"]
    ]
    return [
        *_one_after_the_other(contents),
        *gap,
        augmentation,
        *filter(None, [settings.training_loss(contents.recipe)]),
    ]


def _gaps(contents: Contents) -> list[tuple[EpochRow, Gap]]:
    """Return the rows of the history that were kept, each with the gap between its train and validation
    accuracy."""
    kept = contents.best_epochs(contents.kept)
    found = [
        (row, describe_gap(contents, row, row["phase"])) for row in contents.history if row["epoch"] in kept
    ]
    return [(row, gap) for row, gap in found if gap is not None]


def _made_up_for(contents: Contents) -> str:
    """Return a sentence if fine-tuning recovered from its first epoch, else an empty string."""
    better = contents.kept == "finetune" and len(contents.phases) > 1
    return (
        "Later epochs made up for it: what was kept is better than the model before fine-tuning."
        if better
        else ""
    )


def _accuracies(contents: Contents) -> Markup | None:
    """Return the accuracy of each phase with its interval; None where there are not two of them."""
    split = contents.evaluated_split
    n = contents.figures.n
    if contents.figures.groups:
        # Of the phase that was not kept it is unknown which photos it has right.
        return None
    rows = []
    for name, phase in contents.phases.items():
        if (accuracy := phase.accuracy(split)) is not None:
            low, high = wilson_interval(round(accuracy * n), n)
            is_kept = name == contents.kept
            took = f"{words.duration(phase.seconds)}{', kept' if is_kept else ''}"
            text = f"{words.percent(accuracy)} ({100 * low:.1f} to {100 * high:.1f})"
            rows.append(Row(TITLES.get(name, name), accuracy, low, high, text, note=took, hollow=not is_kept))
    if len(rows) < 2:
        return None
    held = [end for row in rows for end in (row.low, row.high) if end is not None]
    axis = Axis.of(f"on {words.count(n, f'{split} photo')}", held, words.whole_percent, within=(0.0, 1.0))
    return interval_rows(rows, axis, show=words.percent)


def _one_after_the_other(contents: Contents) -> list[str]:
    """Return how to read epochs of several backbones; nothing where there is one."""
    names = [backbone for backbone in contents.best_epochs("finetune").values() if backbone]
    return names and [
        f"The backbones {words.listing(names)} were fine-tuned one after the other, each with a head of its own: the "
        "epochs of fine-tuning are those of one backbone alone. The model is the mean of the logits of all."
    ]


def _difference(contents: Contents) -> Difference | None:
    """Return the scale of the verdict; None where two phases were not compared."""
    verdict = contents.metrics.verdict
    if verdict.difference is None or verdict.interval is None:
        return None
    low, high = verdict.interval
    photos = words.count(verdict.n or 0, f"{contents.evaluated_split} photo")
    figure = "Mean average precision" if verdict.figure else "Accuracy"
    end = max(abs(low), abs(high), 0.01) * 1.2
    left, value, right = (50 + 50 * share / end for share in (low, verdict.difference, high))
    return Difference(
        left=left,
        width=right - left,
        value=value,
        end=f"{100 * end:.1f}",
        title=f"{figure} after fine-tuning minus before, on {photos}",
        method=verdict.method or "",
    )


def _phase_table(contents: Contents) -> PhaseTable:
    phases = contents.phases
    right = "exact match" if contents.multi_label else "accuracy"
    figures = [
        ("Epochs", [f"{phase.epochs:,}" for phase in phases.values()]),
        (
            "Best epoch, numbered on through all phases",
            [words.listing([f"{epoch}" for epoch in contents.best_epochs(name)]) for name in phases],
        ),
        ("Time", [words.duration(phase.seconds) for phase in phases.values()]),
        ("Trainable parameters", [f"{phase.trainable_parameters:,}" for phase in phases.values()]),
        ("Validation loss", [decimals(phase.validation_loss) for phase in phases.values()]),
        (f"Validation {right}", [percent(phase.validation_accuracy) for phase in phases.values()]),
    ]
    if contents.has_test:
        figures.append((f"Test {right}", [percent(phase.test_accuracy) for phase in phases.values()]))
    return PhaseTable(
        [TITLES.get(name, name) for name in phases], [name == contents.kept for name in phases], figures
    )
