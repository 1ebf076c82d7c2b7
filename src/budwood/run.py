"""Run: what a training leaves behind, and what can be asked of it."""

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from budwood.core.cache import refuse_read_only_cache
from budwood.core.errors import DataError
from budwood.core.files import JsonObject
from budwood.core.progress.base import SILENT, Progress
from budwood.core.tensorflow import load_keras
from budwood.data.pictures import list_pictures
from budwood.evaluation.multi_label import MultiLabel
from budwood.evaluation.ood import ACCEPTANCE, OodFigures
from budwood.inference.artifact import Artifact, load_artifact
from budwood.inference.own_photos import refuse_unknown_split
from budwood.inference.predictor import Predictor
from budwood.inference.rules import Asked
from budwood.run_answers import RunAnswers
from budwood.runs.schema import RunInfo

if TYPE_CHECKING:
    import keras

    from budwood.exporting.export import Exported
    from budwood.features.extract import Runner
    from budwood.inference.conditions import Evaluation
    from budwood.inference.explain import Explanation


def load(folder: str | os.PathLike) -> "Run":
    """Return the complete run in a directory. Raise RunError when there is none.

    >>> load("runs/first").classes                                        # doctest: +SKIP
    ['daisy', 'dandelion', 'roses', 'sunflowers', 'tulips']
    """
    return Run(folder)


