import inspect
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from budwood.report.layers import layer_table
from budwood.runs.schema import ListedLayer


@dataclass
class Contents:
    """What the table looks at of a run's contents."""

    layers: list = field(default_factory=list)
    phases: dict = field(default_factory=lambda: {"frozen": SimpleNamespace(trainable_parameters=24)})
    kept: str = "frozen"


LAYERS = [
    ListedLayer("conv", "Conv2D", "8 x 8 x 4", 1000, False, "frozen"),
    ListedLayer("top", "Conv2D", "8 x 8 x 4", 1200, True, "trainable"),
    ListedLayer("logits", "Dense", "3", 24, True, "trainable"),
]

TUNED = {"finetune": SimpleNamespace(trainable_parameters=40)}


# The check of types at run time asks for the whole contents of a run.
table = inspect.unwrap(layer_table)


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        (Contents(LAYERS), "Layers: 2 of 3 were trained, with 1,224 of 2,224 parameters"),
        (Contents(LAYERS[::2]), "Layers: 1 of 2 was trained, with 24 of 1,024 parameters"),
        (
            Contents(LAYERS, TUNED),
            # Of "top" scale and bias alone.
            "Layers: 2 of 3 were trained, in fine-tuning, which was not kept, with 40 of 2,224 parameters",
        ),
        (
            Contents(LAYERS, TUNED, "finetune"),
            "Layers: 2 of 3 were trained, with 40 of 2,224 parameters",
        ),
    ],
)
def test_layer_table__says_how_many_were_trained(contents, words):
    found = table(contents)
    assert found.title.replace("\u00a0", " ") == words
    assert found.boundary == next(one.name for one in contents.layers if one.part == "trainable")


def test_layer_table__of_a_run_that_lists_none():
    assert table(Contents()) is None
