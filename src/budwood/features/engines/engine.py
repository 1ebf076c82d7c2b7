"""What runs a feature extractor: OpenVINO on a CPU, Keras on an accelerator or where OpenVINO is absent."""

import os
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Float32, UInt8

from budwood.core.cache import GRAPHS, cache_dir
from budwood.core.errors import BackboneError, RecipeError, SettingError
from budwood.core.forks import refuse_lost_tensorflow
from budwood.core.notes import Note
from budwood.core.system import num_cores
from budwood.features.engines.openvino import OpenVinoGraph, import_openvino

if TYPE_CHECKING:
    import keras

BATCH_SIZE = 32
MEASURED_SECONDS = 2.0
ACCELERATORS = ("/dev/nvidia0", "/dev/kfd", "/dev/accel0")
"""Device files of accelerators. Where one is there, TensorFlow is asked what it can use."""


class Engine:
    """Runs a frozen keras.Model on pictures, in a stream.

    Through OpenVINO, the features of a picture are bit for bit the same whatever runs beside it. Through Keras they
    come from batches of a fixed size, so the same up to rounding.

    Args:
        model: raw 0-255 float32 pixels `(None, S, S, 3)` in, one tensor of any shape out.
        lower: a model of the same layers that ends lower down, whose output `run_all` gives too.
        engine: "openvino", "keras", or "auto": OpenVINO where it can be imported and Keras sees no accelerator.
        precision: "f32", or "bf16" for OpenVINO on a CPU that has it.
        fingerprint: names the model among the converted graphs.
        folder: where these are kept; `cache_dir()/graphs` by default.

    Raises:
        RecipeError: `engine = "openvino"` where OpenVINO is not installed.

    Attributes:
        engine: what was chosen, "openvino" or "keras".
        shape: of one picture's features.
        notes: what a user should know about the choice.
    """

    def __init__(
        self,
        model: "keras.Model",
        *,
        lower: "keras.Model | None" = None,
        engine: str = "auto",
        precision: str = "f32",
        fingerprint: str,
        folder: Path | None = None,
    ):
        self.shape: tuple[int, ...] = tuple(model.output.shape[1:])
        self.notes: list[Note] = []
        self.engine = choose_engine(engine, self.notes)
        self._runner: OpenVinoGraph | _KerasBatches
        if lower is not None:
            import keras

            model = keras.Model(model.input, [model.output, lower.output])
        if self.engine == "openvino":
            folder = cache_dir() / GRAPHS if folder is None else folder
            try:
                self._runner = OpenVinoGraph(model, precision=precision, folder=folder / fingerprint)
                self.notes += self._runner.notes
                return
            except SettingError:
                raise
            except Exception as error:
                # Converters meet layers that they do not know; Keras always runs its own models.
                if engine == "openvino":
                    raise
                self.notes.append(
                    Note(f"Keras runs the feature extractor, OpenVINO could not: {error}", "engine")
                )
                self.engine = "keras"
        if precision != "f32":
            text = f"{precision} needs OpenVINO: Keras runs the feature extractor in f32"
            self.notes.append(Note(text, "precision"))
        self._runner = _KerasBatches(model)

    @classmethod
    def kept(cls, fingerprint: str, shape: tuple[int, ...]) -> "Engine | None":
        """Return the engine on a graph that was converted before, at full precision and without Keras.

        None where none is kept, where OpenVINO is not installed, or where Keras may have an accelerator.
        """
        folder = cache_dir() / GRAPHS / fingerprint
        if not folder.is_dir() or not openvino_is_preferred():
            return None
        try:
            return cls.of_graph(folder, shape)
        except (BackboneError, RuntimeError):
            return None

    @classmethod
    def of_graph(cls, folder: Path, shape: tuple[int, ...]) -> "Engine":
        """Return OpenVINO on a graph that is kept in a folder, whatever it is made of. Raise BackboneError where there
        is none."""
        engine = cls.__new__(cls)
        engine.shape, engine.engine, engine.notes = shape, "openvino", []
        engine._runner = OpenVinoGraph(None, precision="f32", folder=folder)
        return engine

    def run(self, views: Iterable[UInt8[np.ndarray, "size size 3"]]) -> Iterator[Float32[np.ndarray, "..."]]:
        """Return the features of each picture as float32 of `shape`, in order, while later pictures are still
        being read."""
        return (outputs[0] for outputs in self.run_all(views))

    def run_all(
        self, views: Iterable[UInt8[np.ndarray, "size size 3"]]
    ) -> Iterator[list[Float32[np.ndarray, "..."]]]:
        """Return the same, each with what the lower model yields for the picture after it, where there is
        one."""
        return self._runner.run_all(views)


