"""What each part of a study's page says."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from budwood.core import text as words
from budwood.studies.figure import ACCURACY
from budwood.studies.figures import Summary
from budwood.studies.outcomes import Estimate, Pair
from budwood.studies.records import StudyFolder, StudyRecord
from budwood.studies.report.figures import evaluation, is_significant, ordered_pairs
from budwood.studies.report.names import common_words, numbers, short_names
from budwood.studies.results import Results
from budwood.studies.search import BEST
from budwood.studies.words import commands_for_best, pair_sentences, state_sentence, trust_sentences

PAIRS, TRIALS, SENTENCES = 300, 2_000, 3
"""Rows of the tables at most, and pairs that the head of the page names."""
LONG = 90
"""Characters of a name in a sentence."""


@dataclass(frozen=True)
class Verdict:
    """The head of the page: the figure of the best, in one sentence how sure it is, and what else to know first."""

    title: str
    accuracy: float | None
    interval: tuple[float, float] | None
    notes: Sequence[str]
    warnings: Sequence[str]


@dataclass(frozen=True)
class TableRow:
    """One configuration in the table of all."""

    rank: str
    one: Summary
    name: str
    state: str
    """Of a search alone."""
    evaluation: Estimate | None


@dataclass(frozen=True)
class PairsSection:
    """The table of pairs, and by what method they were compared."""

    rows: Sequence[tuple[Pair, str, str, str]]
    """Of each pair the numbers of both, and which one is better."""
    all: int
    with_best: int
    methods: Sequence[str]
    sentences: Sequence[str]


@dataclass(frozen=True)
class BestRecipe:
    """Of a search the recipe of the best, and how to go on with it."""

    text: str
    commands: str
    advice: str


@dataclass(frozen=True)
class Making:
    """What was asked, how to go on, and with what it was made."""

    command: str
    earlier: Sequence[str]
    folder: str
    go_on: str
    facts: Sequence[tuple[str, str]]
    versions: Sequence[tuple[str, str]]


def verdict(results: Results) -> Verdict:
    """Return the head of the page."""
    best = next((one for one in results.summaries if one.name == results.best), None)
    found = evaluation(best, results) if best is not None else None
    brief = shortener(results)
    notes, warnings = [], _left(results)
    if best is not None and results.search is None:
        pairs = pair_sentences(results)
        notes += pairs[:SENTENCES]
        if len(pairs) > SENTENCES:
            notes.append(f"These are {SENTENCES} of {len(pairs):,}; all are under Pairs.")
    elif best is not None and results.search is not None:
        notes += [
            state_sentence(results.search),
            "Validation photos chose it among the others, which flatters it there. No pair is tested, for that would "
            "be flattered too.",
        ]
    if best is not None and best.complete == 1:
        notes.append(
            f"One trial each says nothing of how much another {results.replicate_kind} would change. Give --seeds 5 "
            "with --resume for that."
        )
    notes += trust_sentences(results)
    return Verdict(
        title=brief(_title(results, best)),
        accuracy=found.mean if found else None,
        interval=found.ends if found and found.few_groups is None else None,
        notes=[brief(line) for line in notes],
        warnings=[brief(line) for line in warnings],
    )


def _title(results: Results, best: Summary | None) -> str:
    done = sum(one.complete for one in results.summaries)
    if best is None or best.validation is None or (found := evaluation(best, results)) is None:
        if not done:
            return "No trial is complete, so there is nothing to compare yet."
        return "No configuration has all its trials yet, so none is called the best."
    figure = _in_words(results, found)
    name = words.shown(best.name)
    if results.search is not None or len(name) > LONG // 2:
        name = words.shown(short_names(results)[best.name])
    if results.search is not None:
        tried = words.count(len(results.search.configurations), "configuration")
        tried += f" of {words.shown(common)}" if (common := common_words(results)) else ""
        return f"{name} is the best of {tried} by validation loss: {figure}."
    if len(results.summaries) == 1:
        return f"{name}: {figure}."
    return f"{name} has the lowest validation loss: {figure}{_standing(results)}."


def _in_words(results: Results, found: Estimate) -> str:
    kind = f"95{words.NO_BREAK}% interval" if found.few_groups is None else "no interval is known; range"
    between = "no interval is known"
    if found.ends is not None:
        between = f"{kind} {' to '.join(map(words.percent, found.ends))}"
    if results.figure == ACCURACY:
        return f"{words.percent(found.mean)} of the {results.split} photos are right ({between})"
    return f"{results.figure.name} {words.percent(found.mean)} on {results.split} photos ({between})"


def _standing(results: Results) -> str:
    """Return how the best stands to all others it was compared with, for the end of a sentence."""
    best = results.best
    ours = [pair for pair in results.pairs if best in (pair.a, pair.b)]
    if not ours:
        return ""
    open_ones = sum(not is_significant(pair) for pair in ours)
    ahead = sum(is_significant(pair) and (pair.difference > 0) == (pair.a == best) for pair in ours)
    behind = len(ours) - open_ones - ahead
    if len(ours) == 1:
        kind = "cannot be told apart from it" if open_ones else "is worse" if ahead else "is better there"
        return f"; {'but ' if open_ones or behind else ''}the other one {kind}"
    if open_ones == len(ours):
        return f", but none of the {len(ours):,} others can be told apart from it"
    if ahead == len(ours):
        return f", and it is better than each of the {len(ours):,} others"
    parts = [f"it is better than {ahead:,} of the {len(ours):,} others"] if ahead else []
    parts += [f"cannot be told from {open_ones:,}"] if open_ones else []
    parts += [f"is worse there than {behind:,}"] if behind else []
    return f"; {words.listing(parts)}"


def facts(results: Results, record: StudyRecord) -> list[tuple[str, str, str]]:
    """Name, value and a note for the boxes below the verdict."""
    done = sum(one.complete for one in results.summaries)
    planned = sum(one.planned for one in results.summaries)
    seconds = [trial.seconds for trial in results.trials if trial.seconds is not None]
    photos, classes = _data(results)
    kinds = len({trial.replicate for trial in results.trials if trial.replicate})
    trials = f"{done:,} of {words.count(planned, 'trial')} complete"
    if results.search is not None:
        # What was left out of those that were pruned is not missing.
        trials = words.count(done, "trial")
    rows = [
        (
            "Compared",
            words.count(len(results.summaries), "configuration"),
            f"{trials}; {words.count(kinds, results.replicate_kind)}",
        )
    ]
    noun = ("class", "classes") if results.figure == ACCURACY else ("label",)
    if photos:
        rows.append(
            (
                "Photos",
                f"{photos:,}",
                f"{words.count(classes, *noun)}; {words.shorten(words.shown(record.data))}",
            )
        )
    rows.append(
        (
            "Time",
            words.duration(sum(seconds)) if seconds else "–",
            f"all trials added up; the longest {words.duration(max(seconds))}" if seconds else "",
        )
    )
    rows.append(
        (
            "Test-set evaluations",
            f"{results.test_evaluations:,}" if results.test_evaluations else "none",
            "one by every trial" if results.test_evaluations else "compared on validation photos",
        )
    )
    return rows


def table(results: Results) -> list[TableRow]:
    """Return one row for each configuration."""
    rank, short = numbers(results), short_names(results)
    states = {one.name: one.state for one in (results.search.configurations if results.search else [])}
    return [
        TableRow(
            rank.get(one.name, ""), one, short[one.name], states.get(one.name, ""), evaluation(one, results)
        )
        for one in results.summaries
    ]


def pairs(results: Results) -> PairsSection:
    """Return the table of pairs."""
    rank = numbers(results)
    rows, best, brief = ordered_pairs(results), results.best, shortener(results)
    return PairsSection(
        rows=[(pair, rank[pair.a], rank[pair.b], _which(pair, rank)) for pair in rows[:PAIRS]],
        all=len(rows),
        with_best=sum(best in (pair.a, pair.b) for pair in rows),
        methods=list(dict.fromkeys(pair.method for pair in rows)),
        sentences=[brief(pair.words) for pair in rows[:PAIRS]],
    )


def _which(pair: Pair, rank: Mapping[str, str]) -> str:
    if not is_significant(pair):
        return "cannot tell"
    return f"{rank[pair.a if pair.difference > 0 else pair.b]} is better"


def best_recipe(results: Results) -> BestRecipe | None:
    """Return the recipe of the best configuration; None for a study that is no search."""
    if results.search is None or not (results.folder / BEST).is_file():
        return None
    train, several = commands_for_best(results, results.search)
    if results.search.test_is_given:
        advice = "Your test photos stayed closed: that training measures on them, and its figure is honest."
    else:
        advice = (
            f"That training has a test split of its own (split_seed {results.search.fresh_seed}, new to the "
            "search); the second command trains it on several. The search knew those photos too, in other splits. "
            "Stricter are photos that were kept out of it: budwood evaluate RUN OTHER_PHOTOS."
        )
    return BestRecipe(
        text=(results.folder / BEST).read_text(encoding="utf-8"),
        commands=train if results.search.test_is_given else f"{train}\n{several}",
        advice=advice,
    )


def reproducibility(results: Results, record: StudyRecord) -> Making:
    """Return how the study was made, and how to go on with it."""
    command = record.command
    facts = [
        ("state", "complete" if record.state == "complete" else "has not come to its end"),
        ("begun", _day(record.started)),
        ("last finished", _day(record.finished)),
        ("the last command, by the clock", _seconds(record.seconds)),
        ("all trials, added up", _seconds(sum(trial.seconds or 0.0 for trial in results.trials))),
        ("differs between trials", results.replicate_kind),
        ("evaluated on", f"{results.split} photos"),
        ("test-set evaluations", f"{results.test_evaluations:,}"),
    ]
    return Making(
        command=command,
        earlier=record.earlier_commands,
        folder=shlex.quote(str(results.folder)),
        go_on=resume_command(command),
        facts=[(what, value) for what, value in facts if value],
        versions=list((record.versions or {"budwood": record.budwood}).items()),
    )


def resume_command(command: str) -> str:
    """Return the same command, going on with what is there.

    >>> resume_command("budwood study photos -o s --overwrite")
    'budwood study photos -o s --resume'
    """
    try:
        parts = [part for part in shlex.split(command) if part not in ("--overwrite", "--resume")]
    except ValueError:
        return command
    return shlex.join([*parts, "--resume"]) if parts else ""


def chance(p: float) -> str:
    """Return a p-value in a table.

    >>> chance(0.0002), chance(0.0314), chance(1.0)
    ('< 0.001', '0.031', '1')
    """
    return "< 0.001" if p < 0.001 else f"{p:.2g}"


def shortener(results: Results) -> Callable[[str], str]:
    """Shorten the names in a sentence that are very long."""
    names = {words.shown(one.name) for one in results.summaries}
    long = sorted((name for name in names if len(name) > LONG), key=len, reverse=True)

    def brief(text: str) -> str:
        for name in long:
            text = text.replace(name, words.shorten(name, LONG))
        return text

    return brief


def _left(results: Results) -> list[str]:
    """Return what is missing of a study that has not come to its end, or in which something failed."""
    lines = []
    failed = (
        sum(trial.state == "failed" for trial in results.trials)
        if results.search is None
        else len(results.failures)
    )
    if failed:
        kind = "trial" if results.search is None else "configuration"
        lines.append(
            f"{words.count(failed, kind)} failed and {'is' if failed == 1 else 'are'} in none of the figures; "
            "why stands under Failed. The command that asked for it tries again with --resume."
        )
    waiting = sum(trial.state == "planned" for trial in results.trials) if results.search is None else 0
    if waiting:
        lines.append(
            f"{words.count(waiting, 'trial')} {'is' if waiting == 1 else 'are'} not done yet. The same command goes on "
            "with --resume."
        )
    return lines


def _data(results: Results) -> tuple[int, int]:
    """Return photos and classes, 0 where nothing is known of them."""
    try:
        found = StudyFolder(results.folder).read_photos()
        return len(found.photos), len(found.classes)
    except (OSError, ValueError, LookupError, TypeError):
        return 0, 0


def _seconds(value: float | None) -> str:
    return words.duration(value) if value else ""


def _day(text: str | None) -> str:
    try:
        return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC" if text else ""
    except ValueError:
        return ""
