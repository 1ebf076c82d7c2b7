"""How often answers on a tree of labels are right, beside what was asked, and what the promise costs.

python -m benchmarks.climb [RUN ...] [--resamples 1000] [--seed 0] [--json result.json]

Of each run with a tree of labels the stored probabilities of its validation and test photos are divided at random into
halves, groups kept together; on one half thresholds are chosen, on the other the answers are counted. Without runs the
scores are drawn: of 24 classes below 8 nodes below 4, calibrated, over- and underconfident and hardly telling, 100 to
1,600 validation photos.

Two rules: "lowest" takes the lowest probability from which the validation photos were right as often as asked, without
an allowance; "promised" is what `budwood predict --precision` does. Expected of "promised": a class is right as often
as asked on average (draws without answers count as right); a label above in about 90 of 100 draws or more, or there is
no such answer.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from budwood.data.taxonomy import Taxonomy
from budwood.evaluation.climb import Climb, candidates, choose_climb
from budwood.evaluation.groups import Grouping
from budwood.evaluation.selective import choose_threshold
from budwood.evaluation.taxonomy import LabelTree
from budwood.runs.files import read_run

PRECISIONS = (0.9, 0.95, 0.98)
VALIDATION = (100, 400, 1600)
POOL = 20_000
"""Drawn photos to choose by, and as many to count on."""
KINDS = {
    "calibrated": (1.8, 1.0, 2.0),
    "overconfident": (1.8, 1.0, 6.0),
    "underconfident": (1.8, 1.0, 0.5),
    "weak": (1.5, 0.3, 1.5),
}
"""Of each kind of drawn scores how well classes and nodes are told, and the sharpness of the probabilities."""


@dataclass(frozen=True)
class Photos:
    """Photos with probabilities, and how they are divided."""

    name: str
    tree: LabelTree
    probabilities: np.ndarray
    targets: np.ndarray
    groups: Grouping
    divide: Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]
    """Return which of them choose, and which are counted."""


@dataclass(frozen=True)
class Found:
    """What came of one rule at one depth over all divisions."""

    data: str
    asked: float
    rule: str
    depth: int
    coverage: float
    """Mean share of the photos with an answer of this depth."""
    right: float | None
    """Share of all these answers that is right; None where there are none."""
    mean_right: float
    """Mean of the shares; 1 of divisions without answers."""
    kept: float
    """Share of the divisions where the answers are right as often as asked, or there are none."""
    none: float
    """Share of the divisions without answers."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="*", type=Path)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    photos = map(of_run, options.runs) if options.runs else drawn(options.seed)
    rows = []
    print(f"{'data':<22}asked  rule      depth  coverage  right  mean right  kept  none")
    for some in photos:
        for found in measure(some, options.resamples, options.seed):
            rows.append(asdict(found))
            right = "    –" if found.right is None else f"{found.right:.3f}"
            print(
                f"{found.data[:21]:<22}{found.asked:<7}{found.rule:<10}{found.depth:<7}{found.coverage:<10.3f}{right:<7}"
                f"{found.mean_right:<12.3f}{found.kept:<6.3f}{found.none:.3f}",
                flush=True,
            )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def measure(photos: Photos, resamples: int, seed: int) -> Iterator[Found]:
    """Return what came of both rules at each precision."""
    depths = [*range(photos.tree.taxonomy.num_levels, 0, -1)]
    for asked in PRECISIONS:
        for rule, choose in (("lowest", lowest), ("promised", choose_climb)):
            rng = np.random.default_rng(seed)
            answered = np.zeros((resamples, len(depths)))
            correct, total = np.zeros_like(answered), np.zeros(resamples)
            for row in range(resamples):
                mine, others = photos.divide(rng)
                climb = choose(
                    photos.tree,
                    photos.probabilities[mine],
                    photos.targets[mine],
                    asked,
                    Grouping(np.unique(photos.groups.numbers[mine], return_inverse=True)[1]),
                )
                depth, node = climb.answers(photos.probabilities[others])
                total[row] = len(others)
                for place, at in enumerate(depths):
                    given = depth == at
                    of_class = photos.tree.levels[at - 1].of_class
                    answered[row, place] = given.sum()
                    correct[row, place] = (node[given] == of_class[photos.targets[others][given]]).sum()
            for place, at in enumerate(depths):
                given = answered[:, place] > 0
                shares = np.where(given, correct[:, place] / np.maximum(answered[:, place], 1), 1.0)
                yield Found(
                    photos.name,
                    asked,
                    rule,
                    at,
                    float((answered[:, place] / total).mean()),
                    float(correct[:, place].sum() / answered[:, place].sum()) if given.any() else None,
                    float(shares.mean()),
                    float((shares >= asked - 1e-12).mean()),
                    float((~given).mean()),
                )


