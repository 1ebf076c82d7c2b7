"""What is said where a folder can be read in several ways, or in none."""

import shlex
from collections.abc import Sequence

from budwood.core.errors import did_you_mean
from budwood.core.text import count, listing, shorten
from budwood.data.images import IMAGE_SUFFIXES
from budwood.data.sources.listing import Candidate, Folder
from budwood.data.sources.names import are_labelled
from budwood.data.sources.readings import inside_itself, roles_in

EXPECTED = "Expected a folder for each class, such as DATA/cats/1.jpg and DATA/dogs/2.jpg"
_SHOWN = 4


def ambiguity(title: str, found: Sequence[Candidate]) -> str:
    """Return the text that shows every reading, a line each, and the option that chooses it."""
    options = [option(one) for one in found]
    width = max(map(len, options))
    lines = [f"  {text:<{width}}  {_in_words(one)}" for text, one in zip(options, found, strict=True)]
    nested = any(one.layout == "nested" for one in found)
    tree = [
        "Where the folders are a tree of labels, such as species in genera: --set data.tree=true"
    ] * nested
    ways = {2: "two", 3: "three", 4: "four"}.get(len(found), str(len(found)))
    return "\n".join(
        [
            f"{title} can be read in {ways} ways, and nothing says which one is meant:",
            *lines,
            *tree,
            "Give the option of the one that is (in a recipe, data.layout or data.split_folders)",
        ]
    )


def option(one: Candidate) -> str:
    """Return the option that asks for a reading.

    >>> option(Candidate("splits", (), split_folders={"train": ("Learn",), "test": ("Check 2",)}))
    "--split-folders 'train=Learn,test=Check 2'"
    """
    if one.layout == "tree":
        return "--set data.tree=true"
    if not one.split_folders:
        return f"--layout {one.layout}"
    pairs = [f"{split}={name}" for split, names in one.split_folders.items() for name in names]
    return f"--split-folders {shlex.quote(','.join(pairs))}"


def _in_words(one: Candidate) -> str:
    text = f"{count(len(one.counts), 'class', 'classes')}: {_counts(one)}"
    if one.splits:
        parts = [f"{split} {listing([repr(name) for name in names])}" for split, names in one.splits.items()]
        text += f"; {', '.join(parts)}"
    if one.above:
        text += f"; in {_names(one.above)}"
    return text


def _counts(one: Candidate) -> str:
    first = [f"{shorten(label)} {number:,}" for label, number in sorted(one.counts.items())[:_SHOWN]]
    more = len(one.counts) - len(first)
    return ", ".join(first) + (f" and {more:,} more" if more else "") + " photos"


def _names(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(map(repr, names[:_SHOWN])) + (f" and {more:,} more" if more > 0 else "")


def no_such_folder(top: Folder, title: str, name: str) -> str:
    """Return the text for a split folder that is not there."""
    there = [folder.base for folder in top.folders]
    return (
        f"{title} has no folder {name!r}, which split_folders names.{did_you_mean(name, there)} "
        f"It has: {_names(there) if there else 'no folders'}"
    )


def asked_in_vain(found: Candidate, title: str) -> str:
    """Return why a reading that was asked for gives fewer than two classes."""
    expected = {
        "classes": "a folder for each class, such as DATA/cats/1.jpg",
        "splits": "folders such as DATA/train/cats/1.jpg; --split-folders says which is which under other names",
        "nested": "folders of classes below others, such as DATA/camera1/cats/1.jpg",
        "tree": "folders in folders, the innermost ones the classes, such as DATA/owls/barn owl/1.jpg",
        "flat": "file names that begin with the class and end with a number, such as cat.1.jpg",
    }
    classes = f"one class, {next(iter(found.counts))!r}," if found.counts else "no class"
    return (
        f"{title} has photos of {classes} when it is read as {option(found)} asks; two are needed. Expected "
        f"{expected[found.layout]}"
    )


def refusal(top: Folder, title: str, found: Candidate | None) -> str:
    """Return why a listing cannot be read: there is no reading of it, or one of fewer than two classes."""
    if not top.num_photos:
        return f"{title} holds no photos ({', '.join(IMAGE_SUFFIXES[:6])}, ...). {EXPECTED}"
    roles = roles_in(top)
    splits = {split for _, split in roles}
    if found is None and splits and "train" not in splits and len(roles) == len(top.children) > 1:
        return (
            f"{title} has {listing([repr(folder.base) for folder, _ in roles])} but no 'train' to learn from. "
            f"{EXPECTED}; if these are the classes, give --layout classes"
        )
    if found is None and splits and "train" in splits:
        names = listing([repr(folder.base) for folder, _ in roles])
        return (
            f"nothing says what the photos in {names} of {title} show: there are no class folders in them, and no "
            f"classes in the names of the files. {EXPECTED}; if {names} are the classes, give --layout classes"
        )
    if found is None and (copy := inside_itself(top)):
        same = [child.base for child in copy.children]
        return (
            f"{copy.base!r} in {title} holds folders of the same names as those beside it ({_names(same)}). If its "
            "photos are more of theirs, move them there; if they are the same photos again, take the folder out; if it "
            "is a class of its own, give --layout classes"
        )
    if inner := _deeper(top):
        path = f"{title.rstrip('/')}/{inner.name}"
        held = [f"{child.base} {child.num_photos:,}" for child in inner.children[:_SHOWN]] or [
            f"{len(inner.files):,} photos"
        ]
        more = len(inner.children) - _SHOWN
        return (
            f"{title} has photos of one class only, {top.children[0].base!r}, where two are needed; the folders of the "
            f"classes seem to lie deeper ({', '.join(held)}{f' and {more} more' if more > 0 else ''}). Give {path}"
        )
    if found is not None and found.counts:
        return (
            f"{title} has photos of one class only, {next(iter(found.counts))!r}; two are needed. {EXPECTED}"
        )
    if not top.children:
        example = top.files[0].base
        return (
            f"the photos lie loose in {title}, such as {example!r}, and their names say no class. {EXPECTED}"
        )
    if len(top.children) == 1:
        return f"{title} has photos of one class only, {top.children[0].base!r}; two are needed. {EXPECTED}"
    return f"nothing says what the photos in {title} show. {EXPECTED}"


def _deeper(top: Folder) -> Folder | None:
    """Return the folder below lone folders that holds several folders of photos, None where there is none."""
    inner = top
    while not inner.files and len(inner.children) == 1:
        inner = inner.children[0]
    several = len(inner.children) > 1 and not inner.files
    return (
        inner if inner is not top and (several or are_labelled([file.name for file in inner.files])) else None
    )
