"""Budwood: transfer learning for image classification that you can trust.

>>> import budwood
>>> run = budwood.train("photos", "runs/first")          # doctest: +SKIP
>>> run.predict("new.jpg")[0].label                      # doctest: +SKIP
'daisy'
"""

import importlib
import os
from contextlib import nullcontext
from typing import TYPE_CHECKING

# TensorFlow takes oneDNN's kernels by itself on processors with AVX-512; on those with AVX2 alone they make a gradient
# step 1.4 times as fast too. Read when TensorFlow is first imported.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

__version__ = "0.1.0"

# Loaded on first use: `import budwood` and `budwood --help` load no TensorFlow.
_HOMES = {
    "train": "budwood.pipeline",
    "study": "budwood.studies.study",
    "load_study": "budwood.studies.results",
    "load": "budwood.run",
    "Run": "budwood.run",
    "Prediction": "budwood.prediction",
    "Recipe": "budwood.recipe",
    "BudwoodError": "budwood.errors",
    "TransferClassifier": "budwood.estimator",
    "log_to_mlflow": "budwood.tracking",
}
__all__ = [
    "BudwoodError",
    "Prediction",
    "Recipe",
    "Run",
    "TransferClassifier",
    "load",
    "load_study",
    "log_to_mlflow",
    "study",
    "train",
]

if TYPE_CHECKING:
    from budwood.errors import BudwoodError
    from budwood.estimator import TransferClassifier
    from budwood.pipeline import train
    from budwood.prediction import Prediction
    from budwood.recipe import Recipe
    from budwood.run import Run, load
    from budwood.studies.results import load_study
    from budwood.studies.study import study
    from budwood.tracking import log_to_mlflow


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'budwood' has no attribute {name!r}")
    from budwood.live import expect_many_models, hushed, in_notebook

    if in_notebook():
        expect_many_models()
    with hushed() if in_notebook() else nullcontext():
        value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
