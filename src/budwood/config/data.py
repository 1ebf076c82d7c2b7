"""Section [data] of a recipe: how photos are read, grouped and split."""

from typing import Annotated, Literal

import pydantic
from pydantic import Field

from budwood.config.group_rule import GroupRule
from budwood.config.section import Auto, Section
from budwood.storage.place import read_place

MIN_SIZE, MAX_SIZE = 32, 1024
"""Side of a square picture in pixels."""

Masks = Literal["auto", "skip", "keep"]
"""What is done with pictures that may be masks of the photos beside them."""


class Data(Section):
    """How photos are read and split."""

    size: Auto | Annotated[int, Field(ge=MIN_SIZE, le=MAX_SIZE)] = "auto"
    """Side in pixels of the square to which photos are resized; "auto": the input size of the backbone, of several the
    largest."""
    resize: Literal["crop", "stretch", "pad"] = "crop"
    """How a photo becomes a square: "crop" resizes the short side to `size` and takes the middle; "stretch" resizes
    both sides to `size`; "pad" resizes the long side and fills the rest with grey."""
    split: Annotated[list[float], Field(min_length=3, max_length=3)] = Field(default=[0.8, 0.1, 0.1])
    """Fractions of train, validation and test; splits that the data bring are kept."""
    calibration: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Fraction of the photos that is taken from the training photos into a split of its own, "calibration". Nothing is
    learned from it or chosen by it; prediction sets (`predict --coverage`) are calibrated on it. Validation and test
    photos stay the same. 0: prediction sets are calibrated on the validation photos."""
    folds: Annotated[int, Field(ge=0, le=20)] = 0
    """Number of folds of a k-fold split; 0: split by `split`. One fold is the test split, and validation is taken from
    the others by its fraction in `split`; with `evaluate.test = false` the fold is the validation split."""
    fold: Annotated[int, Field(ge=0)] = 0
    """Number of the fold that is held out, from 0."""
    train_photos: Literal["all"] | Annotated[int, Field(ge=2)] = "all"
    """Number of training photos to learn from, stratified by class; the photos of a smaller number are among those of a
    larger one. Validation and test do not change."""
    max_unreadable: Annotated[float, Field(ge=0.0, le=1.0)] = 0.2
    """Fraction of unreadable photos above which training is refused."""
    min_photos: Auto | Annotated[int, Field(ge=1)] = "auto"
    """Classes with fewer different photos are left out, with a warning. "auto" leaves none out, and refuses data in
    which a class has fewer than the 3 that a split needs."""
    layout: Literal["auto", "classes", "splits", "nested", "flat"] = "auto"
    """What the subfolders mean. "classes": each is a class; "splits": train, validation and test, with class folders
    inside; "nested": neither, such as cameras or sites, with class folders inside; "flat": nothing, the class is in the
    file name (cat.1.jpg). "auto" takes the only possible reading, and stops with an error that shows both where two are
    possible."""
    split_folders: dict[Literal["train", "validation", "test"], str | list[str]] = Field(default_factory=dict)
    """Folders of each split, as {train = "Training", test = ["Testing", "extra"]}; no other folder is read."""
    masks: Masks = "auto"
    """Masks among the photos of a class (cats/images with cats/masks, 1.jpg with 1_mask.png). "auto" passes over those
    that go with the photos one by one, and stops with an error where it is not certain; "skip" passes over these too;
    "keep" reads all as photos."""
    group: str = "auto"
    """Which photos form a group, which stays in one split. "column:NAME": a column of a table; "pattern:REGEX": the
    first parenthesis of a regular expression on the path; "parent": the folder; "burst:60s": EXIF times at most 60 s
    apart; "near-duplicates": pictures that are nearly alike; "auto": copies of one picture, and the groups of a table;
    "none": only pictures of equal pixels."""
    split_rule: Literal["grouped", "shuffled"] = "grouped"
    """How photos are assigned to splits. "grouped": by a hash of each group, so that adding, removing or relabelling a
    photo hardly moves others; "shuffled": the rule of earlier versions, to repeat their published figures, with which
    `group = "auto"` knows only equal files and the groups of a table."""
    task: Literal["auto", "single-label", "multi-label"] = "auto"
    """Number of labels a photo has. "single-label": one class; "multi-label": any number, also none; "auto": what the
    data show: several labels in a field, or a column of 0 and 1 for each label."""
    label_separator: Annotated[str, Field(min_length=1, max_length=8)] = ";"
    """Text between the labels of a photo in a field of a table."""
    label_columns: list[str] = Field(default_factory=list)
    """Names of the columns of a table that hold 1, 0 or nothing (unknown) for each label. [] takes, in a table without
    a label column, all columns of such values."""
    tree: bool = False
    """true reads folders within folders as a tree of labels: of owls/barn_owl/1.jpg the class is barn_owl, and owls is
    the label above it. Only the innermost folders hold photos; they may lie at different depths, and folders of splits
    (train, validation, test) may lie above, each with the same tree. false reads such folders as layout says. The
    photos, their splits and the training stay the same; figures are given on every level of the tree, and
    predict --precision answers with a label above where no class is sure enough. For folders that are no such tree, or
    a tree with other names, see taxonomy."""
    taxonomy: str = ""
    """Path of a table `label,parent` with the tree of labels, as tree reads it from folders: a row for each class of
    the photos and each label above, with the label directly above it; that of the one label above all others is empty.
    A relative path is looked for beside the recipe's file first. The run keeps the table. "" gives no table."""
    columns: dict[Literal["path", "label", "split", "group", "weight"], str] = Field(default_factory=dict)
    """Names of a table's columns where they are not the usual ones, as {path = "Datei", label = "Art"}."""
    root: str = ""
    """Folder to which the paths of a table are relative; by default the folder of the table."""
    allow_uri: list[str] = Field(default_factory=list)
    """Addresses below which a table may name pictures, as ["s3://bucket/photos/"]; of a table that lies in object
    storage, also the folder in which it lies. An address elsewhere is refused."""

    bit_depth: Auto | Annotated[int, Field(ge=8, le=32)] = "auto"
    """Number of bits in use in pictures of more than 8 bits, such as 12 for values of 0 to 4,095; "auto" is decided
    once over all photos and written into `range`."""
    range: Auto | Annotated[list[float], Field(min_length=2, max_length=2)] = "auto"
    """Values that become black and white in pictures of more than 8 bits, such as [-1024, 3071]."""

    @property
    def fewest(self) -> int | None:
        """Return the number of different photos below which a class is left out; None for "auto"."""
        return None if self.min_photos == "auto" else self.min_photos

    @property
    def levels(self) -> tuple[float, float] | None:
        """Return the values that become black and white in pictures of more than 8 bits; None for "auto"."""
        if self.range != "auto":
            return self.range[0], self.range[1]
        return None if self.bit_depth == "auto" else (0.0, 2.0**self.bit_depth - 1)

    @pydantic.model_validator(mode="after")
    def _one_range(self) -> "Data":
        if self.range != "auto" and self.bit_depth != "auto":
            raise ValueError("range and bit_depth say the same thing. Give one of them")
        if self.range != "auto" and not self.range[0] < self.range[1]:
            raise ValueError(
                f"range = {self.range} is empty. Give the darkest value first, such as [0, 4095]"
            )
        return self

    @pydantic.field_validator("split")
    @classmethod
    def _shares(cls, split: list[float]) -> list[float]:
        if abs(sum(split) - 1) > 1e-6 or split[0] <= 0 or split[1] <= 0 or split[2] < 0:
            raise ValueError(
                "give three shares of train, validation and test that sum to 1, such as [0.8, 0.1, 0.1]"
            )
        return split

    @pydantic.field_validator("allow_uri")
    @classmethod
    def _places(cls, addresses: list[str]) -> list[str]:
        # No ValueError, whose text would repeat what may be a secret.
        return [str(read_place(one)) for one in addresses]

    @pydantic.field_validator("group")
    @classmethod
    def _group(cls, group: str) -> str:
        GroupRule.read(group)
        return group

    @pydantic.field_validator("split_folders")
    @classmethod
    def _with_train(cls, folders: dict[str, str | list[str]]) -> dict[str, str | list[str]]:
        if folders and "train" not in folders:
            raise ValueError(
                'one of the folders has to be train, such as {train = "Training", test = "Testing"}'
            )
        return folders

    @pydantic.model_validator(mode="after")
    def _folders_are_splits(self) -> "Data":
        if self.split_folders and self.layout == "classes":
            raise ValueError(
                'layout = "classes" knows no split folders. Leave split_folders out, or give layout = "splits"'
            )
        return self

    @pydantic.model_validator(mode="after")
    def _one_tree(self) -> "Data":
        if self.tree and self.taxonomy:
            raise ValueError(
                "tree = true takes the tree of labels from the folders, and taxonomy from a table. Give one of them"
            )
        if self.tree and self.layout in ("classes", "nested", "flat"):
            raise ValueError(
                f'tree = true and layout = "{self.layout}" read the same folders in two ways. Leave layout out'
            )
        return self

    @pydantic.model_validator(mode="after")
    def _leaves_training_photos(self) -> "Data":
        if not self.folds and self.calibration and self.calibration >= self.split[0] - 1e-9:
            raise ValueError(
                f"calibration = {self.calibration:g} of the photos leaves none of the {self.split[0]:g} to learn "
                "from. Give less, such as 0.1"
            )
        return self

    @pydantic.model_validator(mode="after")
    def _fold_of_folds(self) -> "Data":
        if self.folds == 1:
            raise ValueError(
                "folds = 1 leaves nothing to learn from. Give 2 or more, or 0 to divide by `split`"
            )
        if self.fold and self.fold >= self.folds:
            raise ValueError(
                f"fold = {self.fold} and folds = {self.folds} do not go together: of 5 folds the last one is 4"
            )
        return self
