"""Data sets of Hugging Face: saved to disk (`save_to_disk`), or from the hub by name, `hf:NAME` (needs `datasets`)."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from budwood.config.data import Data
from budwood.core.errors import DataError
from budwood.core.progress.base import SILENT, Progress
from budwood.data.manifest import Manifest
from budwood.data.sources.arrow import read_arrow
from budwood.data.sources.columnar import Shard

_DICT, _STATE, _INFO = "dataset_dict.json", "state.json", "dataset_info.json"
_SAVE = "Save it again with save_to_disk"


def is_saved(folder: str | os.PathLike) -> bool:
    """Return whether a folder is what `save_to_disk` writes, of a data set or of one with several splits."""
    place = Path(folder)
    return (place / _DICT).is_file() or ((place / _STATE).is_file() and (place / _INFO).is_file())


def read_saved(folder: str | os.PathLike, settings: Data, progress: Progress = SILENT) -> Manifest:
    """Return the manifest of a data set that `save_to_disk` wrote. Raise DataError where it is damaged."""
    place = Path(folder)
    parts = {"": place}
    if (place / _DICT).is_file():
        names = _json(place / _DICT).get("splits")
        if not isinstance(names, list) or not names or not all(_is_part(place, name) for name in names):
            raise DataError(f"{place / _DICT} names no splits that lie beside it. {_SAVE}")
        parts = {name: place / name for name in names}
    shards = [Shard(str(file), split or None) for split, part in parts.items() for file in _files(part)]
    if not shards:
        raise DataError(f"{place} names no data files. {_SAVE}")
    features = _json(next(iter(parts.values())) / _INFO).get("features")
    return read_arrow(
        shards, os.fspath(folder), settings, features if isinstance(features, dict) else None, progress
    )


def read_hub(name: str, settings: Data, progress: Progress = SILENT) -> Manifest:
    """Return the manifest of a data set of the hub, which `datasets` downloads where that has not been done.

    Args:
        name: "user/name", with a configuration "user/name:config", with a revision "user/name@v1.0".

    Raise DataError where `datasets` is not installed, the hub does not have it, or it is no set of labelled pictures.
    """
    try:
        import datasets
    except ImportError as error:
        raise DataError(
            f"`hf:{name}` needs Hugging Face datasets, which is not installed: pip install 'budwood[hf]'"
        ) from error
    repository, _, config = name.partition(":")
    repository, _, revision = repository.partition("@")
    if progress is SILENT:
        datasets.disable_progress_bars()
    try:
        loaded = datasets.load_dataset(repository, config or None, revision=revision or None)
    except Exception as error:  # what the hub, a data set and pyarrow may raise has no end
        words = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise DataError(
            f"Hugging Face cannot give `hf:{name}` ({words}). Expected hf:USER/NAME, with a configuration "
            "hf:USER/NAME:CONFIG, with a revision hf:USER/NAME@REVISION"
        ) from error
    finally:
        datasets.enable_progress_bars()
    parts = dict(loaded) if hasattr(loaded, "values") else {"": loaded}
    shards = [
        Shard(file["filename"], split or None) for split, part in parts.items() for file in part.cache_files
    ]
    features = next(iter(parts.values())).features.to_dict()
    return read_arrow(shards, f"hf:{name}", settings, features, progress)


def image_columns(dataset: Any) -> list[str]:
    """Return the columns of a `datasets.Dataset` that hold pictures."""
    return [name for name, feature in dataset.features.items() if type(feature).__name__ == "Image"]


def undecoded(dataset: Any, column: str) -> Any:
    """Return a `datasets.Dataset` that gives a column's pictures as the bytes that it has."""
    import datasets

    return dataset.select_columns([column]).cast_column(column, datasets.Image(decode=False))


def _files(part: Path) -> Sequence[Path]:
    state = _json(part / _STATE)
    if state.get("_indices_data_files") or state.get("_indices_files"):
        raise DataError(f"{part} is a selection of another data set. Save it after flatten_indices()")
    listed = state.get("_data_files")
    files = listed if isinstance(listed, list) else []
    names: list[Any] = [one.get("filename") for one in files if isinstance(one, dict)]
    for name in names:
        if not isinstance(name, str) or os.path.basename(name) != name or not os.path.isfile(part / name):
            raise DataError(f"{part / _STATE} names {name!r}, which is no file beside it. {_SAVE}")
    return [part / name for name in names]


def _is_part(place: Path, name: object) -> bool:
    return isinstance(name, str) and os.path.basename(name) == name and os.path.isfile(place / name / _STATE)


def _json(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{file} cannot be read ({error}). {_SAVE}") from error
    if not isinstance(value, dict):
        raise DataError(f"{file} is not what save_to_disk writes. {_SAVE}")
    return value
