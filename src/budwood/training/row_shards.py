"""Rows of features that lie in shards, read a block at a time, and what is summed over them.

Every function here takes one shard and can be sent to where it lies; what they return is summed by the caller, in the
order of the shards.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, Int

ROWS_AT_A_TIME = 1024
"""What stays in the processor's cache."""
_SIGN_AND_REST = np.int32(-0x70000000 - 0x2000)
"""The bits of a half that were moved to their places in a single: its sign stands once, not four times."""

Map = Callable[..., Iterable[Any]]
"""As the built-in one: gives what a function says of each shard, in their order, wherever it is worked out."""


@runtime_checkable
class Shard(Protocol):
    """Rows of features somewhere, with what is known of each."""

    @property
    def labels(self) -> Int[np.ndarray, "n"]: ...

    @property
    def weights(self) -> Float[np.ndarray, "n"]:
        """How much the loss of each row counts."""
        ...

    def read(self, rows: slice | Int[np.ndarray, "some"]) -> Float[np.ndarray, "some features"]:
        """Return some of its rows, of float16, float32 or float64."""
        ...


@dataclass(frozen=True, eq=False)
class RowShard:
    """Some rows, one after another, of what can be indexed as an array is: a table of the store, a mapped file."""

    source: Any
    first: int
    labels: Int[np.ndarray, "n"]
    weights: Float[np.ndarray, "n"]

    def read(self, rows: slice | Int[np.ndarray, "some"]) -> Float[np.ndarray, "some features"]:
        if isinstance(rows, slice):
            first, end, _ = rows.indices(len(self.labels))
            return self.source[self.first + first : self.first + end]
        return self.source[self.first + rows]


def in_shards(
    source: Any, labels: Int[np.ndarray, "n"], weights: Float[np.ndarray, "n"], number: int
) -> list[RowShard]:
    """Return the rows in so many shards, as even as can be.

    >>> len(in_shards(np.zeros((5, 3)), np.zeros(5, int), np.ones(5), 2)[1].labels)
    3
    """
    ends = np.linspace(0, len(labels), min(number, len(labels)) + 1).astype(int).tolist()
    parts = [slice(first, end) for first, end in itertools.pairwise(ends)]
    return [RowShard(source, part.start, labels[part], weights[part]) for part in parts]


@dataclass(frozen=True, eq=False)
class Moments:
    """Of some rows the number, the means, and the sums of squares about them."""

    number: int
    means: Float[np.ndarray, "features"]
    squares: Float[np.ndarray, "features"]

    @property
    def scale(self) -> Float[np.ndarray, "features"]:
        """Return the standard deviations; 1 of a feature that does not move but by rounding, as scikit-learn has it."""
        variances, eps = self.squares / self.number, np.finfo(np.float64).eps
        still = variances <= self.number * eps * variances + (self.number * self.means * eps) ** 2
        return np.where(still, 1.0, np.sqrt(variances))

    def __add__(self, other: "Moments") -> "Moments":
        """Return those of both together (Chan, Golub and LeVeque 1983)."""
        number, apart = self.number + other.number, other.means - self.means
        return Moments(
            number,
            self.means + apart * (other.number / number),
            self.squares + other.squares + apart * apart * (self.number * other.number / number),
        )


def moments_of(shard: Shard) -> Moments:
    """Return the moments of a shard's features; of features that are not finite, ones that are not."""
    found: Moments | None = None
    with np.errstate(invalid="ignore", over="ignore"):
        for part in _parts(len(shard.labels)):
            rows = np.asarray(shard.read(part), np.float64)
            means = rows.mean(axis=0)
            one = Moments(len(rows), means, np.square(rows - means).sum(axis=0))
            found = one if found is None else found + one
    assert found is not None, "a shard has rows"
    return found


@dataclass(frozen=True, eq=False)
class Head:
    """A linear head as it is sent to the shards: logits are (features - centre) @ kernel + bias."""

    centre: Float[np.ndarray, "features"]
    kernel: Float[np.ndarray, "features classes"]
    bias: Float[np.ndarray, "classes"]


@dataclass(frozen=True, eq=False)
class LossSums:
    """Loss of some rows at a head, and its gradient, summed and not yet divided by their number."""

    loss: float
    kernel: Float[np.ndarray, "features classes"]
    bias: Float[np.ndarray, "classes"]

    def __add__(self, other: "LossSums") -> "LossSums":
        return LossSums(self.loss + other.loss, self.kernel + other.kernel, self.bias + other.bias)


def loss_sums(shard: Shard, head: Head, products: str = "float32") -> LossSums:
    """Return the cross-entropy of a shard's rows by their weights, and its gradient.

    Blocks are multiplied in `products`, "float32" or "float64", and summed in float64, in their order.
    """
    dtype = np.dtype(products)
    centre, kernel, bias = (array.astype(dtype) for array in (head.centre, head.kernel, head.bias))
    loss, of_kernel, of_bias = 0.0, np.zeros(kernel.shape), np.zeros(bias.shape)
    for part in _parts(len(shard.labels)):
        rows = widened(shard.read(part), dtype)
        rows -= centre
        labels, weights = shard.labels[part], shard.weights[part]
        own = np.arange(len(labels)), labels
        errors = rows @ kernel
        errors += bias
        errors -= errors.max(axis=1, keepdims=True)
        of_label = errors[own].astype(np.float64)
        np.exp(errors, out=errors)
        sums = errors.sum(axis=1, keepdims=True)
        loss += float(weights @ (np.log(sums[:, 0].astype(np.float64)) - of_label))
        errors /= sums
        errors[own] -= 1
        errors *= weights.astype(dtype)[:, None]
        of_kernel += rows.T @ errors
        of_bias += errors.sum(axis=0, dtype=np.float64)
    return LossSums(loss, of_kernel, of_bias)


def widened(rows: Float[np.ndarray, "n features"], dtype: np.dtype) -> Float[np.ndarray, "n features"]:
    """Return a copy of finite rows as float32 or float64.

    NumPy takes six times as long from float16 to float32: it asks of each number whether it is finite. Here the bits
    are moved to their places and the exponent is corrected by a product.
    """
    if rows.dtype != np.float16 or dtype != np.float32:
        return np.array(rows, dtype)
    bits = np.ascontiguousarray(rows).view(np.int16).astype(np.int32)
    bits <<= 13
    bits &= _SIGN_AND_REST
    found = bits.view(np.float32)
    found *= np.float32(2.0**112)
    return found


def chosen_rows(
    shards: Sequence[Shard], chosen: Int[np.ndarray, "some"], map: Map
) -> Float32[np.ndarray, "..."]:
    """Return rows by their numbers, counted through all shards; the numbers in rising order."""
    ends = np.cumsum([len(shard.labels) for shard in shards])
    starts = ends - [len(shard.labels) for shard in shards]
    cut = np.searchsorted(chosen, ends)
    own = [(some - first) for some, first in zip(np.split(chosen, cut[:-1]), starts, strict=True)]
    holding = [place for place, some in enumerate(own) if len(some)]
    read = map(_read_rows, [shards[place] for place in holding], [own[place] for place in holding])
    return np.concatenate(list(read))


def _read_rows(shard: Shard, rows: Int[np.ndarray, "some"]) -> Float32[np.ndarray, "some features"]:
    return np.asarray(shard.read(rows), np.float32)


def _parts(rows: int) -> Iterator[slice]:
    for first in range(0, rows, ROWS_AT_A_TIME):
        yield slice(first, min(first + ROWS_AT_A_TIME, rows))
