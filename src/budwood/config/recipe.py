"""Recipe: one experiment's configuration, read from TOML, completed by defaults, written out resolved.

A recipe is *requested* by the user, in part; defaults and `"auto"` fill the rest; what depends on the data or
the backbone is *resolved* when it is known. The resolved recipe, run again, gives the same result.
"""

import os
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from budwood.config.group_rule import GroupRule
from budwood.config.learning import Distill, Finetune, Frozen, Loss
from budwood.config.loading import fault_text, lay_over, merged, read_layers
from budwood.config.section import Auto, Fraction, Section
from budwood.core.errors import RecipeError, did_you_mean

MIN_SIZE, MAX_SIZE = 32, 1024
"""Side of a square picture in pixels."""


class Data(Section):
    """How photos are read and split."""

    size: Auto | Annotated[int, Field(ge=MIN_SIZE, le=MAX_SIZE)] = "auto"
    """Side of the square to which photos are brought, in pixels; "auto" is the backbone's own size, or the largest."""
    resize: Literal["crop", "stretch", "pad"] = "crop"
    """"crop": the short side to `size`, then the middle square; "stretch": both sides; "pad": the long side."""
    split: Annotated[list[float], Field(min_length=3, max_length=3)] = Field(default=[0.8, 0.1, 0.1])
    """Shares of train, validation and test; what the data bring themselves is kept."""
    folds: Annotated[int, Field(ge=0, le=20)] = 0
    """k-fold instead of shares: of so many parts one is test, and validation is carved from the rest by its share of
    `split`; without a test split the part is validation. 0 divides by `split`."""
    fold: Annotated[int, Field(ge=0)] = 0
    """Which of the `folds`, from 0."""
    train_photos: Literal["all"] | Annotated[int, Field(ge=2)] = "all"
    """So many of the training photos are learned from, of every class its share; a smaller number is part of a larger
    one. Validation and test stay as they are."""
    max_unreadable: Annotated[float, Field(ge=0.0, le=1.0)] = 0.2
    """Share of unreadable photos above which nothing is trained."""
    min_photos: Auto | Annotated[int, Field(ge=1)] = "auto"
    """A class of fewer different photos is left out, and said; "auto" leaves none out, and refuses data with a class
    of fewer than a split needs: 3."""
    layout: Literal["auto", "classes", "splits", "nested", "flat"] = "auto"
    """What the folders of a folder are. "classes": each a class; "splits": train, validation and test, with the classes
    inside; "nested": neither, such as cameras or sites, the classes lie inside; "flat": of no matter, the class is in
    the file's name (cat.1.jpg). "auto" takes the only one that is possible, and asks where several are."""
    split_folders: dict[Literal["train", "validation", "test"], str | list[str]] = Field(default_factory=dict)
    """Which folders are which split, as {train = "Training", test = ["Testing", "extra"]}; no other folder is read."""
    group: str = "auto"
    """What belongs together and stays in one split: "column:NAME" of a table, "pattern:REGEX" on the path (the first
    parenthesis is the group), "parent" the folder, "burst:60s" the time in EXIF, "near-duplicates" what looks nearly
    alike, "auto" what is the same picture and the groups that a table gives, "none" only equal pictures."""
    split_rule: Literal["grouped", "shuffled"] = "grouped"
    """"grouped": a photo that is added, removed or relabelled hardly moves another; "shuffled": the older rule, which
    figures published before rest on. With it "auto" knows equal files and a table's groups only."""
    columns: dict[Literal["path", "label", "split", "group", "weight"], str] = Field(default_factory=dict)
    """Of a table, which column gives what, as {path = "Datei", label = "Art"}, where its name does not say so."""
    root: str = ""
    """Of a table, the folder below which its paths lie, where that is not its own."""

    bit_depth: Auto | Annotated[int, Field(ge=8, le=32)] = "auto"
    """Of pictures of more than 8 bits, how many are in use, as 12 for 0 to 4,095; "auto" is decided once over all
    photos and written into `range`."""
    range: Auto | Annotated[list[float], Field(min_length=2, max_length=2)] = "auto"
    """Of pictures of more than 8 bits, the values that become black and white, such as [-1024, 3071]."""

    @property
    def fewest(self) -> int | None:
        """Return the number of different photos below which a class is left out; None for "auto"."""
        return None if self.min_photos == "auto" else self.min_photos

    @property
    def levels(self) -> tuple[float, float] | None:
        """Return the values that become black and white in pictures of more than 8 bits; None for "auto"."""
        if self.range != "auto":
            return self.range[0], self.range[1]
        return None if self.bit_depth == "auto" else (0.0, 2.0**self.bit_depth - 1)

    @pydantic.model_validator(mode="after")
    def _one_range(self) -> "Data":
        if self.range != "auto" and self.bit_depth != "auto":
            raise ValueError("range and bit_depth say the same thing. Give one of them")
        if self.range != "auto" and not self.range[0] < self.range[1]:
            raise ValueError(
                f"range = {self.range} is empty. Give the darkest value first, such as [0, 4095]"
            )
        return self

    @pydantic.field_validator("split")
    @classmethod
    def _shares(cls, split: list[float]) -> list[float]:
        if abs(sum(split) - 1) > 1e-6 or split[0] <= 0 or split[1] <= 0 or split[2] < 0:
            raise ValueError(
                "give three shares of train, validation and test that sum to 1, such as [0.8, 0.1, 0.1]"
            )
        return split

    @pydantic.field_validator("group")
    @classmethod
    def _group(cls, group: str) -> str:
        GroupRule.read(group)
        return group

    @pydantic.field_validator("split_folders")
    @classmethod
    def _with_train(cls, folders: dict[str, str | list[str]]) -> dict[str, str | list[str]]:
        if folders and "train" not in folders:
            raise ValueError(
                'one of the folders has to be train, such as {train = "Training", test = "Testing"}'
            )
        return folders

    @pydantic.model_validator(mode="after")
    def _folders_are_splits(self) -> "Data":
        if self.split_folders and self.layout == "classes":
            raise ValueError(
                'layout = "classes" knows no split folders. Leave split_folders out, or give layout = "splits"'
            )
        return self

    @pydantic.model_validator(mode="after")
    def _fold_of_folds(self) -> "Data":
        if self.folds == 1:
            raise ValueError(
                "folds = 1 leaves nothing to learn from. Give 2 or more, or 0 to divide by `split`"
            )
        if self.fold and self.fold >= self.folds:
            raise ValueError(
                f"fold = {self.fold} and folds = {self.folds} do not go together: of 5 folds the last one is 4"
            )
        return self


