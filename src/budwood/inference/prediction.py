"""Prediction: what a run says of one picture."""

from dataclasses import asdict, dataclass, replace

import numpy as np

from budwood.core.files import JsonObject
from budwood.core.label_text import of_text
from budwood.core.text import shown
from budwood.data.taxonomy import Taxonomy
from budwood.evaluation.conformal import SetRule
from budwood.evaluation.risk_control import LabelSetRule


@dataclass(frozen=True)
class Answer:
    """What was answered on a tree of labels where a precision was asked for."""

    label: str | None
    """A class or a node above; None where nothing below the root is sure enough."""
    depth: int = 0
    """From 1, directly below the root."""
    probability: float | None = None
    path: tuple[str, ...] = ()
    """The nodes from below the root down to it."""


@dataclass(frozen=True, repr=False)
class Prediction:
    """What a run says of one picture."""

    name: str
    label: str | None
    """The most probable class, or `labels` as one text; None when the picture cannot be read."""
    probability: float | None
    """The probability of the most probable class or label."""
    probabilities: dict[str, float]
    """The probability of every class, in the order of `Run.classes`."""
    error: str | None = None
    """Why the picture cannot be read."""
    confident: bool = True
    """Probable enough for the precision that was asked for."""
    distance: float | None = None
    """From the training photos (`budwood.evaluation.ood`); None for a run that does not know."""
    out_of_distribution: bool = False
    """Too far from them to be one of the classes: "none of these"."""
    labels: tuple[str, ...] | None = None
    """Where a picture may have several labels: those whose probability reaches their threshold, in the order of
    `Run.classes`. None where one class is right."""
    path: tuple[tuple[str, float], ...] = ()
    """On a tree of labels, the nodes from below the root down to the predicted class with their probabilities."""
    answer: Answer | None = None
    """On a tree of labels, the deepest node that is right as often as was asked; None where nothing was asked."""
    prediction_set: tuple[str, ...] | None = None
    """The classes of which one is right as often as the coverage that was asked for, the most probable first; where a
    picture may have several labels, so many that they hold this share of its own. Empty where none is probable enough,
    None where no coverage was asked for."""

    def __repr__(self) -> str:
        """Short, so that a list of them can be read.

        >>> [Prediction("a.jpg", "tulips", 0.93, {"tulips": 0.93, "roses": 0.07})]
        [Prediction('a.jpg', tulips 93.0%  roses 7.0%)]
        """
        return f"Prediction({self.name!r}, {self.in_words(3) if self.error is None else shown(self.error)})"

    def top(self, k: int) -> list[tuple[str, float]]:
        """Return the k most probable classes with their probabilities, the most probable first."""
        return sorted(self.probabilities.items(), key=lambda item: -item[1])[:k]

    def in_words(self, k: int = 1) -> str:
        """Return the k most probable classes, or the set where a coverage was asked for, and what to think of them; of
        several labels all that it has.

        >>> Prediction("a.jpg", "tulips", 0.93, {"tulips": 0.93, "roses": 0.07}).in_words()
        'tulips 93.0%'
        >>> Prediction("a.jpg", "tulips", 0.6, {"tulips": 0.6, "roses": 0.4}, out_of_distribution=True).in_words()
        'none of these (tulips 60.0%)'
        >>> path, answer = (("owls", 0.9), ("barn owl", 0.6)), Answer("owls", 1, 0.9)
        >>> Prediction("a.jpg", "barn owl", 0.6, {"barn owl": 0.6}, None, False, path=path, answer=answer).in_words()
        'owls 90.0%  (not confident: barn owl 60.0%  in owls 90.0%)'
        >>> two = ("tulips", "roses")
        >>> Prediction("a.jpg", "tulips", 0.6, {"tulips": 0.6, "roses": 0.4}, prediction_set=two).in_words()
        '{tulips 60.0%  roses 40.0%}'
        """
        if self.labels is not None and self.prediction_set is None:
            return self._labels_in_words(k)
        shares = "  ".join(f"{shown(label)} {share:.1%}" for label, share in self.top(k))
        if self.prediction_set is not None:
            held = (f"{shown(label)} {self.probabilities[label]:.1%}" for label in self.prediction_set)
            # Of an empty set, what came nearest to being in it.
            shares = f"{{{'  '.join(held)}}}" if self.prediction_set else f"{{}} ({shares})"
        elif len(self.path) > 1:
            shares += f"  in {' > '.join(f'{shown(node)} {share:.1%}' for node, share in self.path[:-1])}"
        if self.out_of_distribution:
            return f"none of these ({shares})"
        if self.confident:
            return shares
        if self.answer and self.answer.label is not None:
            return f"{shown(self.answer.label)} {self.answer.probability:.1%}  (not confident: {shares})"
        return f"not confident: {shares}"

    def _labels_in_words(self, k: int) -> str:
        """Return the labels that a picture has, the most probable first, or what comes nearest to one.

        >>> Prediction("a.jpg", "sea", 0.9, {"sea": 0.9, "sun": 0.2}, labels=("sea",)).in_words()
        'sea 90.0%'
        >>> Prediction("a.jpg", "", 0.3, {"sea": 0.3, "sun": 0.2}, labels=()).in_words()
        'none of the labels (sea 30.0%)'
        >>> Prediction("a.jpg", "sea", 0.9, {"sea": 0.9, "sun": 0.2}, labels=("sea",)).in_words(2)
        'sea 90.0%  (not: sun 20.0%)'
        """
        labels = self.labels or ()
        ranked = self.top(len(self.probabilities))
        chosen = [(label, share) for label, share in ranked if label in labels]
        shares = "  ".join(f"{shown(label)} {share:.1%}" for label, share in chosen or ranked[:k])
        if chosen and (beside := [one for one in ranked[:k] if one not in chosen]):
            shares += f"  (not: {'  '.join(f'{shown(label)} {share:.1%}' for label, share in beside)})"
        if self.out_of_distribution:
            return f"none of these ({shares})"
        return shares if chosen else f"none of the labels ({shares})"

    def to_json(self, k: int = 1) -> JsonObject:
        """Return the prediction as plain values, with the k most probable classes; of several labels with all."""
        if self.error is not None:
            return {"name": self.name, "error": self.error}
        top = [{"label": label, "probability": share} for label, share in self.top(k)]
        tree: JsonObject = {}
        if self.path:
            tree["path"] = [{"label": node, "probability": share} for node, share in self.path]
        if self.answer:
            tree["answer"] = asdict(self.answer) if self.answer.label is not None else None
        return {
            "name": self.name,
            "label": self.label,
            **({} if self.labels is None else {"labels": list(self.labels)}),
            "probability": self.probability,
            "confident": self.confident,
            "none_of_these": self.out_of_distribution,
            "distance": self.distance,
            **tree,
            "top": top,
            **({} if self.labels is None else {"probabilities": self.probabilities}),
            **({} if self.prediction_set is None else {"prediction_set": list(self.prediction_set)}),
        }


