"""How often the intervals of several labels' figures hold the truth: `python -m benchmarks.label_intervals`.

Labels whose scores are normal, 1 to 3.5 standard deviations higher where a photo has the label; of each number of
photos with a label stands the mean coverage over models and numbers of photos, with the least and the greatest, in
percent. Below, how often two equally good models are called different in mean average precision and in macro F1.
Expected: 93 to 97 % in the mean, and 5 % or less; single cells are within 2.5 points of theirs at 300 repeats. On one
core some minutes.
"""

import argparse
from collections.abc import Sequence

import numpy as np

from benchmarks.intervals import _cell
from budwood.evaluation.multi_label_differences import Replicates
from budwood.evaluation.multi_label_metrics import compute_multi_label_metrics

FIGURES = ("average_precision", "roc_auc", "f1", "precision", "recall")
GAPS = (1.0, 1.5, 2.0, 2.5, 3.0, 3.5)
NUM_LABELS = 6


def truth(
    rates: np.ndarray, gaps: np.ndarray, edges: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return average precision, ROC AUC, F1, precision and recall of all photos there are."""
    from scipy.stats import norm

    scores = np.linspace(-6, gaps.max() + 6, 20_001)[:, None]
    above, others = rates * norm.sf(scores - gaps), (1 - rates) * norm.sf(scores)
    precision = above / np.maximum(above + others, 1e-300)
    average = np.trapezoid(norm.pdf(scores - gaps) * precision, scores, axis=0)
    hits, alarms = rates * norm.sf(edges - gaps), (1 - rates) * norm.sf(edges)
    f1 = 2 * hits / (rates + hits + alarms)
    return average, norm.cdf(gaps / np.sqrt(2)), f1, hits / (hits + alarms), hits / rates


def best_edges(rates: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    """Return scores from which on a label is said, nearly those with the best F1."""
    return gaps / 2 + 0.6 * np.log(1 / rates - 1) / gaps


def of_labels(positives: int, photos: int, gap: float, repeats: int, seed: int = 0) -> dict[str, list[bool]]:
    """Return of each figure of labels whether each stated interval holds the truth.

    Args:
        positives: photos with a label, on average.
        photos: all.
        gap: standard deviations by which scores are higher where a photo has the label.
        repeats: splits, each of six such labels.
        seed: decides the draws.
    """
    from scipy.stats import norm

    rng = np.random.default_rng([positives, photos, int(10 * gap), seed])
    rates, gaps = np.full(NUM_LABELS, positives / photos), np.full(NUM_LABELS, gap)
    edges = best_edges(rates, gaps)
    true = dict(zip(FIGURES, (float(each[0]) for each in truth(rates, gaps, edges)), strict=True))
    names = [str(place) for place in range(NUM_LABELS)]
    held: dict[str, list[bool]] = {name: [] for name in FIGURES}
    for _ in range(repeats):
        has = rng.random((photos, NUM_LABELS)) < rates
        chance = norm.cdf(rng.normal(size=has.shape) + has * gaps)
        found = compute_multi_label_metrics(
            has.astype(np.float32), chance, names, norm.cdf(edges), resamples=100
        )
        for label in found.per_label:
            for name, value in true.items():
                if interval := getattr(label, f"{name}_ci95"):
                    held[name].append(interval[0] - 1e-9 <= value <= interval[1] + 1e-9)
    return held


def called_different(photos: int, rates: Sequence[float], repeats: int, seed: int = 0) -> tuple[float, float]:
    """Return how often two equally good models are called different in mean average precision, and in macro F1."""
    rng, num, called = np.random.default_rng([photos, len(rates), seed]), len(rates), []
    for _ in range(repeats):
        has = rng.random((photos, num)) < rates
        common = 1.5 * has + 0.8 * rng.normal(size=has.shape)
        scores = common + 0.8 * rng.normal(size=(2, *has.shape))
        a, b = (
            Replicates.of(has.astype(np.float32), 1 / (1 + np.exp(-each)), np.full(num, 0.7), resamples=200)
            for each in scores
        )
        pairs = [a.minus(b, name) for name in ("mean_average_precision", "macro_f1")]
        called.append([pair is not None and pair.p < 0.05 for pair in pairs])
    first, second = np.mean(called, axis=0)
    return float(first), float(second)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=300)
    parser.add_argument("--positives", type=int, nargs="+", default=[8, 16, 40])
    asked = parser.parse_args()
    repeats = max(1, asked.repeats // NUM_LABELS)
    print("| figure | " + " | ".join(f"{number} with the label" for number in asked.positives) + " |")
    print("|---" * (1 + len(asked.positives)) + "|")
    cells: dict[str, list[str]] = {name: [] for name in FIGURES}
    for positives in asked.positives:
        shares: dict[str, list[float]] = {name: [] for name in FIGURES}
        for photos in (4 * positives, 20 * positives):
            for gap in GAPS:
                for name, held in of_labels(positives, photos, gap, repeats).items():
                    shares[name] += [float(np.mean(held))] if held else []
        for name, some in shares.items():
            cells[name].append(_cell(some))
    for name, each in cells.items():
        print(f"| {name} | " + " | ".join(each) + " |", flush=True)
    print(
        "\n| photos | labels | share that has one | different in mAP | in macro F1 |\n|---|---|---|---|---|"
    )
    for photos, num, rate in ((60, 3, 0.3), (100, 5, 0.1), (200, 10, 0.25), (100, 20, 0.15), (200, 40, 0.1)):
        first, second = called_different(photos, [rate] * num, asked.repeats)
        print(f"| {photos} | {num} | {rate} | {100 * first:.1f} % | {100 * second:.1f} % |", flush=True)


if __name__ == "__main__":
    main()
