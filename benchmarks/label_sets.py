"""How large a share of a photo's labels sets of labels hold, against what was promised.

python -m benchmarks.label_sets TABLE [TABLE ...] [--resamples 1000] [--train 0.5] [--seed 0]

Features of `frozen-linear` of a table of photos with several labels; a share of the photos is learned from, and what
the linear probe says of the others is stored. These are then divided again and again into calibration and test photos.
For each number of calibration photos and each coverage: the mean of what the sets of the test photos held, in how many
divisions that lay within the range that is stated (`Missed.observed_range`), how large the sets are, and how many are
empty. With `--per-label` likewise of each label by itself.
"""

import argparse
from pathlib import Path

import numpy as np

from budwood.core.progress.base import SILENT
from budwood.data.check import check
from budwood.data.sources import read_source
from budwood.evaluation.conformal import as_kept, observed_range
from budwood.evaluation.label_coverage import ScoredLabels, observe_label_sets
from budwood.evaluation.risk_control import label_rule, missed_in_calibration
from budwood.evaluation.task import MULTI_LABEL
from budwood.pipeline.prepare import prepare_networks
from budwood.pipeline.request import read_recipe
from budwood.training.label_probe import fit_labels_as_asked

COVERAGES = (0.8, 0.9, 0.95)


def store(data: Path, share: float, seed: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return probabilities and targets of photos that a linear probe did not learn from, and the labels."""
    recipe = read_recipe("frozen-linear", ())
    photos = list(check(read_source(data), for_training=False).photos)
    with prepare_networks(recipe).open_features(SILENT) as features:
        features.exact.compute(photos)
        rows = features.exact.array(photos).astype(np.float32)
    labels = sorted({label for photo in photos for label in photo.labels or ()})
    targets = MULTI_LABEL.encode([photo.label for photo in photos], labels)
    order = np.random.default_rng(seed).permutation(len(photos))
    train, rest = np.split(order, [round(share * len(order))])
    found = fit_labels_as_asked(recipe, rows[train], targets[train], labels)
    logits = rows[rest] @ found.kernel + found.bias
    return as_kept(MULTI_LABEL.probabilities(logits).astype(np.float32)), targets[rest], labels


def measure(
    shares: np.ndarray, targets: np.ndarray, number: int, coverage: float, resamples: int, seed: int
) -> str:
    """Return a line on sets that are calibrated on so many photos."""
    rng, n = np.random.default_rng(seed), len(targets)
    held, sizes, empty, within, low_high = [], [], [], [], []
    for _ in range(resamples):
        old, new = np.split(rng.permutation(n), [number])
        rule = label_rule(targets[old], shares[old], coverage)
        assert rule is not None
        missed = missed_in_calibration(targets[old], rule.sets(shares[old]))
        found = observe_label_sets(rule, missed, ScoredLabels.of(shares[new], targets[new]))
        assert found.observed is not None and found.expected_range is not None
        held.append(found.observed)
        sizes.append(found.mean_size)
        empty.append(found.empty)
        within.append(found.expected_range[0] <= found.observed <= found.expected_range[1])
        low_high.append(missed.coverage_range())
    low, high = np.mean(low_high, axis=0)
    return (
        f"  {number:4} calibration photos, {coverage:.0%}: held {np.mean(held):.2%} "
        f"(standard error {np.std(held) / np.sqrt(resamples):.2%}), stated {low:.1%} to {high:.1%} on average, "
        f"within the range of both numbers {np.mean(within):.1%}; {np.mean(sizes):.2f} labels, "
        f"{np.mean(empty):.1%} empty"
    )


def measure_per_label(
    shares: np.ndarray, targets: np.ndarray, number: int, coverage: float, resamples: int, seed: int
) -> str:
    """Return likewise a line on sets whose promise is of each label."""
    rng, n, labels = np.random.default_rng(seed), len(targets), targets.shape[1]
    held: list[list[float]] = []
    within, sizes, few = [], [], 0
    for _ in range(resamples):
        old, new = np.split(rng.permutation(n), [number])
        rule = label_rule(targets[old], shares[old], coverage, per_label=True)
        if rule is None:
            few += 1
            continue
        sets = rule.sets(shares[new])
        own = targets[new] == 1
        seen = [float(sets[own[:, place], place].mean()) for place in range(labels)]
        for place, share in enumerate(seen):
            low, high = observed_range(rule.units[place], int(own[:, place].sum()), coverage)
            within.append(low - 1e-9 <= share <= high + 1e-9)
        held.append(seen)
        sizes.append(sets.sum(axis=1).mean())
    means = ", ".join(f"{share:.1%}" for share in np.mean(held, axis=0))
    return (
        f"  {number:4} calibration photos, {coverage:.0%} of each label: held {means}; within {np.mean(within):.1%}; "
        f"{np.mean(sizes):.2f} labels; too few photos in {few}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--train", type=float, default=0.5)
    parser.add_argument("--photos", type=int, nargs="+", default=[50, 200, 500])
    parser.add_argument("--per-label", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    line = measure_per_label if asked.per_label else measure
    for data in asked.data:
        shares, targets, labels = store(data, asked.train, asked.seed)
        print(
            f"{data}: {len(targets):,} photos that nothing was learned from, {len(labels)} labels, "
            f"{(targets == 1).sum() / len(targets):.2f} a photo"
        )
        for number in asked.photos:
            for coverage in COVERAGES:
                print(line(shares, targets, number, coverage, asked.resamples, asked.seed), flush=True)


if __name__ == "__main__":
    main()
