"""The fingerprints of backbones, from one process to the next.

A fingerprint is known when the graph and its weights have been hashed, which takes Keras and some ten seconds. What was
found is kept beside the store, under all that decides it: recipe, weights, versions and our own code.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from budwood._version import __version__
from budwood.backbones.registry import get_backbone
from budwood.config.recipe import Recipe
from budwood.core.cache import cache_dir
from budwood.core.errors import BudwoodError
from budwood.core.files import read_json, sha256_of, write_json

FOLDER = "fingerprints"


@dataclass(frozen=True)
class KnownFeatures:
    """Where the features of one backbone lie in the feature store."""

    fingerprint: str
    features: int
    """Numbers for each photo."""
    size: int
    """Side of the network's input, in pixels."""


def write(recipe: Recipe, found: KnownFeatures) -> None:
    """Keep where the features of a recipe of one backbone lie."""
    file = _file(recipe)
    file.parent.mkdir(exist_ok=True)
    write_json(file, asdict(found))


def read(recipe: Recipe) -> KnownFeatures | None:
    """Return what was kept; None where there is nothing, or nothing that can be read."""
    try:
        found = read_json(_file(recipe))
        return KnownFeatures(str(found["fingerprint"]), int(found["features"]), int(found["size"]))
    except (OSError, ValueError, LookupError, TypeError, BudwoodError):
        return None


def features_key(recipe: Recipe) -> str:
    """Return a key that is equal for recipes of one backbone whose features are the same."""
    parts = (
        recipe.backbone.model_dump(),
        recipe.data.size,
        recipe.data.resize,
        recipe.data.levels,
        recipe.head.pooling,
        recipe.seed,
    )
    # The seed matters to random weights alone.
    return json.dumps(parts if recipe.backbone.weights == "random" else parts[:-1], sort_keys=True)


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
