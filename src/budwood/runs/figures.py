"""The schema of the figures of a run: `metrics.json` and `linear_path.json`."""

from typing import Literal

from budwood.core.errors import RunError
from budwood.core.part import Part
from budwood.core.scaling import LabelScaling
from budwood.evaluation.figures import Interval, SplitFigures
from budwood.evaluation.label_coverage import LabelSets
from budwood.evaluation.multi_label_figures import MultiLabelFigures
from budwood.evaluation.promise import PromiseKind
from budwood.evaluation.sets import Sets


class TwinPair(Part):
    """A photo that was measured on, and one that was learned from and shows nearly the same."""

    left_out = frozenset({"similarity"})

    photo: str
    known: str
    by: Literal["hash", "features"]
    """Whether their perceptual hashes are near, or their features and pixels say it."""
    similarity: float | None = None
    """Of their pixels; of pairs by features."""
    mirrored: bool = False


class WithoutTwins(Part):
    """The accuracy on the photos of a split of which no near twin was learned from."""

    twins: int
    """Photos left out, for a training photo shows nearly the same."""
    pairs: tuple[TwinPair, ...] = ()
    """Some of them, the most alike of each kind first."""
    n: int
    """Photos that are left, maybe none."""
    accuracy: float | None
    """None where no photo is left."""
    accuracy_ci95: Interval | None


class SplitMetrics(SplitFigures):
    """The figures of one split of a run."""

    left_out = frozenset({"groups", "no_interval", "taxonomy", "without_twins"})

    without_twins: WithoutTwins | None = None
    """None where no training photo shows nearly the same as one of the split."""

    @property
    def share_right(self) -> float:
        """Return the share of photos that are answered rightly."""
        return self.accuracy


class LabelSplitMetrics(MultiLabelFigures):
    """The figures of one split of a run where a photo has several labels."""

    left_out = frozenset({"groups", "left_out", "without_twins"})

    without_twins: WithoutTwins | None = None
    """Its accuracy is the share of photos of which every label is right."""

    @property
    def share_right(self) -> float:
        """Return the share of photos of which every label is right."""
        return self.exact_match


class TrainedPart(Part):
    """What a phase did, or what it did to one of several backbones."""

    name: str
    seconds: float
    epochs: int
    best_epoch: int
    trainable_parameters: int
    unfrozen_layers: tuple[str, ...]
    stopped: str | None = None
    """Why it ended before its last epoch."""


class TrainedPhase(TrainedPart):
    """A phase before it is measured."""

    left_out = frozenset({"backbones"})

    backbones: tuple[TrainedPart, ...] = ()
    """Where several were trained one after the other."""


class Phase(TrainedPhase):
    """A phase with what its model says of the photos that it did not learn from."""

    validation_accuracy: float | None
    test_accuracy: float | None
    validation_loss: float

    def accuracy(self, split: str) -> float | None:
        """Return the accuracy on "validation" or "test"."""
        return self.test_accuracy if split == "test" else self.validation_accuracy


class Verdict(Part):
    """What fine-tuning changed; all None where there is nothing to compare."""

    left_out = frozenset({"figure"})

    figure: str | None = None
    """Of which the difference is, where it is not accuracy."""
    difference: float | None = None
    interval: Interval | None = None
    p: float | None = None
    method: str | None = None
    n: int | None = None
    words: str


class ReliabilityBin(Part):
    """Photos whose predicted class has about the same probability."""

    n: int
    confidence: float
    accuracy: float


class CalibrationSide(Part):
    """How far stated probabilities are from the truth."""

    ece: float
    loss: float
    reliability: tuple[ReliabilityBin, ...]


class BeforeAfter(Part):
    """The probabilities of one split without and with the temperature."""

    before: CalibrationSide
    after: CalibrationSide


class Calibration(Part):
    """The temperature that divides the logits, or the scale and shift of each label's, and what it does."""

    left_out = frozenset({"temperature", "scaling", "validation", "test"})

    temperature: float | None = None
    scaling: LabelScaling | None = None
    validation: BeforeAfter | None = None
    test: BeforeAfter | None = None

    def of(self, split: str) -> BeforeAfter | None:
        """Return what it did on "validation" or "test"."""
        return self.test if split == "test" else self.validation


class DepthScores(Part):
    """The answers of one depth in one split."""

    answered: int
    coverage: float
    """Share of the split's photos."""
    coverage_ci95: Interval | None
    correct: int
    precision: float | None
    """Share of the answers that is right; None where there are none, as at depth 0."""
    precision_ci95: Interval | None


class ClimbDepth(Part):
    """What is answered at one depth of a tree of labels."""

    depth: int
    """The greatest is that of the classes; 0 are photos without an answer."""
    threshold: float | None
    """The probability from which on a node answers; None where nothing does."""
    promise: PromiseKind | None = None
    """Of the share of right answers: "average" over all choices of validation photos, or "confidence", in 90 of 100 of
    them. None at depth 0, and of runs of earlier versions, whose thresholds promised nothing."""
    most: float | None = None
    """The largest share that the validation photos could promise, likewise."""
    validation: DepthScores | None
    """These photos chose the threshold."""
    test: DepthScores | None


class ClimbScores(Part):
    """What is answered on a tree of labels where so high a precision is asked for."""

    precision: float
    depths: tuple[ClimbDepth, ...]


class Metrics(Part):
    """The content of `metrics.json`."""

    left_out = frozenset({"climbs", "sets", "label_sets"})

    validation: SplitMetrics | LabelSplitMetrics | None
    test: SplitMetrics | LabelSplitMetrics | None
    """None where no test was asked for."""
    phases: tuple[Phase, ...]
    chosen_phase: str
    verdict: Verdict
    calibration: Calibration
    climbs: tuple[ClimbScores, ...] = ()
    """None without a tree of labels."""
    sets: Sets | None = None
    """None in a run of an older version, and of another task than one label a photo."""
    label_sets: LabelSets | None = None
    """None in a run of an older version, and of another task than several labels a photo."""

    def figures_of(self, split: str) -> SplitMetrics | LabelSplitMetrics | None:
        """Return the figures of "validation" or "test"."""
        return self.test if split == "test" else self.validation

    def of(self, split: str) -> SplitMetrics | None:
        """Return the figures of "validation" or "test" where each photo has one class."""
        found = self.figures_of(split)
        if isinstance(found, LabelSplitMetrics):
            raise RunError("the run has several labels a photo, and one class a photo is asked for")
        return found

    @property
    def reported(self) -> Literal["test", "validation"]:
        """Return the split whose figures are reported: "validation" where no test was asked for."""
        return "test" if self.test is not None else "validation"

    @property
    def kept(self) -> Phase:
        """Return the phase whose model was kept."""
        return next(phase for phase in self.phases if phase.name == self.chosen_phase)


class LinearPoint(Part):
    """Cross-validated quality of one L2 strength."""

    l2_strength: float
    loss: float
    accuracy: float
    loss_se: float


class LabelPath(Part):
    """The strengths tried for one of several labels."""

    label: str
    chosen: float
    path: tuple[LinearPoint, ...]


class LinearPath(Part):
    """The content of `linear_path.json`."""

    left_out = frozenset({"labels"})

    chosen: float
    """Of several labels the median."""
    path: tuple[LinearPoint, ...]
    """Empty where the strength was given, or could not be chosen; and of several labels."""
    labels: tuple[LabelPath, ...] = ()
    """Where a photo has several labels: the path of each."""
