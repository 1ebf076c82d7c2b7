"""The files of a study as typed values: one reader and one writer. It needs neither NumPy nor Keras.

STUDY/study.json          `StudyRecord`: what was asked, and which trials there are
STUDY/photos.jsonl        `PhotoTable`: the photos as the check found them, one a line below what holds for all
STUDY/features.json       `StoredFeatures` of each backbone that linear trials stand on
STUDY/trials/NAME.json    `TrialRecord`: what is to be done, and what came of it
STUDY/trials/NAME/        the run directory of the trial
STUDY/results.json        what it came to
STUDY/search.json         the configurations of a search, see `studies.search`
"""

from collections.abc import Mapping
from dataclasses import astuple, dataclass, replace
from itertools import chain
from pathlib import Path
from sys import intern
from typing import Any, Literal

import pydantic

from budwood.config.recipe import Recipe
from budwood.core.errors import BudwoodError, RunError
from budwood.core.faults import fault
from budwood.core.files import JsonObject, json_lines, read_json, write_json, write_json_lines
from budwood.core.label_text import of_text
from budwood.data.manifest import NO_KIN, NOTHING, Kin, Photo
from budwood.runs.schema import CheckReport

SINGLE_LABEL, MULTI_LABEL = "single-label", "multi-label"
"""Tasks of a study, by the names that `evaluation.task.TASKS` has."""
ANSWERS = {SINGLE_LABEL: "one class a photo", MULTI_LABEL: "several labels a photo"}
FORMAT = 1
"""Rises when a file of a study changes so that an older version would misread it."""

ReplicateKind = Literal["split", "fold", "seed"]
"""What is different between the trials of one configuration: who is in which split, which fold is held out, or, where
the data bring all three splits, the seed of the training."""
TrialKind = Literal["linear", "training"]
"""A linear probe on stored features, which needs no Keras, or a training as `budwood train` does it."""
TrialState = Literal["planned", "complete", "failed"]


