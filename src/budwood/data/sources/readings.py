"""The readings of a listing: each function takes its folders for something, and gives which photo shows what."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from budwood.core.text import class_key
from budwood.data.manifest import Split
from budwood.data.sources.listing import Candidate, Draft, File, Folder, Placed
from budwood.data.sources.names import (
    are_labelled,
    is_of_annotations,
    is_of_previews,
    is_wrapper,
    label_in,
    settle_held_out,
    split_roles,
)

SplitFolders = Sequence[tuple[Folder, Split]]
NONE: frozenset[str] = frozenset()


def read_classes(top: Folder) -> Candidate:
    """Return the reading in which each folder is a class, with all that lies in it."""
    draft = Draft("classes")
    _take_classes(draft, top, None)
    return draft.finish()


def read_splits(
    folders: SplitFolders, *, nested: bool = False, ask: Mapping[Split, tuple[str, ...]] | None = None
) -> Candidate:
    """Return the reading in which folders are splits, and what lies in each are its classes.

    A split without class folders is read by its file names where each says one of the classes, and passed over
    otherwise.

    Args:
        folders: each with its split.
        nested: whether folders that are neither classes nor splits lie between.
        ask: what has to be given as the split folders to have this reading.
    """
    draft = Draft("nested" if nested else "splits")
    learned = keys_of([folder for folder, split in folders if split == "train"])
    for folder, split in folders:
        inner = inside(folder, draft, NONE if split == "train" else learned)
        before = len(draft.photos)
        if nested:
            for part in inner.children:
                draft.above.append(part.base)
                _take_classes(draft, inside(part, draft), split, part.base)
        elif inner.children:
            _take_classes(draft, inner, split)
        elif are_labelled([file.name for file in inner.files]) or says_classes(inner, learned):
            _take_names(draft, inner.files, split, inner.name)
        else:
            draft.reasons[folder.name] = "unlabelled"
        if len(draft.photos) > before:
            draft.splits[split] = (*draft.splits.get(split, ()), folder.name)
    return draft.finish(ask)


def read_splits_below(top: Folder) -> Candidate:
    """Return the reading in which each folder is a class, and holds a folder for each split."""
    draft = Draft("splits")
    for folder in top.folders:
        draft.class_folders.append(folder.name)
        for part, split in roles_in(folder):
            draft.photos += [Placed(file.name, folder.base, split, top.name) for file in part.every()]
            draft.splits[split] = tuple(dict.fromkeys((*draft.splits.get(split, ()), part.base)))
    return draft.finish()


def read_nested(top: Folder) -> Candidate:
    """Return the reading in which folders above the classes are neither class nor split, such as cameras or sites."""
    if has_train(top):
        return read_splits(roles_in(top), nested=True)
    draft = Draft("nested")
    for part in top.children:
        draft.above.append(part.base)
        inner = part if has_train(part) else inside(part, draft)
        if not has_train(inner):
            _take_classes(draft, inner, None, part.base)
            continue
        for folder, split in roles_in(inner):
            _take_classes(draft, inside(folder, draft), split, part.base)
            draft.splits[split] = (*draft.splits.get(split, ()), folder.name)
    return draft.finish()


def read_flat(top: Folder, folders: SplitFolders = ()) -> Candidate:
    """Return the reading in which the name of a file says its class, wherever the file lies."""
    draft = Draft("flat")
    if not folders:
        _take_names(draft, tuple(top.every()), None, top.name)
    for folder, split in folders:
        before = len(draft.photos)
        _take_names(draft, tuple(folder.every()), split, folder.name)
        if len(draft.photos) > before:
            draft.splits[split] = (*draft.splits.get(split, ()), folder.name)
    return draft.finish()


def inside(folder: Folder, draft: Draft | None = None, known: AbstractSet[str] = NONE) -> Folder:
    """Return the folder in which the classes of `folder` lie: below lone folders, and in `images` beside `annotations`.

    Args:
        folder: where to begin.
        draft: told of what is passed over on the way.
        known: keys of classes, which are not descended into.
    """
    while True:
        if pictures := beside_annotations(folder):
            if draft is not None:
                draft.reasons |= {one.name: "annotations" for one in folder.folders if one is not pictures}
            folder = pictures
            continue
        if folder.files or len(folder.children) != 1 or class_key(folder.children[0].base) in known:
            return folder
        lone = folder.children[0]
        if lone.files and (lone.children or not are_labelled([file.name for file in lone.files])):
            return folder
        folder = lone


def beside_annotations(folder: Folder) -> Folder | None:
    """Return the folder of pictures that lies beside nothing but what was drawn on them, None where there is none."""
    pictures = [one for one in folder.children if is_wrapper(one.base)]
    drawn = [one for one in folder.folders if is_of_annotations(one.base)]
    if len(pictures) != 1 or not drawn or len(folder.children) > 1 + len([d for d in drawn if d.num_photos]):
        return None
    return pictures[0]


def roles_in(folder: Folder) -> list[tuple[Folder, Split]]:
    """Return those folders in a folder whose names say which split they are."""
    roles = settle_held_out(split_roles(child.base for child in folder.children))
    return [
        (child, role) for child in folder.children if (role := roles.get(child.base)) and role != "held_out"
    ]


def has_train(folder: Folder) -> bool:
    """Return whether one of the folders in a folder is called train."""
    return any(split == "train" for _, split in roles_in(folder))


def keys_of(folders: Sequence[Folder], known: AbstractSet[str] = NONE) -> frozenset[str]:
    """Return the keys of the classes in folders that are splits."""
    keys: set[str] = set()
    for folder in folders:
        inner = inside(folder, known=known)
        keys |= {class_key(child.base) for child in inner.children}
        if not inner.children and are_labelled([file.name for file in inner.files]):
            keys |= {class_key(label) for file in inner.files if (label := label_in(file.name))}
    return frozenset(keys)


def says_classes(folder: Folder, known: AbstractSet[str]) -> bool:
    """Return whether the name of every file in a folder says one of the known classes."""
    labels = {label_in(file.name) for file in folder.files}
    return None not in labels and {class_key(label) for label in labels if label} <= known


def inner_classes(photos: Sequence[Placed]) -> tuple[str, ...]:
    """Return the folders within that of a class which have the name of another class."""
    keys = {class_key(photo.label) for photo in photos}
    found: dict[str, None] = {}
    for photo in photos:
        outer, own = f"{photo.home}/" if photo.home else "", class_key(photo.label)
        # Most photos lie in the folder of their class itself.
        if photo.name.count("/") < outer.count("/") + 2:
            continue
        *folders, _ = photo.name[len(outer) :].split("/")
        for depth, folder in enumerate(folders[1:], 2):
            if class_key(folder) in keys - {own}:
                found[outer + "/".join(folders[:depth])] = None
    return tuple(sorted(found))


def inside_itself(top: Folder) -> Folder | None:
    """Return a folder that holds folders of the same names as those beside it, None where there is none."""
    deep = [folder for folder in top.children if folder.children and not folder.files]
    every = {class_key(folder.base) for folder in top.children} if deep else set()
    for folder in deep:
        own = {class_key(one.base) for one in folder.children}
        beside = own & (every - {class_key(folder.base)})
        if beside == own or len(beside) > 1:
            return folder
    return None


def _take_classes(draft: Draft, folder: Folder, split: Split | None, above: str = "") -> None:
    for child in folder.folders:
        draft.class_folders.append(child.name)
        small = tuple(_previews(child))
        draft.reasons |= dict.fromkeys(small, "preview")
        # A name that ends in "/" is below the folder itself, not below one whose name begins alike.
        below = tuple(f"{name}/" for name in small)
        draft.photos += [
            Placed(file.name, child.base, split, folder.name, above)
            for file in child.every()
            if not (below and file.name.startswith(below))
        ]


def _take_names(draft: Draft, files: Sequence[File], split: Split | None, home: str) -> None:
    for file in files:
        label = label_in(file.name)
        if label is None:
            draft.reasons[file.name] = "no_label"
        else:
            draft.photos.append(Placed(file.name, label, split, home))


def _previews(folder: Folder) -> list[str]:
    """Return the folders below a class that hold smaller copies of the photos beside them."""
    found = []
    for child in folder.children:
        large = {stem_of(file.base): file.size for file in folder.files}
        if is_of_previews(child.base) and all(
            file.size < large.get(stem_of(file.base), 0) for file in child.every()
        ):
            found.append(child.name)
        else:
            found += _previews(child)
    return found


def stem_of(base: str) -> str:
    """Return the name of a file without its ending."""
    return base.rpartition(".")[0] or base
