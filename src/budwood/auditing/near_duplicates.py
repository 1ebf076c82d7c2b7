"""Groups of photos that show nearly the same, to be written into a manifest and looked at.

By the perceptual hash, as `--group near-duplicates` of a training has them, and besides by features and pixels, which
also find mirrored, cropped and stamped copies. These depend on a network, and therefore decide no split by themselves:
only a table that was written down does.
"""

from collections import defaultdict
from dataclasses import dataclass, replace

from budwood.auditing.features import audited_features
from budwood.config.data import Data
from budwood.config.group_rule import GroupRule
from budwood.config.recipe import Recipe
from budwood.core.progress.base import SILENT, Progress
from budwood.data.check import check
from budwood.data.decoder.levels import as_range
from budwood.data.groups import SAME_PICTURE, form_groups
from budwood.data.kin import joined
from budwood.data.manifest import Manifest, Photo
from budwood.features.twins import SMALLEST, Twins, find_twins_among

NEAR = "near-duplicates "
"""How the names of groups begin that features and pixels make up."""


@dataclass(frozen=True)
class Grouped:
    """A manifest with the groups of its photos."""

    manifest: Manifest
    twins: Twins
    """Pairs found by features and pixels, beyond those of the perceptual hash."""
    too_small: int
    """Photos that are too small for their pixels to be compared."""
    in_two_splits: tuple[tuple[Photo, Photo], ...]
    """One pair of photos for each group with photos in several given splits; a training refuses such groups."""

    @property
    def num_groups(self) -> int:
        """Return how many groups have several photos."""
        return len({photo.group for photo in self.manifest.photos if photo.group})

    @property
    def num_photos(self) -> int:
        """Return how many photos are in a group with others."""
        return sum(photo.group is not None for photo in self.manifest.photos)


def group_manifest(
    manifest: Manifest, settings: Data, *, network: bool = True, progress: Progress = SILENT
) -> Grouped:
    """Return a manifest in which photos that belong together have a group, by the rule `settings.group`.

    Args:
        manifest: what was understood of the source.
        settings: how pictures are read, and the rule.
        network: whether features and pixels are asked too; of the rule "near-duplicates" alone.
        progress: told of the stages "check" and "features".

    Raises:
        DataError: the rule does not apply to some of the photos, or makes one group of all.
        BackboneError, WeightsError: a network is needed and cannot be made.
    """
    rule = GroupRule.read(settings.group)
    levels = as_range(settings.levels)
    checked = check(manifest, for_training=False, levels=levels, progress=progress)
    # A group in two given splits is told, and does not stop who wants to see it.
    photos = [replace(photo, split=None) for photo, _ in checked.inspected]
    groups = [photo.group for photo in form_groups(photos, rule)]
    twins = Twins((), 0, 0)
    if rule.kind == "near-duplicates" and network:
        recipe = Recipe.load("frozen-linear")
        levels = levels or checked.values.range
        data = (
            settings if levels is None else settings.model_copy(update={"range": [levels.low, levels.high]})
        )
        recipe = recipe.model_copy(update={"data": data})
        with audited_features(recipe, photos, progress) as (features, extraction):
            there = [photo for photo in photos if photo.name not in extraction.failed]
            twins = find_twins_among(there, features.array(there), levels)
        groups = _with_twins(photos, groups, twins)
    by_name = dict(zip((photo.name for photo in photos), groups, strict=True))
    found = tuple(replace(photo, group=by_name.get(photo.name)) for photo in manifest.photos)
    small = sum(min(photo.width, photo.height) < SMALLEST for photo in photos)
    return Grouped(replace(manifest, photos=found), twins, small, _in_two_splits(found))


def _with_twins(photos: list[Photo], groups: list[str | None], twins: Twins) -> list[str | None]:
    place = {photo.name: index for index, photo in enumerate(photos)}
    pairs = [(place[twin.photo], place[twin.known]) for twin in twins.twins]
    first: dict[str, int] = {}
    pairs += [(first.setdefault(name, index), index) for index, name in enumerate(groups) if name]
    members = defaultdict(list)
    for index, root in enumerate(joined(len(photos), pairs)):
        members[root].append(index)
    named: list[str | None] = [None] * len(photos)
    for together in members.values():
        if len(together) > 1:
            names = {name for index in together if (name := groups[index])}
            given = sorted(name for name in names if not name.startswith(SAME_PICTURE))
            made = NEAR + min(photos[index].sha256 for index in together)[:12]
            for index in together:
                named[index] = given[0] if given else made
    return named


def _in_two_splits(photos: tuple[Photo, ...]) -> tuple[tuple[Photo, Photo], ...]:
    first: dict[str, Photo] = {}
    found: dict[str, tuple[Photo, Photo]] = {}
    for photo in photos:
        if photo.group and photo.split:
            other = first.setdefault(photo.group, photo)
            if other.split != photo.split:
                found.setdefault(photo.group, (other, photo))
    return tuple(found.values())
