"""Listings of photos that are given by their paths."""

from budwood.data.sources.listing import File, Folder


def listed(names, root=""):
    """The listing of photos that are given by their paths; a path that ends in "/" is a folder without photos."""
    start = f"{root}/" if root else ""
    inside = [name for name in names if name.startswith(start) and name != start]
    here = sorted({name[len(start) :].partition("/")[0] for name in inside})
    folders = [one for one in here if any(name.startswith(f"{start}{one}/") for name in inside)]
    files = [File(f"{start}{one}", 1) for one in here if one not in folders]
    return Folder(root, tuple(listed(names, start + one) for one in folders), tuple(files))


def in_each(*folders, number=3, start=0):
    return [f"{folder}/{start + index}.jpg" for folder in folders for index in range(number)]
