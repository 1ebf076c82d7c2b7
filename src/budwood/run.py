"""Run: what a training leaves behind, and what can be asked of it."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np
from jaxtyping import Float

from budwood.backbones.registry import get_backbone
from budwood.config.recipe import Head, Recipe
from budwood.core.errors import DataError, ImageError, RunError, did_you_mean, refuse_bad_share
from budwood.core.files import sha256_of
from budwood.core.progress.base import SILENT, Progress
from budwood.data.check import check
from budwood.data.images import ImageLike, digest
from budwood.data.manifest import Photo
from budwood.data.sources import read_source
from budwood.evaluation.metrics import compute_metrics
from budwood.evaluation.ood import METHODS, RECALL, Reference, Told, tell
from budwood.evaluation.selective import Answered, answer, choose_threshold
from budwood.features.engines.engine import Engine
from budwood.features.ensemble import EngineEnsemble, ExtractorEnsemble
from budwood.features.extract import Runner, stream
from budwood.inference.artifact import REFERENCE, Artifact, load_artifact, make_artifact, read_model, vectors
from budwood.inference.explain import Explanation, explain
from budwood.inference.prediction import Prediction
from budwood.network.compose import compose, take_apart
from budwood.network.heads import divide_logits, head_layers
from budwood.report.notebook import show_run
from budwood.report.page import write_report
from budwood.report.terminal import verdict
from budwood.runs.files import read_run
from budwood.runs.schema import EpochRow, Phase
from budwood.training.checkpoints import apply_weights, kept_epochs

SPLITS = ("train", "validation", "test")


def load(folder: str | os.PathLike) -> "Run":
    """The complete run in a directory. Raises RunError when there is none.

    >>> load("runs/first").classes                                        # doctest: +SKIP
    ['daisy', 'dandelion', 'roses', 'sunflowers', 'tulips']
    """
    return Run(folder)


class Run:
    """A complete run directory."""

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        self.files = read_run(self.folder).require_complete()

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    def _repr_html_(self) -> str:
        """What a notebook shows of a run: `budwood.report.notebook`."""
        return show_run(self.folder).html

    @property
    def info(self) -> dict[str, Any]:
        """The content of run.json."""
        return self.files.info.to_json()

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """The content of metrics.json."""
        return self.files.metrics.to_json()

    @cached_property
    def recipe(self) -> Recipe:
        """The resolved recipe: run again on the same photos it gives the same result."""
        return self.files.recipe

    @cached_property
    def splits(self) -> list[dict[str, str]]:
        """The rows of split.csv: name, label, split, sha256, width, height."""
        return [{key: str(value) for key, value in asdict(row).items()} for row in self.files.split]

    @property
    def history(self) -> list[EpochRow]:
        """The rows of history.csv, one for each epoch of every phase (a linear fit has one): phase, epoch, loss,
        accuracy, val_loss, val_accuracy and what else was tracked.

        >>> [row["val_accuracy"] for row in run.history]                  # doctest: +SKIP
        [0.875, 0.903, 0.914]
        """
        return self.files.history

    @property
    def classes(self) -> list[str]:
        """Class names in the order of the model's outputs."""
        return list(self.files.classes)

    @property
    def model(self) -> keras.Model:
        """A plain Keras model: raw 0-255 RGB pixels `(None, S, S, 3)` in, probabilities `(None, K)` out."""
        return self._artifact.model

    @property
    def model_sha256(self) -> str:
        """Of the file of the model, as it was saved."""
        return self.files.model.sha256

    @property
    def kept_phase(self) -> Phase:
        """The phase whose model the run kept."""
        return self.files.metrics.kept

    @property
    def temperature(self) -> float:
        """By which the logits of the model were divided, for probabilities that fit its validation photos."""
        return float(self._artifact.info["temperature"])

    def raw_model(self) -> keras.Model:
        """The model, read anew, with its logits as they were trained."""
        model = load_artifact(self.folder / "model").model
        divide_logits(model, 1 / self.temperature)
        return model

    def predict(
        self,
        images: ImageLike | Sequence[ImageLike],
        *,
        names: Sequence[str] | None = None,
        precision: float | None = None,
        recall: float | None = None,
        progress: Progress = SILENT,
    ) -> list[Prediction]:
        """The classes of pictures, in their order. One that cannot be read has `error` and no label.

        Args:
            images: paths, encoded bytes, PIL images, uint8 arrays `(H, W)`, `(H, W, 3)` or `(H, W, 4)`, one or many.
                A large JPEG is decoded at a fraction of its size, so that its path and its decoded pixels may
                differ by about 0.01 in a probability.
            names: what to call them; by default the path, or "image N".
            precision: share of right answers that is wanted; what is less probable than `abstention(precision)` says
                is not `sure`.
            recall: share of photos of the run's classes that are not to be taken for something else; of a picture
                that is further from the training photos, `foreign` is true. By default 0.98; 1 for never.

        Raises:
            RunError: a share out of range, or a recall is asked of a run that was made before there was one.

        >>> run.predict(["a.jpg", "b.jpg"])[0].top(3)                     # doctest: +SKIP
        [('tulips', 0.93), ('roses', 0.06), ('daisy', 0.01)]
        """
        pictures = _many(images)
        names = (
            names if names is not None else [_name_of(image, index) for index, image in enumerate(pictures)]
        )
        artifact = self._artifact
        threshold = 0.0 if precision is None else self.abstention(precision)[0]
        reference = self._reference
        if recall is not None and reference is None:
            raise RunError(self._no_reference)
        far = reference.threshold(RECALL if recall is None else recall) if reference else np.inf
        predictions = []
        with progress.stage("predict", total=len(pictures)) as stage:
            rows = stream(pictures, self._extractor_engine, size=artifact.size, resize=artifact.resize)
            for name, row in zip(names, rows, strict=True):
                if isinstance(row, ImageError):
                    predictions.append(Prediction(name, None, None, {}, row.fault))
                else:
                    shares = artifact.probabilities(row[None])[0]
                    distance = float(reference.distance(vectors(row[None]))[0]) if reference else None
                    predictions.append(
                        Prediction(
                            name,
                            artifact.classes[int(shares.argmax())],
                            float(shares.max()),
                            dict(zip(artifact.classes, shares.tolist(), strict=True)),
                            sure=float(shares.max()) >= threshold,
                            distance=distance,
                            foreign=distance is not None and distance > far,
                        )
                    )
                stage.advance()
        return predictions

    def abstention(self, precision: float) -> tuple[float, dict[str, Answered]]:
        """From which probability on predictions are right as often as wanted, chosen on the validation photos.

        Args:
            precision: wanted share of right answers, in (0, 1].

        Returns:
            The probability, and what it does to the photos of each split that were not learned from: of "test" it is
            an honest figure, of "validation" a flattered one.

        Raises:
            RunError: no probability does it.

        >>> run.abstention(0.98)[1]["test"].coverage                      # doctest: +SKIP
        0.91
        """
        refuse_bad_share("precision", precision, 0.98)
        found = self.files.predictions
        by_split = {
            split: (
                np.array([row.probability for row in found if row.split == split], np.float64),
                np.array([row.predicted == row.true for row in found if row.split == split], bool),
            )
            for split in dict.fromkeys(row.split for row in found)
        }
        confidence, correct = by_split["validation"]
        threshold = choose_threshold(confidence, correct, precision)
        if threshold is None:
            raise RunError(
                f"even the surest predictions on {len(correct):,} validation photos are right less often than "
                f"{precision:.1%}. Give a lower precision, or train on more photos"
            )
        return threshold, {split: answer(*rows, threshold) for split, rows in by_split.items()}

    def explain(
        self,
        images: ImageLike | Sequence[ImageLike],
        *,
        target: str | None = None,
        names: Sequence[str] | None = None,
        recall: float | None = None,
        progress: Progress = SILENT,
    ) -> list[Explanation]:
        """Why the model says what it says of pictures: Grad-CAM, occlusion, and training photos that are like them.

        Args:
            images, names, recall: as `predict` takes them.
            target: the class whose evidence is looked for; by default the predicted one of each picture.
            progress: told of every picture that is done.

        Raises:
            RunError: the run does not know the class.
            BackboneError: Keras does not run on TensorFlow.

        >>> run.explain("a.jpg")[0].similar[0].label                      # doctest: +SKIP
        'tulips'
        """
        if target is not None and target not in self.classes:
            raise RunError(
                f"the run does not know the class {target}.{did_you_mean(target, self.classes)} "
                f"It knows: {', '.join(self.classes[:10])}"
            )
        pictures = _many(images)
        own = [self._rows_of(picture) for picture in pictures]
        return list(
            explain(
                self._artifact,
                self._hiding_part,
                pictures,
                self.predict(pictures, names=names, recall=recall),
                [target] * len(pictures),
                reference=self._reference,
                names_of=[frozenset(row["name"] for row in rows) for rows in own],
                true=[
                    rows[0]["label"] if rows else self._folder_of(picture)
                    for picture, rows in zip(pictures, own, strict=True)
                ],
                progress=progress,
            )
        )

    def _rows_of(self, picture: ImageLike) -> list[dict[str, str]]:
        """The rows of split.csv that are of a picture, by its content."""
        try:
            content = digest(picture)
        except ImageError:
            return []
        return [row for row in self.splits if row["sha256"] == content]

    def _folder_of(self, picture: ImageLike) -> str | None:
        """The class in whose folder a picture lies, if it lies in one."""
        folder = Path(picture).absolute().parent.name if isinstance(picture, str | os.PathLike) else None
        return folder if folder in self.classes else None

    def predict_proba(
        self, images: ImageLike | Sequence[ImageLike], *, progress: Progress = SILENT
    ) -> Float[np.ndarray, "n classes"]:
        """Class probabilities of pictures, float64. Raises ImageError at the first that cannot be read."""
        predictions = self.predict(images, progress=progress)
        for prediction in predictions:
            if prediction.error is not None:
                raise ImageError(f"{prediction.name}: {prediction.error}")
        rows = [list(prediction.probabilities.values()) for prediction in predictions]
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(self.classes))

    def evaluate(
        self,
        data: str | os.PathLike,
        *,
        split: str = "unseen",
        checkpoint: int | None = None,
        progress: Progress = SILENT,
    ) -> dict[str, Any]:
        """The metrics of the saved model on labelled photos: the keys of `metrics["test"]`.

        Args:
            data: a folder in any layout that `train` takes.
            split: "unseen" leaves out every photo (by its bytes) that this run trained on or chose by;
                "train", "validation", "test" are this run's own parts; "all" is everything in the folder.
            checkpoint: an epoch of history.csv whose weights were kept; by default the model that the run chose.
            progress: told of the photos that have to be computed.

        Raises:
            DataError: a class that the run does not know, or no photo left.
            RunError: the weights of that epoch were not kept.
        """
        artifact = self._artifact if checkpoint is None else self._at(checkpoint)
        with self._features_of(data, split, artifact, progress) as (photos, features):
            probabilities = artifact.probabilities(features.rows(photos))
        labels = np.array([artifact.classes.index(photo.label) for photo in photos])
        resamples, seed = self.recipe.evaluate.resamples, self.recipe.seed
        return compute_metrics(labels, probabilities, artifact.classes, resamples=resamples, seed=seed)

    def tell_strangers(
        self,
        data: str | os.PathLike,
        strangers: Sequence[ImageLike],
        *,
        split: str = "unseen",
        recall: float = RECALL,
        progress: Progress = SILENT,
    ) -> dict[str, Told]:
        """How well pictures of none of the classes are told from photos of them, for each method there is.

        Args:
            data: a folder of labelled photos, as `evaluate` takes it.
            strangers: pictures of other things; those that cannot be read are left out.
            split: which of the labelled photos.
            recall: what the threshold is chosen for, on the validation photos; below 1.
            progress: told of the photos that have to be computed.

        Raises:
            DataError: no photo on one of the sides, or one of the strangers is a photo of the run.
            RunError: the run is of a version that kept nothing to tell them by.

        >>> run.tell_strangers("flowers", ["cat.jpg", "dog.jpg"])["knn"].auroc    # doctest: +SKIP
        0.998
        """
        reference = self._reference
        if reference is None:
            raise RunError(self._no_reference)
        refuse_bad_share("recall", recall, RECALL)
        if recall == 1:
            raise RunError("at a recall of 1 no picture is a stranger. Give a share below 1, such as 0.98")
        own = [path for path in strangers if isinstance(path, Path) and self._is_own(path)]
        if own:
            more = f", and {len(own) - 1:,} more are" if len(own) > 1 else ""
            raise DataError(f"{own[0]} is a photo of this run{more}. Give pictures of none of its classes")
        artifact = self._artifact
        with self._features_of(data, split, artifact, progress) as (photos, features):
            known = features.array(photos)
        with progress.stage("strangers", total=len(strangers)) as stage:
            found = []
            for row in stream(strangers, self._extractor_engine, size=artifact.size, resize=artifact.resize):
                if not isinstance(row, ImageError):
                    found.append(row)
                stage.advance()
        if not found:
            first = strangers[0] if strangers and isinstance(strangers[0], Path) else "no file"
            raise DataError(f"no foreign picture can be read ({first}). Give files or a folder of photos")
        return {
            method: tell(
                reference.distance(vectors(known), method),
                reference.distance(vectors(np.stack(found)), method),
                reference.threshold(recall, method),
            )
            for method in METHODS
        }

    def limit_note(self, recall: float | None = None) -> str:
        """That there are too few validation photos to know what is none of the classes, if so; else nothing."""
        asked = RECALL if recall is None else recall
        lacking = self._reference.lacks(asked) if self._reference else 0
        if not self._reference or not lacking:
            return ""
        held_out = len(self._reference.held_out)
        return (
            f"{held_out} validation photos are too few to say beyond which distance {1 - asked:.1%} of them lie, so it "
            f"is estimated generously, and strangers may pass. {held_out + lacking} would do; or give a lower --recall"
        )

    def write_report(self, data: str | os.PathLike | None = None) -> Path:
        """Writes report.html again, with the pictures that `data` holds, recognised by name and content.

        Of photos that are not there the thumbnails of the report that is there are kept. Raises DataError when `data`
        holds none of the run's photos.
        """
        if data is None:
            return write_report(self.folder)
        known = {row["name"]: row["sha256"] for row in self.splits}
        photos = {
            photo.name: photo.image
            for photo in check(read_source(data), for_training=False).photos
            if known.get(photo.name) == photo.sha256
        }
        if not photos:
            raise DataError(f"{data} holds none of the run's photos. Give the folder that it was trained on")
        return write_report(self.folder, photos)

    def summary(self) -> str:
        """The result in a few lines."""
        split = "test" if self.metrics["test"] else "validation"
        caveat = (
            "These photos were also used for choices made during training, so the figure may be too high."
        )
        return "\n".join(
            [
                verdict(self.metrics[split], split).replace("\u00a0", " "),
                *([caveat] if split == "validation" else []),
                f"run     {self.folder}",
                f"report  {self.folder / 'report.html'}",
            ]
        )

    @contextmanager
    def _features_of(
        self, data: str | os.PathLike, split: str, artifact: Artifact, progress: Progress
    ) -> Iterator[tuple[list[Photo], ExtractorEnsemble]]:
        """The photos of a folder that belong to a split of this run, and the store that has their features."""
        if split not in ("unseen", "all", *SPLITS):
            raise DataError(f"no split `{split}`. Give unseen, train, validation, test or all")
        checked = check(read_source(data, progress=progress), for_training=False, progress=progress)
        self._refuse_unknown_classes(checked.classes)
        photos = [photo for photo in checked.photos if self._belongs(photo, split)]
        left_out = len(checked.photos) - len(photos)
        if left_out and split == "unseen":
            progress.say(f"{left_out:,} photos that the run learned from are left out")
        with artifact.features(engine=self.recipe.backbone.engine, progress=progress) as features:
            extraction = features.compute(photos)
            photos = [photo for photo in photos if photo.name not in extraction.failed]
            if not photos:
                raise DataError(
                    f"no photo of {data} belongs to `{split}`: of {len(checked.photos)} usable photos, all were left "
                    "out. Give other photos, or --split all"
                )
            yield photos, features

    def _is_own(self, path: Path) -> bool:
        try:
            return sha256_of(path) in self._split_of
        except OSError:
            return False

    @property
    def _no_reference(self) -> str:
        return (
            f"{self.folder} cannot tell what is none of its classes: there is no {REFERENCE} beside its model, which "
            "newer versions of Budwood write. Train again"
        )

    @cached_property
    def _reference(self) -> Reference | None:
        file = self.folder / "model" / REFERENCE
        return Reference.load(file) if file.exists() else None

    @cached_property
    def _artifact(self) -> Artifact:
        # Whoever keeps no model says so in a sentence of its own.
        _ = self.files.model
        return load_artifact(self.folder / "model")

    def _at(self, epoch: int) -> Artifact:
        """The model as one epoch left it. Raises RunError where its weights were not kept."""
        # Where backbones were fine-tuned one after the other, an epoch is of one of them alone.
        whole = {phase.best_epoch: phase.name for phase in self.files.metrics.phases if not phase.backbones}
        parts = kept_epochs(self.folder / "checkpoints")
        if epoch in whole:
            return self._of_phase(whole[epoch])
        if epoch not in parts:
            kept = ", ".join(map(str, sorted({*whole, *parts})))
            ours = [row["epoch"] for row in self.files.history]
            mend = "Train with --set log.checkpoints=all to keep every epoch"
            raise RunError(
                f"the weights of epoch {epoch} were not kept: {self.folder} has those of {kept}. "
                + (mend if epoch in ours else f"The training ended with epoch {max(ours)}")
            )
        # What an epoch left is the part that trains; what lies below it is in the model that the phases began with.
        artifact = self._of_phase(self.files.info.base or self.files.metrics.chosen_phase)
        backbone = next((row.get("backbone") for row in self.files.history if row["epoch"] == epoch), None)
        if backbone is not None:
            return self._alone(artifact, str(backbone), parts[epoch])
        found = apply_weights(artifact.model, parts[epoch])
        divide_logits(artifact.model, found["row"]["temperature"])
        return artifact

    def _alone(self, artifact: Artifact, backbone: str, file: Path) -> Artifact:
        """One of several backbones with the head of its own with which it was fine-tuned, as an epoch left both."""
        recipe = self.recipe
        networks, _ = take_apart(artifact.model, [get_backbone(name) for name in recipe.backbone.names])
        network = next(network for network in networks if network.name == backbone)
        head = head_layers(Head(logits=recipe.head.logits), len(self.classes))
        model = compose([network], head)
        found = apply_weights(model, file)
        divide_logits(model, found["row"]["temperature"])
        model = compose([network], head, mirror=recipe.evaluate.flip)
        return make_artifact(model, self.classes, recipe.data.resize, backbone)

    def _of_phase(self, phase: str) -> Artifact:
        """The model that a phase ended with; that of the phase that was kept is the run's own."""
        if phase == self.files.metrics.chosen_phase:
            return load_artifact(self.folder / "model")
        return read_model(self.folder / "checkpoints" / f"{phase}.keras", self._artifact.info)

    @cached_property
    def _extractor_engine(self) -> Runner:
        return self._artifact.features(engine=self.recipe.backbone.engine).part

    @cached_property
    def _hiding_part(self) -> Runner:
        """The same at half the precision, where the processor has it: what hangs on what needs no more."""
        engine = self.recipe.backbone.engine
        parts = [
            Engine(part.model, engine=engine, precision="bf16", fingerprint=part.fingerprint)
            for part in self._artifact.features(engine=engine).parts
        ]
        return parts[0] if len(parts) == 1 else EngineEnsemble(parts)

    @cached_property
    def _split_of(self) -> dict[str, str]:
        return {row["sha256"]: row["split"] for row in self.splits}

    def _belongs(self, photo: Photo, split: str) -> bool:
        own = self._split_of.get(photo.sha256)
        if split == "all":
            return True
        return own in (None, "test") if split == "unseen" else own == split

    def _refuse_unknown_classes(self, classes: Sequence[str]) -> None:
        unknown = [label for label in classes if label not in self.classes]
        if unknown:
            raise DataError(
                f"the run does not know the class {', '.join(unknown[:3])}. It knows: {', '.join(self.classes[:10])}. "
                "Rename the folders, or leave them out"
            )


def _many(images: Any) -> list[Any]:
    if isinstance(images, (str, bytes, os.PathLike)) or hasattr(images, "getexif"):
        return [images]
    if isinstance(images, np.ndarray) and (
        images.ndim == 2 or (images.ndim == 3 and images.shape[-1] in (1, 3, 4))
    ):
        return [images]
    return list(images)


def _name_of(image: Any, index: int) -> str:
    return os.fspath(image) if isinstance(image, (str, os.PathLike)) else f"image {index}"