def milliseconds_per_picture(model: "keras.Model", *, precision: str = "f32") -> float:
    """Return how long this machine takes for one picture, through the engine that would run the model here.

    Pictures of noise follow one another for two seconds, as many at a time as in a training; decoding is not counted,
    and neither is making the engine ready. Other work on the machine is in the figure.

    Args:
        model: raw 0-255 float32 pixels `(None, S, S, 3)` in, one tensor of any shape out.
        precision: "f32" or "bf16".
    """
    shape = tuple(model.input.shape[1:])
    pictures = np.random.default_rng(0).integers(0, 256, (2 * num_cores(), *shape), np.uint8)
    # A folder of its own: what is measured here is not what the next training needs.
    with tempfile.TemporaryDirectory(prefix="budwood-") as folder:
        part = Engine(model, precision=precision, fingerprint="measured", folder=Path(folder))
        deque(part.run(pictures), maxlen=0)
        started, seconds, count = time.perf_counter(), 0.0, 0
        while seconds < MEASURED_SECONDS:
            count += sum(1 for _ in part.run(pictures))
            seconds = time.perf_counter() - started
    return 1000 * seconds / count


def choose_engine(engine: str, notes: list[Note] | None = None) -> Literal["openvino", "keras"]:
    """Return what "auto" stands for here; raise RecipeError where `engine = "openvino"` is not installed."""
    notes = [] if notes is None else notes
    if engine == "keras":
        return "keras"
    import keras

    if keras.backend.backend() != "tensorflow":
        if engine == "openvino":
            text = f"models of Keras on {keras.backend.backend()} are not converted: Keras runs the feature extractor"
            notes.append(Note(text, "engine"))
        return "keras"
    if engine == "auto" and _sees_accelerator():
        return "keras"
    try:
        import_openvino()
    except ImportError as error:
        if engine == "openvino":
            raise RecipeError(
                f'backbone.engine = "openvino" needs the package openvino, which cannot be imported ({error}). '
                'Install it with `pip install openvino`, or say backbone.engine = "auto"'
            ) from error
        return "keras"
    return "openvino"


def openvino_is_preferred() -> bool:
    """Return whether "auto" stands for OpenVINO, as far as can be told without loading TensorFlow."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") not in ("", "-1") and any(map(os.path.exists, ACCELERATORS)):
        # A machine that only predicts need not have Keras.
        with suppress(ImportError):
            return choose_engine("auto") == "openvino"
    try:
        import_openvino()
    except ImportError:
        return False
    return True


def _sees_accelerator() -> bool:
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU") or tf.config.list_physical_devices("TPU"))


class _KerasBatches:
    def __init__(self, model: "keras.Model"):
        self._model = model

    def run_all(
        self, views: Iterable[UInt8[np.ndarray, "size size 3"]]
    ) -> Iterator[list[Float32[np.ndarray, "..."]]]:
        refuse_lost_tensorflow()
        views = iter(views)
        while batch := list(islice(views, BATCH_SIZE)):
            # Filled up: one size of batch is one compiled graph, and one way to sum.
            pixels = np.zeros((BATCH_SIZE, *batch[0].shape), np.float32)
            pixels[: len(batch)] = batch
            found = self._model.predict_on_batch(pixels)
            outputs = [np.asarray(one, np.float32) for one in (found if isinstance(found, list) else [found])]
            yield from ([output[row] for output in outputs] for row in range(len(batch)))
