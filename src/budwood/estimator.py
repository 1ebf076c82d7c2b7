"""A scikit-learn classifier over the same pipeline: pictures in, classes out, features from the store."""

import functools
import math
import os
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import scipy.special
from jaxtyping import Float
from PIL import Image
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from budwood.backbones.resolve import refuse_impossible
from budwood.config.learning import MAX_L2_STRENGTH, MIN_L2_STRENGTH
from budwood.config.recipe import Recipe
from budwood.core.errors import ImageError, RecipeError
from budwood.core.tensorflow import load_keras
from budwood.data.decoder.levels import decide
from budwood.data.images import ImageLike, ValueRange, digest, samples_of
from budwood.data.manifest import Photo
from budwood.features.engines.engine import Engine
from budwood.features.extractor import FeatureExtractor, KnownModel
from budwood.training.linear_probe import fit_as_asked


class TransferClassifier(ClassifierMixin, BaseEstimator):
    """Multinomial logistic regression on the features of a frozen pretrained network.

    Parameters:
        backbone: a name that `budwood backbones` lists.
        weights: "imagenet", "random", or the path of a weights file.
        size: side of the square that the backbone sees, in pixels; None is its own size.
        resize: "crop", "stretch" or "pad".
        pooling: "avg" or "max".
        l2_strength: L2 strength in units of the mean loss per photo; "auto" chooses it by cross-validation on
            the photos given to `fit`.
        folds: folds of that cross-validation.
        precision: "f32" or "bf16".
        seed: decides the folds.

    Attributes:
        classes_: the labels found by `fit`, sorted.
        coef_: float32 `(features, classes)`; intercept_: float32 `(classes,)`.
        l2_strength_: the strength used.

    >>> from sklearn.model_selection import cross_val_score
    >>> cross_val_score(TransferClassifier(), paths, labels)               # doctest: +SKIP
    array([0.92, 0.91, 0.92, 0.90, 0.93])
    """

    def __init__(
        self,
        backbone: str = "efficientnet_lite0",
        *,
        weights: str | os.PathLike = "imagenet",
        size: int | None = None,
        resize: str = "crop",
        pooling: str = "avg",
        l2_strength: float | str = "auto",
        folds: int = 5,
        precision: str = "f32",
        seed: int = 0,
    ):
        self.backbone = backbone
        self.weights = weights
        self.size = size
        self.resize = resize
        self.pooling = pooling
        self.l2_strength = l2_strength
        self.folds = folds
        self.precision = precision
        self.seed = seed

    def fit(
        self,
        X: Iterable[ImageLike] | np.ndarray,  # noqa: N803
        y: Sequence[Any] | np.ndarray,
        groups: Sequence[Any] | np.ndarray | None = None,
        sample_weight: Sequence[float] | np.ndarray | None = None,
    ) -> "TransferClassifier":
        """Learn from pictures (paths, encoded bytes, PIL images or uint8 arrays) and their labels `(n,)`.

        With `groups` `(n,)`, pictures of one group, such as a patient, are held out together where the strength is
        chosen. Of what is said of accuracy scikit-learn's `GroupKFold` takes care. With `sample_weight` `(n,)`, from 0
        up, pictures count by it in the loss; only the ratios matter.

        Raise ValueError for labels that are no classes or are too few, groups or weights that are not one a picture,
        RecipeError for a parameter out of range,
        ImageError for a picture that cannot be read, DataError for pictures of more than 8 bits that no range suits.
        """
        pictures = _pictures(X)
        labels = np.asarray(y)
        if labels.ndim != 1 or len(labels) != len(pictures):
            raise ValueError(
                f"y must hold one label per picture: got shape {labels.shape} for {len(pictures)} pictures"
            )
        belonging = None if groups is None else [f"group {group}" for group in np.asarray(groups).tolist()]
        if belonging is not None and len(belonging) != len(pictures):
            raise ValueError(
                f"groups must hold one group per picture: got {len(belonging)} for {len(pictures)} pictures"
            )
        weights = None if sample_weight is None else np.asarray(sample_weight, np.float64)
        if weights is not None:
            if weights.shape != labels.shape:
                raise ValueError(
                    f"sample_weight must hold one number per picture: got shape {weights.shape} for {len(pictures)} "
                    "pictures"
                )
            if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
                raise ValueError("sample_weight must hold finite numbers from 0 up, one of them above 0")
        check_classification_targets(labels)
        recipe = self._recipe()
        refuse_impossible(recipe)
        # What belonged to an earlier fit says nothing of this one.
        self._known = None
        self.levels_ = _levels_of(pictures)
        self.classes_, places = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"a classifier needs at least two classes in y, and found {len(self.classes_)} class"
            )
        names = [str(place) for place in range(len(self.classes_))]
        features = self._features(pictures)
        fit = fit_as_asked(recipe, features, places, names, groups=belonging, weights=weights)
        self._known = self._remember()
        self.coef_, self.intercept_, self.l2_strength_ = fit.kernel, fit.bias, fit.strength
        return self

    def decision_function(self, X: Iterable[ImageLike] | np.ndarray) -> Float[np.ndarray, "n *classes"]:  # noqa: N803
        """Logits, float32 `(n, classes)`; for two classes `(n,)`, the second over the first, as scikit-learn has it."""
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_proba(self, X: Iterable[ImageLike] | np.ndarray) -> Float[np.ndarray, "n classes"]:  # noqa: N803
        """Return class probabilities, float32, each row summing to 1."""
        return scipy.special.softmax(self._logits(X), axis=1)

    def predict(self, X: Iterable[ImageLike] | np.ndarray) -> np.ndarray:  # noqa: N803
        """Return the most probable label of each picture."""
        places = self._logits(X).argmax(axis=1)
        return self.classes_[places]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        return tags

    def _recipe(self) -> Recipe:
        """Return the recipe of these parameters. What a recipe refuses is refused here, in the same words."""
        if not isinstance(self.backbone, str):
            raise RecipeError(
                f"backbone = {self.backbone!r} is not the name of one backbone. Give one; an ensemble of several is "
                "for budwood.train"
            )
        frozen = {"l2_strengths": self._strengths(), "folds": self.folds}
        return Recipe.from_dict({**self._network().settings(), "frozen": frozen, "seed": self.seed})

    def _strengths(self) -> Literal["auto"] | list[float]:
        """Return what a recipe calls `frozen.l2_strengths`."""
        if isinstance(self.l2_strength, str) and self.l2_strength == "auto":
            return "auto"
        try:
            strength = float(self.l2_strength)
        except (TypeError, ValueError, OverflowError):
            strength = math.nan
        if not MIN_L2_STRENGTH <= strength <= MAX_L2_STRENGTH:
            raise RecipeError(
                f'l2_strength = {self.l2_strength!r}: expected "auto" or a number from {MIN_L2_STRENGTH:g} to '
                f"{MAX_L2_STRENGTH:g}, such as 0.03"
            )
        return [strength]

    def _logits(self, X: Iterable[ImageLike] | np.ndarray) -> Float[np.ndarray, "n classes"]:  # noqa: N803
        check_is_fitted(self)
        return self._features(_pictures(X)) @ self.coef_ + self.intercept_

    def _features(self, pictures: list[ImageLike]) -> Float[np.ndarray, "n features"]:
        photos = [
            Photo(picture, name=f"{index:06}", label="", sha256=digest(picture))
            for index, picture in enumerate(pictures)
        ]
        with _one_at_a_time, self._frozen() as features:
            extraction = features.compute(photos)
            for name, detail in extraction.failed.items():
                raise ImageError(f"picture {int(name)}: {detail}")
            return features.array(photos)

    def _frozen(self) -> FeatureExtractor:
        network, known = self._network(), getattr(self, "_known", None)
        if known is None or known.network != network or network in _built or self.precision != "f32":
            return _frozen_features(network)
        return _known_features(known)

    def _network(self) -> "_Network":
        file = None if self.weights in ("imagenet", "random") else Path(self.weights).expanduser()
        return _Network(
            self.backbone,
            str(self.weights),
            file.stat().st_mtime_ns if file is not None and file.is_file() else 0,
            self.seed if self.weights == "random" else 0,
            self.size,
            self.resize,
            self.pooling,
            self.precision,
            getattr(self, "levels_", None),
        )

    def _remember(self) -> "_Known":
        """Return what predicting needs to know of the network where its features or its graph are kept."""
        features = self._frozen()
        return _Known(self._network(), features.fingerprint, features.shape, features.size)


