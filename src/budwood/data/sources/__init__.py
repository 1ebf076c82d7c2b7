"""Sources: where labelled photos come from. Each gives a `Manifest`."""

import os

from budwood.data.manifest import Manifest
from budwood.data.sources.folder import read_folder
from budwood.data.sources.memory import read_arrays

__all__ = ["read_arrays", "read_folder", "read_source"]


def read_source(source: str | os.PathLike | Manifest) -> Manifest:
    """The manifest of a folder of photos; a manifest is passed on. Raises DataError where there is nothing to list."""
    return source if isinstance(source, Manifest) else read_folder(source)
