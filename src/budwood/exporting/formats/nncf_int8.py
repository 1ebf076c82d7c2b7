"""A written graph made int8 by NNCF, with layers left as they are and logits calibrated anew where that is asked."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from budwood.core.scaling import LabelScaling, Scaling
from budwood.exporting.network import PIXELS
from budwood.exporting.quantization import COMPARED, Square, by_added_noise, relative_error
from budwood.features.engines.graphs import quiet_nncf


class NncfQuantizer(ABC):
    """Makes a written graph int8.

    Args:
        file: of the graph.
        sample: training photos.
        never: a regular expression of nodes that are always left at full precision.
    """

    def __init__(self, file: Path, sample: Sequence[Square], never: str):
        self._file, self._sample, self._never = file, sample, never
        self._made: tuple[tuple[str, ...], Any] | None = None

    def noisiest(self) -> Sequence[str]:
        assert self._made is not None, "write first"
        plain, rounded = self.read(), self._made[1]
        above = self.rounded_layers(plain, rounded)
        given = [self.outputs(graph, list(above), self._sample[:COMPARED]) for graph in (plain, rounded)]
        errors = {
            name: relative_error(*([photo[place] for photo in photos] for photos in given))
            for place, name in enumerate(above)
        }
        return by_added_noise(errors, above)

    def write(self, folder: Path, left: Collection[str] = (), scaling: Scaling = 1.0) -> None:
        if self._made is None or self._made[0] != tuple(left):
            self._made = tuple(left), self._quantized(left)
        graph = self.copy(self._made[1])
        if scaling != 1.0:
            self.scale(graph, *_scale_and_shift(scaling))
        self.save(graph, folder / self._file.name)

    def _quantized(self, left: Collection[str]) -> Any:
        graph = self.read()
        with quiet_nncf() as nncf:
            return self.mend(
                nncf.quantize(
                    graph,
                    nncf.Dataset([{PIXELS: pixels} for pixels in self._sample]),
                    subset_size=len(self._sample),
                    ignored_scope=nncf.IgnoredScope(
                        names=[*left, *self.branches(graph)], patterns=[self._never], validate=False
                    ),
                    **self.options(nncf),
                )
            )

    @abstractmethod
    def read(self) -> Any:
        """Return the graph at full precision."""

    @abstractmethod
    def copy(self, graph: Any) -> Any:
        """Return a graph that can be changed without this one."""

    @abstractmethod
    def save(self, graph: Any, file: Path) -> None:
        """Write a graph."""

    def options(self, nncf: Any) -> Mapping[str, Any]:
        """Return what NNCF is told beside the photos."""
        return {}

    def mend(self, graph: Any) -> Any:
        """Return what NNCF made, as the runtime wants it."""
        return graph

    def branches(self, graph: Any) -> Collection[str]:
        """Return further nodes that are always left at full precision."""
        return ()

    @abstractmethod
    def rounded_layers(self, plain: Any, rounded: Any) -> dict[str, Collection[str]]:
        """Return the layers of both graphs that take rounded values in the second, with the nearest of them that each
        takes from."""

    @abstractmethod
    def outputs(self, graph: Any, layers: Sequence[str], sample: Sequence[Square]) -> list[list[np.ndarray]]:
        """Return what some layers give for each photo."""

    @abstractmethod
    def scale(self, graph: Any, scale: np.ndarray, shift: np.ndarray) -> None:
        """Multiply the logits of a graph, and add to them, on their way into what makes probabilities of them."""


def nearest(
    start: Iterable[Any],
    name_of: Callable[[Any], Hashable],
    takes_from: Callable[[Any], Iterable[Any]],
    layers: Collection[str],
) -> set[str]:
    """Return the nearest of some layers on every way up from some nodes.

    >>> nearest([3], str, lambda node: [node - 1, node - 2] if node > 0 else [], {"2", "0"}) == {"2", "0"}
    True
    """
    found, seen, todo = set(), set(), list(start)
    while todo:
        node = todo.pop()
        name = name_of(node)
        if name in layers:
            found.add(str(name))
        elif name not in seen:
            seen.add(name)
            todo += takes_from(node)
    return found


def _scale_and_shift(scaling: Scaling) -> tuple[np.ndarray, np.ndarray]:
    """Return what logits are multiplied by and what is added, as rows that fit all of them."""
    if isinstance(scaling, LabelScaling):
        return np.array([scaling.scale], np.float32), np.array([scaling.shift], np.float32)
    return np.full((1, 1), 1 / scaling, np.float32), np.zeros((1, 1), np.float32)