class _Network(NamedTuple):
    """The settings that decide the features of a picture."""

    backbone: str
    weights: str
    changed: int
    """Tells versions of a weights file apart."""
    seed: int
    size: int | None
    resize: str
    pooling: str
    precision: str
    levels: ValueRange | None = None
    """The values that are black and white in pictures of more than 8 bits."""

    def settings(self) -> dict[str, object]:
        """Return those settings as the sections of a recipe have them."""
        return {
            "data": {
                "size": "auto" if self.size is None else self.size,
                "resize": self.resize,
                "range": [self.levels.low, self.levels.high] if self.levels else "auto",
            },
            "backbone": {"name": self.backbone, "weights": self.weights, "precision": self.precision},
            "head": {"pooling": self.pooling},
            "seed": self.seed,
        }


class _Known(NamedTuple):
    """A network that was built once, so that a new process need not build it."""

    network: _Network
    fingerprint: str
    shape: tuple[int, ...]
    size: int


_one_at_a_time = threading.Lock()


_built: set[_Network] = set()
"""Networks that this process has at hand, or had."""


@functools.lru_cache(maxsize=2)
def _frozen_features(network: _Network) -> FeatureExtractor:
    """Kept from call to call, since building takes seconds."""
    load_keras()
    from budwood.pipeline.features import extractor
    from budwood.pipeline.prepare import prepare_networks

    prepared = prepare_networks(Recipe.from_dict(network.settings()))
    _built.add(network)
    return extractor(prepared.networks[0].model, prepared.recipe, network.precision)


