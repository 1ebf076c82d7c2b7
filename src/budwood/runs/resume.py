"""What is refused before an interrupted run is gone on with."""

from collections.abc import Sequence
from pathlib import Path

from budwood.core.errors import RunError
from budwood.core.files import read_csv, read_json, sha256_of
from budwood.data.manifest import Photo
from budwood.runs.info import SHOWN_CHANGES


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
