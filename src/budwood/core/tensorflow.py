"""TensorFlow, loaded without what it writes to the terminal meanwhile."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from typing import Any

from budwood.core.errors import SettingError
from budwood.core.forks import refuse_lost_tensorflow
from budwood.core.garbage import uncollected
from budwood.core.system import in_notebook


@contextmanager
def hushed() -> Iterator[None]:
    """Silence what TensorFlow writes to the process's standard error while it is loaded: some of it before it knows its
    level of logging. Who asks for a talkative one, `TF_CPP_MIN_LOG_LEVEL` 0 or 1, is left it.

    What Python writes to `sys.stderr` in a notebook is not lost.
    """
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") in ("0", "1"):
        yield
        return
    try:
        ours = os.dup(2)
    except OSError:
        # A process without standard error, such as a service.
        yield
        return
    if sys.stderr is not None:
        sys.stderr.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(ours, 2)
        os.close(ours)
        os.close(nowhere)


def expect_many_models() -> None:
    """Drop TensorFlow's warning that Keras's functions were traced several times; its other warnings stay.

    In a notebook it stands on standard output, and one session trains one model after another.
    """
    logger = logging.getLogger("tensorflow")
    if _is_no_retracing not in logger.filters:
        logger.addFilter(_is_no_retracing)


def _is_no_retracing(record: logging.LogRecord) -> bool:
    text = record.getMessage()
    return "triggered tf.function retracing" not in text or "TensorFlowTrainer" not in text


class _DrawsLater:
    """Finds `matplotlib.pyplot` for who may want it later: it is loaded when something of it is asked for.

    Keras imports it for one function, and it begins by listing the machine's fonts, which takes seconds the first time.
    """

    @staticmethod
    def find_spec(name: str, path: Any = None, target: object = None) -> ModuleSpec | None:
        """Return how the module is loaded; None for all others, also of namespaces, whose `path` is no sequence."""
        if name != "matplotlib.pyplot":
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


@contextmanager
def drawing_later() -> Iterator[None]:
    """Have `import matplotlib.pyplot` load it only when something of it is asked for, if ever."""
    sys.meta_path.insert(0, _DrawsLater)
    try:
        yield
    finally:
        sys.meta_path.remove(_DrawsLater)


def load_keras() -> None:
    """Load Keras without what TensorFlow writes to the terminal meanwhile; do nothing where it is loaded.

    To be called by whatever imports a module that imports Keras, or the first to speak is TensorFlow.

    Raises:
        SettingError: this process was forked from one in which TensorFlow had begun to compute, or what `KERAS_BACKEND`
            names cannot be loaded.
    """
    refuse_lost_tensorflow()
    if in_notebook():
        expect_many_models()
    if "keras" in sys.modules:
        return
    try:
        with hushed(), uncollected(), drawing_later():
            import keras  # noqa: F401
    except (ImportError, ValueError) as error:
        backend = os.environ.get("KERAS_BACKEND", "tensorflow")
        if backend != "tensorflow":
            raise SettingError(
                f"KERAS_BACKEND={backend!r}, with which Keras cannot be loaded: {error}. Unset it, or set it to "
                "tensorflow"
            ) from error
        # Whoever needs Keras says so, where it is not installed.
        if not isinstance(error, ImportError):
            raise


@contextmanager
def usual_keras() -> Iterator[None]:
    """Have Keras build layers as it does where nobody has set anything: channels last, in float32.

    What a session or keras.json has set, such as `mixed_float16`, is put back at the end. Otherwise weights would not
    fit, and features be other numbers under the same fingerprint.
    """
    load_keras()
    import keras

    config = keras.config
    before = config.image_data_format(), config.floatx(), config.dtype_policy()
    _set(config, "channels_last", "float32", "float32")
    try:
        yield
    finally:
        _set(config, *before)


def _set(config: Any, layout: str, floatx: str, policy: Any) -> None:
    config.set_image_data_format(layout)
    config.set_floatx(floatx)
    config.set_dtype_policy(policy)


def accelerators() -> tuple[str, ...]:
    """Return the accelerators that TensorFlow sees, by name; none where this process has not loaded it."""
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None:
        return ()
    # What is asked for a line of run.json must not end a training.
    with suppress(AttributeError, RuntimeError, ValueError):
        config = tensorflow.config
        devices = [*config.list_physical_devices("GPU"), *config.list_physical_devices("TPU")]
        details = [config.experimental.get_device_details(one) for one in devices]
        return tuple(
            found.get("device_name", one.device_type) for one, found in zip(devices, details, strict=True)
        )
    return ()
