"""Findings of pictures on which little is to be seen."""

from collections.abc import Sequence

from budwood.auditing.findings import PoorPicture, Shown
from budwood.data.inspection import Inspection
from budwood.data.manifest import Photo
from budwood.data.poor_photos import poor_photos


def find_poor_pictures(inspected: Sequence[tuple[Photo, Inspection]]) -> list[PoorPicture]:
    """Return the photos that are blank, dark, overexposed, blurred or tiny, each once, the worst of a kind first."""
    return [
        PoorPicture(
            photo=Shown(one.photo.name, one.photo.label, one.photo.split or ""),
            value=one.value,
            limit=one.limit,
            kind=one.kind,
        )
        for one in poor_photos(inspected)
    ]
