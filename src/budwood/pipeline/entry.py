"""`budwood.train`: what can be refused without Keras is refused before it is loaded."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from budwood.config.recipe import Recipe
from budwood.core.progress import choose_progress
from budwood.core.progress.base import Progress
from budwood.core.tensorflow import load_keras
from budwood.pipeline.request import Output, ask_for_training, read_recipe
from budwood.run import Run

if TYPE_CHECKING:
    import keras


def train(
    data: object,
    output: str | os.PathLike | None = None,
    *,
    recipe: str | os.PathLike | Recipe = "auto",
    settings: Iterable[str] = (),
    start: str | os.PathLike | None = None,
    overwrite: bool = False,
    resume: bool = False,
    callbacks: "keras.callbacks.Callback | Sequence[keras.callbacks.Callback]" = (),
    progress: Progress | None = None,
    command: str | None = None,
) -> Run:
    """Train a classifier on a folder of labelled photos and measure what was saved.

    Args:
        data: a folder of class folders, a table, an archive, an export of annotations or `tfds:NAME`, see
            the page "Your data"; or photos that the program holds: a data frame, `(images, labels)`, a list of
            `(image, label)`, a dataset as PyTorch or Hugging Face has it, or a Manifest.
        output: the run directory; by default the next free `runs/NAME-N`.
        recipe: the name of a shipped recipe, a TOML file, or a Recipe.
        settings: `"section.key=value"` laid over the recipe, values in TOML.
        start: a complete run whose model is fine-tuned further, on the same photos or on more (`--from`).
        overwrite: replace the run that `output` holds.
        resume: go on with an interrupted run in `output`, from its last epoch; features are found in the store.
        callbacks: your own Keras callbacks, one or several, told of the gradient steps of both phases.
        progress: what to tell meanwhile; by default bars in a terminal, a display in a notebook, plain lines elsewhere.
        command: how to reproduce it, for the report.

    Returns:
        The complete run: `run.metrics`, `run.predict(...)`, `run.model`.

    Raises:
        RecipeError, DataError, BackboneError, WeightsError, StoreError, RunError: all of them BudwoodError.

    >>> run = train("photos", settings=["backbone.name=mobilenet_v2"])    # doctest: +SKIP
    """
    request = ask_for_training(
        data,
        read_recipe(recipe, settings, start=start is not None),
        Output(None if output is None else Path(output), overwrite, resume),
        start=start,
        command=command,
        progress=progress or choose_progress(),
    )
    # What could be refused has been: from here on it takes Keras, whose loading takes seconds.
    load_keras()
    from budwood.pipeline.train import train_request

    return train_request(request, list(callbacks) if isinstance(callbacks, Iterable) else [callbacks])
