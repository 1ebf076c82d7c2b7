"""A folder of photos, or the folders of an archive: what lies in it is listed, and `layout` says what that means.

    DATA/cats/1.jpg   DATA/dogs/2.jpg
    DATA/train/cats/1.jpg   DATA/train/dogs/2.jpg   DATA/test/cats/3.jpg   ...

Class folders may have sub-folders. Symbolic links are followed; hidden files, litter, and runs of Budwood are passed
over, and so are folders that hold nothing but runs, which is what a training started among the photos leaves there.
"""

import os
from pathlib import Path

from budwood.config.data import Data
from budwood.core.errors import DataError
from budwood.data.manifest import NOTHING, SPLITS, Manifest, Photo, Reading
from budwood.data.sources.copies import possible_copies, small_copies, without
from budwood.data.sources.layout import choose_reading, is_asked
from budwood.data.sources.layout_words import EXPECTED
from budwood.data.sources.left import tell_left
from budwood.data.sources.listing import Folder, WhyPassedOver
from budwood.data.sources.masks import find_masks
from budwood.data.sources.names import SPLIT_NAMES, is_hardly_a_class
from budwood.data.sources.readings import inner_classes
from budwood.data.sources.spelling import join_spellings
from budwood.data.sources.tree import DiskTree, Tree
from budwood.data.sources.walk import Walk
from budwood.data.taxonomy import make_taxonomy

__all__ = ["SPLIT_NAMES", "read_folder", "read_tree"]

_COMPARED = 50
"""Photos of a folder that may be a copy whose contents are compared."""


def read_folder(root: str | os.PathLike, settings: Data | None = None) -> Manifest:
    """Return the manifest of a folder; nothing is decoded.

    Args:
        root: the folder.
        settings: the recipe's [data], whose `layout` and `split_folders` say how to read it; by default "auto".

    Raises:
        DataError: no such folder, no two classes of photos in it, or more than one way to read it.
    """
    top = Path(root).absolute()
    if not top.exists():
        raise DataError(f"{root} does not exist. {EXPECTED}")
    if not top.is_dir():
        raise DataError(f"{root} is a file. {EXPECTED}")
    return read_tree(DiskTree(root), settings or Data())


def read_tree(tree: Tree, settings: Data) -> Manifest:
    """Return the manifest of a folder or an archive. Raise DataError as `read_folder` does."""
    walk = Walk(tree)
    top = walk.top
    if walk.is_empty:
        why = f"cannot be used: {walk.problems[0].detail}" if walk.problems else "is empty"
        raise DataError(f"{tree.title} {why}. {EXPECTED}")
    masks = find_masks(top, settings.masks, tree.title)
    previews = small_copies(top)
    bare = without(top, masks | previews)
    copies = _copies(tree, bare)
    reading = choose_reading(without(bare, copies), settings, tree.title)
    asked = is_asked(settings)
    placed, joined = join_spellings(reading.photos, asked=asked, title=tree.title)
    # In the order of the parts of their paths, for no sign sorts before this one. Lists of parts take more memory.
    placed.sort(key=lambda photo: photo.name.replace("/", "\0"))
    photos = tuple(
        Photo(
            image=tree.image(photo.name),
            name=photo.name,
            label=photo.label,
            split=photo.split,
            metadata={"domain": photo.above} if photo.above else NOTHING,
        )
        for photo in placed
    )
    reasons: dict[str, WhyPassedOver] = {
        **reading.reasons,
        **dict.fromkeys(copies, "copy"),
        **dict.fromkeys(masks, "annotations"),
        **dict.fromkeys(previews, "preview"),
    }
    left, unread = tell_left(top, walk.unread, placed, reading.class_folders, reasons)
    return Manifest(
        photos,
        tuple(sorted({photo.label for photo in photos})),
        (*walk.problems, *left),
        passed_over=unread,
        reading=Reading(
            reading.layout,
            {split: reading.splits[split] for split in SPLITS if split in reading.splits},
            reading.above,
            joined,
            asked=asked,
            inner=inner_classes(placed) if reading.layout != "flat" else (),
            doubtful=tuple(sorted(filter(is_hardly_a_class, {photo.label for photo in photos}))),
        ),
        taxonomy=make_taxonomy(reading.links, tree.title, nameless_root=True) if reading.links else None,
    )


def _copies(tree: Tree, top: Folder) -> frozenset[str]:
    """Return the folders that hold the photos beside them once more, by the content of some."""
    found: set[str] = set()
    while True:
        more = {
            copy.folder
            for copy in possible_copies(without(top, frozenset(found)))
            if all(_same(tree, *pair) for pair in copy.pairs[:: -(-len(copy.pairs) // _COMPARED)])
        }
        if not more:
            return frozenset(found)
        found |= more


def _same(tree: Tree, one: str, other: str) -> bool:
    try:
        return tree.image(one).read() == tree.image(other).read()
    except OSError:
        return False
