"""What a request may ask of the answers, and the rules of a run that follow from it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from budwood.core.errors import RunError
from budwood.evaluation.conformal import SetRule
from budwood.evaluation.risk_control import LabelSetRule
from budwood.inference.prediction import Prediction, with_set
from budwood.inference.predictor import Scores
from budwood.run import Run

if TYPE_CHECKING:
    from budwood.evaluation.climb import Climb


@dataclass(frozen=True)
class Options:
    """As `Run.predict` takes them."""

    precision: float | None = None
    coverage: float | None = None
    acceptance: float | None = None


@dataclass(frozen=True)
class Rules:
    """By what scores become a prediction."""

    threshold: float
    far: float
    climb: "Climb | None"
    sets: SetRule | LabelSetRule | None


def rules_of(run: Run, options: Options) -> Rules:
    """Return the rules that the photos of a run promise.

    Raises:
        RunError: they promise no such thing.
    """
    predictor, tree = run.predictor, run.files.tree
    threshold, climb = 0.0, None
    if options.precision is not None and tree is None:
        threshold = run.confidence_threshold(options.precision)[0]
    elif options.precision is not None and tree is not None:
        climb = run.climb(options.precision)[0]
        of_class = climb.thresholds[tree.taxonomy.num_levels]
        threshold = math.inf if of_class is None else of_class
    far = math.inf
    if predictor.ood is not None:
        from budwood.evaluation.ood import ACCEPTANCE

        far = predictor.ood.threshold(ACCEPTANCE if options.acceptance is None else options.acceptance)
    elif options.acceptance is not None:
        raise RunError("this model cannot tell what is none of its classes. Leave out the acceptance rate")
    chosen = None if options.coverage is None else run.prediction_sets(options.coverage).rule
    return Rules(threshold, far, climb, chosen)


def predictor_of(run: Run) -> Callable[[str, Scores, Rules], Prediction]:
    """Return what makes a prediction of scores."""
    predictor, tree = run.predictor, run.files.tree

    def predict(name: str, scores: Scores, rules: Rules) -> Prediction:
        found = predictor.prediction_of(name, scores, rules.threshold, rules.far)
        if rules.sets is not None:
            found = with_set(found, rules.sets)
        if tree is None:
            return found
        from budwood.inference.climbing import on_the_tree

        return on_the_tree(found, tree, rules.climb)

    return predict
