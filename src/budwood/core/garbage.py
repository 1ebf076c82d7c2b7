"""Python's collections of garbage, put off while modules are imported: each looks at every object, and finds little."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_freezes = [False]


def freeze_imports() -> None:
    """Have later collections pass over whatever there is when `uncollected` ends.

    For a process of our own, such as a command: in a program of somebody else's it would keep the garbage that is there
    at that moment. A training whose features are stored takes a tenth less time (docs/experiments/log.md).
    """
    _freezes[0] = True


@contextmanager
def uncollected() -> Iterator[None]:
    """Put off collections of garbage, during imports. TensorFlow is loaded in four fifths of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if _freezes[0]:
            gc.freeze()
        if enabled:
            gc.enable()
