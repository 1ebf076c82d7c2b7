"""The checklists that there are, and how one is filled from a run and written."""

from collections.abc import Iterator, Mapping
from itertools import groupby

from budwood._version import __version__
from budwood.core import text as words
from budwood.core.errors import RunError, did_you_mean
from budwood.report.checklists.claim import CLAIM
from budwood.report.checklists.facts import Facts
from budwood.report.checklists.item import Answer, Checklist, FilledChecklist, fill_item
from budwood.report.checklists.reforms import REFORMS
from budwood.report.checklists.tripod_ai import TRIPOD_AI
from budwood.report.markdown import escaped, fenced
from budwood.report.summary import Contents

CHECKLISTS: Mapping[str, Checklist] = {one.name: one for one in (REFORMS, CLAIM, TRIPOD_AI)}
"""Every checklist by its name."""


def find_checklist(name: str) -> Checklist:
    """Return a checklist by its name, in either case. Raise RunError where there is none of that name."""
    found = CHECKLISTS.get(name.lower())
    if found is None:
        raise RunError(
            f"there is no checklist {words.name(name)}.{did_you_mean(name.lower(), CHECKLISTS)} "
            f"There are: {', '.join(CHECKLISTS)}"
        )
    return found


def fill_checklist(contents: Contents, name: str) -> FilledChecklist:
    """Return a checklist with what a run says to each item. Raise RunError for a name that is none."""
    checklist, facts = find_checklist(name), Facts(contents)
    answers = tuple(
        fill_item(item, section.title, facts) for section in checklist.sections for item in section.items
    )
    return FilledChecklist(
        name=checklist.name,
        title=checklist.title,
        source=checklist.source,
        doi=checklist.doi,
        run=contents.folder.resolve().name,
        budwood=__version__,
        answers=answers,
    )


def as_markdown(filled: FilledChecklist) -> str:
    """Return a filled checklist as Markdown, to be completed by its author."""
    lines = [f"# {filled.title}: {escaped(filled.run)}", "", _counted(filled), "", *_preface(filled)]
    for section, answers in groupby(filled.answers, key=lambda answer: answer.section):
        lines += ["", f"## {section}"]
        for answer in answers:
            lines += ["", *_item(answer)]
    return "\n".join(lines).replace(words.NO_BREAK, " ") + "\n"


def _counted(filled: FilledChecklist) -> str:
    added = filled.to_be_added_to
    more = f" ({added:,} of them want{'s' * (added == 1)} an addition)" if added else ""
    skipped, asked = filled.num("not applicable"), filled.num("question")
    return (
        f"Of {words.count(len(filled.answers), 'item')} the run answers **{filled.num('answered'):,}**{more}; "
        f"**{skipped:,}** {'does' if skipped == 1 else 'do'} not apply to it; **{asked:,}** "
        f"{'is a question' if asked == 1 else 'are questions'} to you, the author."
    )


def _preface(filled: FilledChecklist) -> list[str]:
    asked = [answer.number for answer in filled.answers if answer.state == "question"]
    return [
        *([f"Questions to you: {', '.join(asked)}.", ""] if asked else []),
        f"The items are those of {filled.source}, <https://doi.org/{filled.doi}>, by number, in other words: read the "
        "published list beside this one. An answer says what the run shows, and in which file of it; it is a draft for "
        f"you to check. Filled by Budwood {filled.budwood}.",
    ]


def _item(answer: Answer) -> Iterator[str]:
    yield f"### {answer.number} {answer.name}"
    if answer.state != "question":
        yield f"\n*{answer.state.capitalize()}.* {escaped(answer.text)}"
        yield from ([f"\n{fenced(answer.command)}"] if answer.command else [])
    if answer.question:
        who = "To answer" if answer.state == "question" else "To add"
        yield f"\n> **{who}:** {escaped(answer.question)}"
    if answer.state == "question" and answer.text:
        yield f"\nThe run shows: {escaped(answer.text)}"
    if answer.where:
        yield f"\nFrom {words.listing([f'`{place}`' for place in answer.where])}."
