"""Sources: where labelled photos come from. Each is a file here with a function that gives a `Manifest`."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from budwood.core.progress.base import SILENT, Progress
from budwood.data.manifest import Manifest
from budwood.data.sources.folder import read_folder
from budwood.data.sources.memory import read_arrays
from budwood.data.sources.schemes import refuse_unknown_scheme
from budwood.data.sources.tfds import read_tfds

__all__ = ["SCHEMES", "Source", "read_arrays", "read_folder", "read_source", "read_tfds", "source_name"]


@dataclass(frozen=True)
class Source:
    """A kind of source: what to do with that which stands after its scheme."""

    read: Callable[[str, Progress], Manifest]
    """Lists the photos; decodes none. Raises DataError."""
    name: Callable[[str], str]
    """Gives the data set's name, for files."""


FOLDER = Source(lambda path, progress: read_folder(path), lambda path: Path(path).resolve().name)
"""What a text without a known scheme names."""

SCHEMES: dict[str, Source] = {
    "tfds": Source(
        # On Windows a Path has turned the slash before a configuration.
        lambda dataset, progress: read_tfds(dataset.replace("\\", "/"), progress=progress),
        lambda dataset: dataset.replace("\\", "/").partition(":")[0].replace("/", "-"),
    ),
}
"""The sources that are named `SCHEME:...`; every command takes them."""


def read_source(source: str | os.PathLike | Manifest, *, progress: Progress = SILENT) -> Manifest:
    """Return the manifest of a folder of photos, or of `SCHEME:...`; a manifest is passed on.

    Raises DataError where there is nothing to list.
    """
    if isinstance(source, Manifest):
        return source
    refuse_unknown_scheme(os.fspath(source), SCHEMES)
    kind, rest = _kind(source)
    return kind.read(rest, progress)


def source_name(source: str | os.PathLike | Manifest) -> str:
    """Return what to call a training on this source: the folder's name, or the data set's.

    >>> source_name("photos/flowers/"), source_name("tfds:cifar10:3.0.2")
    ('flowers', 'cifar10')
    """
    if isinstance(source, Manifest):
        return source.name or "run"
    kind, rest = _kind(source)
    return kind.name(rest) or "run"


def _kind(source: str | os.PathLike) -> tuple[Source, str]:
    text = os.fspath(source)
    scheme, colon, rest = text.partition(":")
    return (SCHEMES[scheme], rest) if colon and scheme in SCHEMES else (FOLDER, text)
