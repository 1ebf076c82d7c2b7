"""A tree of files in memory, without content."""

from budwood.data.image_ref import ImageBytes
from budwood.data.sources.tree import Entry


class Shelf:
    """A tree of files that are given by their paths."""

    def __init__(self, names):
        self.title = "shelf"
        self.names = list(names)

    def entries(self, folder):
        start = f"{folder}/" if folder else ""
        inside = [name for name in self.names if name.startswith(start)]
        bases = sorted({name[len(start) :].partition("/")[0] for name in inside})
        return tuple(
            Entry(start + base, "file", size=1)
            if start + base in self.names
            else Entry(start + base, "folder")
            for base in bases
        )

    def identity(self, folder):
        return folder

    def image(self, name):
        return ImageBytes(name.encode(), name)

    def start(self, name, size):
        return b""
