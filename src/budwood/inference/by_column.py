"""What a column says of photos: of a table, or one that every photo has."""

from collections.abc import Mapping, Sequence

from budwood.core.errors import DataError, did_you_mean
from budwood.core.text import listing
from budwood.data.manifest import Photo
from budwood.inference.own_photos import OwnPhotos

EVERY_PHOTO = ("label", "group", "split", "camera")
"""What is known of photos without a table."""
TIME = len("2026:01:31 12:59:59")
"""What stands before the camera in what EXIF says of a photo."""
NEW = "new"
"""The split of a photo that is none of the run's."""


def values_by(photos: Sequence[Photo], column: str, own: OwnPhotos, columns: Mapping[str, str]) -> list[str]:
    """Return what a column says of each photo, empty where it says nothing.

    Args:
        photos: after the check.
        column: of the table that named the photos, also one that was read as label, group or split; or "label",
            "group", "split" (in this run, "new" for photos of others), "domain" (of folders above the classes) or
            "camera" (by EXIF).
        own: the photos of the run.
        columns: of the table, the column by role.

    Raises:
        DataError: there is no such column, it is empty, or it names every photo by itself.
    """
    refuse_unknown_column(photos, column, columns)
    if any(column in photo.metadata for photo in photos):
        found = [photo.metadata.get(column, "") for photo in photos]
    else:
        role = next((role for role, name in columns.items() if name == column), column)
        found = _of_every_photo(photos, role, own)
    if photos and not any(found):
        raise DataError(_empty(column))
    if len(photos) > 1 and len(set(filter(None, found))) == len(photos):
        raise DataError(
            f"the column {column!r} has another value for every photo, so there are no subgroups. Give a column whose "
            "values several photos share"
        )
    return found


def refuse_unknown_column(photos: Sequence[Photo], column: str, columns: Mapping[str, str]) -> None:
    """Raise DataError for a column that photos cannot have; they need not be checked yet."""
    named = sorted({name for photo in photos for name in photo.metadata} | set(columns.values()))
    role = next((role for role, name in columns.items() if name == column), column)
    if column in {name for photo in photos for name in photo.metadata} or role in EVERY_PHOTO:
        return
    there = f"The table has {listing([repr(name) for name in named[:12]])}. " if named else ""
    raise DataError(
        f"there is no column {column!r} to go by.{did_you_mean(column, [*named, *EVERY_PHOTO])} {there}Without a "
        f"table there are {listing(EVERY_PHOTO)}"
    )


def _of_every_photo(photos: Sequence[Photo], role: str, own: OwnPhotos) -> list[str]:
    match role:
        case "label":
            return [photo.label for photo in photos]
        case "group":
            return [photo.group or "" for photo in photos]
        case "split":
            return [own.split_of(photo) or NEW for photo in photos]
    return [photo.kin.taken[TIME:].strip() for photo in photos]


def _empty(column: str) -> str:
    if column == "camera":
        return (
            "none of the photos says in EXIF with which camera it was taken, and there is no column 'camera'. Give "
            "a table with one"
        )
    return f"the column {column!r} says nothing of any of these photos. Give another one"
