"""Study directories as trainings would have left them, with what was right made up."""

import numpy as np

from budwood.config.recipe import Recipe
from budwood.core.files import write_json
from budwood.data.manifest import Photo
from budwood.evaluation.phases import PhaseEvaluation
from budwood.evaluation.task import SINGLE_LABEL
from budwood.runs import writing
from budwood.runs.figures import TrainedPhase
from budwood.runs.metrics import describe
from budwood.runs.schema import DataInfo, RunInfo
from budwood.studies.records import Configuration, StudyFolder, StudyRecord, TrialRecord
from budwood.studies.trials import folder_name

TRAIN, TEST = 160, 100


def configuration(name, photos=None):
    """The configuration of a name such as "quick, mobilenet_v2, head.pooling=avg"."""
    parts = []
    for part in name.removesuffix(f", {photos} photos").split(", "):
        if parts and parts[-1].count("[") > parts[-1].count("]"):
            parts[-1] += f", {part}"
        else:
            parts.append(part)
    recipe, *others = parts
    backbones = [part for part in others if "=" not in part]
    settings = dict(part.split("=", 1) for part in others if "=" in part)
    return Configuration(recipe=recipe, backbone=", ".join(backbones), settings=settings, photos=photos)


class Made:
    """A study whose trials were right on photos as told."""

    def __init__(self, folder, replicate_kind="split"):
        self.folder, self.replicate_kind = folder, replicate_kind
        self.trials, self.configurations = [], []
        self.info = {}
        (folder / "trials").mkdir(parents=True)

    def add(
        self,
        name,
        replicate,
        right,
        *,
        photos=None,
        error=None,
        train=TRAIN,
        size=None,
        loss=0.3,
        recipe=None,
        seconds=1.5,
        groups=None,
    ):
        trial = self.plan(name, replicate, error=error, size=size, recipe=recipe, seconds=seconds)
        if error is None:
            right = np.asarray(right, bool)
            write_run(
                trial.run,
                replicate,
                right,
                photos=photos,
                train=train,
                loss=loss,
                has_test=self.has_test,
                groups=groups,
            )
        self.save()

    def plan(self, name, replicate, *, error=None, size=None, recipe=None, seconds=1.5):
        given = configuration(name, size)
        assert given.name == name
        file = folder_name(f"{name} {replicate}")
        file += f"-{len(self.trials)}" if file in self.trials else ""
        trial = StudyFolder(self.folder).trial(file)
        self.trials.append(file)
        if given not in self.configurations:
            self.configurations.append(given)
        trial.write(
            TrialRecord(
                configuration=name,
                replicate=replicate,
                recipe=recipe or Recipe(),
                state="failed" if error else "complete",
                error=error,
                seconds=seconds,
            )
        )
        return trial

    def save(self):
        record = StudyRecord(
            replicate_kind=self.replicate_kind, trials=self.trials, configurations=self.configurations
        )
        StudyFolder(self.folder).write(record.model_copy(update=self.info))

    has_test = True


def write_run(folder, replicate, right, *, photos=None, train=TRAIN, loss=0.3, has_test=True, groups=None):
    """Write the run directory of a trial that was right on photos as told, of groups where they are given."""
    folder.mkdir()
    names = photos or [f"{replicate}/{number}" for number in range(len(right))]
    splits = ["validation"] + (["test"] if has_test else [])
    groups = groups or [None] * len(names)
    measured = [
        Photo(b"", f"{name}-{split}", "a", split, group=group)
        for split in splits
        for name, group in zip(names, groups, strict=True)
    ]
    learned = [Photo(b"", str(number), "ab"[number % 2], "train") for number in range(train)]
    shares = np.where(right[:, None], [[0.9, 0.1]], [[0.1, 0.9]])
    labels = {split: np.zeros(len(right), int) for split in splits}
    recipe = Recipe.from_dict({"evaluate": {"test": has_test, "resamples": 100}})
    phase = TrainedPhase(
        name="frozen", seconds=1.0, epochs=1, best_epoch=1, trainable_parameters=3, unfrozen_layers=()
    )
    evaluations = {"frozen": PhaseEvaluation(dict.fromkeys(splits, shares), 1.0, SINGLE_LABEL)}
    metrics = describe(["a", "b"], labels, evaluations, [phase], "frozen", recipe)
    told = {split: metrics.of(split).model_copy(update={"loss": loss}) for split in splits}
    writing.write_metrics(folder, metrics.model_copy(update=told))
    writing.write_predictions(folder, ["a", "b"], measured, np.concatenate([shares] * len(splits)))
    writing.write_recipe(folder, recipe)
    photos = [*learned, *measured]
    info = RunInfo(
        state="complete",
        task="single-label",
        saved=False,
        budwood="0.1.0",
        command="budwood train photos",
        started="2026-11-22T07:40:12+00:00",
        split=writing.write_split(folder, photos),
        data=DataInfo(root_name="photos", photos=len(photos), classes=("a", "b")),
    )
    writing.write_info(folder, info)


def rights(share, rng, n=TEST):
    return rng.random(n) < share


def fill(made, shares, *, replicates=6, n=TEST, photos=None, seed=0):
    """Trials of some configurations; where a photo is easy it is so for all of them."""
    rng = np.random.default_rng(seed)
    easy = rng.random((replicates, n))
    for number in range(replicates):
        for name, share in shares.items():
            hard = easy[0 if photos else number] * 0.8 + rng.random(n) * 0.2
            made.add(name, f"{made.replicate_kind} {number}", hard < share, photos=photos, loss=1 - share)


def fill_search(made, number=12):
    """A search of rates and two backbones, of which every fourth configuration was given up after one training."""
    rng = np.random.default_rng(0)
    tried = []
    for at in range(number):
        rate, backbone = float(f"{10 ** -(1 + at % 5 + at / 20):.3g}"), "ab"[at % 2]
        name, pruned = f"quick, {backbone}, finetune.learning_rate={rate}", at % 4 == 3
        losses = [
            0.2 + 0.1 * abs(np.log10(rate) + 3) + 0.01 * replicate for replicate in range(1 if pruned else 3)
        ]
        for replicate, loss in enumerate(losses):
            made.add(name, f"split {replicate}", rights(1 - loss / 2, rng), loss=loss)
        point = {"recipe": "quick", "backbone": backbone, "finetune.learning_rate": rate}
        why = "validation loss 0.5 after 1 of 3 trainings; three quarters had less" if pruned else None
        state = "pruned" if pruned else "complete"
        tried.append(
            {"number": at, "name": name, "point": point, "state": state, "losses": losses, "why": why}
        )
    importance = {"finetune.learning_rate": 0.9, "backbone": 0.1}
    record = {
        "asked": {},
        "importance": importance,
        "replicates": 3,
        "fresh_seed": 3,
        "configurations": tried,
    }
    write_json(made.folder / "search.json", record)
    (made.folder / "best.toml").write_text("# the best\nsplit_seed = 3\n")
    made.info |= {"search": number, "source": "photos", "test_is_given": False}
    made.save()
