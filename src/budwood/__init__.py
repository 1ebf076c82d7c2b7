"""Budwood: transfer learning for image classification that you can trust.

>>> import budwood
>>> run = budwood.train("photos", "runs/first")          # doctest: +SKIP
>>> run.predict("new.jpg")[0].label                      # doctest: +SKIP
'daisy'
"""

import importlib
import os
from typing import TYPE_CHECKING

from budwood._version import __version__
from budwood.core.threads import limit_libraries
from budwood.display import register_hooks

# TensorFlow takes oneDNN's kernels by itself on processors with AVX-512; on those with AVX2 alone they make a gradient
# step 1.4 times as fast too. Read when TensorFlow is first imported.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# TensorFlow's own chatter would bury ours; whoever sets the variable keeps it.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

limit_libraries()

# Loaded on first use, and without TensorFlow, which is loaded by what needs it: `budwood.core.tensorflow.load_keras`.
_HOMES = {
    "audit": "budwood.auditing.audit",
    "train": "budwood.pipeline.entry",
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
    from budwood.pipeline.entry import train
    from budwood.run import Run, load
    from budwood.studies.results import load_study
    from budwood.studies.study import study

register_hooks()


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'budwood' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
