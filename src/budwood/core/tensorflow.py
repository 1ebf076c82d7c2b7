"""TensorFlow, loaded without what it writes to the terminal meanwhile."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def hushed() -> Iterator[None]:
    """TensorFlow writes to the process's standard error while it is loaded, whatever its level of logging says: not to
    ours. What Python writes to `sys.stderr` in a notebook is not lost."""
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
    """TensorFlow warns, in a notebook on standard output, of Keras's functions that were traced several times: as they
    are where one session trains one model after another. Other warnings of it stay."""
    logger = logging.getLogger("tensorflow")
    if _is_no_retracing not in logger.filters:
        logger.addFilter(_is_no_retracing)


def _is_no_retracing(record: logging.LogRecord) -> bool:
    text = record.getMessage()
    return "triggered tf.function retracing" not in text or "TensorFlowTrainer" not in text


def load_keras() -> None:
    """Loads Keras without what TensorFlow writes to the terminal meanwhile."""
    # Whoever needs it says so, where it cannot be imported.
    with hushed(), suppress(ImportError):
        import keras  # noqa: F401
