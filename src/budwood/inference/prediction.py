"""Prediction: what a run says of one picture."""

from dataclasses import dataclass

from budwood.core.files import JsonObject
from budwood.core.text import shown


@dataclass(frozen=True, repr=False)
class Prediction:
    """What a run says of one picture."""

    name: str
    label: str | None
    """The most probable class; None when the picture cannot be read."""
    probability: float | None
    probabilities: dict[str, float]
    """Of every class, in the order of `Run.classes`."""
    error: str | None = None
    """Why the picture cannot be read."""
    confident: bool = True
    """Probable enough for the precision that was asked for."""
    distance: float | None = None
    """From the training photos (`budwood.evaluation.ood`); None for a run that does not know."""
    out_of_distribution: bool = False
    """Too far from them to be one of the classes: "none of these"."""

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
        """Return the k most probable classes, and what is to be thought of them.

        >>> Prediction("a.jpg", "tulips", 0.93, {"tulips": 0.93, "roses": 0.07}).in_words()
        'tulips 93.0%'
        >>> Prediction("a.jpg", "tulips", 0.6, {"tulips": 0.6, "roses": 0.4}, out_of_distribution=True).in_words()
        'none of these (tulips 60.0%)'
        """
        shares = "  ".join(f"{shown(label)} {share:.1%}" for label, share in self.top(k))
        if self.out_of_distribution:
            return f"none of these ({shares})"
        return shares if self.confident else f"not confident: {shares}"

    def to_json(self, k: int = 1) -> JsonObject:
        """Return the prediction as plain values, with the k most probable classes."""
        if self.error is not None:
            return {"name": self.name, "error": self.error}
        top = [{"label": label, "probability": share} for label, share in self.top(k)]
        return {
            "name": self.name,
            "label": self.label,
            "probability": self.probability,
            "confident": self.confident,
            "none_of_these": self.out_of_distribution,
            "distance": self.distance,
            "top": top,
        }