class _Record(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    def to_json(self) -> JsonObject:
        """Return the record as it stands in its file."""
        return self.model_dump()


class Configuration(_Record):
    """One of the things that a study compares: a recipe and what was laid over it.

    >>> Configuration(recipe="quick", settings={"finetune.epochs": "2"}, photos=50).name
    'quick, finetune.epochs=2, 50 photos'
    """

    recipe: str
    backbone: str | None = None
    """Named only where there are several."""
    settings: dict[str, str] = {}
    """Of each key of the grid the value, as a short text."""
    photos: int | None = None
    """Training photos that it learns from, where the study asks for several numbers of them."""

    @property
    def parts(self) -> list[str]:
        """Return the name in parts, without the number of photos."""
        words = [self.recipe, *([self.backbone] if self.backbone else [])]
        return [*words, *(f"{key}={value}" for key, value in self.settings.items())]

    @property
    def base(self) -> str:
        """Return the name without the number of photos."""
        return ", ".join(self.parts)

    @property
    def name(self) -> str:
        return self.base + (f", {self.photos} photos" if self.photos else "")


class StudyRecord(_Record):
    """The content of study.json."""

    format: int = FORMAT
    state: Literal["running", "complete"] = "running"
    budwood: str = ""
    command: str = ""
    earlier_commands: list[str] = []
    started: str | None = None
    finished: str | None = None
    seconds: float | None = None
    """Of the last command."""
    versions: dict[str, str] = {}
    data: str = ""
    """Name of the source."""
    source: str = ""
    """Where the source lies, as it was given."""
    test_is_given: bool = False
    task: str = SINGLE_LABEL
    """What an answer is: one class a photo, or several labels. A study of an older version has the former."""
    photos: str = ""
    """SHA-256 of names, labels, splits and contents."""
    replicate_kind: ReplicateKind
    search: int | None = None
    """Configurations of a search at most; None for a study of every combination."""
    configurations: list[Configuration]
    trials: list[str]

    def adding(self, configurations: list[Configuration], trials: list[str]) -> "StudyRecord":
        """Return the record with configurations and trials that it may or may not have."""
        return self.model_copy(
            update={
                "configurations": [
                    *self.configurations,
                    *(one for one in configurations if one not in self.configurations),
                ],
                "trials": list(dict.fromkeys([*self.trials, *trials])),
            }
        )


class TrialRecord(_Record):
    """The content of trials/NAME.json."""

    format: int = FORMAT
    configuration: str
    """Its name."""
    replicate: str
    """"split 3", "fold 2 of 5" or "seed 0": trials of one replicate learn from and are measured on the same photos."""
    kind: TrialKind = "training"
    recipe: Recipe
    """Complete: `budwood train` with it does what the trial does."""
    state: TrialState = "planned"
    seconds: float | None = None
    error: str | None = None
    lost: int = 0
    """Workers of a cluster that were lost while they ran it, each of which cost a new beginning."""

    @pydantic.field_serializer("recipe")
    def _recipe_to_json(self, recipe: Recipe) -> JsonObject:
        return recipe.model_dump(mode="json", exclude_none=True)


class StoredFeatures(_Record):
    """Where the features of one backbone lie in the feature store."""

    fingerprint: str
    features: int
    """Numbers for each photo."""
    size: int
    """Side of the network's input, in pixels."""
    computed: int = 0
    failed: dict[str, str] = {}
    """Of each photo that could not be read, why."""


@dataclass(frozen=True)
class PhotoTable:
    """What the trials of a study know of the photos: everything but their pixels."""

    classes: tuple[str, ...]
    photos: tuple[Photo, ...]
    check: CheckReport
    """What the check found, as in a run's check.json."""
    task: str = SINGLE_LABEL


@dataclass(frozen=True)
class TrialFolder:
    """The files of one trial."""

    study: Path
    name: str

    @property
    def file(self) -> Path:
        return self.study / "trials" / f"{self.name}.json"

    @property
    def log(self) -> Path:
        return self.study / "trials" / f"{self.name}.log"

    @property
    def run(self) -> Path:
        return self.study / "trials" / self.name

    def write(self, record: TrialRecord) -> None:
        write_json(self.file, record.to_json())

    def read(self) -> TrialRecord | None:
        """Return what was to be done, and what came of it; None where nothing can be read."""
        try:
            return TrialRecord.model_validate(read_json(self.file))
        except (OSError, ValueError, BudwoodError):
            return None

    def update(self, **changes: Any) -> None:
        """Change fields of the record, where there is one."""
        if (record := self.read()) is not None:
            self.write(record.model_copy(update=changes))


@dataclass(frozen=True)
class StudyFolder:
    """The files of a study."""

    path: Path

    @property
    def file(self) -> Path:
        return self.path / "study.json"

    @property
    def photo_file(self) -> Path:
        return self.path / "photos.jsonl"

    @property
    def old_photo_file(self) -> Path:
        """Return the file of the photos in studies of before `photos.jsonl`: one JSON value."""
        return self.path / "photos.json"

    @property
    def features_file(self) -> Path:
        return self.path / "features.json"

    def trial(self, name: str) -> TrialFolder:
        return TrialFolder(self.path, name)

    def read(self) -> StudyRecord:
        """Return study.json. Raise RunError where the folder holds no study, or one of another format."""
        again = "Give the directory that `budwood study -o` wrote"
        try:
            values = read_json(self.file)
            if isinstance(values, dict) and values.get("format", FORMAT) != FORMAT:
                raise RunError(
                    f"{self.path} holds a study of format {values['format']}, and this version reads format {FORMAT}. "
                    "Take the version of Budwood that wrote it, or run the study again in another directory"
                )
            return StudyRecord.model_validate(values)
        except pydantic.ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the whole"
            raise RunError(
                f"{self.path} is no study: {where} of study.json: {first['msg']}. {again}"
            ) from error
        except (OSError, ValueError) as error:
            raise RunError(f"{self.path} is no study: {fault(error)}. {again}") from error

    def write(self, record: StudyRecord) -> None:
        write_json(self.file, record.to_json())

    def read_photos(self) -> PhotoTable:
        if self.photo_file.exists():
            rows = json_lines(self.photo_file)
            head = next(rows)
        else:
            head = read_json(self.old_photo_file)
            rows = iter(head["photos"])
        task = head.get("task", SINGLE_LABEL)
        photos = (_photo(*row) for row in rows)
        if task == MULTI_LABEL:
            photos = (_with_its_labels(photo) for photo in photos)
        return PhotoTable(
            tuple(head["classes"]), tuple(photos), CheckReport.model_validate(head["check"]), task
        )

    def write_photos(self, table: PhotoTable) -> None:
        head = {"task": table.task, "classes": list(table.classes), "check": table.check.to_json()}
        rows = (
            [
                *(p.name, p.label, p.split, p.sha256, p.width, p.height, p.group),
                *(dict(p.metadata), astuple(p.kin), p.weight),
            ]
            for p in table.photos
        )
        write_json_lines(self.photo_file, chain([head], rows))

    def read_features(self) -> dict[str, StoredFeatures]:
        """Return what is known of the features, by `features_key`; empty where nothing can be read."""
        try:
            found = read_json(self.features_file)
            return {key: StoredFeatures.model_validate(one) for key, one in found.items()}
        except (OSError, ValueError, AttributeError):
            return {}

    def write_features(self, known: Mapping[str, StoredFeatures]) -> None:
        write_json(self.features_file, {key: one.to_json() for key, one in known.items()})


def _photo(
    name: str,
    label: str,
    split: str | None,
    sha256: str,
    width: int,
    height: int,
    group: str | None,
    *more: Any,
) -> Photo:
    """Return a photo by its row; a study of an older version has no weights."""
    metadata, kin, *weight = more
    return Photo(
        b"",
        name,
        # One object for what a million photos share.
        intern(label),
        None if split is None else intern(split),
        sha256,
        width,
        height,
        None if group is None else intern(group),
        weight[0] if weight else 1.0,
        metadata or NOTHING,
        Kin(*kin) if any(kin) else NO_KIN,
    )


def _with_its_labels(photo: Photo) -> Photo:
    labels, unknown = of_text(photo.label)
    return replace(photo, labels=labels, unknown=unknown)
