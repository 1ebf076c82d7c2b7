"""What a run says of answers that are more or less than one class: sets of classes, and labels above on a tree."""

import re

from budwood.core import text as words
from budwood.report.checklists.facts import Facts
from budwood.report.taxonomy import mistakes_in_words, tree_as_lines
from budwood.runs.figures import ClimbScores

Part = tuple[str, tuple[str, ...]]
"""A sentence, and the places in the run that it is from; both empty where the run has nothing of the kind."""
NOTHING: Part = ("", ())


def of_sets(facts: Facts) -> Part:
    """Return how sure the answer to a single picture is, where sets of classes were measured."""
    found = facts.metrics.sets
    first = next((one for one in found.promised if one.test and not one.per_class), None) if found else None
    if first is None or first.test is None:
        return NOTHING
    test = first.test
    text = (
        "For single pictures there are sets of classes that hold the true one as often as promised (conformal "
        f"prediction): promised {words.whole_percent(first.coverage)}, observed {words.percent(test.observed)} "
        f"({words.percent(test.observed_ci95[0])} to {words.percent(test.observed_ci95[1])}) on "
        f"{words.count(test.n, 'test photo')}, with {test.mean_size:.1f} classes on average."
    )
    return text, ("metrics.json: sets",)


def of_tree(facts: Facts) -> Part:
    """Return the tree of labels that the classes are the leaves of."""
    tree = facts.contents.files.taxonomy
    if tree is None or tree.is_flat:
        return NOTHING
    return f"The classes are the leaves of a tree of labels: {'; '.join(_plain(tree_as_lines(tree)))}.", (
        "taxonomy.csv",
    )


def of_levels(facts: Facts) -> Part:
    """Return the accuracy on each level of a tree of labels above the classes."""
    found = facts.scores.taxonomy if facts.one_label else None
    if found is None:
        return NOTHING
    parts = []
    for one in found.levels[:-1]:
        ends = one.accuracy_ci95
        between = f" ({words.percent(ends[0])} to {words.percent(ends[1])})" if ends else ""
        parts.append(
            f"at depth {one.depth}, of {words.count(one.nodes, 'label')}, {words.percent(one.accuracy)}{between}"
        )
    return f"On the tree of labels the most probable label is right {'; '.join(parts)}.", (
        facts.key("taxonomy"),
    )


def of_branches(facts: Facts) -> Part:
    """Return how near mistakes are on a tree of labels."""
    found = facts.scores.taxonomy if facts.one_label else None
    if found is None or not found.mistakes:
        return NOTHING
    return f"On the tree of labels: {mistakes_in_words(found)}", (facts.key("taxonomy"),)


def of_climb(facts: Facts) -> Part:
    """Return what is answered on a tree of labels where a share of right answers is asked for."""
    climbs = facts.metrics.climbs
    if not climbs:
        return NOTHING
    asked = climbs[len(climbs) // 2]
    text = (
        f"Asked for {words.whole_percent(asked.precision)} right answers, it gives the deepest label on the tree for "
        f"which the validation photos promise it: {_depths(asked, facts.split)} of {facts.measured}."
    )
    return text, ("metrics.json: climbs",)


def _depths(asked: ClimbScores, split: str) -> str:
    deepest = max(one.depth for one in asked.depths)
    parts = []
    for one in asked.depths:
        scores = one.test if split == "test" else one.validation
        if scores is None:
            continue
        what = (
            "a class" if one.depth == deepest else f"a label of depth {one.depth}" if one.depth else "nothing"
        )
        from_ = "" if one.threshold is None else f" (from {words.percent(one.threshold)})"
        right = "" if scores.precision is None else f", {words.percent(scores.precision)} of them right"
        parts.append(f"{what}{from_} for {words.percent(scores.coverage)}{right}")
    return "; ".join(parts)


def _plain(lines: list[str]) -> list[str]:
    return [re.sub(" {2,}", ": ", line) for line in lines]
