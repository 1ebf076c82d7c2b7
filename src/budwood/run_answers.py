"""RunAnswers: what the model of a run says of pictures, and what the run's photos promise of it."""

import os
import warnings
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, cast

import numpy as np
from jaxtyping import Float

from budwood.core.errors import FewPhotosWarning, ImageError, RunError, refuse_bad_share
from budwood.core.forks import Lock
from budwood.core.progress.base import SILENT, Progress
from budwood.evaluation.conformal import SetKind, refuse_bad_coverage
from budwood.evaluation.label_coverage import ChosenLabelSets, choose_label_sets
from budwood.evaluation.ood import ACCEPTANCE, Reference
from budwood.evaluation.phases import MEASURED
from budwood.evaluation.sets import ChosenSets, choose_sets, refuse_unknown_sets
from budwood.inference.artifact import REFERENCE
from budwood.inference.load import load_predictor
from budwood.inference.own_photos import few_photos_warning
from budwood.inference.prediction import Prediction
from budwood.inference.predictor import Predictor
from budwood.inference.rules import PLAIN, Asked, Rules
from budwood.run_record import RunRecord

if TYPE_CHECKING:
    from budwood.evaluation.selective import Answered
    from budwood.inference.climbing import Climbed


class RunAnswers(RunRecord):
    """A complete run whose model answers for pictures."""

    def __init__(self, folder: str | os.PathLike):
        super().__init__(folder)
        self._predictor: Predictor | None = None
        self._warned = False
        self._lock = Lock()

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
        asked = Asked(precision, acceptance, coverage, sets, per_class)
        return list(self._answers(images, asked, names, progress))

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
        asked = Asked(precision, acceptance, coverage, sets, per_class)
        return self._answers(images, asked, names, progress)

    def predict_proba(self, images: object, *, progress: Progress = SILENT) -> Float[np.ndarray, "n classes"]:
        """Return class probabilities of pictures, float64. Raise ImageError at the first that cannot be read."""
        rows = []
        for prediction in self._predictions(images, progress=progress):
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

    def ood_warning(self, acceptance: float | None = None) -> str:
        """Return a sentence if too few validation photos say what is none of the classes, else nothing."""
        reference = self.predictor.ood.reference if self.predictor.ood else None
        return few_photos_warning(reference, ACCEPTANCE if acceptance is None else acceptance)

    def warn_no_more(self) -> None:
        """Say nothing of `ood_warning` in `predict`: for a caller who says it in words of its own."""
        self._warned = True

    def _answers(
        self, images: object, asked: Asked, names: Iterable[str] | None, progress: Progress
    ) -> Iterator[Prediction]:
        found = self._predictions(images, asked, names, progress)
        if not self._warned and (warning := self.ood_warning(asked.acceptance)):
            self._warned = True
            warnings.warn(f"none of these: {warning}", FewPhotosWarning, stacklevel=3)
        return found

    def _predictions(
        self,
        images: object,
        asked: Asked = PLAIN,
        names: Iterable[str] | None = None,
        progress: Progress = SILENT,
    ) -> Iterator[Prediction]:
        rules = rules_of(self, asked, progress)
        found = self._load_predictor(progress).stream(
            images,
            names=names,
            confidence_threshold=rules.threshold,
            acceptance=asked.acceptance,
            progress=progress,
        )
        return map(rules.complete, found)

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


def rules_of(run: RunAnswers, asked: Asked, progress: Progress = SILENT) -> Rules:
    """Return by what scores become the predictions that are asked for.

    Args:
        run: whose photos promise it.
        asked: of the predictions.
        progress: told of a model that has to be converted first.

    Raises:
        RunError: a share out of range, or what the run's photos do not promise.
    """
    if asked.coverage is None and (asked.per_class or asked.sets is not None):
        raise RunError("sets and per_class are of a coverage. Give one, such as coverage=0.9")
    sets = None
    if asked.coverage is not None:
        sets = run.prediction_sets(asked.coverage, sets=asked.sets, per_class=asked.per_class).rule
    tree, climb, threshold = run.files.tree, None, 0.0
    if asked.precision is not None and tree is None:
        threshold = run.confidence_threshold(asked.precision)[0]
    elif asked.precision is not None and tree is not None:
        climb = run.climb(asked.precision)[0]
        of_class = climb.thresholds[tree.taxonomy.num_levels]
        threshold = np.inf if of_class is None else of_class
    predictor, far = run._load_predictor(progress), np.inf
    if asked.acceptance is not None:
        run._need_reference(predictor)
    if predictor.ood is not None:
        far = predictor.ood.threshold(ACCEPTANCE if asked.acceptance is None else asked.acceptance)
    return Rules(threshold, far, sets, tree, climb)
