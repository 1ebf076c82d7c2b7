"""Copies of training photos among those that a training is measured on, found by the features that it has anyway."""

from collections.abc import Mapping, Sequence

from budwood.config.recipe import Recipe
from budwood.core.notes import Note
from budwood.core.text import count
from budwood.data.decoder.levels import as_range
from budwood.data.manifest import Photo
from budwood.features.twins import Twin, find_twins
from budwood.pipeline.features import OpenFeatures

_LIKE = {True: "looks like a copy", False: "look like copies"}
_REMEDY = (
    "budwood manifest DATA --group near-duplicates -o photos.csv writes which photos belong together; trained on that "
    "table, they stay in one split"
)
MEASURED = {"test": "test photo", "validation": "validation photo"}


def look_for_twins(
    features: OpenFeatures, parts: Mapping[str, Sequence[Photo]], recipe: Recipe
) -> tuple[tuple[Twin, ...], list[Note]]:
    """Return the photos of which a training photo is a copy, and what the user should know of them.

    They change no split: whatever the recipe, the same photos are in it. Photos that are alike by their perceptual
    hash are known already.
    """
    known = parts["train"]
    learned = {photo.kin.near for photo in known if photo.kin.near}
    vectors = features.training.array(known) if known else None
    twins: list[Twin] = []
    facts: list[str] = []
    passed_over: list[str] = []
    for split, word in MEASURED.items():
        photos = [photo for photo in parts[split] if photo.kin.near not in learned]
        if not photos or vectors is None:
            continue
        hashed = len(parts[split]) - len(photos)
        found = find_twins(photos, features.exact.array(photos), known, vectors, as_range(recipe.data.levels))
        twins += found.twins
        if found.twins:
            first = found.twins[0]
            left = len(photos) > len(found.twins)
            without = (
                "The figure without such photos stands beside the other"
                if left
                else f"No other {word} is left"
            )
            facts.append(
                f"{count(len(found.twins), word)} {_LIKE[len(found.twins) == 1]} of a training photo, such as "
                f"mirrored, cropped or stamped{_beside(hashed)}; the first is {first.photo!r}, like {first.known!r}. "
                f"{without}"
            )
        if found.passed_over:
            passed_over.append(
                f"copies of training photos were looked for among the {found.compared:,} pairs of a {word} and a "
                f"training photo that are most alike; {found.passed_over:,} more were not compared"
            )
    # Said once, after the last of them.
    facts[-1:] = [f"{fact}. {_REMEDY}" for fact in facts[-1:]]
    return tuple(twins), [Note(text, "groups") for text in (*facts, *passed_over)]


def _beside(hashed: int) -> str:
    """Return what is said of the near twins that the hash knew already: they are in the figures too."""
    if not hashed:
        return ""
    return f", beside {hashed:,} that the perceptual hash found"
