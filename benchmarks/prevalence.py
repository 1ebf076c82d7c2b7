"""How often the intervals of figures at a stated prevalence hold the truth: `python -m benchmarks.prevalence`.

The models of `benchmarks.intervals`, each drawn anew, answer test photos; the intervals of accuracy, and of the
precision and negative predictive value of the first class, at the stated prevalence are asked whether they hold the
figure that the model has on all photos of the same kind. The prevalence is even, or the first class has 2 % or 80 %.
Of each number of classes and of photos a class stands the mean coverage over six kinds of model and three prevalences,
with the least and the greatest, in percent. Expected: 93 to 97 % in the mean; single cells are within 3 points of
theirs at 300 repeats. On one core some minutes.
"""

import argparse
from collections.abc import Sequence

import numpy as np

from benchmarks.intervals import SHAPES, Model, _cell
from budwood.evaluation.groups import Grouping
from budwood.evaluation.prevalence import FEWEST, figures_at_prevalence

PREVALENCES = ("even", "rare", "common")
FIGURES = ("accuracy", "precision", "npv")


def stated(kind: str, num: int) -> np.ndarray:
    """The prevalence: even, or 2 % or 80 % for the first class."""
    if kind == "even":
        return np.full(num, 1 / num)
    first = 0.02 if kind == "rare" else 0.8
    return np.array([first, *np.full(num - 1, (1 - first) / (num - 1))])


def coverage(
    shape: str,
    num: int,
    photos: int,
    repeats: int,
    *,
    kinds: Sequence[str] = PREVALENCES,
    seed: int = 0,
    burst: int = 1,
) -> dict[tuple[str, str], float]:
    """Share of intervals that hold the truth, by figure and prevalence.

    `burst` photos of a class are answered alike and belong together.
    """
    rng = np.random.default_rng([SHAPES.index(shape), num, photos, seed])
    classes = [f"c{number}" for number in range(num)]
    held: dict[tuple[str, str], list[bool]] = {}
    for _ in range(repeats):
        model = Model.draw(shape, num, photos // burst, rng)
        model = Model(np.maximum(model.photos, FEWEST), model.hits, model.targets, model.shares)
        times, how = model.answer(rng), model.expected() / model.photos[:, None]
        labels, told = (np.repeat(one, burst * times[times > 0]) for one in np.nonzero(times))
        groups = Grouping(np.arange(len(labels)) // burst)
        for kind in kinds:
            shares = stated(kind, num)
            joint = shares[:, None] * how
            said = joint[:, 0].sum()
            found = figures_at_prevalence(labels, np.eye(num)[told], classes, shares, shares, groups=groups)
            first = found.own.per_class[0]
            for name, value, interval in (
                ("accuracy", np.trace(joint), found.own.accuracy_ci95),
                ("precision", joint[0, 0] / said if said else np.nan, first.precision_ci95),
                ("npv", (1 - shares[0] - said + joint[0, 0]) / (1 - said), first.npv_ci95),
            ):
                if interval is not None:
                    held.setdefault((name, kind), []).append(
                        interval[0] - 1e-9 <= value <= interval[1] + 1e-9
                    )
    return {key: float(np.mean(each)) for key, each in held.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=300)
    parser.add_argument("--classes", type=int, nargs="+", default=[2, 3, 5, 20, 100])
    parser.add_argument("--photos", type=int, nargs="+", default=[5, 10, 20, 50, 200])
    asked = parser.parse_args()
    print("| figure | classes | " + " | ".join(f"{photos} a class" for photos in asked.photos) + " |")
    print("|---" * (2 + len(asked.photos)) + "|")
    for num in asked.classes:
        cells = [[coverage(shape, num, photos, asked.repeats) for shape in SHAPES] for photos in asked.photos]
        for name in FIGURES:
            shares = (
                [each[name, kind] for each in some for kind in PREVALENCES if (name, kind) in each]
                for some in cells
            )
            print(f"| {name} | {num} | " + " | ".join(map(_cell, shares)) + " |", flush=True)


if __name__ == "__main__":
    main()
