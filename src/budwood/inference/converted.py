"""The converted graph of a whole saved model, kept in the run: `openvino/model.xml`, `model.bin` and `graph.json`.

One graph from 8-bit pixels `(1, S, S, 3)` to probabilities, and to the features of each backbone: the graphs of the
backbones, which the cache has from the training, joined with that of the head.
"""

import atexit
import json
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from budwood.core.cache import GRAPHS, cache_dir
from budwood.core.errors import BudwoodError, RecipeError, StoreError
from budwood.core.files import JsonObject
from budwood.data.images import ImageLike, view
from budwood.evaluation.ood import ACCEPTANCE, Reference
from budwood.features.engines.engine import choose_engine
from budwood.features.engines.graphs import (
    checksums,
    compile_graph,
    convert_head,
    convert_model,
    import_openvino,
    join,
    openvino_core,
    read_kept,
)
from budwood.inference.artifact import Artifact, read_info, read_reference

if TYPE_CHECKING:
    from budwood.features.extractor import FeatureExtractor

FOLDER, STEM, INFO = "openvino", "model", "graph.json"
FORMAT = 1
CHECKED = 4
"""Photos on which the graph is compared with Keras."""
LARGEST_DIFFERENCE = 1e-3
"""In a probability; 2e-6 is what another order of summing costs."""


class ConversionError(BudwoodError):
    """OpenVINO cannot run a model as Keras does."""


@dataclass(frozen=True)
class ConvertedGraph:
    """A graph on disk that is whole."""

    file: Path
    parts: tuple[tuple[str, tuple[int, ...]], ...]
    """Fingerprint and shape of the features of each backbone."""
    thresholds: Mapping[float, float]
    """Distance beyond which a picture is none of the classes, by acceptance rate."""
    difference: float
    """The largest one in a probability to what Keras gave on some of the run's photos."""
    seconds: float
    """How long the conversion took."""

    @property
    def megabytes(self) -> float:
        """Size on disk."""
        return sum(file.stat().st_size for file in self.file.parent.iterdir()) / 1e6


def find(folder: Path, model_sha256: str) -> ConvertedGraph | None:
    """Return the whole graph of a model that is kept beside it, or in the cache; None where there is none.

    Args:
        folder: the one of `model.keras`.
        model_sha256: of `model.keras`.
    """
    if beside := _read(folder / FOLDER, model_sha256):
        return beside
    with suppress(StoreError):
        return _read(_in_cache(model_sha256), model_sha256)
    return None


def is_there(folder: Path) -> bool:
    """Return whether any file of a graph lies beside a model, whole or not."""
    place = folder / FOLDER
    return place.is_dir() and any(place.iterdir())


def keep(
    artifact: Artifact,
    folder: Path,
    model_sha256: str,
    pictures: Sequence[ImageLike],
    reference: Reference | None = None,
) -> ConvertedGraph:
    """Convert a saved model, compare the graph with Keras, and keep it beside the model.

    Where that folder cannot be written it is kept in the cache, and where that cannot be written either, until this
    process ends.

    Args:
        artifact: the model as it was read back from disk.
        folder: the one of `model.keras`.
        model_sha256: of `model.keras`.
        pictures: some of the run's own photos.
        reference: what tells what is none of the classes.

    Raises:
        ConversionError: OpenVINO knows no such model, or gives something else than Keras.
    """
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="budwood-") as name:
        try:
            aside = Path(name) / FOLDER
            aside.mkdir()
            parts = artifact.features().parts
            whole = join([_graph_of(part, Path(name)) for part in parts], convert_head(artifact.head))
            import_openvino().save_model(whole, aside / f"{STEM}.xml", compress_to_fp16=False)
            difference = _compare(artifact, aside / f"{STEM}.xml", pictures)
        except Exception as error:
            # Converters meet layers that they do not know; Keras always runs its own models.
            raise ConversionError(str(error).strip().split("\n")[0]) from error
        info: JsonObject = {
            "format": FORMAT,
            "model": model_sha256,
            "files": checksums(aside, STEM),
            "features": [{"fingerprint": part.fingerprint, "shape": list(part.shape)} for part in parts],
            "ood_thresholds": {str(ACCEPTANCE): reference.threshold(ACCEPTANCE)} if reference else {},
            "difference": difference,
            "seconds": round(time.monotonic() - started, 3),
        }
        (aside / INFO).write_text(json.dumps(info, indent=2))
        for place in _places(folder, model_sha256):
            _put(aside, place)
            if graph := _read(place, model_sha256):
                return graph
    raise ConversionError("no folder can be written to keep the graph in")


