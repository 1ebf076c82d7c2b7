"""Run: what a training leaves behind, and what can be asked of it."""

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from jaxtyping import Float

from budwood.core.cache import refuse_read_only_cache
from budwood.core.errors import DataError, FewPhotosWarning, ImageError, RunError, refuse_bad_share
from budwood.core.files import JsonObject
from budwood.core.forks import Lock
from budwood.core.progress.base import SILENT, Progress
from budwood.core.tensorflow import load_keras
from budwood.data.pictures import list_pictures
from budwood.evaluation.conformal import SetKind, refuse_bad_coverage
from budwood.evaluation.label_coverage import ChosenLabelSets, choose_label_sets
from budwood.evaluation.multi_label import MultiLabel
from budwood.evaluation.ood import ACCEPTANCE, OodFigures, Reference
from budwood.evaluation.phases import MEASURED
from budwood.evaluation.sets import ChosenSets, choose_sets, refuse_unknown_sets
from budwood.inference.artifact import REFERENCE, Artifact, load_artifact
from budwood.inference.load import load_predictor
from budwood.inference.own_photos import few_photos_warning, refuse_unknown_split
from budwood.inference.prediction import Prediction, with_set
from budwood.inference.predictor import Predictor
from budwood.run_record import RunRecord
from budwood.runs.schema import RunInfo

if TYPE_CHECKING:
    import keras

    from budwood.evaluation.label_coverage import LabelSetRule
    from budwood.evaluation.selective import Answered
    from budwood.evaluation.sets import SetRule
    from budwood.exporting.export import Exported
    from budwood.features.extract import Runner
    from budwood.inference.climbing import Climbed
    from budwood.inference.conditions import Evaluation
    from budwood.inference.explain import Explanation


def load(folder: str | os.PathLike) -> "Run":
    """Return the complete run in a directory. Raise RunError when there is none.

    >>> load("runs/first").classes                                        # doctest: +SKIP
    ['daisy', 'dandelion', 'roses', 'sunflowers', 'tulips']
    """
    return Run(folder)


