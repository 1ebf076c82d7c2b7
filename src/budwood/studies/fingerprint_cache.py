"""The fingerprints of backbones, from one study to the next.

A fingerprint is known when the graph and its weights have been hashed, which takes Keras and some ten seconds. What was
found is kept beside the store, under all that decides it: recipe, weights, versions and our own code.
"""

import hashlib
import json
from importlib import metadata
from pathlib import Path

from budwood._version import __version__
from budwood.backbones.registry import get_backbone
from budwood.config.recipe import Recipe
from budwood.core.cache import cache_dir
from budwood.core.errors import BudwoodError
from budwood.core.files import read_json, sha256_of, write_json
from budwood.studies.records import StoredFeatures, features_key

FOLDER = "fingerprints"


def write(recipe: Recipe, found: StoredFeatures) -> None:
    """Keep where the features of a recipe of one backbone lie."""
    file = _file(recipe)
    file.parent.mkdir(exist_ok=True)
    write_json(file, found.model_dump(include={"fingerprint", "features", "size"}))


def read(recipe: Recipe) -> StoredFeatures | None:
    """Return what was kept, with no photo failed; None where there is nothing, or nothing that can be read."""
    try:
        return StoredFeatures.model_validate(read_json(_file(recipe)))
    except (OSError, ValueError, BudwoodError):
        return None


def _file(recipe: Recipe) -> Path:
    decides = [features_key(recipe), _weights(recipe), __version__, metadata.version("keras"), _code()]
    name = hashlib.sha256(json.dumps(decides).encode()).hexdigest()
    return cache_dir() / FOLDER / f"{name}.json"


def _weights(recipe: Recipe) -> str:
    """Return what tells the weights from others that would be found in the same way."""
    (name,) = recipe.backbone.names
    asked = recipe.backbone.weights_of(name)
    if asked == "imagenet":
        location = get_backbone(name).where()
        file, words = location.path, str(location)
    else:
        file, words = Path(asked).expanduser(), asked
    # Of a file its content decides.
    return f"{words} {sha256_of(file)}" if file is not None and file.is_file() else words


def _code() -> str:
    """Return a hash of the packages in which a graph is made and hashed; who edits them must not find old features."""
    package = Path(__file__).parents[1]
    folders = ("backbones", "network", "features")
    files = sorted(file for folder in folders for file in (package / folder).rglob("*.py"))
    return hashlib.sha256("".join(map(sha256_of, files)).encode()).hexdigest()
