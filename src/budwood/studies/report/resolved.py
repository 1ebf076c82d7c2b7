"""The recipes of a study's configurations: what all of them have alike, and what is different in each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from budwood.config.loading import value_text
from budwood.studies.records import TrialFolder
from budwood.studies.results import Results

Flat = dict[str, object]
"""Settings of a recipe by their dotted keys."""

REPLICATE_KEYS = {"split_seed", "seed", "data.fold", "data.folds"}
"""Keys that may differ between the trials of one configuration."""


@dataclass(frozen=True)
class Resolved:
    """The recipes as `budwood train` would read them."""

    common: str
    """TOML of what is alike in all."""
    own: list[tuple[str, list[str]]]
    """Of each configuration the lines that not all others have."""


def resolve_recipes(results: Results) -> Resolved | None:
    """Return recipes from the first trial of every configuration; None where none can be read."""
    first: dict[str, str] = {}
    for trial in results.trials:
        if trial.configuration is not None:
            first.setdefault(trial.configuration, trial.name)
    recipes: dict[str, Flat] = {}
    for summary in results.summaries:
        name = first.get(summary.name)
        record = TrialFolder(results.folder, name).read() if name is not None else None
        if record is not None:
            recipes[summary.name] = _flat(record.recipe.model_dump(mode="json", exclude_none=True))
    if not recipes:
        return None
    alike = _alike(list(recipes.values()))
    own = [
        (
            name,
            [
                _line(key, value)
                for key, value in recipe.items()
                if key not in alike and key not in REPLICATE_KEYS
            ],
        )
        for name, recipe in recipes.items()
    ]
    return Resolved(_toml(alike), own)


def _flat(recipe: Mapping[str, object], before: str = "") -> Flat:
    flat: Flat = {}
    for key, value in recipe.items():
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{before}{key}.")
        else:
            flat[f"{before}{key}"] = value
    return flat


def _alike(recipes: Sequence[Flat]) -> Flat:
    first, *others = recipes
    return {
        key: value
        for key, value in first.items()
        if key not in REPLICATE_KEYS and all(key in other and other[key] == value for other in others)
    }


def _line(key: str, value: object) -> str:
    return f"{key} = {value_text(value)}"


def _toml(flat: Flat) -> str:
    """Return sections of one level, with dotted keys below it, as people write them."""
    sections: dict[str, list[str]] = {}
    for key, value in flat.items():
        section, dot, rest = key.partition(".")
        sections.setdefault(section if dot else "", []).append(_line(rest if dot else key, value))
    blocks = [
        "\n".join([*([f"[{section}]"] if section else []), *lines])
        for section, lines in sorted(sections.items(), key=lambda item: item[0] != "")
    ]
    return "\n\n".join(blocks)
