"""What figures hold for, as lines of a terminal: the subgroups of a data set, and a stated prevalence."""

from collections.abc import Sequence

from budwood.core.text import NO_BREAK, count, listing, name, percent, shorten, shown
from budwood.evaluation.figures import Interval
from budwood.evaluation.groups import MIN_GROUPS
from budwood.evaluation.prevalence import AnswersAtPrevalence, PrevalenceFigures
from budwood.evaluation.subgroups import FEWEST, Subgroup, Subgroups

NOT_STATED = "not stated"
_OWN = "as the model answers"
_CORRECTED = "with its probabilities corrected to these shares (Saerens et al. 2002)"
_NAMED = 3


def subgroups_as_text(found: Subgroups, figure: str = "accuracy") -> str:
    """Return a line for each subgroup, and what can be said of them; `figure` names what is counted as right."""
    many = len(found.subgroups)
    lines = [
        f"By {shown(found.by)}: {count(many, 'subgroup')} of {count(found.n, 'photo')}. "
        + (
            "The interval is of 95 %."
            if found.level <= 0.95
            else f"The intervals hold for all together with 95 % (each of {100 * found.level:.1f} %)."
        )
    ]
    width = max(8, *(len(_value(one)) for one in found.subgroups)) + 2
    wide = max(10, len(figure) + 2)
    grouped = any(one.groups is not None for one in found.subgroups)
    head = f"{shorten(shown(found.by), width - 2):<{width}}{'photos':>7}{'  groups' if grouped else ''}"
    lines.append(f"{head}{figure:>{wide}}{'':<18}{'by its classes':>15}   {'against the rest'}".rstrip())
    for one in found.subgroups:
        groups = f"{one.groups if one.groups is not None else one.n:>8,}" if grouped else ""
        by_class = "–" if one.by_class is None else percent(one.by_class)
        lines.append(
            f"{_value(one):<{width}}{one.n:>7,}{groups}{percent(one.accuracy):>{wide}}"
            f"{_between(one.interval or one.range):<18}{by_class:>15}   {_against(one)}"
        )
    return "\n".join([*lines, *_said_of(found)]).replace(NO_BREAK, " ")


def _value(one: Subgroup) -> str:
    return NOT_STATED if one.value is None else shorten(shown(one.value), 30)


def _between(interval: Interval | None) -> str:
    return "" if interval is None else f" ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})"


def _against(one: Subgroup) -> str:
    found = one.difference
    if found is None:
        return f"too small to compare: {FEWEST} {'photos' if one.groups is None else 'groups'} are needed on both sides"
    verdict = "differs" if found.differs else "cannot tell"
    low, high = found.interval
    p = "p < 0.001" if found.p_adjusted < 0.001 else f"p = {found.p_adjusted:.2g}"
    return f"{100 * found.points:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f}), {p}: {verdict}"


def _said_of(found: Subgroups) -> list[str]:
    compared = [one for one in found.subgroups if one.difference is not None]
    lines = []
    if any(one.interval is None for one in found.subgroups):
        lines.append(
            f"Below {MIN_GROUPS} groups of photos that belong together no interval is stated; what stands there takes "
            "each group for one photo, and no confidence level holds for it."
        )
    if not compared:
        return [*lines, "No subgroup is large enough to be compared with the rest."]
    adjusted = f"p adjusted for {count(found.compared, 'comparison')} (Holm)"
    differing = [one for one in compared if one.difference and one.difference.differs]
    if not differing:
        return [*lines, f"None can be told apart from the rest; {adjusted}."]
    worst = [one for one in differing if one.difference and one.difference.points < 0]
    shown_of = [
        f"{_value(one)} (by its classes alone {percent(one.by_class)})"
        if one.by_class is not None
        else _value(one)
        for one in sorted(worst, key=lambda one: one.accuracy)[:_NAMED]
    ]
    said = f"Less often right than the rest: {listing(shown_of)}; {adjusted}." if worst else ""
    return [*lines, said or f"What differs is right more often than the rest; {adjusted}."]


def prevalence_as_text(found: PrevalenceFigures) -> str:
    """Return the figures at a stated prevalence: of the model's own answers, and of corrected ones."""
    rows = [one for one in found.own.per_class if one.share > 0]
    most = sorted(rows, key=lambda one: -one.share)[:_NAMED]
    parts = [f"{percent(one.share)} {name(one.label)}" for one in most]
    if len(rows) > len(most):
        parts.append(count(len(rows) - len(most), "other class", "other classes"))
    lines = [
        f"Where the photos are {listing(parts)}, as worked out from {count(found.n, 'photo')}. Assumed: photos of a "
        "class look as these do, and only the shares of the classes differ (label shift).",
        "",
    ]
    for title, answers in ((_OWN, found.own), (_CORRECTED, found.corrected)):
        lines += [
            f"{title}: accuracy {percent(answers.accuracy)}{_between(answers.accuracy_ci95)}",
            *_classes(answers),
            "",
        ]
    lines += [*_no_interval(found), _which(found)]
    return "\n".join(lines).replace(NO_BREAK, " ")


def _classes(answers: AnswersAtPrevalence) -> Sequence[str]:
    title = f"{'class':<26}{'share':>8}{'photos':>8}"
    for what in ("recall", "precision (PPV)", "NPV"):
        title += f"   {what:<23}"
    lines = ["  " + title.rstrip()]
    for one in answers.per_class:
        if not one.share and not one.n:
            continue
        line = f"{shorten(shown(one.label), 25):<26}{percent(one.share):>8}{one.n:>8,}"
        for value, interval in (
            (one.recall, one.recall_ci95),
            (one.precision, one.precision_ci95),
            (one.npv, one.npv_ci95),
        ):
            cell = "never answered" if value is None else f"{percent(value)}{_between(interval)}"
            line += f"   {cell:<23}"
        lines.append("  " + line.rstrip())
    return lines


def _no_interval(found: PrevalenceFigures) -> list[str]:
    why = found.no_interval
    if why is None:
        return []
    names = listing([name(label) for label in why.classes[:_NAMED]])
    more = f" and {len(why.classes) - _NAMED:,} more" if len(why.classes) > _NAMED else ""
    of = "photos" if why.of == "photos" else "groups of photos that belong together"
    return [f"No interval: there are fewer than {why.fewest} {of} of {names}{more}."]


def _which(found: PrevalenceFigures) -> str:
    gap = found.corrected.accuracy - found.own.accuracy
    moved = (
        "as many" if abs(gap) < 0.0005 else f"{100 * abs(gap):.1f} points {'more' if gap > 0 else 'fewer'}"
    )
    pairs = list(zip(found.own.per_class, found.corrected.per_class, strict=True))
    lost = max(pairs, key=lambda pair: (pair[0].recall or 0) - (pair[1].recall or 0))
    recall, corrected = lost[0].recall or 0.0, lost[1].recall or 0.0
    price = (
        f", and find {percent(corrected)} of {name(lost[0].label)} in place of {percent(recall)}"
        if recall - corrected >= 0.0005
        else ""
    )
    return (
        f"Corrected probabilities get {moved} of the answers right{price}. Take them where every mistake costs the "
        "same; where missing a rare class costs more, keep the model's own answers."
    )
