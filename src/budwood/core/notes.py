"""Notes: what a user should know of a piece of work, as values of a kind, so that nothing has to be read out of a
sentence."""

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

NoteKind = Literal[
    "general",
    "budget",  # what a limit of time left undone
    "settings",  # a setting without effect, or one that gave way to another
    "data",  # photos that were left out, classes that lack some
    "split",  # which photos are in which split, and why
    "groups",  # photos that seem to belong together and may be in different splits
    "features",  # how features are kept, or what the disk has no room for
    "engine",  # what computes features, where it is not what was asked for or expected
    "precision",  # the arithmetic in which they are computed, where it is not what was asked for
    "store",  # stored features, or a converted graph, that are damaged and are made again
    "input_range",  # photos that seem to reach the backbone in the wrong range
    "teacher",  # the model that is learned from
    "checkpoint",  # a training that could not go on from where it was
    "loss_spike",  # fine-tuning began badly
    "diverged",  # the loss is no longer a finite number
]


@dataclass(frozen=True)
class Note:
    """One thing that a user should know."""

    text: str
    """A line of plain text."""
    kind: NoteKind = "general"
    told: bool = False
    """True where the user has seen it already: it is then kept in the run, and not shown again."""


@runtime_checkable
class TakesNotes(Protocol):
    """A function that keeps a note and tells it to the user."""

    def __call__(self, text: str, kind: NoteKind = "general") -> None: ...


def ignore(text: str, kind: NoteKind = "general") -> None:
    """Do nothing with a note."""
