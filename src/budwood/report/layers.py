"""The table of layers: which of them were trained."""

from typing import Any

from budwood.core import text as words
from budwood.report.summary import Contents


def layer_table(contents: Contents) -> dict[str, Any] | None:
    """Every layer, bottom first, and what their sums are; None for a run that did not list them."""
    layers = contents.layers
    if not layers:
        return None
    trained = [layer for layer in layers if layer.trained]
    tuned = "finetune" in contents.phases
    aside = ", in fine-tuning, which was not kept" if tuned and contents.kept != "finetune" else ""
    boundary = next((layer.name for layer in layers if layer.part == "trainable"), None)
    return {
        "title": (
            f"Layers: {len(trained):,} of {len(layers):,} {'was' if len(trained) == 1 else 'were'} trained{aside}, "
            f"with {sum(layer.parameters for layer in trained):,} of "
            f"{words.count(sum(layer.parameters for layer in layers), 'parameter')}"
        ),
        "rows": layers,
        "boundary": boundary,
    }
