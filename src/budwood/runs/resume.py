"""Checks before an interrupted run is resumed: that the request, or the kept recipe, and the photos are the same."""

from collections.abc import Sequence
from pathlib import Path

from budwood.config.recipe import Recipe
from budwood.core.errors import BudwoodError, RunError
from budwood.core.files import JsonObject, read_csv, read_json, sha256_of
from budwood.data.manifest import Photo
from budwood.data.taxonomy_table import read_taxonomy
from budwood.runs.info import SHOWN_CHANGES
from budwood.runs.schema import Request


def changes_of_request(folder: Path, before: Request, now: Request) -> list[str]:
    """Return what is asked for otherwise than of the run in a folder, each as "key was A and is now B".

    A run may be gone on with by what was asked for, or by the recipe that it keeps: that of a training within minutes
    is its plan.
    """
    changes = differences(_compared(before), _compared(now))
    kept = _as_kept(folder, before) if changes else None
    return [] if kept is not None and not differences(_compared(kept), _compared(now)) else changes


def _as_kept(folder: Path, before: Request) -> Request | None:
    """Return the request with the recipe of `recipe.toml`; None where that cannot be read."""
    try:
        recipe = Recipe.load(folder / "recipe.toml")
        table = read_taxonomy(recipe.data.taxonomy).sha256 if recipe.data.taxonomy else None
    except (BudwoodError, OSError):
        return None
    return before.model_copy(update={"recipe": as_asked(recipe), "taxonomy": table})


def _compared(request: Request) -> JsonObject:
    """Return the values of a request, without where the table of the labels' tree lies: its hash is there."""
    found = flat(request.to_json())
    found.pop("recipe.data.taxonomy", None)
    return found


def as_asked(recipe: Recipe) -> JsonObject:
    """Return a recipe as `run.json` keeps what was asked for."""
    return recipe.model_dump(mode="json", exclude_none=True)


def differences(before: JsonObject, now: JsonObject) -> list[str]:
    """Return what changed between two nested dicts, each as "key was A and is now B".

    >>> differences({"recipe": {"seed": 0}}, {"recipe": {"seed": 1}})
    ['recipe.seed was 0 and is now 1']
    """
    old, new = flat(before), flat(now)
    return [
        f"{key} was {old.get(key)!r} and is now {new.get(key)!r}"
        for key in dict.fromkeys([*old, *new])
        if old.get(key) != new.get(key)
    ]


def flat(values: JsonObject, prefix: str = "") -> JsonObject:
    """Return the values of nested dicts by their dotted keys.

    >>> flat({"seed": 0, "data": {"size": 224}})
    {'seed': 0, 'data.size': 224}
    """
    found: JsonObject = {}
    for key, value in values.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def refuse_other_photos(folder: Path, photos: Sequence[Photo]) -> None:
    """Raise RunError where the interrupted run in a folder has learned from other photos than these; say
    which.

    Nothing is compared, nor touched, where no phase had begun, or where `split.csv` is not the one it began with.
    """
    # Here, so that a linear trial writes its tables without Keras.
    from budwood.training.checkpoints import identity_of

    last = next(iter(sorted(folder.glob("checkpoints/*-last.npz"))), None)
    table = folder / "split.csv"
    if last is None or not table.is_file():
        return
    try:
        begun = identity_of(last)["photos"]
        # A photo may fail after the check, and does so again.
        failed = {problem["path"] for problem in read_json(folder / "check.json")["problems"]}
    except (RunError, OSError, ValueError, KeyError, TypeError):
        return
    if begun != sha256_of(table):
        return
    before = {row["name"]: row for row in read_csv(table)}
    now = {photo.name: photo for photo in photos}
    both = [photo for name, photo in now.items() if name in before]
    changes = [
        *(f"{name} is gone" for name in before if name not in now),
        *(f"{name} is new" for name in now if name not in before and name not in failed),
        *(
            f"{photo.name} is another picture"
            for photo in both
            if photo.sha256 != before[photo.name]["sha256"]
        ),
    ]
    # Where photos come and go, others change their split with them.
    changes = changes or [
        f"{photo.name} is of another {key}"
        for photo in both
        for key in ("label", "split")
        if getattr(photo, key) != before[photo.name][key]
    ]
    if changes:
        more = f" and {len(changes) - SHOWN_CHANGES} more" if len(changes) > SHOWN_CHANGES else ""
        raise RunError(
            f"the run in {folder} was begun with other photos: {'; '.join(changes[:SHOWN_CHANGES])}{more}. "
            "Put that back and resume, or train anew with --overwrite or in another directory"
        )
