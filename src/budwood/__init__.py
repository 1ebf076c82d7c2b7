"""Budwood: transfer learning for image classification that you can trust.

>>> import budwood
>>> run = budwood.train("photos", "runs/first")          # doctest: +SKIP
>>> run.predict("new.jpg")[0].label                      # doctest: +SKIP
'daisy'
"""

import importlib
import os
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING

from budwood._version import __version__
from budwood.display import register_hooks

# TensorFlow takes oneDNN's kernels by itself on processors with AVX-512; on those with AVX2 alone they make a gradient
# step 1.4 times as fast too. Read when TensorFlow is first imported.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# TensorFlow's own chatter would bury ours; whoever sets the variable keeps it.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# Loaded on first use: `import budwood` and `budwood --help` load no TensorFlow.
_HOMES = {
    "audit": "budwood.auditing.audit",
    "train": "budwood.pipeline.train",
    "study": "budwood.studies.study",
    "load_study": "budwood.studies.results",
    "load": "budwood.run",
    "Run": "budwood.run",
    "Prediction": "budwood.inference.prediction",
    "Recipe": "budwood.config.recipe",
    "BudwoodError": "budwood.core.errors",
    "TransferClassifier": "budwood.estimator",
    "log_to_mlflow": "budwood.integrations.mlflow",
}
__all__ = [
    "BudwoodError",
    "Prediction",
    "Recipe",
    "Run",
    "TransferClassifier",
    "__version__",
    "audit",
    "load",
    "load_study",
    "log_to_mlflow",
    "study",
    "train",
]

if TYPE_CHECKING:
    from budwood.auditing.audit import audit
    from budwood.config.recipe import Recipe
    from budwood.core.errors import BudwoodError
    from budwood.estimator import TransferClassifier
    from budwood.inference.prediction import Prediction
    from budwood.integrations.mlflow import log_to_mlflow
    from budwood.pipeline.train import train
    from budwood.run import Run, load
    from budwood.studies.results import load_study
    from budwood.studies.study import study

register_hooks()


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'budwood' has no attribute {name!r}")
    from budwood.core.system import in_notebook
    from budwood.core.tensorflow import expect_many_models, hushed, uncollected

    if in_notebook():
        expect_many_models()
    # Once it is loaded it has said what it says.
    with nullcontext() if "tensorflow" in sys.modules else hushed(), uncollected():
        value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
