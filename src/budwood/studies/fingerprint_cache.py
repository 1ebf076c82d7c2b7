"""Where the features of a frozen part lie, from one study to the next.

A fingerprint is known when the graph and its weights have been hashed, which takes Keras and some ten seconds. What was
found is written down beside the store, under all that decides it: recipe, weights, versions and our own code.
"""

import hashlib
import json
from importlib import metadata
from pathlib import Path
from typing import Any

from budwood._version import __version__
from budwood.backbones.registry import get_backbone
from budwood.config.recipe import Recipe
from budwood.core.cache import cache_dir
from budwood.core.errors import BudwoodError
from budwood.core.files import read_json, sha256_of, write_json
from budwood.studies.linear_trial import features_key

FOLDER = "fingerprints"
WHAT = ("fingerprint", "features", "size")


def remember(recipe: Recipe, found: dict[str, Any]) -> None:
    """Writes down the fingerprint of the frozen part of a recipe of one backbone, width and size of its input."""
    file = _file(recipe)
    file.parent.mkdir(exist_ok=True)
    write_json(file, {key: found[key] for key in WHAT})


def recall(recipe: Recipe) -> dict[str, Any] | None:
    """What was written down, with no photo failed; None where there is nothing, or nothing that can be read."""
    try:
        found = read_json(_file(recipe))
        return {key: found[key] for key in WHAT} | {"computed": 0, "failed": {}}
    except (OSError, ValueError, KeyError, TypeError, BudwoodError):
        return None


def _file(recipe: Recipe) -> Path:
    decides = [features_key(recipe), _weights(recipe), __version__, metadata.version("keras"), _code()]
    name = hashlib.sha256(json.dumps(decides).encode()).hexdigest()
    return cache_dir() / FOLDER / f"{name}.json"


def _weights(recipe: Recipe) -> str:
    """What tells the weights from others that would be found in the same way."""
    (name,) = recipe.backbone.names
    asked = recipe.backbone.weights_of(name)
    where = get_backbone(name).where() if asked == "imagenet" else asked
    # "FILE, in the mirror": its content decides.
    file = Path(where.rpartition(", ")[0] or where).expanduser()
    return f"{where} {sha256_of(file)}" if file.is_file() else where


def _code() -> str:
    """Of the rooms in which a graph is made and hashed; who works on them must not find yesterday's features."""
    package = Path(__file__).parents[1]
    folders = ("backbones", "network", "features")
    files = sorted(file for folder in folders for file in (package / folder).rglob("*.py"))
    return hashlib.sha256("".join(map(sha256_of, files)).encode()).hexdigest()
