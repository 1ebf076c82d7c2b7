"""Recipe: one experiment's configuration, read from TOML, completed by defaults, written out resolved.

A recipe is *requested* by the user, in part; defaults and `"auto"` fill the rest; what depends on the data or
the backbone is *resolved* when it is known. The resolved recipe, run again, gives the same result.
"""

import os
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from budwood.errors import RecipeError, did_you_mean

Auto = Literal["auto"]
Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


class Data(Section):
    """How photos are read and split."""

    size: Auto | Annotated[int, Field(ge=32, le=1024)] = "auto"
    """Side of the square that the backbone sees, in pixels; "auto" is the backbone's own size."""
    resize: Literal["crop", "stretch", "pad"] = "crop"
    """"crop": the short side to `size`, then the middle square; "stretch": both sides; "pad": the long side."""
    split: Annotated[list[float], Field(min_length=3, max_length=3)] = [0.8, 0.1, 0.1]
    """Shares of train, validation and test; what the data bring themselves is kept."""
    max_bad: Annotated[float, Field(ge=0.0, le=1.0)] = 0.2
    """Share of unreadable photos above which nothing is trained."""

    @pydantic.field_validator("split")
    @classmethod
    def _shares(cls, split: list[float]) -> list[float]:
        if abs(sum(split) - 1) > 1e-6 or split[0] <= 0 or split[1] <= 0 or split[2] < 0:
            raise ValueError(
                "give three shares of train, validation and test that sum to 1, such as [0.8, 0.1, 0.1]"
            )
        return split


class Backbone(Section):
    """The pretrained network."""

    name: str = "efficientnet_lite0"
    weights: str = "imagenet"
    """"imagenet", "random", or the path of a weights file."""
    precision: Literal["f32", "bf16"] = "f32"
    """Arithmetic of the frozen part on OpenVINO; "bf16" is faster and agrees to about 1e-2."""
    engine: Literal["auto", "openvino", "keras"] = "auto"
    """What runs the frozen part; "auto" is OpenVINO where it is installed and no accelerator is."""


class Head(Section):
    """The new layers."""

    pooling: Literal["avg", "max"] = "avg"
    hidden: list[Annotated[int, Field(ge=1, le=65_536)]] = []
    """Widths of dense ReLU layers before the last one; needs `frozen.fit = "gradient"`."""
    batch_norm: bool = False
    """Batch normalisation after the pooling and after every hidden layer."""
    dropout: Fraction = 0.0
    l2: Annotated[float, Field(ge=0.0)] = 0.0
    """L2 penalty on the head's kernels (gradient fit only; the linear fit chooses its own strength)."""


