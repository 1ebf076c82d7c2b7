"""How often the intervals of averages over classes and of the calibration error hold the truth, by simulation.

python -m benchmarks.intervals [--repeats 300] [--classes 2 5 20 100 500] [--photos 1 2 3 5 10 20 50] [--bootstrap]

Models of known confusion answer test photos: equally good at every class, better at some, with classes that are taken
for one another in pairs, with bad classes that attract what is wrong, with classes of very unequal size, nearly always
right. The truth is what each would score on all photos of the same kind, with the classes as frequent as in the split.
Of each number of classes and of photos a class stands the mean coverage over these models, with the least and the
greatest, in percent; a dash where no interval is stated in most cases. `--bootstrap` adds the percentile bootstrap.
Expected: 93 to 97 % in the mean; single cells are within 2.5 points of theirs at 300 repeats.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from budwood.evaluation.averages import FEWEST_OF_A_CLASS, Average, ClassAverages
from budwood.evaluation.calibration import ECE_BINS, bin_of
from budwood.evaluation.calibration_interval import ece_interval
from budwood.evaluation.statistics import bootstrap_interval

SHAPES = ("equal", "varied", "pairs", "sinks", "unequal", "high")
TARGETS = 6
"""Classes that one class is taken for, at most."""
CONFIDENCES = {
    "sure": (3.0, 1.5, 0.2),
    "middling": (1.2, 1.0, 0.2),
    "of many": (0.3, 1.8, 0.004),
    "of two": (1.5, 1.2, 0.5),
}
"""Mean and deviation of the logit of the predicted class's probability, and its least value."""
MISTAKEN = {
    "hardly": (-0.1, 0.9),
    "too sure": (-0.2, 0.6),
    "too unsure": (0.0, 1.6),
    "everywhere": (-0.7, 1.0),
    "not at all": (0.0, 1.0),
}
"""Logit of how often it is right: offset and slope."""


@dataclass(frozen=True)
class Model:
    """A model's chances: of each class how often it is hit, and what else it is taken for."""

    photos: np.ndarray
    hits: np.ndarray
    targets: np.ndarray
    shares: np.ndarray

    @classmethod
    def draw(cls, shape: str, num: int, photos: int, rng: np.random.Generator) -> "Model":
        most = min(TARGETS, num - 1)
        if shape in ("equal", "high"):
            hits = np.full(num, rng.uniform(0.94, 0.999) if shape == "high" else rng.uniform(0.5, 0.95))
        else:
            mean = rng.uniform(0.5, 0.95)
            hits = rng.beta(3 * mean, 3 * (1 - mean), num)
        sizes = np.full(num, photos)
        if shape == "unequal":
            spread = np.exp(rng.normal(0, 1, num))
            sizes = np.maximum(1, np.round(photos * spread / spread.mean())).astype(int)
        own = np.arange(num)[:, None]
        targets = (own + rng.integers(1, num, (num, most))) % num
        if shape == "sinks":
            targets = rng.choice(num, (num, most), p=(1.02 - hits) / (1.02 - hits).sum())
            targets = np.where(targets == own, (targets + 1) % num, targets)
        weights = np.ones(most)
        if shape == "pairs":
            partner = own[:, 0] + 1 - 2 * (own[:, 0] % 2)
            targets[:, 0] = np.where(partner < num, partner, 0)
            weights = np.array([8.0] + [0.4] * (most - 1))
        return cls(sizes, hits, targets, rng.dirichlet(weights, num))

    def expected(self) -> np.ndarray:
        """Return the confusion matrix that as many photos would have in the mean."""
        return self._matrix(self.photos * self.hits, (self.photos * (1 - self.hits))[:, None] * self.shares)

    def answer(self, rng: np.random.Generator) -> np.ndarray:
        right = rng.binomial(self.photos, self.hits)
        wrong = rng.multinomial(self.photos - right, self.shares)
        return self._matrix(right, wrong).astype(np.int64)

    def _matrix(self, right: np.ndarray, wrong: np.ndarray) -> np.ndarray:
        num = len(right)
        places = np.arange(num)[:, None] * num + self.targets
        found = np.bincount(places.ravel(), wrong.ravel(), num * num).reshape(num, num)
        return found + np.diag(right)


def averages(matrix: np.ndarray) -> dict[str, np.ndarray]:
    """Return the averages of confusion matrices `(..., k, k)`, by name."""
    hits = np.diagonal(matrix, axis1=-2, axis2=-1)
    return averages_of(hits, matrix.sum(axis=-1), matrix.sum(axis=-2))


def averages_of(hits: np.ndarray, true: np.ndarray, said: np.ndarray) -> dict[str, np.ndarray]:
    there, total = true > 0, true.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall, precision, f1 = hits / true, hits / said, 2 * hits / (true + said)
    recall, precision, f1 = (np.nan_to_num(values) for values in (recall, precision, f1))
    return {
        "balanced_accuracy": recall.sum(axis=-1) / there.sum(axis=-1),
        "macro_f1": f1.sum(axis=-1) / (true + said > 0).sum(axis=-1),
        "weighted_f1": (f1 * true).sum(axis=-1) / total,
        "weighted_precision": (precision * true).sum(axis=-1) / total,
    }


