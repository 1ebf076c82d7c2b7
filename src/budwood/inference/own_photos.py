"""Whose photo a picture is: the photos of a run, known by their content."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from budwood.config.data import Data
from budwood.core.errors import BudwoodError, DataError, ImageError
from budwood.core.label_text import of_text
from budwood.core.progress.base import SILENT, Progress
from budwood.core.text import class_key, count
from budwood.data.image_ref import ImageFile
from budwood.data.images import ImageLike, digest
from budwood.data.label_sets import with_labels
from budwood.data.manifest import PARTS, Manifest, Photo
from budwood.evaluation.ood import Reference, fewest_held_out

UNSEEN, ALL = "unseen", "all"
"""The photos that a run did not learn from or choose by; every photo."""


class OwnPhotos:
    """The photos of a run.

    Args:
        rows: of its split.csv.
        classes: of its model.
        settings: the [data] of its recipe, by which its photos are listed; by default "auto".
        source: where they were when it was trained; None where that is not known.
    """

    def __init__(
        self,
        rows: Sequence[Mapping[str, str]],
        classes: Sequence[str],
        settings: Data | None = None,
        source: str | None = None,
    ):
        self._rows, self.classes, self._settings, self.source = rows, classes, settings, source

    @cached_property
    def _groups(self) -> dict[str, str]:
        return {row["sha256"]: group for row in self._rows if (group := row.get("group", ""))}

    @cached_property
    def _splits(self) -> dict[str, str]:
        return {row["sha256"]: row["split"] for row in self._rows}

    def names_and_class(self, picture: ImageLike) -> tuple[frozenset[str], str | None]:
        """Return under which names a picture is a photo of the run, and its true class where that is known.

        That of a picture which is none of them is the class in whose folder it lies, if it lies in one.
        """
        try:
            content = digest(picture)
        except ImageError:
            content = ""
        rows = [row for row in self._rows if row["sha256"] == content]
        if rows:
            return frozenset(row["name"] for row in rows), rows[0]["label"]
        if not isinstance(picture, str | os.PathLike):
            return frozenset(), None
        return frozenset(), self._known(Path(picture).absolute().parent.name)

    def refuse(self, pictures: Sequence[ImageLike]) -> None:
        """Raise DataError where a file among pictures of other things is a photo of the run."""
        own = [path for path in pictures if isinstance(path, Path | ImageFile) and self._has(path)]
        if own:
            more = f", and {len(own) - 1:,} more are" if len(own) > 1 else ""
            raise DataError(f"{own[0]} is a photo of this run{more}. Give pictures of none of its classes")

    def labelled(self, data: object, split: str, progress: Progress = SILENT) -> tuple[list[Photo], int]:
        """Return the usable photos of a folder that belong to a split of this run, and how many do not.

        A class whose name differs by Unicode form, case or blanks alone from one of the run is that class. A photo of
        the run for which the data name no group has that of the run.

        Raises:
            DataError: no such split, or a class that the run does not know.
        """
        from budwood.data.check import check
        from budwood.data.sources import read_source

        refuse_unknown_split(split)
        found = self._in_own_names(read_source(data, self._settings, progress=progress), progress)
        self._refuse_unknown_classes(found.photos)
        found = self._with_unknown(found, progress)
        checked = check(found, for_training=False, progress=progress)
        photos = [self._in_own_group(photo) for photo in checked.photos if self._belongs(photo, split)]
        if split == UNSEEN and (again := self._saved_again(photos)):
            example = min(again)
            progress.say(
                f"{count(len(again), 'photo')} that the run learned from, saved again (such as {example!r}), "
                f"{'is' if len(again) == 1 else 'are'} left out"
            )
            photos = [photo for photo in photos if photo.name not in again]
        return photos, len(checked.photos) - len(photos)

    @property
    def training_labels(self) -> list[str]:
        """Return the class of each training photo of the run."""
        return [row["label"] for row in self._rows if row["split"] == "train"]

    @property
    def settings(self) -> Data | None:
        """Return the [data] of its recipe, by which its photos are listed."""
        return self._settings

    def split_of(self, photo: Photo) -> str | None:
        """Return the split of a photo of the run, known by its bytes; None for one that is none of them."""
        return self._splits.get(photo.sha256)

    def unknown(self, photos: Sequence[Photo]) -> list[Photo]:
        """Return those that are no photos of the run, by their bytes."""
        return [photo for photo in photos if photo.sha256 not in self._splits]

    def learned(self) -> list[Photo]:
        """Return the training and validation photos of the run that are still where they were, none where that is
        not known or they are gone."""
        from budwood.data.sources import read_source

        try:
            found = read_source(self.source, self._settings).photos if self.source else ()
        except BudwoodError:
            return []
        rows = {row["name"]: row for row in self._rows if row["split"] != "test"}
        return [
            replace(photo, split=rows[photo.name]["split"], sha256=rows[photo.name]["sha256"])
            for photo in found
            if photo.name in rows
        ]

    def images(self, data: object) -> dict[str, ImageLike]:
        """Return those photos of the run that a folder holds, by their names. Raise DataError where it holds none."""
        from budwood.data.check import check
        from budwood.data.sources import read_source

        known = {row["name"]: row["sha256"] for row in self._rows}
        photos = {
            photo.name: photo.image
            for photo in check(read_source(data, self._settings), for_training=False).photos
            if known.get(photo.name) == photo.sha256
        }
        if not photos:
            raise DataError(f"{data} holds none of the run's photos. Give the folder that it was trained on")
        return photos

    def _saved_again(self, photos: Sequence[Photo]) -> set[str]:
        """Return the names of photos that show what a training or validation photo of the run shows, in other bytes.

        Known by their perceptual hashes; those of the run's photos come from the record of decoded photos, which has
        them where the run was trained or its photos were checked on this machine.
        """
        from budwood.data.decoded import Decoded
        from budwood.data.perceptual_hash import SAME, near_pairs, stacked

        unknown = self.unknown(photos)
        if not unknown:
            return set()
        with Decoded() as record:
            own = [
                found.hash
                for sha, split in self._splits.items()
                if split != "test" and (found := record.get(sha))
            ]
            others = [found.hash for photo in unknown if (found := record.get(photo.sha256))]
        if not own or len(others) < len(unknown):
            return set()
        pairs, _ = near_pairs(stacked([*own, *others]), SAME)
        across = pairs[(pairs[:, 0] < len(own)) & (pairs[:, 1] >= len(own))]
        return {unknown[index - len(own)].name for index in across[:, 1].tolist()}

    def _in_own_names(self, found: Manifest, progress: Progress) -> Manifest:
        others = {label: own for label in found.classes if (own := self._known(label)) not in (None, label)}
        for label, own in others.items():
            progress.say(f"{label!r} is taken for the class {own!r} of the run")
        photos = tuple(_renamed(photo, others) for photo in found.photos)
        classes = tuple(dict.fromkeys(others.get(label) or label for label in found.classes))
        return replace(found, photos=photos, classes=classes)

    def _with_unknown(self, found: Manifest, progress: Progress) -> Manifest:
        """Return the manifest with those labels of the run unknown for which its table has no column.

        A table that has a column for each label says nothing of a label without one; a list of labels is complete.
        """
        if not found.reading.label_columns:
            if self._names_one_each(found):
                progress.say(
                    "each photo has one label in this table: it counts as having no other. Where that is not so, write "
                    "all labels, or a column of 1, 0 and nothing for each"
                )
            return found
        columns = {self._known(column) for column in found.reading.label_columns}
        lost = [label for label in self.classes if label not in columns]
        if not lost:
            return found
        progress.say(
            f"the table has no column for {', '.join(map(repr, lost[:5]))}{', ...' if len(lost) > 5 else ''}: whether "
            "its photos have such a label is unknown, and left out"
        )
        photos = tuple(
            photo if photo.labels is None else with_labels(photo, photo.labels, {*photo.unknown, *lost})
            for photo in found.photos
        )
        return replace(found, photos=photos)

    def _names_one_each(self, found: Manifest) -> bool:
        """Return whether each photo of a table has exactly one of several labels, and the run's photos had not."""
        own = [of_text(row["label"]) for row in self._rows]
        return (
            found.multi_label
            and all(photo.labels is not None and len(photo.labels) == 1 for photo in found.photos)
            and not any(photo.unknown for photo in found.photos)
            and any(len(labels) != 1 for labels, _ in own)
        )

    def _known(self, label: str) -> str | None:
        """Return the class of the run that has this name, or as the only one a name that looks the same."""
        if label in self.classes:
            return label
        alike = [own for own in self.classes if class_key(own) == class_key(label)]
        return alike[0] if len(alike) == 1 else None

    def _in_own_group(self, photo: Photo) -> Photo:
        return photo if photo.group else replace(photo, group=self._groups.get(photo.sha256))

    def _has(self, path: Path | ImageFile) -> bool:
        try:
            return digest(path) in self._splits
        except ImageError:
            return False

    def _belongs(self, photo: Photo, split: str) -> bool:
        own = self._splits.get(photo.sha256)
        if split == ALL:
            return True
        return own in (None, "test") if split == UNSEEN else own == split

    def _refuse_unknown_classes(self, photos: Sequence[Photo]) -> None:
        first: dict[str, str] = {}
        for photo in photos:
            for label in (*photo.each_label, *photo.unknown):
                if label not in self.classes:
                    first.setdefault(label, photo.name)
        if first:
            label = min(first)
            kind = "label" if any(photo.labels is not None for photo in photos) else "class"
            more = f", nor {len(first) - 1:,} more" if len(first) > 1 else ""
            raise DataError(
                f"the run does not know the {kind} {label} (of {first[label]!r}){more}. It knows: "
                f"{', '.join(self.classes[:10])}. Write it as the run does, or leave it out"
            )


