"""A predictor on the converted graph of a whole model: no TensorFlow, no Keras."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from budwood.core.errors import RunError
from budwood.core.progress.base import SILENT, Progress
from budwood.features.engines.graphs import above_features, only_output, openvino_core, with_distance
from budwood.features.engines.openvino import Graph
from budwood.features.ensemble import ExtractorEnsemble
from budwood.features.extractor import FeatureExtractor, KnownModel
from budwood.features.store.table import Rows
from budwood.inference.predictor import InputContract, OodDetector, Predictor, Scores, vectors

BATCH_SIZE = 4096


class OpenVinoPredictor(Predictor):
    """Answers through OpenVINO on the CPU, at full precision (f32).

    Args:
        file: the graph, pixels in, probabilities and the features of each backbone out; read on first use.
        parts: fingerprint and shape of the features of each backbone.
        classes, input, ood, thresholds: as every predictor has them.
    """

    def __init__(
        self,
        file: Path,
        parts: Sequence[tuple[str, tuple[int, ...]]],
        classes: Sequence[str],
        input: InputContract,
        ood: OodDetector | None = None,
        thresholds: Sequence[float] | None = None,
    ):
        super().__init__(classes, input, ood, thresholds)
        self.file, self._parts = file, list(parts)
        self._identity = _identity(file)
        self._whole = Graph(self._read_with_distance)
        self._head = Graph(lambda: above_features(self._read()))
        self._extractors = [_Part(Graph(self._reader_of(number))) for number in range(1, len(parts) + 1)]

    def scores(self, views: Iterable[UInt8[np.ndarray, "size size 3"]]) -> Iterator[Scores]:
        return map(self._scores_of, self._whole.run_all(views))

    def score(self, view: UInt8[np.ndarray, "size size 3"]) -> Scores:
        return self._scores_of(self._whole.run_one(view))

    def _scores_of(self, outputs: Sequence[Float32[np.ndarray, "..."]]) -> Scores:
        probabilities, *others = outputs
        parts, distances = others[: len(self._parts)], others[len(self._parts) :]
        features = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)
        return Scores(
            probabilities, vectors(features[None])[0], float(distances[0][0]) if distances else None
        )

    def probabilities(self, rows: Rows | np.ndarray) -> Float32[np.ndarray, "n classes"]:
        found = [np.zeros((0, len(self.classes)), np.float32)]
        for start in range(0, len(rows), BATCH_SIZE):
            chosen = np.arange(start, min(start + BATCH_SIZE, len(rows)))
            found.append(self._head.run_batch(np.asarray(rows[chosen], np.float32)))
        return np.concatenate(found)

    def extractor(self, progress: Progress = SILENT) -> ExtractorEnsemble:
        return ExtractorEnsemble(
            [
                FeatureExtractor(
                    KnownModel(fingerprint, shape, part.itself, f"network {number}"),
                    size=self.input.size,
                    resize=self.input.resize,
                    levels=self.input.levels,
                    progress=progress,
                )
                for number, ((fingerprint, shape), part) in enumerate(
                    zip(self._parts, self._extractors, strict=True), start=1
                )
            ]
        )

    def _read(self) -> Any:
        # Parts of it are read as they are needed, and each process that is forked reads for itself.
        graph = openvino_core().read_model(self.file) if self.file.exists() else None
        if graph is None or _identity(self.file) != self._identity:
            raise RunError(
                f"the inference graph {self.file} was replaced by another after it was opened. Load the run again"
            )
        return graph

    def _read_with_distance(self) -> Any:
        if self.ood is None:
            return self._read()
        reference = self.ood.reference
        return with_distance(self._read(), reference.directions, reference.nth)

    def _reader_of(self, output: int):
        return lambda: only_output(self._read(), output)


def _identity(file: Path) -> tuple[tuple[int, int, int], ...]:
    """Return what tells the two files of a graph from those of another."""
    found = [one.stat() for one in (file, file.with_suffix(".bin")) if one.exists()]
    return tuple((one.st_ino, one.st_size, one.st_mtime_ns) for one in found)


class _Part:
    """One backbone of the graph."""

    engine = "openvino"

    def __init__(self, graph: Graph):
        self._graph = graph
        self.notes: list[str] = []

    def itself(self) -> "_Part":
        return self

    def run(self, views: Iterable[UInt8[np.ndarray, "size size 3"]]) -> Iterator[Float32[np.ndarray, "..."]]:
        return (outputs[0] for outputs in self._graph.run_all(views))
