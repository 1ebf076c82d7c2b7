"""A predictor on `model.keras` itself: where OpenVINO is absent, cannot convert the model, or is not wanted."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import islice

import numpy as np
from jaxtyping import Float32, UInt8

from budwood.core.forks import Lock, refuse_lost_tensorflow
from budwood.core.progress.base import SILENT, Progress
from budwood.features.ensemble import ExtractorEnsemble
from budwood.features.extract import NamedRunner, Runner
from budwood.features.store.table import Rows
from budwood.inference.artifact import Artifact
from budwood.inference.predictor import InputContract, OodDetector, Predictor, Scores, vectors

BATCH_SIZE = 32
"""Pictures that the head is asked of at once."""


class KerasPredictor(Predictor):
    """Answers with the head in Keras, on features of whatever engine runs the backbones.

    Args:
        artifact: the model as it was read.
        ood: as every predictor has it.
        engine: of the backbones: "auto", "openvino" or "keras".
    """

    def __init__(self, artifact: Artifact, ood: OodDetector | None = None, *, engine: str = "auto"):
        super().__init__(
            artifact.classes,
            InputContract(artifact.size, artifact.resize, artifact.levels),
            ood,
            artifact.thresholds,
        )
        self.artifact, self._engine = artifact, engine
        self._lock = Lock()

    def scores(self, views: Iterable[UInt8[np.ndarray, "size size 3"]]) -> Iterator[Scores]:
        refuse_lost_tensorflow()
        with self._lock:
            runner = self._runner
        rows = iter(runner.run(views))
        while batch := list(islice(rows, BATCH_SIZE)):
            stacked = np.stack(batch)
            features = vectors(stacked)
            shares = self.artifact.probabilities(stacked)
            distances = self.ood.reference.distance(features).tolist() if self.ood else [None] * len(batch)
            yield from map(Scores, shares, features, distances)

    def probabilities(self, rows: Rows | np.ndarray) -> Float32[np.ndarray, "n classes"]:
        refuse_lost_tensorflow()
        return self.artifact.probabilities(rows)

    def extractor(self, progress: Progress = SILENT) -> ExtractorEnsemble:
        return self.artifact.features(engine=self._engine, progress=progress)

    @cached_property
    def _runner(self) -> "Runner | NamedRunner":
        return self.extractor().part