def bootstrapped(matrix: np.ndarray, rng: np.random.Generator, resamples: int = 300) -> dict[str, np.ndarray]:
    """Return the averages of resamples of the photos."""
    from scipy.sparse import csr_array

    true, said = np.nonzero(matrix)
    times, cells, num = matrix[true, said], np.arange(len(true)), len(matrix)
    drawn = rng.multinomial(times.sum(), times / times.sum(), resamples)
    column = lambda where, values: csr_array((values, (cells, where)), shape=(len(cells), num))  # noqa: E731
    ones = np.ones(len(cells))
    return averages_of(
        drawn @ column(true, (true == said) * 1.0), drawn @ column(true, ones), drawn @ column(said, ones)
    )


def of_classes(
    shape: str, num: int, photos: int, repeats: int, with_bootstrap: bool
) -> dict[str, list[bool]]:
    """Return for each average whether each stated interval holds the truth."""
    rng = np.random.default_rng([SHAPES.index(shape), num, photos])
    held: dict[str, list[bool]] = {}
    for _ in range(repeats):
        model = Model.draw(shape, num, photos, rng)
        truth, matrix = averages(model.expected()), model.answer(rng)
        intervals = {}
        found = ClassAverages(matrix)
        for name in FEWEST_OF_A_CLASS:
            average = found.of(name)
            if isinstance(average, Average):
                intervals[name] = name, average.interval()
        if with_bootstrap:
            values = averages(matrix)
            for name, resampled in bootstrapped(matrix, rng).items():
                intervals[f"{name}, bootstrap"] = name, bootstrap_interval(float(values[name]), resampled)
        for title, (name, (low, high)) in intervals.items():
            held.setdefault(title, []).append(bool(low - 1e-12 <= truth[name] <= high + 1e-12))
    return held


def of_calibration(photos: int, repeats: int) -> Iterator[float]:
    """Yield of each kind of model how often the interval of its calibration error holds the truth."""
    from scipy.special import expit, logit

    for kind, (mean, deviation, least) in CONFIDENCES.items():
        for offset, slope in MISTAKEN.values():
            rng = np.random.default_rng([photos, len(kind)])

            def draw(size, rng=rng, kind=(mean, deviation, least), true=(offset, slope)):
                confidence = np.maximum(expit(rng.normal(*kind[:2], size)), kind[2])
                return confidence, expit(true[0] + true[1] * logit(confidence.clip(1e-6, 1 - 1e-6)))

            confidence, chance = draw(400_000)
            truth = np.abs(np.bincount(bin_of(confidence), confidence - chance, ECE_BINS)).sum() / 400_000
            held = []
            for _ in range(repeats):
                confidence, chance = draw(photos)
                interval = ece_interval(confidence, rng.random(photos) < chance)
                if interval is not None:
                    held.append(interval[0] <= truth <= interval[1])
            if held:
                yield float(np.mean(held))


def _cell(shares: Sequence[float]) -> str:
    if not shares:
        return "–"
    low, mean, high = (f"{100 * value:.1f}" for value in (min(shares), np.mean(shares), max(shares)))
    return f"{mean} ({low}-{high})"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=300)
    parser.add_argument("--classes", type=int, nargs="+", default=[2, 5, 20, 100, 500])
    parser.add_argument("--photos", type=int, nargs="+", default=[1, 2, 3, 5, 10, 20, 50])
    parser.add_argument("--bootstrap", action="store_true")
    asked = parser.parse_args(argv)
    sizes = (50, 100, 250, 500, 2_500)
    print("| calibration error | " + " | ".join(f"{size:,} photos" for size in sizes) + " |")
    print("|---" * (1 + len(sizes)) + "|")
    shares = [_cell(list(of_calibration(size, asked.repeats))) for size in sizes]
    print("| coverage | " + " | ".join(shares) + " |\n", flush=True)
    print("| average | classes | " + " | ".join(f"{photos} a class" for photos in asked.photos) + " |")
    print("|---" * (2 + len(asked.photos)) + "|")
    for num in asked.classes:
        rows = _rows(num, asked.photos, asked.repeats, asked.bootstrap)
        for name, cells in rows.items():
            print(f"| {name} | {num} | " + " | ".join(cells) + " |", flush=True)


def _rows(num: int, sizes: Sequence[int], repeats: int, with_bootstrap: bool) -> dict[str, list[str]]:
    """Return for each average the cells of one number of classes."""
    titles = list(FEWEST_OF_A_CLASS)
    titles += [f"{name}, bootstrap" for name in titles] if with_bootstrap else []
    rows: dict[str, list[str]] = {name: [] for name in titles}
    for photos in sizes:
        shares: dict[str, list[float]] = {}
        for shape in SHAPES:
            held = of_classes(shape, num, photos, repeats, with_bootstrap)
            for name, each in held.items():
                if len(each) > repeats / 2:
                    shares.setdefault(name, []).append(float(np.mean(each)))
        for name, cells in rows.items():
            cells.append(_cell(shares.get(name, [])))
    return rows


if __name__ == "__main__":
    main()
