"""Study directories as trainings would have left them, with what was right made up."""

import numpy as np

from budwood.config.recipe import Recipe
from budwood.core.files import write_json
from budwood.data.manifest import Photo
from budwood.evaluation.phases import PhaseEvaluation
from budwood.runs import files
from budwood.runs.metrics import describe
from budwood.runs.schema import DataInfo, RunInfo, TrainedPhase
from budwood.studies.plan import folder_name
from budwood.studies.trial import Place

TRAIN, TEST = 160, 100


class Made:
    """A study whose trials were right on photos as told."""

    def __init__(self, folder, replicate_kind="split"):
        self.folder, self.replicate_kind = folder, replicate_kind
        self.trials, self.configurations = [], []
        self.info = {}
        (folder / "trials").mkdir(parents=True)

    def add(
        self,
        configuration,
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
    ):
        name = folder_name(f"{configuration} {replicate}")
        name += f"-{len(self.trials)}" if name in self.trials else ""
        place = Place(self.folder, name)
        self.trials.append(name)
        if {"name": configuration, "photos": size} not in self.configurations:
            self.configurations.append({"name": configuration, "photos": size})
        state = "failed" if error else "complete"
        write_json(
            place.spec,
            {
                "configuration": configuration,
                "replicate": replicate,
                "state": state,
                "error": error,
                "seconds": seconds,
            }
            | ({"recipe": recipe} if recipe else {}),
        )
        if error is None:
            self._write_run(place, replicate, np.asarray(right, bool), photos, train, loss)
        self.save()

    def save(self):
        given = {
            "replicate_kind": self.replicate_kind,
            "trials": self.trials,
            "configurations": self.configurations,
        }
        write_json(self.folder / "study.json", given | self.info)

    def _write_run(self, place, replicate, right, photos, train, loss):
        place.run.mkdir()
        names = photos or [f"{replicate}/{number}" for number in range(len(right))]
        splits = ["validation"] + (["test"] if self.has_test else [])
        measured = [Photo(b"", f"{name}-{split}", "a", split) for split in splits for name in names]
        learned = [Photo(b"", str(number), "ab"[number % 2], "train") for number in range(train)]
        shares = np.where(right[:, None], [[0.9, 0.1]], [[0.1, 0.9]])
        labels = {split: np.zeros(len(right), int) for split in splits}
        recipe = Recipe.from_dict({"evaluate": {"test": self.has_test, "resamples": 100}})
        phase = TrainedPhase(
            name="frozen", seconds=1.0, epochs=1, best_epoch=1, trainable_parameters=3, unfrozen_layers=()
        )
        evaluations = {"frozen": PhaseEvaluation(dict.fromkeys(splits, shares), 1.0)}
        metrics = describe(["a", "b"], labels, evaluations, [phase], "frozen", recipe)
        told = {split: metrics.of(split).model_copy(update={"loss": loss}) for split in splits}
        files.write_metrics(place.run, metrics.model_copy(update=told))
        files.write_predictions(place.run, ["a", "b"], measured, np.concatenate([shares] * len(splits)))
        files.write_recipe(place.run, recipe)
        photos = [*learned, *measured]
        info = RunInfo(
            state="complete",
            saved=False,
            budwood="0.1.0",
            command="budwood train photos",
            started="2026-11-22T07:40:12+00:00",
            split=files.write_split(place.run, photos),
            data=DataInfo(root_name="photos", photos=len(photos), classes=("a", "b")),
        )
        files.write_info(place.run, info)

    has_test = True


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
    asked = {"importance": importance, "replicates": 3, "fresh_seed": 3, "configurations": tried}
    write_json(made.folder / "search.json", asked)
    (made.folder / "best.toml").write_text("# the best\nsplit_seed = 3\n")
    made.info |= {"search": number, "source": "photos", "test_is_given": False}
    made.save()
