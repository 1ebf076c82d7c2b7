"""What a format of an exported model is: how it is written, and how its own runtime runs it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from budwood.core.errors import RunError
from budwood.exporting.quantization import Kind, Quantizer, Square

if TYPE_CHECKING:
    from budwood.exporting.network import Network

Answers = Mapping[str, np.ndarray]
"""By the names of the outputs: "probabilities", float32 `(n, classes)`; where the model tells pictures that show none
of its classes "distance", float32 `(n, 1)`."""
Runtime = Callable[[Float32[np.ndarray, "n size size 3"]], Answers]
"""An exported model that is loaded: from raw RGB pixels, 0 to 255, of any number of pictures."""


@runtime_checkable
class Format(Protocol):
    """A format of an exported model."""

    @property
    def name(self) -> str:
        """As `--format` takes it."""
        ...

    @property
    def title(self) -> str:
        """As people call it."""
        ...

    @property
    def writes_with(self) -> tuple[str, ...]:
        """Modules that writing needs beside Budwood's own."""
        ...

    @property
    def runs_with(self) -> tuple[str, ...]:
        """Modules that checking needs beside Budwood's own."""
        ...

    @property
    def quantizes_with(self) -> tuple[str, ...]:
        """Modules that int8 needs beside these."""
        ...

    @property
    def install(self) -> str:
        """What a machine without Budwood installs to run it, for `pip install`."""
        ...

    @property
    def code(self) -> str:
        """Python lines that load the model and set `answers`, by the names of the outputs, of `pixels`
        `(n, size, size, 3)`, float32."""
        ...

    @property
    def tells_others(self) -> bool:
        """Whether what runs it asks for the distance too, by which pictures that show none of the classes are told."""
        ...

    def write(self, network: "Network", folder: Path) -> None:
        """Write a network into an empty folder, see `budwood.exporting.network`; it takes any number of pictures."""
        ...

    @property
    def from_keras(self) -> bool:
        """Return whether the format is written from Keras's model, for which TensorFlow is loaded."""
        ...

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Quantisations that it can be given."""
        ...

    def halve(self, network: "Network", plain: Path, folder: Path) -> None:
        """Write the network with weights of 16 bits into an empty folder, where `kinds` has "float16".

        Args:
            network: see `budwood.exporting.network`.
            plain: the folder of the same network as `write` left it.
            folder: where to.
        """
        ...

    def quantizer(self, network: "Network", plain: Path, sample: Sequence[Square]) -> Quantizer:
        """Return what makes the network int8, where `kinds` has that.

        Args:
            network: see `budwood.exporting.network`.
            plain: the folder of the same network as `write` left it.
            sample: training photos, for the ranges of values between layers.
        """
        ...

    def load(self, folder: Path) -> Runtime:
        """Return the written model in its own runtime, at full precision (f32)."""
        ...

    def load_as_delivered(self, folder: Path) -> tuple[str, Runtime] | None:
        """Return the model in its own runtime as that runs it when told nothing, after the name of the precision; None
        where that is full precision too."""
        ...


@contextmanager
def closed_after(runtime: Runtime) -> Iterator[Runtime]:
    """Give a runtime, and close it afterwards where it holds something open, as a browser."""
    try:
        yield runtime
    finally:
        close = getattr(runtime, "close", None)
        if close is not None:
            close()


def refuse_missing_modules(form: Format, kind: Kind | None = None) -> None:
    """Raise RunError where what a format needs, or a quantisation of it, is not installed."""
    modules = (*form.writes_with, *form.runs_with, *(form.quantizes_with if kind == "int8" else ()))
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        be = "is" if len(missing) == 1 else "are"
        raise RunError(
            f"exporting as {form.title} needs {' and '.join(missing)}, which {be} not installed: pip install "
            f"'budwood[{'int8' if missing == ['nncf'] else form.name}]'"
        )
