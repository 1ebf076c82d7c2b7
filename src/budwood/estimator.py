"""A scikit-learn classifier over the same pipeline: pictures in, classes out, features from the store."""

import functools
import math
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import scipy.special
from jaxtyping import Float
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from budwood.backbones.resolve import refuse_impossible
from budwood.config.learning import MAX_L2_STRENGTH, MIN_L2_STRENGTH, Loss
from budwood.config.recipe import Recipe
from budwood.core.errors import ImageError, RecipeError, did_you_mean
from budwood.core.forks import Lock
from budwood.core.tensorflow import load_keras
from budwood.data.decoder.levels import decide
from budwood.data.examples import Examples, Pictures, as_pictures, read_examples
from budwood.data.images import ImageLike, ValueRange, digest, samples_of
from budwood.data.indicator import Indicator, refuse_joined
from budwood.data.manifest import Photo
from budwood.evaluation.thresholds import DEFAULT, choose_thresholds
from budwood.features.engines.engine import Engine
from budwood.features.extractor import FeatureExtractor, KnownModel
from budwood.training.label_probe import LabelsFit, fit_labels_as_asked
from budwood.training.label_weights import refuse_unlearnable
from budwood.training.linear_probe import LinearFit, fit_as_asked


class TransferClassifier(ClassifierMixin, BaseEstimator):
    """Multinomial logistic regression on the features of a frozen pretrained network.

    Where pictures have several labels it is one logistic regression a label, by scikit-learn's conventions of
    multilabel classification: `predict` gives a matrix `(n, K)` of 0 and 1, `decision_function` the logits `(n, K)`,
    and `predict_proba` one array `(n, K)` of the probabilities that a picture has each label. That is how
    `OneVsRestClassifier` and `MLPClassifier` have it; a list of K arrays is what others give.

    Parameters:
        backbone: a name that `budwood backbones` lists.
        weights: "imagenet", "random", or the path of a weights file.
        size: side of the square that the backbone sees, in pixels; None is its own size.
        resize: "crop", "stretch" or "pad".
        pooling: "avg" or "max".
        l2_strength: L2 strength in units of the mean loss per photo; "auto" chooses it by cross-validation on
            the photos given to `fit`.
        folds: folds of that cross-validation.
        class_weight: how much the pictures of each class count: "balanced", so that each class counts alike however
            rare it is, a dict of weights from 0 up by label, 1 for those that it leaves out, or None. Of several labels
            a picture it is that of the pictures with a label beside those without.
        thresholds: of several labels a picture, what the probability from which `predict` says a label is chosen for,
            as by the recipe key `evaluate.thresholds`: "f1", or a precision in (0, 1]. It is chosen on what heads say
            of pictures that they did not learn from, in the folds. None is 0.5 for every label.
        precision: "f32" or "bf16".
        seed: decides the folds.

    Attributes:
        classes_: the labels found by `fit`, sorted; of several labels a picture the numbers of the columns, 0 to K - 1.
        label_names_: of several labels a picture the name of each column.
        multilabel_: whether a picture may have several labels.
        n_outputs_: the number of columns of what `predict` gives: K for K labels a picture, else 1.
        coef_: float32 `(features, classes)`; intercept_: float32 `(classes,)`.
        l2_strength_: the strength used; of several labels a picture that of each, `(K,)`.
        thresholds_: of several labels a picture the probability of each from which `predict` says it, `(K,)`; 0.5 of a
            label that is on no picture that could be held out, or on every one.

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
        class_weight: Mapping[Any, float | int] | str | None = None,
        thresholds: float | str | None = "f1",
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
        self.class_weight = class_weight
        self.thresholds = thresholds
        self.precision = precision
        self.seed = seed

    def fit(
        self,
        X: Pictures,  # noqa: N803
        y: Any = None,
        groups: Sequence[Any] | np.ndarray | None = None,
        sample_weight: Sequence[float] | np.ndarray | None = None,
    ) -> "TransferClassifier":
        """Learn from pictures (paths, encoded bytes, PIL images or uint8 arrays) and their labels `(n,)`.

        Of several labels a picture y is a matrix `(n, K)` of 0, 1 and NaN where it is unknown, or a collection of texts
        for each picture, such as `[["sea", "sun"], []]`. The labels are called as the columns of a data frame are, else
        "label 0" and so on. Without y, X is what `budwood.train` takes, such as a table of photos and their labels,
        which says groups and weights too.

        With `groups` `(n,)`, pictures of one group, such as a patient, are held out together where the strength is
        chosen. Of what is said of accuracy scikit-learn's `GroupKFold` takes care. With `sample_weight` `(n,)`, from 0
        up, pictures count by it in the loss; only the ratios matter.

        Cross-validation of scikit-learn does not divide several labels evenly: shuffle, as by `KFold(shuffle=True)`.

        Raise ValueError for labels that are no classes or are too few, groups or weights that are not one a picture,
        RecipeError for a parameter out of range, DataError for a label that all pictures have, or none,
        ImageError for a picture that cannot be read, DataError for pictures of more than 8 bits that no range suits.
        """
        given = read_examples(X, y, groups, sample_weight)
        several = isinstance(given.labels, Indicator)
        if not several:
            check_classification_targets(given.labels)
        recipe = self._recipe()
        refuse_impossible(recipe)
        # What belonged to an earlier fit says nothing of this one.
        self._known = None
        self.levels_ = _levels_of(given.pictures)
        fit = (
            self._fit_labels(recipe, given, given.labels)
            if isinstance(given.labels, Indicator)
            else self._fit_classes(recipe, given, given.labels)
        )
        self._known = self._remember()
        self.multilabel_, self.n_outputs_ = several, len(self.classes_) if several else 1
        self.coef_, self.intercept_ = fit.kernel, fit.bias
        return self

    def _fit_classes(self, recipe: Recipe, given: Examples, labels: np.ndarray) -> LinearFit:
        self.classes_, places = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"a classifier needs at least two classes in y, and found {len(self.classes_)} class"
            )
        refuse_joined(self.classes_.tolist())
        names = [str(place) for place in range(len(self.classes_))]
        recipe = self._weighted(recipe, self.classes_.tolist(), names)
        features = self._features(given.pictures)
        fit = fit_as_asked(recipe, features, places, names, groups=given.groups, weights=given.weights)
        self.l2_strength_: float | np.ndarray = fit.strength
        return fit

    def _fit_labels(self, recipe: Recipe, given: Examples, several: Indicator) -> LabelsFit:
        labels, targets = several.labels, several.targets
        # Before the pictures are looked at, which may take long.
        refuse_unlearnable(targets, labels, given.weights)
        self.classes_, self.label_names_ = np.arange(len(labels)), np.array(labels)
        recipe = self._weighted(recipe, labels, labels)
        features = self._features(given.pictures)
        fit = fit_labels_as_asked(
            recipe,
            features,
            targets,
            labels,
            groups=given.groups,
            weights=given.weights,
            hold_out=self.thresholds is not None,
        )
        self.l2_strength_ = fit.strengths
        self.thresholds_ = self._choose_thresholds(recipe, fit, targets, labels)
        return fit

    def _choose_thresholds(
        self,
        recipe: Recipe,
        fit: LabelsFit,
        targets: Float[np.ndarray, "n classes"],
        labels: Sequence[str],
    ) -> Float[np.ndarray, "classes"]:
        if self.thresholds is None:
            return np.full(len(labels), DEFAULT)
        # Of what no head held out nothing is known.
        known = np.where(np.isnan(fit.held_out), np.nan, targets)
        shares = scipy.special.expit(np.nan_to_num(fit.held_out))
        return np.array(choose_thresholds(known, shares, labels, goal=recipe.evaluate.thresholds).values)

    def decision_function(self, X: Pictures) -> Float[np.ndarray, "n *classes"]:  # noqa: N803
        """Logits, float32 `(n, classes)`; for two classes `(n,)`, the second over the first, as scikit-learn has it."""
        logits = self._logits(X)
        return logits if self._has_several_labels or len(self.classes_) > 2 else logits[:, 1] - logits[:, 0]

    def predict_proba(self, X: Pictures) -> Float[np.ndarray, "n classes"]:  # noqa: N803
        """Return class probabilities, float32, each row summing to 1; of several labels those of each by itself."""
        logits = self._logits(X)
        return (
            scipy.special.expit(logits) if self._has_several_labels else scipy.special.softmax(logits, axis=1)
        )

    def predict(self, X: Pictures) -> np.ndarray:  # noqa: N803
        """Return the most probable label of each picture; of several labels 1 or 0 for each, split at `thresholds_`."""
        logits = self._logits(X)
        if not self._has_several_labels:
            return self.classes_[logits.argmax(axis=1)]
        # One that was pickled by an earlier version knows of none.
        thresholds = getattr(self, "thresholds_", DEFAULT)
        return (scipy.special.expit(logits) >= thresholds).astype(np.int64)

    def score(
        self,
        X: Pictures,  # noqa: N803
        y: Any = None,
        sample_weight: Sequence[float] | np.ndarray | None = None,
    ) -> float:
        """Return the share of pictures that are answered rightly; of several labels a picture, with every known one.

        X and y as `fit` takes them, the columns of a data frame in any order.
        """
        check_is_fitted(self)
        if not self._has_several_labels:
            if y is None:
                given = read_examples(X)
                X, y = given.pictures, given.labels  # noqa: N806
            return super().score(X, y, sample_weight)
        given = read_examples(X, y, sample_weight=sample_weight, labels=self.label_names_.tolist())
        if not isinstance(given.labels, Indicator):
            raise ValueError(
                "y holds one class per picture, and this classifier learned several labels. Give a matrix of 0 and 1 "
                "or a collection of labels for each picture"
            )
        targets = given.labels.targets
        right = ((self.predict(given.pictures) == targets) | np.isnan(targets)).all(axis=1)
        return float(np.average(right, weights=given.weights))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        tags.classifier_tags.multi_label = True
        return tags

    def _recipe(self) -> Recipe:
        """Return the recipe of these parameters. What a recipe refuses is refused here, in the same words."""
        if not isinstance(self.backbone, str):
            raise RecipeError(
                f"backbone = {self.backbone!r} is not the name of one backbone. Give one; an ensemble of several is "
                "for budwood.train"
            )
        frozen = {"l2_strengths": self._strengths(), "folds": self.folds}
        if isinstance(self.thresholds, bool):
            raise ValueError(
                f"thresholds is {self.thresholds}. Expected 'f1', a precision in (0, 1], or None for 0.5"
            )
        goal = "f1" if self.thresholds is None else self.thresholds
        own = {"frozen": frozen, "evaluate": {"thresholds": goal}, "seed": self.seed}
        return Recipe.from_dict({**self._network().settings(), **own})

    def _weighted(self, recipe: Recipe, labels: Sequence[Any], names: Sequence[str]) -> Recipe:
        """Return the recipe with the class weights of these parameters.

        Args:
            recipe: without them.
            labels: as the caller knows them.
            names: as the head knows them, in the same order.
        """
        weights = self.class_weight
        if weights is None:
            return recipe
        if isinstance(weights, str):
            if weights != "balanced":
                raise ValueError(
                    f"class_weight is {weights!r}. Expected 'balanced', a dict by label, or None"
                )
            asked: Literal["balanced"] | dict[str, float] = "balanced"
        else:
            given = {str(label): weight for label, weight in weights.items()}
            known = [str(label) for label in labels]
            for name in given:
                if name not in known:
                    raise ValueError(
                        f"class_weight names a class {name!r} that y does not have.{did_you_mean(name, known)} "
                        f"The classes are: {', '.join(known)}"
                    )
            asked = {name: float(given.get(label, 1)) for name, label in zip(names, known, strict=True)}
            bad = [label for label, weight in given.items() if not 0 <= float(weight) < math.inf]
            if bad or not any(asked.values()):
                raise ValueError(
                    f"class_weight is {given[bad[0]]} of {bad[0]!r}. Expected a number from 0 up"
                    if bad
                    else "class_weight is 0 of every class. Expected one above 0 at least"
                )
        return recipe.model_copy(update={"loss": Loss(class_weights=asked)})

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

    @property
    def _has_several_labels(self) -> bool:
        # One that was pickled by an earlier version knows nothing of several.
        return getattr(self, "multilabel_", False)

    def _logits(self, X: Pictures) -> Float[np.ndarray, "n classes"]:  # noqa: N803
        check_is_fitted(self)
        return self._features(as_pictures(X)) @ self.coef_ + self.intercept_

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


_one_at_a_time = Lock()


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
