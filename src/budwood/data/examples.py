"""Pictures with what they show, as scikit-learn's users give them: X, y, groups and sample_weight."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from budwood.data.images import ImageLike
from budwood.data.indicator import Indicator, read_indicator
from budwood.data.label_sets import unknown_cells
from budwood.data.manifest import Manifest
from budwood.data.pictures import is_one, list_pictures

Pictures = Iterable[ImageLike] | np.ndarray | os.PathLike | Manifest


@dataclass(frozen=True)
class Examples:
    """Pictures, and what is known of each."""

    pictures: list[ImageLike]
    labels: np.ndarray | Indicator
    """One class a picture, `(n,)`; or the labels of each, which may be several."""
    groups: list[str] | None
    """What each picture shares with those that belong with it; "" for one that stands alone."""
    weights: Float64[np.ndarray, "n"] | None


def read_examples(
    X: Pictures,  # noqa: N803
    y: Any = None,
    groups: Sequence[Any] | np.ndarray | None = None,
    sample_weight: Sequence[float] | np.ndarray | None = None,
    labels: Sequence[str] | None = None,
) -> Examples:
    """Return pictures with what is known of each.

    Args:
        X: pictures; without y what `budwood.train` takes, such as a table, which then says all the rest.
        y: one class a picture; or several labels, as `read_indicator` takes them.
        groups: one a picture.
        sample_weight: one number a picture, from 0 up.
        labels: as `read_indicator` takes them.

    Raises:
        ValueError: for what is not one a picture, or out of range.
        DataError: for a source that cannot be read.
    """
    if y is None:
        manifest = _read(X)
        X, y = manifest, _indicator(manifest, labels) if manifest.multi_label else _classes(manifest)  # noqa: N806
        if groups is None and any(photo.group for photo in manifest.photos):
            groups = [photo.group or "" for photo in manifest.photos]
        if sample_weight is None and any(photo.weight != 1 for photo in manifest.photos):
            sample_weight = [photo.weight for photo in manifest.photos]
    pictures = as_pictures(X)
    several = y if isinstance(y, Indicator) else read_indicator(y, labels)
    shape = np.shape(y) if several is None else several.targets.shape
    if len(shape) != (1 if several is None else 2) or shape[0] != len(pictures):
        raise ValueError(f"y must hold one label per picture: got shape {shape} for {len(pictures)} pictures")
    return Examples(
        pictures,
        np.asarray(y) if several is None else several,
        _one_a_picture(groups, len(pictures)),
        _weights(sample_weight, len(pictures)),
    )


def as_pictures(X: Pictures) -> list[ImageLike]:  # noqa: N803
    """Return pictures as a list. Raise ValueError where they are none, or something else."""
    if isinstance(X, Manifest):
        return [photo.image for photo in X.photos]
    if is_one(X):
        shape = getattr(X, "shape", None)
        of_shape = "" if shape is None else f", of shape {tuple(shape)}"
        raise ValueError(
            f"X must be a sequence of pictures, and a single one was given{of_shape}. Put it in a list: [picture]"
        )
    pictures = list_pictures(X)
    if not pictures:
        raise ValueError("found 0 sample(s): a minimum of 1 picture is required")
    return pictures


def _read(X: Pictures) -> Manifest:  # noqa: N803
    if isinstance(X, Manifest):
        return X
    if not (isinstance(X, str | os.PathLike) or hasattr(X, "columns")):
        raise ValueError(
            "a classifier requires y to be passed, but the target y is None. Give the labels of the pictures, or a "
            "table, a folder or a data frame as X, which has them"
        )
    from budwood.data.sources import read_source

    return read_source(X)


def _classes(manifest: Manifest) -> np.ndarray:
    return np.array([photo.label for photo in manifest.photos])


def _indicator(manifest: Manifest, labels: Sequence[str] | None) -> Indicator:
    """Return the labels of a manifest's photos, the unknown ones as NaN."""
    own = [photo.each_label for photo in manifest.photos]
    found = read_indicator(own, manifest.classes if labels is None else labels)
    assert found is not None
    found.targets[unknown_cells(manifest.photos, found.labels)] = np.nan
    return found


def _one_a_picture(groups: Sequence[Any] | np.ndarray | None, num: int) -> list[str] | None:
    if groups is None:
        return None
    found = [f"group {group}" if group != "" else "" for group in np.asarray(groups).tolist()]
    if len(found) != num:
        raise ValueError(f"groups must hold one group per picture: got {len(found)} for {num} pictures")
    return found


def _weights(given: Sequence[float] | np.ndarray | None, num: int) -> Float64[np.ndarray, "n"] | None:
    if given is None:
        return None
    weights = np.asarray(given, np.float64)
    if weights.shape != (num,):
        raise ValueError(
            f"sample_weight must hold one number per picture: got shape {weights.shape} for {num} pictures"
        )
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
        raise ValueError("sample_weight must hold finite numbers from 0 up, one of them above 0")
    return weights
