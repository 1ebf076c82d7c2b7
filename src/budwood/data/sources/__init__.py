"""Sources: where labelled photos come from. Each gives a `Manifest`."""

import os

from budwood.data.manifest import Manifest
from budwood.data.sources.folder import read_folder
from budwood.data.sources.memory import read_arrays
from budwood.errors import DataError

__all__ = ["read_arrays", "read_folder", "read_source"]


def read_source(source: str | os.PathLike | Manifest) -> Manifest:
    """The manifest of a folder of photos; a manifest is passed on. Raises DataError where there is nothing to list."""
    if isinstance(source, Manifest):
        return source
    if isinstance(source, str | os.PathLike):
        return read_folder(source)
    raise DataError(
        f"a {type(source).__name__} is not a source of photos. Give the path of a folder of class folders"
    )
