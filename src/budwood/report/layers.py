"""The table of layers: which of them were trained."""

from collections.abc import Sequence
from dataclasses import dataclass

from budwood.core import text as words
from budwood.report.summary import Contents
from budwood.runs.schema import ListedLayer


@dataclass(frozen=True)
class LayerTable:
    """Every layer, bottom first, and what their sums are."""

    title: str
    rows: Sequence[ListedLayer]
    boundary: str | None
    """The first layer that is not part of the feature extractor."""


def layer_table(contents: Contents) -> LayerTable | None:
    """Return the layers; None for a run that did not list them."""
    layers = contents.layers
    if not layers:
        return None
    trained = [layer for layer in layers if layer.trained]
    tuned = "finetune" in contents.phases
    aside = ", in fine-tuning, which was not kept" if tuned and contents.kept != "finetune" else ""
    number = sum(layer.parameters for layer in trained)
    if tuned:
        # Of a layer not all parameters need to train.
        number = contents.phases["finetune"].trainable_parameters
    boundary = next((layer.name for layer in layers if layer.part == "trainable"), None)
    return LayerTable(
        (
            f"Layers: {len(trained):,} of {len(layers):,} {'was' if len(trained) == 1 else 'were'} trained{aside}, "
            f"with {number:,} of "
            f"{words.count(sum(layer.parameters for layer in layers), 'parameter')}"
        ),
        layers,
        boundary,
    )