@functools.lru_cache(maxsize=2)
def _known_features(known: _Known) -> FeatureExtractor:
    """Likewise, without Keras where the features or the converted graph are in the cache."""

    def engine() -> Any:
        return Engine.kept(known.fingerprint, known.shape) or _frozen_features(known.network).part

    model = KnownModel(known.fingerprint, known.shape, engine)
    return FeatureExtractor(model, size=known.size, resize=known.network.resize, levels=known.network.levels)


def _levels_of(pictures: Sequence[ImageLike]) -> ValueRange | None:
    """Return what is black and white in pictures of more than 8 bits, decided once over all of them."""
    found = []
    for picture in pictures:
        # One that cannot be read is told of where its features are computed.
        with suppress(ImageError):
            found.append(samples_of(picture))
    return decide(found).range


def _pictures(X: Iterable[ImageLike] | np.ndarray) -> list[ImageLike]:  # noqa: N803
    if isinstance(X, (str, bytes, os.PathLike)):
        raise ValueError(
            "X must be a sequence of pictures, and a single one was given. Put it in a list: [picture]"
        )
    pictures = list(X)
    if not pictures:
        raise ValueError("found 0 sample(s): a minimum of 1 picture is required")
    for index, picture in enumerate(pictures):
        if not isinstance(picture, str | bytes | os.PathLike | Image.Image | np.ndarray):
            raise ValueError(
                f"X[{index}] is no picture but {type(picture).__name__}. "
                "Give paths, encoded bytes, PIL images or uint8 arrays (H, W, 3)"
            )
    return pictures