class Frozen(Section):
    """Phase 1: the head is trained on features of the frozen backbone."""

    fit: Literal["auto", "linear", "gradient"] = "auto"
    """"linear" is multinomial logistic regression, "gradient" any head and optimizer; "auto" is "linear" where the
    head has no hidden layer, batch norm or dropout and the features of the training split are small enough."""
    strengths: Auto | Annotated[list[Annotated[float, Field(ge=1e-12, le=1e6)]], Field(min_length=1)] = "auto"
    """L2 strengths tried by the linear fit, in units of the mean loss per photo."""
    folds: Annotated[int, Field(ge=2, le=20)] = 5
    """Folds of the cross-validation that chooses the strength."""
    optimizer: str = "adam"
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.0
    momentum: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Momentum of SGD and RMSprop; other optimizers have their own."""
    schedule: Literal["constant", "cosine", "reduce_on_plateau"] = "constant"
    warmup_epochs: Annotated[float, Field(ge=0.0)] = 0.0
    epochs: Annotated[int, Field(ge=1)] = 30
    batch_size: Annotated[int, Field(ge=1)] = 32
    early_stopping: Annotated[int, Field(ge=0)] = 5
    """Epochs without a better validation loss after which training stops; 0 never stops."""


class Evaluate(Section):
    """How the result is measured."""

    test: bool = True
    """Open the test split at the end; false (`--no-test`) leaves `test` null."""
    resamples: Annotated[int, Field(ge=100, le=1_000_000)] = 10_000
    """Bootstrap resamples behind the intervals."""


class Recipe(Section):
    """Everything that decides a result, apart from the photos.

    >>> recipe = Recipe.from_dict({"backbone": {"name": "mobilenet_v2"}})
    >>> recipe.frozen.fit
    'auto'
    >>> Recipe.from_dict({"frozen": {"epoch": 3}})
    Traceback (most recent call last):
    budwood.errors.RecipeError: unknown recipe key `frozen.epoch`. Did you mean frozen.epochs?
    """

    seed: Annotated[int, Field(ge=0)] = 0
    """Decides everything random except the split."""
    split_seed: Annotated[int, Field(ge=0)] = 0
    """Decides who is in which split."""
    data: Data = Data()
    backbone: Backbone = Backbone()
    head: Head = Head()
    frozen: Frozen = Frozen()
    evaluate: Evaluate = Evaluate()

    @pydantic.model_validator(mode="after")
    def _linear_head(self) -> "Recipe":
        if self.frozen.fit == "linear" and (self.head.hidden or self.head.batch_norm or self.head.dropout):
            raise ValueError(
                'frozen.fit = "linear" is logistic regression: it has no hidden layers, batch norm or dropout. '
                'Say frozen.fit = "gradient", or leave them out of [head]'
            )
        return self

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Recipe":
        """A recipe from nested dicts. Raises RecipeError with the nearest known key or what was expected."""
        try:
            return cls.model_validate(values)
        except pydantic.ValidationError as error:
            raise RecipeError(_first_fault(error)) from error

    @classmethod
    def load(cls, name_or_file: str | os.PathLike) -> "Recipe":
        """A shipped recipe by its name, or one from a TOML file."""
        return cls.from_dict(_read_toml(name_or_file))

    def with_settings(self, settings: Iterable[str]) -> "Recipe":
        """The recipe with `section.key=value` settings laid over it, values in TOML (bare words are strings).

        >>> Recipe().with_settings(["frozen.epochs=3", "backbone.name=mobilenet_v2"]).frozen.epochs
        3
        """
        values = self.model_dump()
        for setting in settings:
            key, equals, text = setting.partition("=")
            if not equals:
                raise RecipeError(
                    f"setting `{setting}` has no `=`. Write section.key=value, such as frozen.epochs=10"
                )
            *sections, last = key.strip().split(".")
            place = values
            for section in sections:
                if not isinstance(place.get(section), dict):
                    raise RecipeError(f"unknown recipe key `{key.strip()}`.{_nearest_key(key.strip())}")
                place = place[section]
            place[last] = _toml_value(text.strip())
        return Recipe.from_dict(values)

    def to_toml(self) -> str:
        """The recipe as TOML text that `Recipe.load` reads back to an equal recipe."""
        import tomli_w

        return tomli_w.dumps(self.model_dump())


def shipped_recipes() -> dict[str, str]:
    """Name and TOML text of every recipe in the package, in alphabetical order."""
    folder = resources.files("budwood") / "recipes"
    files = sorted(file.name for file in folder.iterdir() if file.name.endswith(".toml"))
    return {name.removesuffix(".toml"): (folder / name).read_text(encoding="utf-8") for name in files}


def _read_toml(name_or_file: str | os.PathLike) -> dict[str, Any]:
    shipped = shipped_recipes()
    if str(name_or_file) in shipped:
        return tomllib.loads(shipped[str(name_or_file)])
    path = Path(name_or_file)
    if not path.is_file():
        raise RecipeError(
            f"no recipe `{name_or_file}`.{did_you_mean(str(name_or_file), shipped)} "
            f"Give a TOML file or one of: {', '.join(shipped)}"
        )
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not TOML: {error}") from error


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _known_keys() -> list[str]:
    keys = []
    for name, field in Recipe.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, Section):
            keys += [f"{name}.{key}" for key in section.model_fields]
        else:
            keys.append(name)
    return keys


def _nearest_key(key: str) -> str:
    known = _known_keys()
    return did_you_mean(key, known) or f" Known keys: {', '.join(known)}"


def _first_fault(error: pydantic.ValidationError) -> str:
    # "extra_forbidden" first: an unknown key is the likelier mistake, and its nearest name explains the rest.
    faults = sorted(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
    fault = faults[0]
    # Positions inside unions and lists are pydantic's own words; keep the recipe's.
    words = [str(part) for part in fault["loc"]]
    known = _known_keys()
    key = next((".".join(words[:n]) for n in (2, 1) if ".".join(words[:n]) in known), ".".join(words[:2]))
    if fault["type"] == "extra_forbidden":
        return f"unknown recipe key `{key}`.{_nearest_key(key)}"
    wanted = "; or ".join(
        other["msg"].removeprefix("Value error, ")
        for other in faults
        if list(map(str, other["loc"]))[:2] == words[:2]
    )
    place = f"recipe key `{key}`: {wanted}" if key else f"recipe: {wanted}"
    return place if not key else f"{place}. Got {fault['input']!r}"
