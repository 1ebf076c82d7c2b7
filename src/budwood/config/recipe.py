"""Recipe: one experiment's configuration, read from TOML, completed by defaults, written out resolved.

A recipe is *requested* by the user, in part; defaults and `"auto"` fill the rest; what depends on the data or
the backbone is *resolved* when it is known. The resolved recipe, run again, gives the same result.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from budwood.config.budget import PLANNED, Budget
from budwood.config.data import MAX_SIZE, MIN_SIZE, Data
from budwood.config.learning import Distill, Finetune, Frozen, Loss
from budwood.config.loading import Layer, fault_text, lay_over, merged, read_layers
from budwood.config.section import Auto, Fraction, Section
from budwood.core.errors import RecipeError, did_you_mean

DECIDING = {"augment", "backbone", "distill", "finetune", "frozen", "head", "loss"}
"""Sections that say what is trained, and how."""
CARRIED = {
    *("backbone.engine", "backbone.precision", "frozen.folds", "frozen.l2_strengths", "head.pooling"),
    "finetune.precision",
    "loss.class_weights",
}
"""Settings of these sections that are kept where something else is trained than the recipe says."""


class Augment(Section):
    """Augmentation: random variants ("views") of the training photos. The saved model contains none of it."""

    views: Literal["per-epoch"] | Annotated[int, Field(ge=0, le=1000)] = 0
    """Number of views of each photo. 0: only the unchanged photo. V: the unchanged photo and V - 1 random views, of
    which each epoch takes one at random; their features are stored. "per-epoch": a new random view in each epoch."""
    originals: bool = False
    """Whether each epoch holds every photo twice: unchanged, and as its view of this epoch."""
    horizontal_flip: bool = False
    """Whether half of the views are mirrored left to right."""
    vertical_flip: bool = False
    """Whether half of the views are mirrored top to bottom."""
    rotation: Annotated[float, Field(ge=0.0, le=0.5)] = 0.0
    """Largest rotation in either direction, as a fraction of a full turn: 0.1 is 36 degrees."""
    zoom: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Largest relative change of scale, larger or smaller, the same for both sides: 0.2 is 0.8 to 1.2."""
    height: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Largest relative change of the height alone, larger or smaller."""
    width: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Largest relative change of the width alone, larger or smaller."""
    translation: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Largest shift in each direction, as a fraction of the side."""
    crop: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    """Smallest fraction of the photo's area that a random crop keeps; 0: no cropping."""
    brightness: Annotated[float, Field(ge=0.0, le=255.0)] = 0.0
    """Largest value that is added to or subtracted from all channels alike, of 255; the result is clipped."""
    channel_brightness: Annotated[float, Field(ge=0.0, le=255.0)] = 0.0
    """As `brightness`, drawn for each colour channel separately."""
    contrast: Fraction = 0.0
    """Largest relative change of the distance of each pixel from the mean, larger or smaller."""
    noise: Annotated[float, Field(ge=0.0, le=255.0)] = 0.0
    """Standard deviation of Gaussian noise, of 255."""
    downsample: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    """Smallest fraction of the resolution to which a view is scaled down, and up again; 0: none."""
    rand_augment: Annotated[int, Field(ge=0, le=14)] = 0
    """Number of RandAugment operations (Cubuk et al. 2020) that are applied one after another; 0: none."""
    rand_magnitude: Annotated[float, Field(ge=0.0, le=10.0)] = 5.0
    """Strength of the RandAugment operations, of 10: at 5 a picture loses or gains 45 % of its brightness."""
    mixup: Annotated[float, Field(ge=0.0, le=10.0)] = 0.0
    """Alpha of mixup (Zhang et al. 2018); 0: none. Mixed is the input of the part that is trained: pixels where all is
    trained (mixup), else the features (manifold mixup, Verma et al. 2019)."""
    cutmix: Annotated[float, Field(ge=0.0, le=10.0)] = 0.0
    """Alpha of cutmix (Yun et al. 2019); 0: none. Needs an input of the trained part with height and width."""