def with_set(prediction: Prediction, rule: SetRule | LabelSetRule) -> Prediction:
    """Return a prediction with its set of classes or labels; one of a picture that cannot be read has none."""
    if prediction.label is None:
        return prediction
    names = list(prediction.probabilities)
    held = rule.sets(np.array([list(prediction.probabilities.values())]))[0]
    # Of equal probabilities the first class is above, as in `label`.
    order = sorted(np.flatnonzero(held).tolist(), key=lambda place: -prediction.probabilities[names[place]])
    return replace(prediction, prediction_set=tuple(names[place] for place in order))


def answered_rightly(prediction: Prediction, true: str, taxonomy: Taxonomy | None = None) -> bool:
    """Return whether a picture is answered rightly: with its class, or with every label that is known of it; on a tree
    of labels, where a precision was asked for, with a label above its class too.

    >>> said = Prediction("a.jpg", "sea", 0.9, {"sea": 0.9, "sun": 0.2}, labels=("sea",))
    >>> answered_rightly(said, "sea;?sun"), answered_rightly(said, "sea;sun"), answered_rightly(said, "?sun")
    (True, False, False)
    """
    if prediction.out_of_distribution:
        return False
    if prediction.labels is None:
        if taxonomy is not None and prediction.answer is not None and prediction.answer.label is not None:
            return prediction.answer.label in taxonomy.path(true)
        return prediction.label == true
    labels, unknown = of_text(true)
    return set(prediction.labels) - set(unknown) == set(labels)
