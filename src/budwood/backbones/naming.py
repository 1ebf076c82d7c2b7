"""Names of layers: those that are ours, and those that Keras numbers by itself."""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

PREPROCESS = "preprocess"
"""Layers whose name begins so are ours; every other layer is the network's own."""
RESIZE = f"{PREPROCESS}_resize"
"""The first of them, where the network sees pictures smaller than the model is given."""


def own_names(layers: Iterable[Any]) -> dict[str, str]:
    """Return what Keras calls each layer in a session that has built nothing before, by the name that it has now."""
    numbered = defaultdict(list)
    names = {}
    for layer in layers:
        names[layer.name] = layer.name
        prefix = automatic_prefix(layer)
        if prefix is not None:
            numbered[prefix].append(layer.name)
    for prefix, found in numbered.items():
        names |= renumbered(found, prefix)
    return names


def automatic_prefix(layer: Any) -> str | None:
    """Return what Keras put before the number; None where somebody gave the layer its name."""
    kind = re.sub(r"([a-z])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", type(layer).__name__))
    prefix = kind.lower()
    return prefix if re.fullmatch(rf"{prefix}(_\d+)?", layer.name) else None


def renumbered(names: Iterable[str], prefix: str) -> dict[str, str]:
    """Return new names for those that are the prefix and a number: counted from none, 1, 2 on.

    >>> renumbered(["conv2d_12", "conv2d_9", "conv2d_9_bn"], "conv2d")
    {'conv2d_9': 'conv2d', 'conv2d_12': 'conv2d_1'}
    """
    automatic = [name for name in names if re.fullmatch(rf"{prefix}(_\d+)?", name)]
    automatic.sort(key=lambda name: int(name[len(prefix) + 1 :] or 0))
    return {name: f"{prefix}_{place}" if place else prefix for place, name in enumerate(automatic)}