def name_and_size(sized: str) -> tuple[str, int | None]:
    """Return a backbone as a recipe names it: its name, and the side of its input in pixels where one is
    given.

    >>> name_and_size("efficientnet_lite2@320"), name_and_size("mobilenet_v2")
    (('efficientnet_lite2', 320), ('mobilenet_v2', None))
    """
    name, _, size = sized.rpartition("@")
    return (name, int(size)) if name and re.fullmatch("[0-9]{1,5}", size) else (sized, None)


class Backbone(Section):
    """The pretrained network, or an ensemble of several."""

    name: str | Annotated[list[str], Field(min_length=1)] = "efficientnet_lite0"
    """Name of the network, or a list of names. `name@size` gives a network an input size in pixels other than
    `data.size`; a picture is decoded once at the largest size, and resized inside the model for the others."""
    weights: str | dict[str, str] = "imagenet"
    """"imagenet", "random", or the path of a weights file; or a table of backbone names and one of these, "imagenet"
    for a backbone that is not in it."""
    precision: Literal["f32", "bf16", "int8"] = "f32"
    """Arithmetic of the feature extractor on OpenVINO, for training photos; what is measured is of "f32". "bf16" is
    faster on some processors, and off by about 1e-2. "int8" (extra `int8`) is for many photos and a head alone: it is
    tried on some of them, and taken where it is faster and the head loses hardly anything."""
    engine: Literal["auto", "openvino", "keras"] = "auto"
    """Runtime of the feature extractor; "auto": OpenVINO where it is installed and there is no
    accelerator, else Keras."""
    drop_connect_rate: Auto | Fraction = "auto"
    """Stochastic depth (Huang et al. 2016) in the trained part of the backbone: the probability that the topmost block
    is skipped, falling linearly to 0 at the first. "auto": that of the published network."""

    @property
    def names(self) -> list[str]:
        """Of every backbone, without sizes."""
        return [name for name, _ in self.sized]

    @property
    def sized(self) -> list[tuple[str, int | None]]:
        """Of every backbone the name, and its size where one is asked for."""
        return [name_and_size(name) for name in ([self.name] if isinstance(self.name, str) else self.name)]

    def weights_of(self, name: str) -> str:
        """Return where the weights of one of the backbones come from: "imagenet", "random", or a file."""
        return self.weights if isinstance(self.weights, str) else self.weights.get(name, "imagenet")

    @pydantic.field_validator("name")
    @classmethod
    def _each_once(cls, name: str | list[str]) -> str | list[str]:
        given = [name] if isinstance(name, str) else name
        seen: set[str] = set()
        for one, size in map(name_and_size, given):
            if one in seen:
                raise ValueError(f"{one} is there twice. An ensemble has different backbones: give each once")
            seen.add(one)
            if size is not None and not MIN_SIZE <= size <= MAX_SIZE:
                raise ValueError(f"`{one}@{size}`: pictures have from {MIN_SIZE} to {MAX_SIZE} px")
        return given[0] if len(given) == 1 else given

    @pydantic.model_validator(mode="after")
    def _weights_by_name(self) -> "Backbone":
        if isinstance(self.weights, str):
            if len(self.names) > 1 and self.weights not in ("imagenet", "random"):
                raise ValueError(
                    f"one file of weights cannot be for {len(self.names)} backbones. Say whose it is: "
                    f'weights = {{{self.names[0]} = "{self.weights}"}}'
                )
            return self
        for name in self.weights:
            if name not in self.names:
                raise ValueError(
                    f"weights are given for `{name}`, which is not among the backbones.{did_you_mean(name, self.names)}"
                    f" There are: {', '.join(self.names)}"
                )
        return self


class Head(Section):
    """The new layers on top of the backbone."""

    pooling: Literal["avg", "max"] = "avg"
    """Global pooling of the feature map: the mean ("avg") or the maximum ("max") of each channel."""
    hidden: list[Annotated[int, Field(ge=1, le=65_536)]] = Field(default=[])
    """Units of each dense ReLU layer before the output layer; needs `frozen.fit = "gradient"`."""
    batch_norm: bool = False
    """Whether batch normalization follows the pooling and every hidden layer."""
    dropout: Fraction = 0.0
    """Dropout rate before every dense layer, in gradient steps; no effect on a linear probe."""
    l2: Annotated[float, Field(ge=0.0)] = 0.0
    """L2 penalty on the kernels of the head, in gradient steps; a linear probe uses `frozen.l2_strengths`."""
    logits: Literal["per-class", "single"] = "per-class"
    """Outputs of the head: "per-class"; or "single" for two classes, one output trained by binary cross-entropy. The
    saved model gives the probabilities of both classes either way."""


