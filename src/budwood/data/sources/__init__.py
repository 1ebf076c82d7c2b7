"""Sources: where labelled photos come from. Each gives a `Manifest`."""

import os
from pathlib import Path

from budwood.core.progress.base import SILENT, Progress
from budwood.data.manifest import Manifest
from budwood.data.sources.folder import read_folder
from budwood.data.sources.memory import read_arrays
from budwood.data.sources.tfds import read_tfds

__all__ = ["read_arrays", "read_folder", "read_source", "read_tfds", "source_name"]

_TFDS = "tfds:"


def read_source(source: str | os.PathLike | Manifest, *, progress: Progress = SILENT) -> Manifest:
    """The manifest of a folder of photos, or of `tfds:NAME`; a manifest is passed on.

    Raises DataError where there is nothing to list.
    """
    if isinstance(source, Manifest):
        return source
    dataset = _tfds_name(source)
    return read_folder(source) if dataset is None else read_tfds(dataset, progress=progress)


def source_name(source: str | os.PathLike) -> str:
    """What to call a training on this source: the folder's name, or the data set's.

    >>> source_name("photos/flowers/"), source_name("tfds:cifar10:3.0.2")
    ('flowers', 'cifar10')
    """
    dataset = _tfds_name(source)
    return (
        Path(source).resolve().name or "run"
        if dataset is None
        else dataset.partition(":")[0].replace("/", "-")
    )


def _tfds_name(source: str | os.PathLike) -> str | None:
    text = os.fspath(source)
    # On Windows a Path has turned the slash before a configuration.
    return text.removeprefix(_TFDS).replace("\\", "/") if text.startswith(_TFDS) else None