class Run(RunRecord):
    """A complete run directory and its model."""

    def __init__(self, folder: str | os.PathLike):
        super().__init__(folder)
        self._predictor: Predictor | None = None
        self._warned = False
        self._lock = Lock()

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

    @property
    def predictor(self) -> Predictor:
        """What answers for pictures: safe in several threads, ready after the first answer, apart from this directory.

        A process that serves many requests keeps this one object.
        """
        return self._load_predictor(SILENT)

    def predict(
        self,
        images: object,
        *,
        names: Iterable[str] | None = None,
        precision: float | None = None,
        acceptance: float | None = None,
        coverage: float | None = None,
        sets: str | None = None,
        per_class: bool = False,
        progress: Progress = SILENT,
    ) -> list[Prediction]:
        """Return the predictions of pictures, in their order. One that cannot be read has `error` and no label.

        Args:
            images: one picture or several: paths, encoded bytes, open files and uploads (read once), PIL images, arrays
                `(H, W)`, `(H, W, 3)` or `(H, W, 4)` of uint8 or of whole numbers from 0 to 255, their channels red,
                green, blue (and transparency); an array `(N, H, W, 3)`; the column of a data frame.
                A large JPEG is decoded at a fraction of its size, so that its path and its decoded pixels may
                differ by about 0.01 in a probability.
            names: what to call them; by default the path, or "image N".
            precision: share of right answers that is wanted; what is less probable than `confidence_threshold` says is
                not `confident`. A run with a tree of labels gives the deepest node that is promised to be as `answer`.
            acceptance: share of photos of the run's classes that are to be accepted as such; a picture that is
                further from the training photos is `out_of_distribution`. By default 0.98; 1 accepts every picture.
            coverage: share of pictures whose `prediction_set` is to hold the true class, such as 0.9; of several
                labels, share of a picture's labels that it is to hold. See `prediction_sets`, which `sets` and
                `per_class` are of.
            progress: told of every picture.

        Warns:
            FewPhotosWarning: once, where too few photos of the run could show what is none of its classes.

        Raises:
            PictureError: something that is no picture, such as an array of the range 0 to 1 or with its channels first;
                also within a list.
            RunError: a share out of range, an acceptance rate is asked of a run that cannot tell, or a coverage that
                its photos cannot promise.

        >>> run.predict(["a.jpg", "b.jpg"])[0].top(3)                     # doctest: +SKIP
        [('tulips', 0.93), ('roses', 0.06), ('daisy', 0.01)]
        """
        found = list(
            self._stream(
                images,
                names=names,
                precision=precision,
                acceptance=acceptance,
                rule=self._set_rule(coverage, sets, per_class),
                progress=progress,
            )
        )
        self._warn_of_few_photos(acceptance)
        return found

    def stream(
        self,
        images: object,
        *,
        names: Iterable[str] | None = None,
        precision: float | None = None,
        acceptance: float | None = None,
        coverage: float | None = None,
        sets: str | None = None,
        per_class: bool = False,
        progress: Progress = SILENT,
    ) -> Iterator[Prediction]:
        """Return the predictions of pictures one after the other, however many there are: all is as in `predict`.

        Pictures are read some sixteen ahead, and no list of them or of the predictions is kept. A generator of pictures
        is asked for one when it is needed. Arguments are checked at once.

        >>> for prediction in run.stream(Path("photos").rglob("*.jpg")):  # doctest: +SKIP
        ...     print(prediction.name, prediction.label)
        """
        found = self._stream(
            images,
            names=names,
            precision=precision,
            acceptance=acceptance,
            rule=self._set_rule(coverage, sets, per_class),
            progress=progress,
        )
        self._warn_of_few_photos(acceptance)
        return found

    def _set_rule(
        self, coverage: float | None, sets: str | None, per_class: bool
    ) -> "SetRule | LabelSetRule | None":
        if coverage is not None:
            return self.prediction_sets(coverage, sets=sets, per_class=per_class).rule
        if per_class or sets is not None:
            raise RunError("sets and per_class are of a coverage. Give one, such as coverage=0.9")
        return None

    def _warn_of_few_photos(self, acceptance: float | None) -> None:
        if not self._warned and (warning := self.ood_warning(acceptance)):
            self._warned = True
            warnings.warn(f"none of these: {warning}", FewPhotosWarning, stacklevel=3)

    def _stream(
        self,
        images: object,
        *,
        names: Iterable[str] | None = None,
        precision: float | None = None,
        acceptance: float | None = None,
        rule: "SetRule | LabelSetRule | None" = None,
        progress: Progress = SILENT,
    ) -> Iterator[Prediction]:
        tree, climb = self.files.tree, None
        if precision is None:
            threshold = 0.0
        elif tree is None:
            threshold = self.confidence_threshold(precision)[0]
        else:
            climb = self.climb(precision)[0]
            of_class = climb.thresholds[tree.taxonomy.num_levels]
            threshold = np.inf if of_class is None else of_class
        predictor = self._load_predictor(progress)
        if acceptance is not None:
            self._need_reference(predictor)
        found = predictor.stream(
            images, names=names, confidence_threshold=threshold, acceptance=acceptance, progress=progress
        )
        if tree is not None:
            from budwood.inference.climbing import on_the_tree

            found = (on_the_tree(one, tree, climb) for one in found)
        return found if rule is None else (with_set(one, rule) for one in found)

    def predict_proba(self, images: object, *, progress: Progress = SILENT) -> Float[np.ndarray, "n classes"]:
        """Return class probabilities of pictures, float64. Raise ImageError at the first that cannot be read."""
        rows = []
        for prediction in self._stream(images, progress=progress):
            if prediction.error is not None:
                raise ImageError(f"{prediction.name}: {prediction.error}")
            rows.append(list(prediction.probabilities.values()))
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(self.classes))

    def confidence_threshold(self, precision: float) -> "tuple[float, dict[str, Answered]]":
        """Return the probability from which predictions are right as often as wanted, chosen on the validation photos.

        Args:
            precision: wanted share of right answers, in (0, 1].

        Returns:
            The probability, and what it does to the photos of each split that were not learned from: of "test" it is
            an honest figure, of "validation" a flattered one.

        Raises:
            RunError: no probability does it.

        >>> run.confidence_threshold(0.98)[1]["test"].coverage            # doctest: +SKIP
        0.91
        """
        from budwood.inference.measure import confidence_threshold

        refuse_bad_share("precision", precision, 0.98)
        self.files.require_single_label(
            "a precision of single answers (--precision; evaluate.thresholds chooses labels)"
        )
        return confidence_threshold(self.files.confidences, precision)

    def climb(self, precision: float) -> "Climbed":
        """Return from which probability on a node of each depth of the tree of labels is right as often as wanted.

        The validation photos promise it: of classes on average over all choices of such photos, of labels above,
        chosen on the photos that got no deeper answer, in 90 of 100 choices.

        Args:
            precision: wanted share of right answers at each depth, in (0, 1].

        Returns:
            The thresholds, and the answers of each depth in each split that was not learned from: of "test" they are
            honest figures, of "validation" flattered ones.

        Raises:
            RunError: so few photos promise it at no depth, a photo may have several labels, or the run has no tree of
                labels with levels above the classes.

        >>> [found.coverage for found in run.climb(0.95)[1]["test"]]      # doctest: +SKIP
        [0.59, 0.01, 0.4]
        """
        from budwood.inference.climbing import climb_tree

        refuse_bad_share("precision", precision, 0.98)
        self.files.require_single_label("an answer on a tree of labels (--precision)")
        tree = self.files.tree
        if tree is None:
            raise RunError(
                f"{self.folder} has no tree of labels with levels above the classes. Train with --set "
                "data.taxonomy=TABLE, or use confidence_threshold"
            )
        shares = {split: found for split, found in self.files.shares.items() if split in MEASURED}
        return climb_tree(tree, shares, self.files.groupings, precision)

    def prediction_sets(
        self, coverage: float, *, sets: str | None = None, per_class: bool = False
    ) -> ChosenSets | ChosenLabelSets:
        """Return by which rule a picture gets a set of classes that holds the true one as often as wanted.

        Where a picture may have several labels, the set holds as large a share of them as wanted: that is the mean over
        pictures that have any. The rule is chosen on the run's calibration photos (`data.calibration`), or else on its
        validation photos.

        Args:
            coverage: wanted share of sets with the true class, or of a picture's labels, above 0 and below 1.
            sets: "lac", the smallest on average, which may be empty, and by default; or "adaptive", which are not. Of
                several labels there is one kind, and none is to be named.
            per_class: promise it of the pictures of each class, not of all together; of several labels, that the sets
                of so many pictures with a label hold it.

        Returns:
            The rule, how many photos it was chosen on, and what it does to the test photos.

        Raises:
            RunError: no such share or kind of sets, a kind of sets of several labels, or more than so many photos can
                promise.

        >>> run.prediction_sets(0.9).test.mean_size                       # doctest: +SKIP
        1.02
        """
        refuse_bad_coverage(coverage)
        if sets is not None:
            refuse_unknown_sets(sets)
            self.files.require_single_label(f"the kind of sets {sets} (--sets)")
        if self.files.multi_label:
            return choose_label_sets(self.files.scored_labels, self.classes, coverage, per_label=per_class)
        kind = cast(SetKind, sets or "lac")
        return choose_sets(self.files.scored, self.classes, coverage, kind, per_class=per_class)

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
        predictions = list(self._stream(pictures, names=names, acceptance=acceptance))
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
                100 training photos; both may cost at most half a point of right answers, else nothing is written.
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

        load_keras()
        predictor = self._load_predictor(progress)
        source = Source(
            self._artifact,
            predictor,
            self.files.task,
            photos(self.files.metrics.reported),
            photos("validation"),
        )
        fewer = None if kind is None else FewerBits(kind, photos("train").pictures)
        return export_model(source, form, Path(folder), fewer_bits=fewer, server=server, progress=progress)

    def ood_warning(self, acceptance: float | None = None) -> str:
        """Return a sentence if too few validation photos say what is none of the classes, else nothing."""
        reference = self.predictor.ood.reference if self.predictor.ood else None
        return few_photos_warning(reference, ACCEPTANCE if acceptance is None else acceptance)

    def warn_no_more(self) -> None:
        """Say nothing of `ood_warning` in `predict`: for a caller who says it in words of its own."""
        self._warned = True

    def _load_predictor(self, progress: Progress) -> Predictor:
        with self._lock:
            if self._predictor is None:
                # Whoever keeps no model says so in a sentence of its own.
                _ = self.files.model
                engine = lambda: self.recipe.backbone.engine  # noqa: E731
                with self.files.unreplaced():
                    self._predictor = load_predictor(self.folder / "model", engine, progress.say)
            return self._predictor

    def _need_reference(self, predictor: Predictor) -> Reference:
        if predictor.ood is None:
            raise RunError(
                f"{self.folder} cannot tell what is none of its classes: there is no {REFERENCE} beside its model, "
                "which newer versions of Budwood write. Train again"
            )
        return predictor.ood.reference

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
