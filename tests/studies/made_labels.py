"""Study directories of several labels a photo as trainings would have left them, with what was said made up."""

import numpy as np

from budwood.config.recipe import Recipe
from budwood.data.label_sets import with_labels
from budwood.data.manifest import Photo
from budwood.evaluation.multi_label import MultiLabel
from budwood.evaluation.phases import PhaseEvaluation
from budwood.runs import writing
from budwood.runs.figures import TrainedPhase
from budwood.runs.metrics import describe
from budwood.runs.schema import DataInfo, RunInfo
from tests.studies.made import TEST, TRAIN, Made

LABELS = ("sea", "sunset", "trees")
RECIPE = Recipe.from_dict({"evaluate": {"resamples": 100}})
PHASE = TrainedPhase(
    name="frozen", seconds=1.0, epochs=1, best_epoch=1, trainable_parameters=3, unfrozen_layers=()
)


class MadeLabels(Made):
    """A study whose trials said of photos what they are told."""

    def __init__(self, folder, replicate_kind="split"):
        super().__init__(folder, replicate_kind)
        self.info = {"task": "multi-label"}

    def add(
        self, name, replicate, targets, shares, *, photos=None, groups=None, train=TRAIN, size=None, **more
    ):
        trial = self.plan(name, replicate, size=size)
        write_label_run(
            trial.run, replicate, targets, shares, photos=photos, groups=groups, train=train, **more
        )
        self.save()


def write_label_run(folder, replicate, targets, shares, *, photos=None, groups=None, train=TRAIN, loss=None):
    """Write the run directory of a trial that gave photos such probabilities; validation photos are as those of
    test."""
    folder.mkdir()
    names = photos or [f"{replicate}/{number}" for number in range(len(targets))]
    task = MultiLabel((0.5,) * len(LABELS))
    measured = [
        with_labels(Photo(b"", f"{name}-{split}", "", split, group=group), has)
        for split in ("validation", "test")
        for name, group, has in zip(
            names, groups or [None] * len(names), map(labels_of, targets), strict=True
        )
    ]
    parts = {split: [photo for photo in measured if photo.split == split] for split in ("validation", "test")}
    encoded = {split: task.encode([photo.label for photo in part], LABELS) for split, part in parts.items()}
    evaluations = {"frozen": PhaseEvaluation(dict.fromkeys(parts, shares), 1.0, task)}
    metrics = describe(LABELS, encoded, evaluations, [PHASE], "frozen", RECIPE, parts=parts)
    if loss is not None:
        told = {split: metrics.figures_of(split).model_copy(update={"loss": loss}) for split in parts}
        metrics = metrics.model_copy(update=told)
    writing.write_metrics(folder, metrics)
    writing.write_predictions(folder, LABELS, measured, np.concatenate([shares, shares]), task)
    writing.write_recipe(folder, RECIPE)
    learned = [
        with_labels(Photo(b"", str(number), "", "train"), [LABELS[number % 3]]) for number in range(train)
    ]
    photos = [*learned, *measured]
    info = RunInfo(
        state="complete",
        task="multi-label",
        saved=False,
        budwood="0.1.0",
        command="budwood train photos",
        started="2026-11-22T07:40:12+00:00",
        split=writing.write_split(folder, photos),
        data=DataInfo(root_name="photos", photos=len(photos), classes=LABELS),
    )
    writing.write_info(folder, info)


def labels_of(row):
    return [label for label, has in zip(LABELS, row, strict=True) if has]


def draw(rng, n=TEST, share=0.4):
    """Which labels photos have."""
    return rng.random((n, len(LABELS))) < share


def fill(made, skills, *, replicates=5, n=TEST, photos=None, seed=0, **more):
    """Trials of some configurations on the same photos and behind noise that is in part the same."""
    rng = np.random.default_rng(seed)
    targets = draw(rng, n)
    for number in range(replicates):
        if photos is None:
            targets = draw(rng, n)
        common = rng.normal(size=targets.shape)
        for name, skill in skills.items():
            logits = skill * (targets - 0.5) + 0.8 * common + 0.6 * rng.normal(size=targets.shape)
            shares = np.round(1 / (1 + np.exp(-2 * logits)), 6)
            replicate = f"{made.replicate_kind} {number}"
            made.add(name, replicate, targets, shares, photos=photos, loss=1 / skill, **more)
