"""Folders of folders as a tree of labels: the innermost folders are the classes, those around them what they are."""

import unicodedata
from collections import deque

from budwood.core.errors import DataError
from budwood.data.manifest import Split
from budwood.data.sources.listing import Candidate, Draft, Folder, Placed
from budwood.data.sources.readings import SplitFolders
from budwood.data.taxonomy import Link


def read_branches(top: Folder, folders: SplitFolders = (), title: str = "") -> Candidate:
    """Return the reading in which folders lie in folders as labels do, such as `owls/barn owl/1.jpg`.

    Args:
        top: the listing.
        folders: those that are splits, each with a tree in it; by default `top` is the tree.
        title: what messages call the root.

    Raises:
        DataError: photos lie beside the folders of a node, so that they have no class.
    """
    draft = Draft("tree")
    links: dict[tuple[str, str], Link] = {}
    roots: list[tuple[Folder, Split | None]] = [*folders] if folders else [(top, None)]
    for folder, split in roots:
        before = len(draft.photos)
        open_ = deque([(folder, "")])
        while open_:
            node, name = open_.popleft()
            for child in node.children:
                label = unicodedata.normalize("NFC", child.base)
                links.setdefault((label, name), Link(label, name, f"folder {child.name!r}"))
                if not child.children:
                    draft.class_folders.append(child.name)
                    draft.photos += [Placed(file.name, child.base, split, node.name) for file in child.files]
                    continue
                if child.files:
                    raise DataError(
                        f"{title}: {child.name!r} holds photos, such as {child.files[0].base!r}, beside folders of "
                        f"photos, such as {child.children[0].base!r}, and with data.tree = true only the innermost "
                        "folders are classes. Move the photos into a folder of their own there, or out"
                    )
                open_.append((child, label))
        if split and len(draft.photos) > before:
            draft.splits[split] = (*draft.splits.get(split, ()), folder.name)
    return draft.finish(links=tuple(links.values()))
