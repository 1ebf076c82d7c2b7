"""A run that answers: its predictor, warmed, its rules, and what is said of it."""

import io
from collections import OrderedDict
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from budwood.core.errors import BudwoodError, RunError
from budwood.core.forks import Lock
from budwood.data.images import view
from budwood.evaluation.ood import Reference
from budwood.inference.occlusion import GRID, importance, occlude, windows
from budwood.inference.prediction import Prediction
from budwood.inference.predictor import Scores
from budwood.inference.rules import PLAIN, Asked, Rules
from budwood.run import Run
from budwood.run_answers import rules_of
from budwood.runs.figures import LabelSplitMetrics
from budwood.serving.picture import refuse_polyglot
from budwood.serving.schema import Accuracy, InputInfo, LabelPrecision, ServedModelInfo

MOST_RULES = 64
"""Kept of the different wishes of clients, who may ask for anything."""


class ServedModel:
    """One model of one run, for as long as any request is answered by it. Several threads may ask it at once.

    Args:
        name: by which requests name it.
        run: the run, of which `run.predictor` is loaded.
    """

    def __init__(self, name: str, run: Run):
        self.name, self.folder = name, run.folder
        self.fingerprint = run.model_sha256
        self._run, self.predictor = run, run.predictor
        self._rules: OrderedDict[Asked, Rules] = OrderedDict()
        self._labels: dict[str, str] | None = None
        self._lock = Lock()
        self.info = _info(name, run)
        self.default_rules = self.rules(PLAIN)
        # The first answer of an engine takes longer than all others, and so does the first picture of a decoder:
        # nobody has to wait for them.
        self.answer("first", _jpeg(), self.default_rules)

    @property
    def classes(self) -> list[str]:
        """Class names in the order of the model's outputs."""
        return self.predictor.classes

    def rules(self, asked: Asked) -> Rules:
        """Return by what scores become predictions. Raise RunError where the run's photos do not promise it."""
        with self._lock:
            found = self._rules.get(asked)
            if found is None:
                try:
                    found = rules_of(self._run, asked)
                except BudwoodError as error:
                    if self.is_replaced():
                        raise ReplacedError(f"{self.name} is being replaced") from error
                    raise
                self._rules[asked] = found
            self._rules.move_to_end(asked)
            if len(self._rules) > MOST_RULES:
                self._rules.popitem(last=False)
            return found

    def label_of(self, reference: Reference, place: int) -> str:
        """Return the class of a training photo; where photos have several labels all that it has."""
        if self.predictor.thresholds is None:
            return self.classes[int(reference.labels[place])]
        with self._lock:
            if self._labels is None:
                self._labels = {row.name: row.label for row in self._run.files.split}
        return self._labels.get(reference.names[place], "")

    def is_replaced(self) -> bool:
        """Return whether another model lies in the run's folder by now, or none."""
        return current_fingerprint(self.folder) != self.fingerprint

    def see(self, content: bytes) -> UInt8[np.ndarray, "size size 3"]:
        """Return what the model sees of an encoded picture. Raise ImageError where it cannot be decoded."""
        refuse_polyglot(content)
        asked = self.predictor.input
        return view(content, asked.size, asked.resize, asked.levels, only_clear=True)

    def answer(self, name: str, content: bytes, rules: Rules) -> Prediction:
        """Return what is said of an encoded picture. Raise ImageError where it cannot be decoded."""
        return self.predict(name, self.predictor.score(self.see(content)), rules)

    def predict(self, name: str, scores: Scores, rules: Rules) -> Prediction:
        """Return the prediction of known scores."""
        return rules.complete(self.predictor.prediction_of(name, scores, rules.threshold, rules.far))

    def heat(self, seen: UInt8[np.ndarray, "size size 3"], target: str) -> Float[np.ndarray, "rows columns"]:
        """Return by how much the log-odds of a class fall where a part of a picture is hidden."""
        shares = np.stack([self.predictor.score(hidden).probabilities for hidden in occlude(seen)])
        number = self.classes.index(target)
        found = importance(shares, number, len(seen), multi_label=self.predictor.thresholds is not None)
        # It is constant between the edges of the windows.
        edges = [int(top) for top, *_ in windows(len(seen), GRID)[::GRID]]
        places = [*edges, len(seen) - 1]
        return found[np.ix_(places, places)]


def _jpeg() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "JPEG")
    return file.getvalue()


class ReplacedError(RunError):
    """The run's folder holds another model than the one that answers."""


def current_fingerprint(folder: Path) -> str | None:
    """Return the SHA-256 of the model in a run's folder as `model.json` has it; None where there is none to read."""
    from budwood.core.files import read_json

    try:
        return str(read_json(folder / "model" / "model.json")["fingerprints"]["model"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _info(name: str, run: Run) -> ServedModelInfo:
    predictor, model = run.predictor, run.files.model
    thresholds = run.thresholds
    return ServedModelInfo(
        name=name,
        fingerprint=run.model_sha256,
        default=False,
        backbone=model.backbone if isinstance(model.backbone, str) else list(model.backbone),
        classes=run.classes,
        several_labels=thresholds is not None,
        thresholds=thresholds,
        tree_of_labels=run.files.tree is not None,
        none_of_these=predictor.ood is not None,
        input=InputInfo(size=predictor.input.size, resize=predictor.input.resize),
        measured=_measured(run),
        training_photos=False,
    )


def _measured(run: Run) -> Accuracy | LabelPrecision | None:
    split = run.files.metrics.reported
    found = run.files.metrics.figures_of(split)
    if found is None:
        return None
    if not isinstance(found, LabelSplitMetrics):
        return Accuracy(
            split=split, photos=found.n, accuracy=found.accuracy, accuracy_ci95=found.accuracy_ci95
        )
    if found.mean_average_precision is None:
        return None
    return LabelPrecision(
        split=split,
        photos=found.n,
        mean_average_precision=found.mean_average_precision,
        mean_average_precision_ci95=found.mean_average_precision_ci95,
    )
