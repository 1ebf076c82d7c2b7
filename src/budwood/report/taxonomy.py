"""The tree of labels in words: for a terminal, a dry run, and the section of the report."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from budwood.core.text import NO_BREAK, count, listing, name, percent, shorten, shown, whole_percent
from budwood.evaluation.figures import BranchScores, Interval, TreeScores
from budwood.evaluation.promise import HELD
from budwood.report.summary import Contents
from budwood.runs.figures import ClimbDepth, ClimbScores

if TYPE_CHECKING:
    from budwood.data.taxonomy import Taxonomy
    from budwood.evaluation.climb import Climb, DepthAnswers

LISTED = 5
"""Nodes with the most classes that are named of a tree."""
TALL = 40
"""Branches up to which their table is shown whole; beyond, it scrolls."""


def tree_as_lines(taxonomy: "Taxonomy") -> list[str]:
    """Return what a tree of labels looks like: its levels and its largest branches.

    >>> from budwood.data.taxonomy import Taxonomy
    >>> tree_as_lines(Taxonomy({"owls": "bird", "barn owl": "owls", "snowy owl": "owls", "wren": "bird"}, "bird"))[:2]
    ["below 'bird': 1 label with labels below it, 1 class directly", 'depth 1     2 labels, 1 of them a class']
    """
    known = set(taxonomy.classes)
    top = taxonomy.children.get(taxonomy.root, [])
    direct = [node for node in top if node in known]
    root = f"below {shown(taxonomy.root)!r}" if taxonomy.root else "at the top"
    if taxonomy.is_flat:
        return [
            f"{root}: {count(len(direct), 'class', 'classes')} and nothing between, so it says nothing beyond them"
        ]
    inner = len(top) - len(direct)
    lines = [
        f"{root}: {count(inner, 'label')} with labels below {'it' if inner == 1 else 'them'}"
        + (f", {count(len(direct), 'class', 'classes')} directly" if direct else "")
    ]
    for depth in range(1, taxonomy.num_levels + 1):
        nodes = {taxonomy.path(label)[:depth][-1] for label in known}
        of_classes = len(nodes & known)
        if depth == taxonomy.num_levels:
            lines.append(f"depth {depth:<5} the {count(len(nodes), 'class', 'classes')}")
        else:
            some = f"{of_classes:,} of them {'a class' if of_classes == 1 else 'classes'}"
            lines.append(f"depth {depth:<5} {count(len(nodes), 'label')}, {some}")
    sizes = {node: 0 for node in top if node not in known}
    for label in known:
        if (branch := taxonomy.path(label)[0]) in sizes:
            sizes[branch] += 1
    largest = sorted(sizes, key=lambda node: (-sizes[node], node))[:LISTED]
    parts = [f"{shorten(shown(node))} with {count(sizes[node], 'class', 'classes')}" for node in largest]
    return [*lines, f"largest     {listing(parts)}"]


def levels_as_lines(found: TreeScores) -> list[str]:
    """Return the accuracy of each level for a terminal, and where the mistakes are."""
    lines = []
    for one in found.levels:
        between = "   " + " to ".join(map(percent, one.accuracy_ci95)) if one.accuracy_ci95 else ""
        classes = one.depth == len(found.levels)
        what = f"the {count(one.nodes, 'class', 'classes')}" if classes else count(one.nodes, "label")
        lines.append(f"depth {one.depth}, {what:<24}{percent(one.accuracy):>8}{between}")
    return [*lines, mistakes_in_words(found)]


def mistakes_in_words(found: TreeScores) -> str:
    """Return how many mistakes stay within a branch, beside what chance would do.

    >>> found = TreeScores(levels=(), mistakes=20, within=15, across=5, within_by_chance=1.2, meet=(), branches=())
    >>> mistakes_in_words(found)
    'Of 20 mistakes 15 are for a class of the same branch, 5 across branches; by chance 1.2 would be within.'
    """
    if not found.mistakes:
        return "There is no mistake."
    are = "is" if found.within == 1 else "are"
    return (
        f"Of {count(found.mistakes, 'mistake')} {found.within:,} {are} for a class of the same branch, "
        f"{found.across:,} across branches; by chance {found.within_by_chance:.1f} would be within."
    )


def climb_as_text(climb: "Climb", splits: "Mapping[str, Sequence[DepthAnswers]]") -> str:
    """Return from which probability on a label of each depth answers, and what that does to photos that a run did not
    learn from."""
    lines = [
        f"answers with the deepest label that is right {whole_percent(climb.precision)} of the time as far as the "
        f"validation photos promise it: a class on average over all choices of such photos, a label "
        f"above in {100 * HELD:.0f} of 100 choices; test photos say what came of it"
    ]
    deepest = climb.tree.taxonomy.num_levels
    for place, depth in enumerate([*climb.thresholds, 0]):
        threshold = climb.thresholds.get(depth)
        at = _depth_words(depth, deepest, climb.tree.taxonomy.root)
        lines.append(f"  {at}" + (f", from {percent(threshold)}" if threshold is not None else ""))
        if depth and threshold is None:
            lines[-1] += (
                f": never; the validation photos left for it {_promise_at_most(climb.most.get(depth))}"
            )
            continue
        for split, found in splits.items():
            one = found[place]
            text = f"    {split}: {one.answered:,} of {count(one.photos, 'photo')} ({percent(one.coverage)})"
            if one.precision is not None:
                between = one.precision_interval
                sure = f" (95 % interval {percent(between[0])} to {percent(between[1])})" if between else ""
                text += f", {percent(one.precision)} of them right{sure}"
            lines.append(text)
    return "\n".join(lines).replace(NO_BREAK, " ")


def _depth_words(depth: int, deepest: int, root: str) -> str:
    if depth == deepest:
        return "a class"
    if depth:
        return f"a label of depth {depth}"
    return f"no answer, for no more than {shown(root)!r} is sure" if root else "no answer"


@dataclass(frozen=True)
class LevelRow:
    """One level of the tree."""

    title: str
    nodes: str
    accuracy: str
    interval: str


@dataclass(frozen=True)
class ClimbRow:
    """What is answered at one depth where one precision is asked for."""

    title: str
    threshold: str
    coverage: str
    coverage_interval: str
    precision: str
    precision_interval: str
    chosen: str
    """On what the threshold was chosen, or what is promised at most where there is none."""
    style: str


@dataclass(frozen=True)
class ClimbTable:
    """What is answered where one precision is asked for."""

    asked: str
    rows: Sequence[ClimbRow]
    bar: Sequence[tuple[str, float, str]]
    """Of each depth a style, its share of the photos, and both in words."""


@dataclass(frozen=True)
class TreeSection:
    """The section of the report on a tree of labels."""

    split: str
    tree: Sequence[str]
    levels: Sequence[LevelRow]
    mistakes: str
    meet: Sequence[tuple[str, int]]
    """Where the classes of a mistake meet; of a tree with one level above the classes nothing more is to be said."""
    branches: Sequence[BranchScores]
    """With photos, the weakest first."""
    tall: bool
    climbs: Sequence[ClimbTable]
    promised: bool
    """Whether the thresholds promise what was asked; those of earlier versions do not."""
    flattered: bool
    """Whether the photos that chose the thresholds are those that the coverage is measured on."""


def describe_tree(contents: Contents) -> TreeSection | None:
    """Return what the report says of a run's tree of labels; None for a run without one."""
    taxonomy = contents.files.taxonomy
    # Of several labels a photo there is none, nor are there scores of classes.
    found = None if taxonomy is None else contents.scores.taxonomy
    if taxonomy is None or found is None:
        return None
    deepest = len(found.levels)
    titles = {0: _name_of_root(taxonomy.root), deepest: "classes"}
    branches = [one for one in found.branches if one.n]
    branches.sort(key=lambda one: (one.right_branch / one.n, one.right_class / one.n, one.node))
    return TreeSection(
        split=contents.evaluated_split,
        tree=tree_as_lines(taxonomy),
        levels=[
            LevelRow(
                titles.get(one.depth, f"depth {one.depth}"),
                f"{one.nodes:,}",
                percent(one.accuracy),
                _between(one.accuracy_ci95),
            )
            for one in found.levels
        ],
        mistakes=mistakes_in_words(found),
        meet=[
            (f"at depth {one.depth}" if one.depth else f"at {titles[0]}", one.mistakes) for one in found.meet
        ]
        if deepest > 2
        else [],
        branches=branches,
        tall=len(branches) > TALL,
        climbs=[_climb_table(one, contents.evaluated_split, deepest) for one in contents.metrics.climbs],
        promised=all(one.promise for climb in contents.metrics.climbs for one in climb.depths if one.depth),
        flattered=not contents.has_test,
    )