class Run(RunAnswers):
    """A complete run directory and its model."""

    def __reduce__(self):
        # To another process goes where it is: each makes an engine of its own.
        return _opened_again, (os.path.abspath(self.folder), self.files.info)

    @property
    def model(self) -> "keras.Model":
        """A plain Keras model: raw 0-255 RGB pixels `(None, S, S, 3)` in, probabilities `(None, K)` out."""
        return self._artifact.model

    def raw_model(self) -> "keras.Model":
        """Return the model, read anew, with its logits as they were trained."""
        with self.files.unreplaced():
            model = load_artifact(self.folder / "model").model
        # Here, for it imports Keras.
        from budwood.core.scaling import inverse
        from budwood.network.heads import scale_logits

        scale_logits(model, inverse(self.files.model.calibration))
        return model

    def explain(
        self,
        images: object,
        *,
        target: str | None = None,
        names: Iterable[str] | None = None,
        acceptance: float | None = None,
        progress: Progress = SILENT,
    ) -> "list[Explanation]":
        """Return why the model says what it says of pictures: Grad-CAM, occlusion, and training photos like them.

        Args:
            images, names, acceptance: as `predict` takes them.
            target: the class whose evidence is looked for; by default the predicted one of each picture, of several
                labels the most probable.
            progress: told of every picture that is done.

        Raises:
            RunError: the run does not know the class.
            BackboneError: Keras does not run on TensorFlow.

        >>> run.explain("a.jpg")[0].similar[0].label                      # doctest: +SKIP
        'tulips'
        """
        self.refuse_unknown_class(target)
        load_keras()
        from budwood.inference.explain import explain

        pictures = list_pictures(images)
        predictions = list(self._predictions(pictures, Asked(acceptance=acceptance), names))
        known = [self._own_photos.names_and_class(picture) for picture in pictures]
        if self.files.multi_label:
            # The folder of a picture that is none of the run's may name one of its labels, and not the others.
            known = [(own, label if own else None) for own, label in known]
        return list(
            explain(
                self._artifact,
                self._occlusion_runner,
                pictures,
                predictions,
                [target] * len(pictures),
                reference=self.predictor.ood.reference if self.predictor.ood else None,
                names_of=[own for own, _ in known],
                true=[label for _, label in known],
                labels_of={row.name: row.label for row in self.files.split},
                progress=progress,
            )
        )

    def evaluate(
        self,
        data: object,
        *,
        split: str = "unseen",
        by: str | Sequence[str] = (),
        prevalence: Mapping[str, float] | None = None,
        checkpoint: int | None = None,
        progress: Progress = SILENT,
    ) -> JsonObject:
        """Return the metrics of the saved model on labelled photos: the keys of `metrics["test"]`.

        Args:
            data: labelled photos in any form that `train` takes.
            split: "unseen" leaves out every photo (by its bytes) that this run trained on or chose by;
                "train", "validation", "test" are this run's own parts; "all" is everything in the folder.
            by: columns of the table that `data` is, or "label", "group", "split" or "camera" (by EXIF): under "by"
                stands the accuracy of each of their values, as `budwood.evaluation.subgroups.Subgroups` has it.
            prevalence: the share of each class: under "prevalence" stand the figures where the classes are as
                frequent as that, as `budwood.evaluation.prevalence.PrevalenceFigures` has them.
            checkpoint: an epoch of history.csv whose weights were kept; by default the model that the run chose.
            progress: told of the photos that have to be computed.

        Raises:
            DataError: a class that the run does not know, no photo left, no such column, or shares of classes that do
                not sum to 1, leave a class out or name one without photos.
            RunError: the weights of that epoch were not kept.

        >>> found = run.evaluate("photos.csv", by="camera")               # doctest: +SKIP
        >>> [(one["value"], one["accuracy"]) for one in found["by"][0]["subgroups"]]    # doctest: +SKIP
        [('Canon EOS 5D', 0.95), ('phone', 0.88)]
        """
        return self.evaluation(
            data, split=split, by=by, prevalence=prevalence, checkpoint=checkpoint, progress=progress
        ).to_json()

    def evaluation(
        self,
        data: object,
        *,
        split: str = "unseen",
        by: str | Sequence[str] = (),
        prevalence: Mapping[str, float] | None = None,
        checkpoint: int | None = None,
        progress: Progress = SILENT,
    ) -> "Evaluation":
        """Return what `evaluate` returns, as typed values: `figures`, `by` and `prevalence`."""
        refuse_unknown_split(split)
        from budwood.inference.conditions import Conditions
        from budwood.inference.measure import evaluate

        conditions = Conditions((by,) if isinstance(by, str) else tuple(by), prevalence)
        conditions.refuse_impossible(self.files.task, self.classes)
        refuse_read_only_cache()
        predictor = self._load_predictor(progress) if checkpoint is None else self._at_epoch(checkpoint)
        # An epoch's own thresholds.
        own = predictor.thresholds if checkpoint is not None else None
        return evaluate(
            predictor,
            self._own_photos,
            data,
            split,
            progress,
            task=self.files.task if own is None else MultiLabel(own),
            recipe=self.recipe,
            tree=self.files.tree,
            conditions=conditions,
        )

    def ood_scores(
        self,
        data: object,
        others: object,
        *,
        split: str = "unseen",
        acceptance: float = ACCEPTANCE,
        progress: Progress = SILENT,
    ) -> dict[str, OodFigures]:
        """Return how well pictures of none of the classes are told from photos of them, for each method there is.

        Args:
            data: labelled photos, as `evaluate` takes them.
            others: pictures of other things, as `predict` takes them; those that cannot be read are left out.
            split: which of the labelled photos.
            acceptance: what the threshold is chosen for, on the validation photos; below 1.
            progress: told of the photos that have to be computed.

        Raises:
            DataError: no photo on one of the sides, or one of the others is a photo of the run.
            RunError: the run is of a version that kept nothing to tell them by.

        >>> run.ood_scores("flowers", ["cat.jpg", "dog.jpg"])["knn"].auroc    # doctest: +SKIP
        0.998
        """
        refuse_unknown_split(split)
        from budwood.inference.measure import ood_scores, refuse_bad_acceptance

        refuse_bad_acceptance(acceptance)
        refuse_read_only_cache()
        predictor = self._load_predictor(progress)
        reference = self._need_reference(predictor)
        pictures = list_pictures(others)
        return ood_scores(predictor, reference, self._own_photos, data, pictures, split, acceptance, progress)

    def export(
        self,
        format: str,
        folder: str | os.PathLike,
        *,
        quantize: str | None = None,
        data: object = None,
        runtime: str | os.PathLike | None = None,
        server: bool = False,
        overwrite: bool = False,
        progress: Progress = SILENT,
    ) -> "Exported":
        """Write the model in another format, checked in the runtime of that format on the run's test photos.

        The answers are compared with those of `predict`: every photo has to get the same class or labels, and no
        probability may differ by more than 0.001. Only then is the folder written, with the model, `contract.json`
        (classes, input, output, thresholds, hashes), `parity.json` (what was compared), `predict.py` and README.md.

        Args:
            format: "openvino", "onnx", "litert", "saved_model", "keras" or "web".
            folder: where to.
            quantize: "float16" for weights of half the size, "int8" for weights and values of a quarter, calibrated on
                100 training photos; nothing is written where the share of right answers on the test photos falls
                by more than half a point (one photo of fewer than 200), or by more than twice that where the 95 %
                interval of the difference includes 0.
            data: the photos that the run was trained on, in any form that `train` takes; by default where they were.
            server: for "openvino" and "onnx", lay it out as OpenVINO Model Server and Triton take it, with their
                configuration and the answers for 20 photos.
            runtime: for "web" where ONNX Runtime Web is: an unpacked npm package, its archive or an address of it, or
                "npm" to have npm fetch it; by default what an earlier export left in the cache.
            overwrite: replace an earlier export there.
            progress: told of the photos.

        Raises:
            RunError: no such format, its packages are missing, something else is in the folder, or the exported model
                answers otherwise.
            DataError: the photos are gone.

        >>> run.export("onnx", "handed/on").parity.largest_difference     # doctest: +SKIP
        1.4e-06
        """
        from budwood.exporting.checking import Source, SplitPhotos
        from budwood.exporting.export import FewerBits, export_model, prepare
        from budwood.exporting.network import Network
        from budwood.inference.openvino_predictor import OpenVinoPredictor

        form, kind = prepare(
            format,
            quantize,
            Path(folder),
            overwrite=overwrite,
            server=server,
            runtime=None if runtime is None else os.fspath(runtime),
            progress=progress,
        )
        place = self._own_photos.source if data is None else data
        if place is None:
            raise DataError(
                f"it is not known where the photos of {self.folder} are, on which an export is checked. Give them: "
                "--photos DATA"
            )
        held = self._own_photos.images(place)

        def photos(split: str) -> SplitPhotos:
            all_rows = [row for row in self.files.split if row.split == split]
            rows = [row for row in all_rows if row.name in held]
            pictures, labels = [held[row.name] for row in rows], [row.label for row in rows]
            names = [row.name for row in rows]
            return SplitPhotos(split, pictures, labels, names, missing=len(all_rows) - len(rows))

        predictor = self._load_predictor(progress)
        graph = predictor.file if isinstance(predictor, OpenVinoPredictor) else None
        source = Source(
            self.files.model,
            lambda reference: Network(lambda: self._artifact, reference, graph),
            predictor,
            self.files.task,
            photos(self.files.metrics.reported),
            photos("validation"),
        )
        fewer = None if kind is None else FewerBits(kind, photos("train"))
        return export_model(source, form, Path(folder), fewer_bits=fewer, server=server, progress=progress)

    def _at_epoch(self, epoch: int) -> Predictor:
        from budwood.runs.kept import refuse_lost_epoch

        refuse_lost_epoch(self.files, epoch)
        from budwood.inference.keras_predictor import KerasPredictor

        load_keras()
        from budwood.runs.epochs import artifact_of_epoch

        with self.files.unreplaced():
            artifact = artifact_of_epoch(self.files, epoch)
        return KerasPredictor(artifact, engine=self.recipe.backbone.engine)

    @cached_property
    def _artifact(self) -> Artifact:
        # Whoever keeps no model says so in a sentence of its own.
        _ = self.files.model
        with self.files.unreplaced():
            return load_artifact(self.folder / "model")

    @cached_property
    def _occlusion_runner(self) -> "Runner":
        load_keras()
        from budwood.inference.explain import occlusion_runner

        return occlusion_runner(self._artifact, self.recipe.backbone.engine)


def _opened_again(folder: str, info: RunInfo) -> Run:
    """Return the run that another process had opened. Raise RunError where it was replaced since."""
    run = Run(folder)
    run.files.refuse_other(info)
    return run