class Augment(Section):
    """Views: random renderings of the training photos. The saved model holds nothing of it."""

    views: Literal["per-epoch"] | Annotated[int, Field(ge=0, le=1000)] = 0
    """How many views a photo has. 0: only the plain one. V: a bank of V, the plain view and V - 1 drawn ones, of which
    every epoch takes one at random. "per-epoch": a new one is drawn in every epoch."""
    originals: bool = False
    """Every epoch holds each photo twice: plain, and as its view of this epoch."""
    horizontal_flip: bool = False
    """Half of the views are mirrored left to right."""
    vertical_flip: bool = False
    """Half of the views are mirrored top to bottom."""
    rotation: Annotated[float, Field(ge=0.0, le=0.5)] = 0.0
    """Largest rotation either way, as a fraction of a full turn: 0.1 is 36 degrees."""
    zoom: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Largest change of scale either way, both sides alike."""
    height: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Largest change of the height alone, either way."""
    width: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Largest change of the width alone, either way."""
    translation: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Largest shift, either way and in both directions, as a share of the side."""
    crop: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    """Smallest share of the photo's area that a random crop keeps before it is resized; 0 crops nothing."""
    brightness: Annotated[float, Field(ge=0.0, le=255.0)] = 0.0
    """Largest shift of all channels alike, either way, of 255; clipped."""
    channel_brightness: Annotated[float, Field(ge=0.0, le=255.0)] = 0.0
    """The same, drawn for each colour channel by itself."""
    contrast: Fraction = 0.0
    """Largest change of the distance from the mean, either way."""
    noise: Annotated[float, Field(ge=0.0, le=255.0)] = 0.0
    """Standard deviation of Gaussian noise, of 255."""
    downsample: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    """Smallest share of the resolution to which a view is scaled down, and back up; 0 leaves it alone."""
    rand_augment: Annotated[int, Field(ge=0, le=14)] = 0
    """Operations of RandAugment (Cubuk et al. 2020) applied one after another; 0 for none."""
    rand_magnitude: Annotated[float, Field(ge=0.0, le=10.0)] = 5.0
    """Their strength, of 10, either way: at 5 a picture loses or gains 45 % of its brightness."""
    mixup: Annotated[float, Field(ge=0.0, le=10.0)] = 0.0
    """Alpha of mixup (Zhang et al. 2018); 0 mixes nothing. What is mixed are the features at the boundary, so it is
    mixup proper only where the boundary lies at the pixels, and manifold mixup (Verma et al. 2019) elsewhere."""
    cutmix: Annotated[float, Field(ge=0.0, le=10.0)] = 0.0
    """Alpha of cutmix (Yun et al. 2019); 0 mixes nothing. Needs features with height and width, as pixels have."""


def name_and_size(sized: str) -> tuple[str, int | None]:
    """A backbone as a recipe names it: its name, and the side of its input in pixels where one is given.

    >>> name_and_size("efficientnet_lite2@320"), name_and_size("mobilenet_v2")
    (('efficientnet_lite2', 320), ('mobilenet_v2', None))
    """
    name, _, size = sized.rpartition("@")
    return (name, int(size)) if name and re.fullmatch("[0-9]{1,5}", size) else (sized, None)


