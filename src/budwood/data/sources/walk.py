"""Everything that lies in a folder or an archive: its photos as a listing, and what is no photo, by kind."""

import os
from dataclasses import dataclass

from budwood.core.faults import fault
from budwood.data.images import IMAGE_SUFFIXES, START, begins_like_a_picture, format_of, lacking
from budwood.data.manifest import Problem
from budwood.data.sources.listing import File, Folder
from budwood.data.sources.names import is_litter
from budwood.data.sources.tree import Entry, Tree

_RUN = "run.json"
_PARTIAL = (".crdownload", ".part", ".partial", ".download", ".!ut", ".tmp", ".filepart")
_NOT_OPENED = (
    ".txt .md .rst .html .htm .json .jsonl .csv .tsv .xml .yaml .yml .toml .ini .log .py .ipynb .sh "
    ".m .r .mat .npy .npz .h5 .hdf5 .pkl .pt .pth .onnx .tfrecord .parquet .feather .db .sqlite .sql "
    ".zip .tar .tgz .gz .bz2 .xz .7z .rar .pdf .doc .docx .xls .xlsx .ppt .pptx .odt .mp4 .mov .avi "
    ".mkv .webm .m4v .mpg .mpeg .wmv .3gp .wav .mp3 .m4a .aac .xmp .aae .thm .exe .dll .lnk .url "
    ".names .cfg .bak .svg .eps .ai"
)
# A camera's raw file begins like a TIFF, and would be read as the small preview in it.
_RAW = (
    ".cr2 .cr3 .crw .nef .nrw .arw .srf .sr2 .dng .orf .rw2 .raf .pef .srw .raw .3fr .fff .iiq .kdc .dcr .mrw .x3f "
    ".erf .mef .mos"
)
_NO_PICTURES = frozenset(f"{_NOT_OPENED} {_RAW}".split())
"""Endings of files that are no pictures whatever they begin with: these are not opened."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that is not read as a photo."""

    name: str
    kind: str
    """"format", "partial", "litter", "run", "broken_link", "link_loop", "unreadable" or "other"."""
    detail: str = ""
    """What is told of it as of a problem; empty where it is none, or is told of already."""

    @property
    def ending(self) -> str:
        """Return the ending in small letters, with its dot."""
        return os.path.splitext(self.name)[1].lower()


class Walk:
    """Goes through a tree once.

    Args:
        tree: a folder or an archive.
    """

    def __init__(self, tree: Tree):
        self.tree = tree
        self.problems: list[Problem] = []
        """Folders that cannot be listed, links that lead nowhere."""
        self.unread: list[Unread] = []
        self.top = self._folder("", (tree.identity(""),))

    @property
    def is_empty(self) -> bool:
        """Return whether there is nothing but what is hidden."""
        return not (self.top.folders or self.top.files or any(one.detail for one in self.unread))

    def _folder(self, name: str, above: tuple[str, ...]) -> Folder:
        folders, files = [], []
        for entry in self._entries(name):
            if entry.kind == "folder":
                real = self.tree.identity(entry.name)
                if self._is_of_runs(entry):
                    self.unread.append(Unread(entry.name, "run"))
                elif real in above:
                    self._fault(
                        entry, "link_loop", "a symbolic link to a folder that it lies in; not followed"
                    )
                else:
                    folders.append(self._folder(entry.name, (*above, real)))
            elif self._is_photo(entry):
                files.append(File(entry.name, entry.size))
        return Folder(name, tuple(folders), tuple(files))

    def _entries(self, folder: str) -> list[Entry]:
        """Return what lies in a folder, without litter and faulty entries, of which is told."""
        try:
            entries = self.tree.entries(folder)
        except OSError as error:
            self._report(folder, "unreadable", f"the folder cannot be listed ({fault(error)})")
            return []
        found = []
        for entry in entries:
            if is_litter(entry.base):
                self.unread.append(Unread(entry.name, "litter"))
            elif entry.kind == "link_loop":
                self._fault(entry, "link_loop", "a symbolic link that leads back to itself")
            elif entry.kind == "broken_link":
                self._fault(entry, "broken_link", "a symbolic link to something that does not exist")
            elif entry.kind == "unreadable":
                self._fault(entry, "unreadable", f"cannot be looked at ({entry.fault})")
            elif entry.kind == "other":
                self.unread.append(Unread(entry.name, "other", "neither a file nor a folder"))
            else:
                found.append(entry)
        return found

    def _fault(self, entry: Entry, kind: str, detail: str) -> None:
        self._report(entry.name, kind, detail)
        self.unread.append(Unread(entry.name, kind))

    def _report(self, name: str, kind: str, detail: str) -> None:
        self.problems.append(Problem(name or ".", kind, detail))

    def _is_photo(self, entry: Entry) -> bool:
        low = entry.base.lower()
        if low.endswith(IMAGE_SUFFIXES):
            return True
        ending = os.path.splitext(low)[1]
        if ending in _PARTIAL:
            self.unread.append(Unread(entry.name, "partial", "a download that was not finished"))
            return False
        start = b"" if ending in _NO_PICTURES else self._start(entry)
        if begins_like_a_picture(start):
            return True
        why = lacking(format_of(start)) or f"{ending or 'no ending'} is none of the formats that are read"
        self.unread.append(Unread(entry.name, "format", why))
        return False

    def _start(self, entry: Entry) -> bytes:
        try:
            return self.tree.start(entry.name, START)
        except OSError:
            return b""

    def _is_of_runs(self, folder: Entry) -> bool:
        """Return whether a folder is a run, or holds runs and nothing else."""
        inside = self._visible(folder.name)
        if any(self._is_run_file(entry) for entry in inside):
            return True
        return bool(inside) and all(
            entry.kind == "folder" and any(map(self._is_run_file, self._visible(entry.name)))
            for entry in inside
        )

    def _visible(self, folder: str) -> list[Entry]:
        try:
            return [entry for entry in self.tree.entries(folder) if not is_litter(entry.base)]
        except OSError:
            return []

    @staticmethod
    def _is_run_file(entry: Entry) -> bool:
        return entry.kind == "file" and entry.base == _RUN
