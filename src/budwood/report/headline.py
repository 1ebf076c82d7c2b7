"""The head of a page, of a run or of a study: one figure, what it means, and what else to know first."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class HeadlineNote:
    """A sentence below the figure."""

    text: str
    is_warning: bool = False


@dataclass(frozen=True)
class Headline:
    """What `base.html.jinja` writes above the sections of a page."""

    kind: str
    """"report" or "study"."""
    name: str
    """Of the run or the study."""
    about: Sequence[str]
    """What stands beside the name: the data, the date."""
    sentence: str
    accuracy: float | None
    """In [0, 1], like the ends of its interval; None where there is no figure yet."""
    interval: tuple[float, float] | None
    caption: str
    notes: Sequence[HeadlineNote]
    facts: Sequence[tuple[str, str, str]]
    """Name, value and a note of each."""
    sections: Sequence[tuple[str, str]]
    """The anchor of each section of the page, and its title."""
    beside: str = ""
    """A second sentence that the figure does not stand without, in smaller letters."""
    guess: float | None = None
    """The accuracy of always giving one answer."""
