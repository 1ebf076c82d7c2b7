"""How often the intervals of figures at a stated prevalence hold the truth: `python -m benchmarks.prevalence`.

A made classifier answers each class's photos with shares of its own; test splits are drawn from it, and the interval of
accuracy, precision and negative predictive value at the stated prevalence is asked whether it holds the true figure.
On two cores half a minute.
"""

import argparse
import itertools

import numpy as np

from budwood.evaluation.prevalence import figures_at_prevalence

SHARES = ("even", "rare", "common")
FIGURES = ("accuracy", "precision", "npv")


def stated(kind: str, num: int) -> np.ndarray:
    """The prevalence: even, or 2 % or 80 % for the first class."""
    if kind == "even":
        return np.full(num, 1 / num)
    first = 0.02 if kind == "rare" else 0.8
    return np.array([first, *np.full(num - 1, (1 - first) / (num - 1))])


def answers(num: int, skill: float, uneven: bool) -> np.ndarray:
    """How often each class is answered for each; a row a true class."""
    recall = np.full(num, skill)
    if uneven:
        recall = np.clip(np.linspace(2 * skill - 1, 1.0, num), 0.3, 0.998)
    wrong = np.random.default_rng(num).dirichlet(np.full(num - 1, 1.0), num)
    found = np.diag(recall)
    for row in range(num):
        found[row, np.arange(num) != row] = (1 - recall[row]) * wrong[row]
    return found


def coverage(
    num: int, photos: int, skill: float, uneven: bool, kind: str, repeats: int, seed: int = 0, burst: int = 1
) -> dict[str, float]:
    """Share of intervals that hold the truth; `burst` photos of a class are answered alike and belong together."""
    from budwood.evaluation.groups import Grouping

    rng, shares, how = np.random.default_rng(seed), stated(kind, num), answers(num, skill, uneven)
    classes = [f"c{number}" for number in range(num)]
    joint = shares[:, None] * how
    truth = {
        "accuracy": np.trace(joint),
        "precision": joint[0, 0] / joint[:, 0].sum(),
        "npv": (1 - shares[0] - (joint[:, 0].sum() - joint[0, 0])) / (1 - joint[:, 0].sum()),
    }
    labels = np.repeat(np.arange(num), photos)
    groups = Grouping(np.arange(len(labels)) // burst)
    held: dict[str, list[bool]] = {name: [] for name in FIGURES}
    for _ in range(repeats):
        drawn = [rng.choice(num, photos // burst, p=row) for row in how]
        told = np.repeat(np.concatenate(drawn), burst)
        found = figures_at_prevalence(labels, np.eye(num)[told], classes, shares, shares, groups=groups).own
        intervals = {
            "accuracy": found.accuracy_ci95,
            "precision": found.per_class[0].precision_ci95,
            "npv": found.per_class[0].npv_ci95,
        }
        for name, interval in intervals.items():
            if interval is not None:
                held[name].append(interval[0] - 1e-9 <= truth[name] <= interval[1] + 1e-9)
    return {name: float(np.mean(values)) if values else float("nan") for name, values in held.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=300)
    repeats = parser.parse_args().repeats
    print(
        "classes  photos each  accuracy           precision          NPV      (worst and mean of the cells, %)"
    )
    for num, photos in itertools.product((2, 3, 5, 20), (5, 10, 20, 50, 200)):
        cells = [
            coverage(num, photos, skill, uneven, kind, repeats)
            for skill, uneven, kind in itertools.product((0.7, 0.9, 0.98), (False, True), SHARES)
        ]
        shown = []
        for name in FIGURES:
            values = [100 * cell[name] for cell in cells]
            shown.append(f"{np.nanmin(values):5.1f}  {np.nanmean(values):5.1f}")
        print(f"{num:7}  {photos:11}  {'      '.join(shown)}")


if __name__ == "__main__":
    main()
