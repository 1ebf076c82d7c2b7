"""An item of a reporting checklist, what a run says to it, and a whole checklist filled."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from budwood.report.checklists.facts import Facts

State = Literal["answered", "not applicable", "question"]


@dataclass(frozen=True, slots=True)
class Said:
    """What a run says to an item."""

    state: State
    """"question" where the run alone does not answer it; the text then says what the run shows towards it."""
    text: str
    where: tuple[str, ...] = ()
    """Places in the run, each "FILE" or "FILE: KEY", the key dotted, of a table the column."""
    command: str = ""
    """What was or is to be typed, where that is a part of it."""


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a checklist, in words of our own."""

    number: str
    name: str
    question: str
    """What is asked of the author where the run does not answer."""
    topic: Callable[[Facts], Said] | None = None
    """What a run says to it; None where no run can say anything."""
    more: str = ""
    """What the author has to add where the run answers."""
    is_hint: bool = False
    """Whether the item stays a question whatever the run says, which is shown beside it."""


@dataclass(frozen=True, slots=True)
class Section:
    """Items of a checklist that stand together."""

    title: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Checklist:
    """A published list of what a paper should report."""

    name: str
    """On the command line."""
    title: str
    source: str
    doi: str
    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """One item of a checklist, filled."""

    number: str
    name: str
    """Short, in words of our own."""
    section: str
    state: State
    text: str
    """The answer, or why the item does not apply; of a question what the run shows towards it, often nothing."""
    where: tuple[str, ...]
    """Places in the run that the text is from: "FILE" or "FILE: KEY"."""
    question: str
    """What the author has to say, or to add to an answer; empty where there is nothing."""
    command: str = ""
    """What was or is to be typed, where that is a part of the answer."""


@dataclass(frozen=True, slots=True)
class FilledChecklist:
    """A checklist filled from one run."""

    name: str
    title: str
    source: str
    """Whose checklist it is: authors, year, journal."""
    doi: str
    run: str
    """The name of the run's directory."""
    budwood: str
    """The version that filled it."""
    answers: tuple[Answer, ...]

    def num(self, state: State) -> int:
        """Return the number of items of a state."""
        return sum(answer.state == state for answer in self.answers)

    @property
    def from_the_run(self) -> int:
        """Return the number of items that the run answers, each with its places there."""
        return sum(answer.state == "answered" and bool(answer.where) for answer in self.answers)

    @property
    def to_be_added_to(self) -> int:
        """Return the number of answered items to which the author has to add something."""
        return sum(answer.state == "answered" and bool(answer.question) for answer in self.answers)


def fill_item(item: Item, section: str, facts: Facts) -> Answer:
    """Return an item with what a run says to it."""
    said = item.topic(facts) if item.topic else Said("question", "")
    state = "question" if item.is_hint else said.state
    asked = {"question": item.question, "answered": item.more, "not applicable": ""}[state]
    where = said.where if said.text else ()
    return Answer(item.number, item.name, section, state, said.text, where, asked, said.command)