def _name_of_root(root: str) -> str:
    return name(root) if root else "the root"


def _climb_table(found: ClimbScores, split: str, deepest: int) -> ClimbTable:
    rows, bar = [], []
    for one in found.depths:
        scores = one.test if split == "test" else one.validation
        if scores is None:
            continue
        title = "no answer" if not one.depth else "a class" if one.depth == deepest else f"depth {one.depth}"
        style = "silent" if not one.depth else "deepest" if one.depth == deepest else "above"
        rows.append(
            ClimbRow(
                title,
                "–" if one.threshold is None else percent(one.threshold),
                f"{percent(scores.coverage)} ({scores.answered:,})",
                _between(scores.coverage_ci95),
                "–" if scores.precision is None else percent(scores.precision),
                _between(scores.precision_ci95),
                _chosen_on(one),
                style,
            )
        )
        bar.append((style, scores.coverage, f"{title}: {percent(scores.coverage)}"))
    return ClimbTable(whole_percent(found.precision), rows, bar)


def _promise_at_most(most: float | None) -> str:
    return f"promise {_rounded_down(most)} at most" if most else "promise nothing"


def _rounded_down(share: float) -> str:
    """Return a share in percent, no larger than it is: what falls short of what was asked must not look like it.

    >>> _rounded_down(0.9797).replace("\u00a0", " ")
    '97.9 %'
    """
    return percent(math.floor(share * 1000 + 1e-9) / 1000)


def _chosen_on(found: ClimbDepth) -> str:
    """Return on what a threshold was chosen, or why there is none."""
    if not found.depth or found.validation is None:
        return "–"
    if found.threshold is None:
        if found.promise is None:
            return "–"
        return f"at most {_rounded_down(found.most)} promised" if found.most else "nothing promised"
    return f"{found.validation.correct:,} of {found.validation.answered:,} right"


def _between(ends: Interval | None) -> str:
    return f"{percent(ends[0])} to {percent(ends[1])}" if ends else ""