def _renamed(photo: Photo, others: Mapping[str, str]) -> Photo:
    if photo.labels is None:
        return replace(photo, label=others.get(photo.label) or photo.label)
    own, unknown = ([others.get(one) or one for one in some] for some in (photo.labels, photo.unknown))
    return with_labels(photo, own, unknown)


def refuse_unknown_split(split: str) -> None:
    """Raise DataError for what is no split of a run."""
    if split not in (UNSEEN, ALL, *PARTS):
        raise DataError(f"no split `{split}`. Give unseen, train, validation, test, calibration or all")


def few_photos_warning(reference: Reference | None, acceptance: float) -> str:
    """Return a sentence if too few validation photos say what is none of the classes, else nothing."""
    lacking = reference.lacks(acceptance) if reference else 0
    if reference is None or not lacking:
        return ""
    held_out, enough = len(reference.held_out), fewest_held_out(acceptance)
    known = f"{enough - lacking:,} photos, {held_out:,} of them validation photos,"
    if enough - lacking == held_out:
        known = count(held_out, "validation photo")
    return (
        f'only {known} could show how much photos of this kind differ from one another, so "none of these" is '
        "said only of what is very different, and pictures of other things may pass as known ones. "
        f"{held_out + lacking:,} validation photos would do"
    )