class Log(Section):
    """What a training writes besides its result."""

    checkpoints: Literal["best", "all"] = "best"
    """Epochs of which the weights are kept: the best one of each phase, or all; the last one always."""
    tensorboard: bool = True
    """Whether logs for TensorBoard are written."""


class Evaluate(Section):
    """How the result is measured."""

    test: bool = True
    """Whether the model is measured on the test split at the end; with false (`--no-test`) `test` is null."""
    flip: bool = False
    """Whether the saved model averages the logits of a picture and its mirror image, at twice the cost."""
    thresholds: Literal["f1"] | Annotated[float, Field(gt=0.0, le=1.0)] = "f1"
    """With several labels a photo, the probability from which a photo has a label is chosen for each of them on the
    validation photos, for the best F1, or for a precision such as 0.9."""
    resamples: Annotated[int, Field(ge=100, le=1_000_000)] = 10_000
    """Number of bootstrap resamples of the intervals."""


class Recipe(Section):
    """Everything that decides a result, apart from the photos.

    >>> recipe = Recipe.from_dict({"backbone": {"name": "mobilenet_v2"}})
    >>> recipe.frozen.fit
    'auto'
    >>> Recipe.from_dict({"frozen": {"epoch": 3}})
    Traceback (most recent call last):
    budwood.core.errors.RecipeError: unknown recipe key `frozen.epoch`. Did you mean frozen.epochs?
    """

    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of everything random except the split."""
    split_seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the split."""
    adapt: bool = False
    """true: with few photos only a head, and scale and bias of the upper layers, are trained, on two backbones, and
    with `budget.minutes` other backbones and sizes may be chosen. false: what the recipe says is trained. A setting of
    `data.size` or of any of [backbone], [head], [augment], [loss], [distill], [frozen] and [finetune], but for engine,
    precision, folds, L2 strengths, pooling and class weights, makes it false, unless `adapt` is given too. The recipe
    that a run keeps has false."""
    data: Data = Data()
    augment: Augment = Augment()
    backbone: Backbone = Backbone()
    head: Head = Head()
    loss: Loss = Loss()
    distill: Distill = Distill()
    frozen: Frozen = Frozen()
    finetune: Finetune = Finetune()
    evaluate: Evaluate = Evaluate()
    log: Log = Log()
    budget: Budget = Budget()

    @pydantic.model_validator(mode="after")
    def _linear_head(self) -> "Recipe":
        if self.frozen.fit == "linear" and (self.head.hidden or self.head.batch_norm):
            raise ValueError(
                'frozen.fit = "linear" is logistic regression: it has no hidden layers or batch norm. '
                'Say frozen.fit = "gradient", or leave them out of [head]'
            )
        return self

    @pydantic.model_validator(mode="after")
    def _views_beside_originals(self) -> "Recipe":
        if self.augment.originals and not self.augment.views:
            raise ValueError(
                'augment.originals = true needs views to set beside them: augment.views = "per-epoch"'
            )
        return self

    @pydantic.model_validator(mode="after")
    def _backbones_to_finetune(self) -> "Recipe":
        for name in [] if self.finetune.backbones == "all" else self.finetune.backbones:
            if name not in self.backbone.names:
                raise ValueError(
                    f"finetune.backbones names `{name}`, which is not among the backbones."
                    f"{did_you_mean(name, self.backbone.names)} There are: {', '.join(self.backbone.names)}"
                )
        return self

    @pydantic.model_validator(mode="after")
    def _warmup_ends(self) -> "Recipe":
        # Of phase 1 only gradient steps warm up, and its fit may be decided later.
        warmup, epochs = self.finetune.warmup_epochs, self.finetune.epochs
        if epochs and warmup >= epochs:
            raise ValueError(
                f"finetune.warmup_epochs = {warmup:g} leaves none of the {epochs} epochs. Give fewer than "
                f"finetune.epochs, such as --set finetune.warmup_epochs={epochs / 2:g}"
            )
        return self

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Recipe":
        """Return the recipe of nested dicts. Raise RecipeError with the nearest known key or what was expected."""
        try:
            return cls.model_validate(values)
        except pydantic.ValidationError as error:
            raise RecipeError(fault_text(error, cls)) from error

    @classmethod
    def load(cls, name_or_file: str | os.PathLike) -> "Recipe":
        """Load a shipped recipe by its name, or one from a TOML file, with what it `extends` below it.

        A `data.taxonomy` that lies beside the file which names it is that table.

        >>> Recipe.load("quick").finetune.epochs, Recipe.load("quick").finetune.optimizer
        (4, 'adamw')
        """
        layers = [_settled(_with_own_files(layer)) for layer in read_layers(name_or_file)]
        try:
            return cls.from_dict(merged(layers))
        except RecipeError as error:
            for number, layer in enumerate(layers[:-1], 1):
                if cls._fault(merged(layers[:number])) == str(error):
                    raise RecipeError(f"{layer.name}, which {name_or_file} extends: {error}") from error
            raise

    @classmethod
    def _fault(cls, values: Mapping[str, Any]) -> str | None:
        try:
            cls.from_dict(values)
        except RecipeError as error:
            return str(error)
        return None

    def with_settings(self, settings: Iterable[str]) -> "Recipe":
        """Return the recipe with `section.key=value` settings laid over it, values in TOML (bare words are strings).

        Backbones that are given with sizes of their own, `name@size`, make `data.size` "auto" where that is not given
        too.

        >>> Recipe().with_settings(["frozen.epochs=3", "backbone.name=mobilenet_v2"]).frozen.epochs
        3
        """
        values = self.model_dump(exclude_none=True)
        given = lay_over(values, settings, type(self))
        if "adapt" not in given and any(map(_decides, given)):
            values["adapt"] = False
        if "backbone.name" in given and "data.size" not in given and "@" in str(values["backbone"]["name"]):
            values["data"]["size"] = "auto"
        planned = sorted(given.intersection(PLANNED))
        if planned and values["budget"].get("minutes"):
            raise RecipeError(
                f"budget.minutes (--minutes) plans how many epochs fit, and {planned[0]} is given too. Leave one of "
                "them out"
            )
        return Recipe.from_dict(values)

    def without_sizes(self) -> "Recipe":
        """Return the recipe with the sizes of the pictures left to the backbone, or to the run that is gone
        on from."""
        names = self.backbone.names
        name = names[0] if len(names) == 1 else names
        return self.model_copy(
            update={
                "data": self.data.model_copy(update={"size": "auto"}),
                "backbone": self.backbone.model_copy(update={"name": name}),
            }
        )

    def to_toml(self) -> str:
        """Return the recipe as TOML text that `Recipe.load` reads back to an equal recipe."""
        import tomli_w

        sections = self.model_dump(exclude_none=True)
        return tomli_w.dumps({name: values for name, values in sections.items() if values != {}})


def _decides(key: str) -> bool:
    """Return whether a setting says what is trained, so that nothing else may take its place."""
    return key == "data.size" or (key.partition(".")[0] in DECIDING and key not in CARRIED)


def _settled(layer: Layer) -> Layer:
    """Return a recipe file with `adapt = false` where it says what is trained."""
    keys = [
        f"{section}.{key}" for section, own in layer.values.items() if isinstance(own, dict) for key in own
    ]
    if "adapt" in layer.values or not any(map(_decides, keys)):
        return layer
    return replace(layer, values={**layer.values, "adapt": False})


def _with_own_files(layer: Layer) -> Layer:
    """Return a recipe file with the path of a table that lies beside it, so that a run's recipe finds the run's own."""
    data = layer.values.get("data")
    if layer.file is None or not isinstance(data, dict):
        return layer
    named = data.get("taxonomy")
    if not isinstance(named, str) or not named or not (beside := layer.file.parent / named).is_file():
        return layer
    return replace(layer, values={**layer.values, "data": {**data, "taxonomy": str(beside)}})