class Backbone(Section):
    """The pretrained network, or several side by side."""

    name: str | Annotated[list[str], Field(min_length=1)] = "efficientnet_lite0"
    """One, or a list. `name@size` gives the side of a network's own input in pixels, where it is not `data.size`; a
    picture is decoded once, at the largest, and what sees less has it made smaller inside the model."""
    weights: str | dict[str, str] = "imagenet"
    """"imagenet", "random", or the path of a weights file; or one of them for each backbone by name, "imagenet" where
    none is given."""
    precision: Literal["f32", "bf16"] = "f32"
    """Arithmetic of the frozen part on OpenVINO; "bf16" is faster and agrees to about 1e-2."""
    engine: Literal["auto", "openvino", "keras"] = "auto"
    """What runs the frozen part; "auto" is OpenVINO where it is installed and no accelerator is."""
    drop_connect_rate: Auto | Fraction = "auto"
    """Stochastic depth (Huang et al. 2016) in the part of the backbone that trains: the chance that the topmost block
    is skipped, falling to 0 at the bottom. "auto" is the network's own."""

    @property
    def names(self) -> list[str]:
        """Of every backbone, without sizes."""
        return [name for name, _ in self.sized]

    @property
    def sized(self) -> list[tuple[str, int | None]]:
        """Of every backbone the name, and its size where one is asked for."""
        return [name_and_size(name) for name in ([self.name] if isinstance(self.name, str) else self.name)]

    def weights_of(self, name: str) -> str:
        """Where the weights of one of the backbones come from: "imagenet", "random", or a file."""
        return self.weights if isinstance(self.weights, str) else self.weights.get(name, "imagenet")

    @pydantic.field_validator("name")
    @classmethod
    def _each_once(cls, name: str | list[str]) -> str | list[str]:
        given = [name] if isinstance(name, str) else name
        seen: set[str] = set()
        for one, size in map(name_and_size, given):
            if one in seen:
                raise ValueError(
                    f"{one} is there twice. Side by side stand different backbones: give each once"
                )
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
    """The new layers."""

    pooling: Literal["avg", "max"] = "avg"
    """What makes one number of each channel of the feature map: its mean or its maximum."""
    hidden: list[Annotated[int, Field(ge=1, le=65_536)]] = Field(default=[])
    """Widths of dense ReLU layers before the last one; needs `frozen.fit = "gradient"`."""
    batch_norm: bool = False
    """Batch normalisation after the pooling and after every hidden layer."""
    dropout: Fraction = 0.0
    """Before every dense layer, in gradient steps; a linear fit knows none."""
    l2: Annotated[float, Field(ge=0.0)] = 0.0
    """L2 penalty on the head's kernels, in gradient steps; a linear fit chooses its own strength."""
    logits: Literal["per-class", "single"] = "per-class"
    """"single": two classes from one number, trained by binary cross-entropy; the model still gives both shares."""


class Log(Section):
    """What a training leaves behind besides its result."""

    checkpoints: Literal["best", "all"] = "best"
    """Which epochs can be evaluated afterwards: the best one of each phase, or all; the last one always."""
    tensorboard: bool = True
    """Write logs for TensorBoard."""


class Evaluate(Section):
    """How the result is measured."""

    test: bool = True
    """Open the test split at the end; false (`--no-test`) leaves `test` null."""
    flip: bool = False
    """The saved model averages the logits of a picture and of its mirror image, at twice the work."""
    resamples: Annotated[int, Field(ge=100, le=1_000_000)] = 10_000
    """Bootstrap resamples behind the intervals."""


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
    """Decides everything random except the split."""
    split_seed: Annotated[int, Field(ge=0)] = 0
    """Decides who is in which split."""
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

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Recipe":
        """Return the recipe of nested dicts. Raises RecipeError with the nearest known key or what was expected."""
        try:
            return cls.model_validate(values)
        except pydantic.ValidationError as error:
            raise RecipeError(fault_text(error, cls)) from error

    @classmethod
    def load(cls, name_or_file: str | os.PathLike) -> "Recipe":
        """Load a shipped recipe by its name, or one from a TOML file, with what it `extends` below it.

        >>> Recipe.load("quick").finetune.epochs, Recipe.load("quick").finetune.optimizer
        (4, 'adamw')
        """
        layers = read_layers(name_or_file)
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
        if "backbone.name" in given and "data.size" not in given and "@" in str(values["backbone"]["name"]):
            values["data"]["size"] = "auto"
        return Recipe.from_dict(values)

    def without_sizes(self) -> "Recipe":
        """The recipe with the sizes of the pictures left to the backbone, or to the run that is gone on from."""
        names = self.backbone.names
        name = names[0] if len(names) == 1 else names
        return self.model_copy(
            update={
                "data": self.data.model_copy(update={"size": "auto"}),
                "backbone": self.backbone.model_copy(update={"name": name}),
            }
        )

    def to_toml(self) -> str:
        """The recipe as TOML text that `Recipe.load` reads back to an equal recipe."""
        import tomli_w

        return tomli_w.dumps(self.model_dump(exclude_none=True))
