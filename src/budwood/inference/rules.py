"""What may be asked of predictions, and the rules by which scores become what was asked for."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from budwood.evaluation.conformal import SetRule
from budwood.evaluation.risk_control import LabelSetRule
from budwood.inference.prediction import Prediction, with_set

if TYPE_CHECKING:
    from budwood.evaluation.climb import Climb
    from budwood.evaluation.taxonomy import LabelTree


@dataclass(frozen=True)
class Asked:
    """What is asked of predictions, as `Run.predict` takes it."""

    precision: float | None = None
    acceptance: float | None = None
    coverage: float | None = None
    sets: str | None = None
    per_class: bool = False


PLAIN = Asked()
"""The most probable class or labels, and nothing more."""


@dataclass(frozen=True)
class Rules:
    """The thresholds and further rules by which the scores of a picture become its prediction."""

    threshold: float
    """The probability from which a prediction is confident."""
    far: float
    """The distance beyond which a picture is none of the classes."""
    sets: SetRule | LabelSetRule | None
    """The classes that are held in its set; None where no coverage was asked for."""
    tree: "LabelTree | None"
    climb: "Climb | None"
    """How far up the tree of labels an answer lies; None where no precision was asked for."""

    def complete(self, found: Prediction) -> Prediction:
        """Return a prediction with its place on the tree of labels, and its set."""
        if self.tree is not None:
            from budwood.inference.climbing import on_the_tree

            found = on_the_tree(found, self.tree, self.climb)
        return found if self.sets is None else with_set(found, self.sets)
