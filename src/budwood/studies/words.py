"""What a study came to, for a terminal: a table and sentences."""

import shlex

from budwood.core.text import count, duration, percent, shown
from budwood.evaluation.groups import MIN_GROUPS
from budwood.evaluation.multi_label_intervals import FEWEST
from budwood.studies.figure import ACCURACY
from budwood.studies.figures import SearchResults, StudyFigures
from budwood.studies.outcomes import Estimate
from budwood.studies.search import BEST


def as_text(results: StudyFigures) -> str:
    """Return a table of the configurations, and what can be said of them."""
    return "\n".join([*_table(results), "", *_sentences(results)])


def _table(results: StudyFigures) -> list[str]:
    header = ["configuration", "trials", "validation", "loss", "std. dev."]
    header += ["test", "std. dev."] if results.split == "test" else []
    of_labels = results.figure != ACCURACY
    if of_labels:
        header = [f"{name} mAP" if name in ("validation", "test") else name for name in header]
        header += ["macro F1", "exact match"]
    rows = [[*header, "a trial"]]
    for one in results.summaries:
        cells = [
            shown(one.name),
            f"{one.complete} of {one.planned}" if one.complete < one.planned else str(one.planned),
        ]
        cells += [
            _figure(one.validation),
            "-" if one.validation_loss is None else f"{one.validation_loss:.3f}",
        ]
        cells.append(_deviation(one.validation))
        if results.split == "test":
            cells += [_figure(one.test), _deviation(one.test)]
        if of_labels:
            both = (one.beside.macro_f1, one.beside.exact_match) if one.beside else (None, None)
            cells += ["-" if found is None else _plain(percent(found.mean)) for found in both]
        rows.append([*cells, "-" if one.seconds is None else duration(one.seconds)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _figure(estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    between = (
        "no interval"
        if estimate.ends is None
        else "{:.1f} to {:.1f}".format(*(100 * end for end in estimate.ends))
    )
    return _plain(f"{percent(estimate.mean)} ({between})")


def _plain(text: str) -> str:
    return text.replace("\u00a0", " ")


def _deviation(estimate: Estimate | None) -> str:
    return (
        "-"
        if estimate is None or estimate.standard_deviation is None
        else f"{100 * estimate.standard_deviation:.1f}"
    )


def _sentences(results: StudyFigures) -> list[str]:
    lines = search_sentences(results, results.search) if results.search is not None else []
    if results.best is not None and results.search is None:
        lines.append(f"Lowest validation loss: {shown(results.best)}.")
        lines += pair_sentences(results)
    lines += [curve.words for curve in results.curves]
    lines += trust_sentences(results)
    lines += [f"Failed: {shown(name)}: {shown(why)}" for name, why in results.failures.items()]
    lines += [f"Pruned: {shown(name)}: {shown(why)}" for name, why in results.pruned.items()]
    return lines


def pair_sentences(results: StudyFigures) -> list[str]:
    """Return how the best stands to each of the others, and what could not be compared."""
    best = results.best
    lines = [pair.words for pair in results.pairs if best in (pair.a, pair.b)]
    compared = {name for pair in results.pairs for name in (pair.a, pair.b)}
    done = [one.name for one in results.summaries if one.complete]
    apart = [name for name in done if name not in compared]
    if results.few_groups is None and not results.few_positives and apart and len(done) > 1:
        lines.append(f"Measured on other photos, and not compared: {shown('; '.join(apart))}.")
    return lines


def trust_sentences(results: StudyFigures) -> list[str]:
    """Return how far to trust the figures: whether trials are enough, and how many test-set evaluations there were."""
    trials = max((one.complete for one in results.summaries), default=0)
    few = []
    if results.few_groups is not None:
        few.append(
            f"The {results.split} photos belong together in {count(results.few_groups, 'group')}, and {MIN_GROUPS} or "
            "more are needed for an interval and a comparison: "
            + (
                "ranges behind the means are no intervals, and nothing is compared."
                if results.figure == ACCURACY
                else "no interval is stated, and nothing is compared."
            )
        )
    elif results.few_positives:
        few.append(
            f"Too few {results.split} photos have a label, or have it not: {FEWEST} or more, on average over labels, "
            f"are needed for an interval of the {results.figure.name}, and for a comparison on one "
            f"{results.replicate_kind}."
        )
    few += (
        [
            f"Two {results.replicate_kind}s hardly say how much figures vary, so intervals over them are wide: "
            "5 are better."
        ]
        if trials == 2
        else []
    )
    if results.near_twins:
        few.append(
            f"Up to {count(results.near_twins, f'{results.split} photo')} of a trial "
            f"{'has' if results.near_twins == 1 else 'have'} a near twin in training, and the figures are of all "
            "photos: budwood train with a recipe says what it is without them, where photos are left."
        )
    if results.linear:
        few.append(
            "Linear probes look for near twins by the perceptual hash alone, not for mirrored, cropped and stamped "
            "copies: budwood train does."
        )
    if results.test_evaluations:
        evaluations = count(results.test_evaluations, "test-set evaluation")
        each = "" if results.test_evaluations == 1 else ", one by every trial"
        return [*few, f"{evaluations}{each}; the choice above is made on validation photos."]
    if any(one.complete for one in results.summaries):
        return [
            *few,
            "No test-set evaluation. Validation photos also chose "
            + (
                "the epoch and the phase of each trial."
                if results.figure == ACCURACY
                else "the epoch, the phase and the thresholds of each trial, which flatters macro F1 and exact match."
            ),
        ]
    return []


def search_sentences(results: StudyFigures, search: SearchResults) -> list[str]:
    """Return what a search came to, and how to go on from its best."""
    lines = [state_sentence(search)]
    best = results.summaries[0] if results.best is not None else None
    if best is None or best.validation is None:
        return lines
    if search.importance:
        shares = [f"{shown(name)} {100 * share:.0f} %" for name, share in search.importance.items() if share]
        lines.append(f"What the loss depended on (fANOVA, of the variance): {', '.join(shares)}.")
    figure = _plain(percent(best.validation.mean))
    figure = f"{figure} correct" if results.figure == ACCURACY else f"{results.figure.name} {figure}"
    train, several = commands_for_best(results, search)
    lines += [
        f"Lowest validation loss: {shown(best.name)}: {best.validation_loss:.3f}, {figure}. These photos "
        "chose it among the others, which flatters it there.",
        f"Train it: {train}",
    ]
    if search.test_is_given:
        return [
            *lines,
            "Your test photos stayed closed: that training measures on them, and its figure is honest.",
        ]
    return [
        *lines,
        f"That training has a test split of its own (split_seed {search.fresh_seed}, new to the search); several: "
        f"{several}.",
        "The search knew those photos too, in other splits. Stricter are photos that were kept out of it: "
        "budwood evaluate RUN OTHER_PHOTOS.",
    ]


def state_sentence(search: SearchResults) -> str:
    """Return how many configurations a search tried, and what became of them."""
    states = [one.state for one in search.configurations]
    counts = [f"{states.count(state)} {state}" for state in ("complete", "pruned", "failed")]
    return f"{count(len(states), 'configuration')}: {', '.join(counts)}."


def commands_for_best(results: StudyFigures, search: SearchResults) -> tuple[str, str]:
    """Return how to train the best of a search once, and on several splits that the search had not."""
    recipe, source = shlex.quote(str(results.folder / BEST)), shlex.quote(search.source)
    fresh = search.fresh_seed
    return (
        f"budwood train {source} --recipe {recipe}",
        f"budwood study {source} --recipes {recipe} --seeds {fresh}-{fresh + 4} -o DIR",
    )