def lowest(
    tree: LabelTree, probabilities: np.ndarray, targets: np.ndarray, precision: float, groups: Grouping
) -> Climb:
    """Return thresholds without an allowance."""
    thresholds: dict[int, float | None] = {}
    open_ = np.ones(len(targets), bool)
    for one in candidates(tree, probabilities):
        asked = open_ & one.possible
        right = one.node == tree.levels[one.depth - 1].of_class[targets]
        chosen = choose_threshold(one.probability[asked], right[asked], precision) if asked.any() else None
        thresholds[one.depth] = chosen
        if chosen is not None:
            open_ &= ~(asked & (one.probability >= chosen))
    return Climb(tree, precision, thresholds)


def of_run(folder: Path) -> Photos:
    """Return the validation and test photos of a run."""
    files = read_run(folder)
    tree = files.tree
    if tree is None:
        raise SystemExit(f"{folder} has no tree of labels with levels above the classes")
    splits = [split for split in ("validation", "test") if split in files.shares]
    shares, targets = (np.concatenate([files.shares[split][at] for split in splits]) for at in (0, 1))
    numbers, before = [], 0
    for split in splits:
        found = files.groupings.get(split) or Grouping(np.arange(len(files.shares[split][1])))
        numbers.append(found.numbers + before)
        before += found.num

    groups = Grouping(np.concatenate(numbers))

    def divide(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        first = (rng.permutation(groups.num) < groups.num // 2)[groups.numbers]
        return np.flatnonzero(first), np.flatnonzero(~first)

    return Photos(folder.name, tree, shares, targets, groups, divide)


def drawn(seed: int) -> Iterator[Photos]:
    """Return photos whose scores are drawn."""
    inner = {f"b{at}": f"a{at // 2}" for at in range(8)}
    tops = dict.fromkeys((f"a{at}" for at in range(4)), "root")
    classes = tuple(f"c{at:02d}" for at in range(24))
    tree = LabelTree(
        Taxonomy({**tops, **inner, **{name: f"b{at // 3}" for at, name in enumerate(classes)}}, "root"),
        classes,
    )
    middle, top = np.arange(24) // 3, np.arange(24) // 6
    for kind, (skill, nodes, sharpness) in KINDS.items():
        rng = np.random.default_rng(seed)
        targets = rng.integers(0, 24, 2 * POOL)
        logits = rng.normal(0, 1, (2 * POOL, 24)) + rng.normal(0, 0.8, (2 * POOL, 4))[:, top]
        logits[np.arange(2 * POOL), targets] += skill
        logits += nodes * ((middle == middle[targets][:, None]) * 1.0 + (top == top[targets][:, None]))
        shares = np.exp(sharpness * (logits - logits.max(axis=1, keepdims=True)))
        shares /= shares.sum(axis=1, keepdims=True)
        for number in VALIDATION:

            def divide(rng: np.random.Generator, number: int = number) -> tuple[np.ndarray, np.ndarray]:
                return rng.choice(POOL, number, replace=False), np.arange(POOL, 2 * POOL)

            yield Photos(f"{kind} {number:,}", tree, shares, targets, Grouping(np.arange(2 * POOL)), divide)


if __name__ == "__main__":
    main()
