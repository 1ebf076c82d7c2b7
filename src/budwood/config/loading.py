"""Recipe files: find them, follow `extends`, lay settings over them, write TOML, and word what is wrong.

Knows no key of a recipe; the schema that names them is given where it is needed.
"""

import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from budwood.core.errors import RecipeError, did_you_mean

Table = dict[str, Any]
"""A TOML table."""
EXTENDS = "extends"
"""Key at the top of a recipe file: the recipe that it starts from."""


@dataclass(frozen=True)
class Layer:
    """One recipe file, as it is written."""

    name: str
    """The shipped recipe, or the path of the file."""
    values: Table
    """Without `extends`."""
    text: str = ""
    """The file, comments and all."""
    extends: str | None = None
    file: Path | None = None
    """None of a shipped recipe."""


def shipped_recipes() -> dict[str, str]:
    """Return name and TOML text of every recipe in the package, in alphabetical order."""
    folder = resources.files(__package__) / "recipes"
    files = sorted(file.name for file in folder.iterdir() if file.name.endswith(".toml"))
    return {name.removesuffix(".toml"): (folder / name).read_text(encoding="utf-8") for name in files}


def read_recipe(name_or_file: str | os.PathLike) -> Table:
    """Return the values of a shipped recipe or a TOML file, with those that it extends below them.

    Raise RecipeError like `read_layers`.

    >>> read_recipe("frozen-gradient")["backbone"]
    {'name': 'efficientnet_lite0'}
    """
    return merged(read_layers(name_or_file))


def read_layers(name_or_file: str | os.PathLike) -> list[Layer]:
    """Read a recipe and all that it extends, the lowest first.

    A recipe extends a shipped one by its name, or a file by its path, from the folder of the file that says so.

    Raises:
        RecipeError: one of them is not there or not TOML, or they extend one another in a circle.
    """
    shipped = shipped_recipes()
    layers = [_read_layer(str(name_or_file), shipped)]
    while (wanted := layers[-1].extends) is not None:
        layer = _read_layer(wanted, shipped, by=layers[-1])
        layers.append(layer)
        if any(_same(layer, other) for other in layers[:-1]):
            way = " → ".join(one.name for one in layers)
            raise RecipeError(
                f"recipes extend one another in a circle: {way}. One of them has to stand by itself"
            )
    return layers[::-1]


def merged(layers: Iterable[Layer]) -> Table:
    """Lay recipes over one another, the lowest first: sections key by key, the value of a key as a whole.

    >>> merged([Layer("a", {"frozen": {"epochs": 3, "ema": 0.9}}), Layer("b", {"frozen": {"epochs": 5}})])
    {'frozen': {'epochs': 5, 'ema': 0.9}}
    """
    values: Table = {}
    for layer in layers:
        for key, value in layer.values.items():
            below = values.get(key)
            values[key] = below | value if isinstance(below, dict) and isinstance(value, dict) else value
    return values


def _same(one: Layer, other: Layer) -> bool:
    if one.file is None or other.file is None:
        return one.file is other.file and one.name == other.name
    return one.file.resolve() == other.file.resolve()


def _read_layer(wanted: str, shipped: Mapping[str, str], by: Layer | None = None) -> Layer:
    """Read the recipe `wanted`, which is a shipped one or a file; relative to the file `by` that extends it."""
    if wanted in shipped:
        return _layer(wanted, shipped[wanted])
    folder = by.file.parent if by and by.file else Path()
    path = folder / wanted
    if not path.is_file():
        known = [*shipped, *(sorted(file.name for file in folder.glob("*.toml")) if by else [])]
        raise RecipeError(
            f"{f'{by.name} extends `{wanted}`, which is not there' if by else f'no recipe `{wanted}`'}."
            f"{_hint(wanted, folder, known)} Give a TOML file{f', from {folder},' if by else ''} "
            f"or one of: {', '.join(shipped)}"
        )
    try:
        return _layer(str(path), path.read_text(encoding="utf-8-sig"), path)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not TOML: {error}") from error


def _hint(wanted: str, folder: Path, known: list[str]) -> str:
    """Return a sentence that names the file or the recipe that was meant, where one is likely."""
    if (folder / f"{wanted}.toml").is_file():
        return f" Did you mean {wanted}.toml?"
    return did_you_mean(wanted, known)


def _layer(name: str, text: str, file: Path | None = None) -> Layer:
    values = tomllib.loads(text)
    extends = values.pop(EXTENDS, None)
    if extends is not None and not (isinstance(extends, str) and extends):
        raise RecipeError(
            f"{name}: extends takes the name of one shipped recipe or the path of one file, and got {extends!r}"
        )
    return Layer(name, values, text, extends, file)


