"""The files of an archive, whatever its form, and what is refused of any."""

from dataclasses import dataclass

from budwood.core.errors import DataError
from budwood.core.text import shown
from budwood.data.image_ref import ImageRef
from budwood.data.sources.tree import EntryKind

MAX_GROWTH, GROWTH_FROM = 200, 100_000_000
"""How much larger than its file something may be when it is unpacked, from so many bytes on. Photos hardly shrink."""


@dataclass(frozen=True)
class Member:
    """One file of an archive."""

    name: str
    kind: EntryKind
    image: ImageRef | None = None
    size: int = 0


def link_refusal(name: str, title: str) -> DataError:
    return DataError(
        f"{title}: {shown(name)!r} is a link, and links in archives are not followed. Pack the files themselves"
    )


def refuse_growth(size: int, packed: int, title: str) -> None:
    if size > GROWTH_FROM and size > MAX_GROWTH * packed:
        raise DataError(
            f"{title} would grow from {packed:,} to {size:,} bytes or more. Photos do not: it is a trap (a zip "
            "bomb), or not made of photos. Nothing of it is read"
        )
