"""What it costs to calibrate sets on photos that chose the phase and the epoch of a fine-tuned network.

budwood train DATA -o RUN --recipe quick --set 'data.split=[0.4,0.3,0.3]' --set log.checkpoints=all
python -m benchmarks.finetuned_sets RUN DATA [--resamples 1000] [--photos 100 300]

The run's validation and test photos, of which no epoch learned, are divided again and again. Some choose among the
epochs that were kept by their loss, fit the calibration, and calibrate sets; beside them as many that chose nothing; on
the rest it is measured. One photo of each group takes part. For one class a photo sets are `lac`, for several labels
those of risk control.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy.special import logit

from budwood.core.progress.base import SILENT
from budwood.core.scaling import Scaling
from budwood.core.tensorflow import load_keras
from budwood.data.check import check
from budwood.data.sources import read_source
from budwood.evaluation.conformal import observed_range, rank, threshold
from budwood.evaluation.risk_control import label_rule, missed_in_calibration, missed_shares
from budwood.run import load

COVERAGES = (0.8, 0.9, 0.95)


def store(folder: Path, data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return logits of every kept epoch `(epochs, n, classes)`, but for their calibration, and the targets."""
    from budwood.runs.epochs import artifact_of_epoch
    from budwood.runs.kept import whole_models
    from budwood.training.kept_epochs import kept_epochs

    load_keras()
    run = load(folder)
    files = run.files
    by_name = {photo.name: photo for photo in check(read_source(data), for_training=False).photos}
    rows = {row.group or row.name: row for row in files.split if row.split in ("validation", "test")}
    photos = [by_name[row.name] for row in rows.values()]
    logits = []
    for epoch in sorted({*whole_models(files), *kept_epochs(folder / "checkpoints")}):
        artifact = artifact_of_epoch(files, epoch)
        with artifact.features(progress=SILENT) as features:
            features.compute(photos)
            shares = artifact.probabilities(features.rows(photos)).astype(np.float64)
        shares = np.clip(shares, 1e-9, 1 - 1e-9)
        logits.append(logit(shares) if files.multi_label else np.log(shares))
    return np.stack(logits), files.task.encode([row.label for row in rows.values()], run.classes)


def measure(
    task, logits: np.ndarray, targets: np.ndarray, number: int, among: range, resamples: int, seed: int
) -> None:
    """Print what sets hold that so many photos calibrated, which chose among some epochs before."""
    rng, n = np.random.default_rng(seed), len(targets)
    seen: dict[tuple[str, float], list[tuple[float, bool, float]]] = {}
    for _ in range(resamples):
        chose, apart, rest = np.split(rng.permutation(n), [number, 2 * number])
        tried: list[tuple[float, int, Scaling]] = []
        for epoch in among:
            scaling = task.fit_scaling(logits[epoch, chose], targets[chose])
            shares = task.probabilities(logits[epoch, chose], scaling)
            tried.append((float(task.losses(shares, targets[chose]).mean()), epoch, scaling))
        _, epoch, scaling = min(tried, key=lambda one: one[:2])
        shares = task.probabilities(logits[epoch], scaling)
        for by, rows in (("the same photos", chose), ("photos that chose nothing", apart)):
            for coverage in COVERAGES:
                hold = _of_labels if targets.ndim == 2 else _of_classes
                seen.setdefault((by, coverage), []).append(hold(shares, targets, rows, rest, coverage))
    for (by, coverage), found in seen.items():
        held, inside, expected = np.array(found, dtype=float).T
        print(
            f"  {number} {by}, {coverage:.0%}: lacks {100 * (expected.mean() - held.mean()):+.2f} points "
            f"(standard error {100 * held.std() / np.sqrt(resamples):.2f}), in the range {inside.mean():.1%}",
            flush=True,
        )


def _of_classes(shares, targets, rows, rest, coverage) -> tuple[float, bool, float]:
    """Return the coverage, whether it lies in the range of both numbers, and what is expected."""
    scores = 1 - shares[np.arange(len(targets)), targets]
    held = float((scores[rest] <= threshold(scores[rows], coverage)).mean())
    low, high = observed_range(len(rows), len(rest), coverage)
    return held, low - 1e-9 <= held <= high + 1e-9, rank(len(rows), coverage) / (len(rows) + 1)


def _of_labels(shares, targets, rows, rest, coverage) -> tuple[float, bool, float]:
    rule = label_rule(targets[rows], shares[rows], coverage)
    assert rule is not None
    missed = missed_in_calibration(targets[rows], rule.sets(shares[rows]))
    held = float(1 - missed_shares(targets[rest], shares[rest] >= rule.thresholds).mean())
    low, high = missed.observed_range(len(rest))
    return held, low <= held <= high, 1 - missed.mean


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--photos", type=int, nargs="+", default=[100, 300])
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    logits, targets = store(asked.run, asked.data)
    task = load(asked.run).files.task
    print(f"{asked.run}: {len(targets):,} photos that no epoch learned from, {len(logits)} epochs")
    for number in asked.photos:
        for among in (range(len(logits) - 1, len(logits)), range(len(logits))):
            print(f" chosen among {len(among)}")
            measure(task, logits, targets, number, among, asked.resamples, asked.seed)


if __name__ == "__main__":
    main()