def lay_over(values: Table, settings: Iterable[str], schema: type[BaseModel]) -> set[str]:
    """Set `section.key=value` settings in nested values, and return the keys that were given.

    Values are TOML; what is not is taken as a string. Raise RecipeError for a setting without `=` or in no section.
    """
    given = set()
    for setting in settings:
        key, equals, text = (part.strip() for part in setting.partition("="))
        if not equals:
            raise RecipeError(
                f"setting `{setting}` has no `=`. Write section.key=value, such as frozen.epochs=10"
            )
        *sections, last = key.split(".")
        place = values
        for depth, section in enumerate(sections, 1):
            if _is_choice(sections[:depth], schema):
                # One of its forms takes the place of another.
                place[section] = {}
            if not isinstance(place.get(section), dict):
                raise RecipeError(unknown_key(key, schema))
            place = place[section]
        place[last] = parse_value(text)
        given.add(key)
    return given


def _is_choice(sections: Sequence[str], schema: type[BaseModel]) -> bool:
    """Return whether the place takes one of several forms, of which one is a table of its own."""
    kind: Any = schema
    for section in sections:
        field = getattr(kind, "model_fields", {}).get(section)
        kind = field and field.annotation
    return any(isinstance(form, type) and issubclass(form, BaseModel) for form in get_args(kind))


def parse_value(text: str) -> Any:
    """Return the value that a TOML text stands for; of a bare word, the word.

    >>> parse_value("[1, 2]"), parse_value("mobilenet_v2")
    ([1, 2], 'mobilenet_v2')
    """
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def value_text(value: Any) -> str:
    """Return a value as TOML on one line, as `--set` and a key of a recipe take it.

    >>> print(value_text({"layers": [1, 2.5, True], "name": "a"}))
    {layers = [1, 2.5, true], name = "a"}
    """
    import tomli_w

    if isinstance(value, Mapping):
        keys = (tomli_w.dumps({key: 0}).removesuffix(" = 0\n") for key in value)
        return f"{{{', '.join(f'{key} = {value_text(one)}' for key, one in zip(keys, value.values(), strict=True))}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(value_text, value))}]"
    return tomli_w.dumps({"x": value}).removeprefix("x = ").strip()


def known_keys(schema: type[BaseModel]) -> list[str]:
    """Return every key, `section.key` or one at the top, in the order of the schema."""
    keys = []
    for name, field in schema.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            keys += [f"{name}.{key}" for key in section.model_fields]
        else:
            keys.append(name)
    return keys


def unknown_key(key: str, schema: type[BaseModel]) -> str:
    """Return the sentence of an unknown key: the nearest one, or all of them."""
    if key.rpartition(".")[2] == EXTENDS:
        return f"`{key}` is no key: `{EXTENDS}` stands in a recipe file alone, at its top, before the first [section]"
    known = known_keys(schema)
    nearest = did_you_mean(key, known if "." in key else [*known, EXTENDS])
    return f"unknown recipe key `{key}`.{nearest or ' Known keys: ' + ', '.join(known)}"


def fault_text(error: ValidationError, schema: type[BaseModel]) -> str:
    """Return one sentence for what is wrong with a recipe: the key, what it takes and what it got."""
    # "extra_forbidden" first: an unknown key is the likelier mistake, and its nearest name explains the rest.
    faults = sorted(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
    fault = faults[0]
    # Positions inside unions and lists are pydantic's own words; keep the recipe's.
    words = [str(part) for part in fault["loc"]]
    known = known_keys(schema)
    key = next((".".join(words[:n]) for n in (2, 1) if ".".join(words[:n]) in known), ".".join(words[:2]))
    if fault["type"] == "extra_forbidden":
        return unknown_key(key, schema)
    alternatives = [other for other in faults if list(map(str, other["loc"]))[:2] == words[:2]]
    # Of the alternatives of a union the user meant the one that goes deepest.
    deepest = max(len(other["loc"]) for other in alternatives)
    if deepest > 3:
        alternatives = [other for other in alternatives if len(other["loc"]) == deepest]
        fault, key = alternatives[0], f"{key}.{alternatives[0]['loc'][-1]}"
    wanted = "; or ".join(other["msg"].removeprefix("Value error, ") for other in alternatives)
    place = f"recipe key `{key}`: {wanted}" if key else f"recipe: {wanted}"
    # A whole section says nothing of what is wrong with it.
    return place if not key or key in schema.model_fields else f"{place}. Got {fault['input']!r}"
