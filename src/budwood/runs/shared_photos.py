"""The photos that several runs have in a split, on which they can be compared."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, TypeVar, runtime_checkable

from budwood.core.errors import RunError
from budwood.core.text import count, listing, shown
from budwood.evaluation.groups import MIN_GROUPS, Grouping
from budwood.runs.files import RunFiles

KINDS = {"class": ("classes", "another class"), "labels": ("labels", "other labels")}
"""What photos have in a task: of all, and of a photo that was corrected."""


@runtime_checkable
class Row(Protocol):
    """What a run says of a photo."""

    @property
    def name(self) -> str: ...
    @property
    def split(self) -> str: ...
    @property
    def true(self) -> str: ...


AnyRow = TypeVar("AnyRow", bound=Row)


class Shared(NamedTuple):
    """Which photos runs are compared on; the fields are those of `Comparison`, but for the groups themselves."""

    own: dict[str, int]
    corrected: int
    truth: str
    groups: Grouping


def backbones_of(name: str | Sequence[str]) -> str:
    """Return the backbone of a run, or its several, in words.

    >>> backbones_of("mobilenet_v2"), backbones_of(["efficientnet_lite2@260", "efficientnet_lite0@224"])
    ('mobilenet_v2', 'efficientnet_lite2@260 and efficientnet_lite0@224')
    """
    return name if isinstance(name, str) else listing(name)


def names_of(paths: Sequence[Path]) -> list[str]:
    """Return the folders' own names, or as much of their paths as tells them apart."""
    parts = [path.resolve().parts for path in paths]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(own[-depth:]) for own in parts]
        if len(set(names)) == len(names):
            break
    return names


def share_photos(
    runs: Mapping[str, RunFiles],
    predictions: Mapping[str, Sequence[AnyRow]],
    split: str,
    kind: Literal["class", "labels"],
) -> tuple[dict[str, list[AnyRow]], Shared]:
    """Return the rows of each run for the photos that all have in the split, in one order; and which these are.

    Raise RunError where the runs know other classes, have no photo in common, or do not agree on the truth of most.
    """
    classes, another = KINDS[kind]
    first, *others = runs
    for other in others:
        _refuse_other_classes(first, runs[first].classes, other, runs[other].classes, classes)
    by_photo = {}
    for name, run in runs.items():
        # A photo that was moved to another folder is the same photo, and so is one that lies there twice.
        content = {row.name: row.sha256 or row.name for row in run.split}
        found = {content.get(row.name, row.name): row for row in predictions[name] if row.split == split}
        if not found:
            raise RunError(
                f"{shown(name)} has no {split} photos to compare on: it was trained without them. "
                "Give --split validation, or train it again with a test split"
            )
        by_photo[name] = found
    shared = [photo for photo in by_photo[first] if all(photo in found for found in by_photo.values())]
    if not shared:
        raise RunError(
            f"{listing([shown(name) for name in runs])} have no {split} photo in common, so nothing can be compared. "
            "Train them on the same data with the same split_seed"
        )
    last = max(runs, key=lambda name: runs[name].info.started)
    corrected = [photo for photo in shared if len({by_photo[name][photo].true for name in runs}) > 1]
    if len(corrected) > len(shared) / 2:
        raise RunError(
            f"{listing([shown(name) for name in runs])} cannot be compared: {count(len(corrected), 'photo')} have "
            f"{another} in each, such as {shown(by_photo[first][corrected[0]].name)}"
        )
    groups = {row.sha256 or row.name: row.group for row in runs[last].split}
    return {name: [found[photo] for photo in shared] for name, found in by_photo.items()}, Shared(
        {name: len(found) for name, found in by_photo.items()},
        len(corrected),
        last,
        Grouping.of([groups.get(photo, "") for photo in shared]),
    )


def refuse_other_tasks(runs: Mapping[str, RunFiles]) -> None:
    """Raise RunError where some runs have several labels a photo, and others one class."""
    several = [shown(name) for name, run in runs.items() if run.multi_label]
    single = [shown(name) for name, run in runs.items() if not run.multi_label]
    if several and single:
        raise RunError(
            f"{listing(several)} {'has' if len(several) == 1 else 'have'} several labels a photo, and "
            f"{listing(single)} one class a photo: their figures cannot be compared. Give runs of one task"
        )


def refuse_few_groups(groups: Grouping, split: str) -> None:
    if not groups.enough:
        raise RunError(
            f"the {len(groups.numbers):,} {split} photos that all runs have are of {count(groups.num, 'group')} of "
            f"photos that belong together, and {MIN_GROUPS} or more are needed to compare on. Compare on more photos, "
            "or train by --group none where they are independent"
        )


def _refuse_other_classes(
    first: str, classes: Sequence[str], other: str, own: Sequence[str], kind: str
) -> None:
    if set(classes) == set(own):
        return
    missing = [shown(label) for label in classes if label not in own]
    added = [shown(label) for label in own if label not in classes]
    differences = [
        f"only {shown(name)} knows {listing(some[:5])}{' and more' if len(some) > 5 else ''}"
        for name, some in ((first, missing), (other, added))
        if some
    ]
    raise RunError(f"{shown(first)} and {shown(other)} have other {kind}: {'; '.join(differences)}")