def keep_in_run(folder: Path, artifact: Artifact, pictures: Sequence[ImageLike], *, engine: str) -> str:
    """Keep the graph of a model that was just saved; return a warning where there will be none, else nothing.

    Args:
        folder: the one of `model.keras`.
        artifact: the model as it was read back from disk.
        pictures: photos of the run, some of which the graph is compared with Keras on.
        engine: what the recipe asks for; no graph is made for "keras".
    """
    try:
        if engine == "keras" or choose_engine("openvino") != "openvino":
            return ""
    except RecipeError:
        return ""
    info = read_info(folder)
    some = pictures[:: max(1, len(pictures) // CHECKED)][:CHECKED]
    try:
        keep(artifact, folder, info.sha256, some, read_reference(folder, info))
    except ConversionError as error:
        return f"predictions will be made by Keras, OpenVINO could not: {error}"
    return ""


def _read(folder: Path, model_sha256: str) -> ConvertedGraph | None:
    try:
        info = json.loads((folder / INFO).read_bytes())
        whole = (
            info["format"] == FORMAT
            and info["model"] == model_sha256
            and info["files"] == checksums(folder, STEM)
        )
        return (
            ConvertedGraph(
                folder / f"{STEM}.xml",
                tuple((part["fingerprint"], tuple(part["shape"])) for part in info["features"]),
                {float(share): float(distance) for share, distance in info["ood_thresholds"].items()},
                info["difference"],
                info["seconds"],
            )
            if whole
            else None
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _graph_of(part: "FeatureExtractor", folder: Path) -> Any:
    """Return the graph of one backbone: the cache has it from the training, or keeps it now where it can be
    written."""
    try:
        kept = cache_dir() / GRAPHS / part.fingerprint
        graph, _ = read_kept(kept)
        return graph if graph is not None else convert_model(part.model, kept)
    except (OSError, StoreError):
        return convert_model(part.model, folder / part.fingerprint)


def _compare(artifact: Artifact, file: Path, pictures: Sequence[ImageLike]) -> float:
    seen = [view(picture, artifact.size, artifact.resize, artifact.levels) for picture in pictures]
    if not seen:
        # Noise of several brightnesses, where no photo is at hand.
        shape = CHECKED, artifact.size, artifact.size, 3
        seen = list(np.random.default_rng(0).integers(0, 256, shape, np.uint8))
    compiled = compile_graph(openvino_core().read_model(file))
    found = np.concatenate([compiled(pixels[None])[0] for pixels in seen])
    # One by one: a batch would take a hundred megabytes more than the training itself.
    expected = np.concatenate(
        [np.asarray(artifact.model(pixels[None].astype(np.float32), training=False)) for pixels in seen]
    )
    difference = float(np.abs(found - expected).max())
    if not difference < LARGEST_DIFFERENCE:
        raise ConversionError(f"its graph differs by {difference:.1e} in a probability")
    return difference


def _in_cache(model_sha256: str) -> Path:
    return cache_dir() / GRAPHS / f"model-{model_sha256[:32]}"


def _places(folder: Path, model_sha256: str) -> Iterator[Path]:
    """Return where the graph may lie, the best first."""
    yield folder / FOLDER
    with suppress(StoreError):
        yield _in_cache(model_sha256)
    until_exit = tempfile.mkdtemp(prefix="budwood-graph-")
    # A forked process must not take it away from the others.
    owner = os.getpid()

    def remove() -> None:
        if os.getpid() == owner:
            shutil.rmtree(until_exit, ignore_errors=True)

    atexit.register(remove)
    yield Path(until_exit) / FOLDER


def _put(source: Path, place: Path) -> None:
    """Copy a folder to its place, whole or not at all; nothing happens where that cannot be written."""
    aside = place.with_name(f".{place.name}.{uuid.uuid4().hex}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, aside)
        shutil.rmtree(place, ignore_errors=True)
        aside.rename(place)
    except OSError:
        shutil.rmtree(aside, ignore_errors=True)
