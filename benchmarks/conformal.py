"""How often sets of classes hold the true one, and what it costs to calibrate them on photos that chose the model.

python -m benchmarks.conformal DATA [DATA ...] [--resamples 1000] [--train 0.5] [--seed 0] [--json result.json]

Features of `frozen-linear`; some photos are learned from, and what models say of the others is stored. These are then
divided again and again into calibration and test photos, groups kept together.

1. "coverage": in how many of the divisions the observed coverage lies within the 95 % range of the beta-binomial
   distribution of both numbers, and how large the sets are. Expected: 93 to 100 %.
2. "honest": the same where the calibration photos chose before, by their loss, among the epochs of heads trained by
   gradient steps, and fitted the temperature; beside calibration photos that chose nothing, of the same number.
"""

import argparse
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from budwood.config.group_rule import GroupRule
from budwood.core.progress.base import SILENT
from budwood.data.check import check
from budwood.data.groups import form_groups
from budwood.data.sources import read_source
from budwood.evaluation.calibration import fit_temperature
from budwood.evaluation.conformal import as_kept, class_scores, observed_range, rank, threshold
from budwood.evaluation.task import SINGLE_LABEL
from budwood.pipeline.prepare import prepare_networks
from budwood.pipeline.request import read_recipe
from budwood.training.linear_probe import fit_as_asked

COVERAGES = (0.8, 0.9, 0.95)
EPOCHS = 20
HEADS = tuple((hidden, rate) for hidden in (0, 256) for rate in (3e-4, 1e-3, 3e-3, 1e-2, 3e-2))
"""Hidden units (0: none) and learning rate of each head; the first of each number of units are the two phases."""
TWO_PHASES = (1, 6)


@dataclass(frozen=True)
class Stored:
    """What models say of photos that none of them learned from."""

    labels: np.ndarray
    groups: np.ndarray
    linear: np.ndarray
    """Logits of the linear probe `(n, classes)`."""
    epochs: np.ndarray
    """Logits of each head after each epoch `(heads, epochs, n, classes)`."""


def read_features(data: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Return features, class numbers and group numbers of the photos of a folder, one of each of equal pixels."""
    photos = list(form_groups(check(read_source(data), for_training=False).photos, GroupRule.read("auto")))
    with prepare_networks(read_recipe("frozen-linear", ())).open_features(SILENT) as features:
        features.exact.compute(photos)
        rows = features.exact.array(photos).astype(np.float32)
    classes = sorted({photo.label for photo in photos})
    labels = np.array([classes.index(photo.label) for photo in photos])
    names = [photo.group or photo.name for photo in photos]
    groups = np.unique(names, return_inverse=True)[1]
    return rows, labels, groups, classes


def store(data: Path, share: float, seed: int) -> Stored:
    """Train on a share of the groups, and return what the models say of the other photos."""
    rows, labels, groups, classes = read_features(data)
    rng = np.random.default_rng(seed)
    # Of each class its share, as a training divides photos.
    first = np.array([labels[np.flatnonzero(groups == one)[0]] for one in range(groups.max() + 1)])
    learned = np.zeros(groups.max() + 1, bool)
    for number in range(len(classes)):
        there = rng.permutation(np.flatnonzero(first == number))
        learned[there[: max(1, round(share * len(there)))]] = True
    train = learned[groups]
    mean, scale = rows[train].mean(axis=0), rows[train].std(axis=0) + 1e-6
    recipe = read_recipe("frozen-linear", ())
    found = fit_as_asked(recipe, rows[train], labels[train], classes)
    linear = rows[~train] @ found.kernel + found.bias
    standard = (rows - mean) / scale
    epochs = np.stack(
        [
            np.stack(list(_head(standard[train], labels[train], standard[~train], len(classes), *head, seed)))
            for head in HEADS
        ]
    )
    return Stored(labels[~train], np.unique(groups[~train], return_inverse=True)[1], linear, epochs)


def _head(rows, labels, others, classes: int, hidden: int, rate: float, seed: int) -> Iterator[np.ndarray]:
    """Yield the logits of other photos after each epoch of Adam on batches of 64."""
    rng = np.random.default_rng(seed)
    sizes = [rows.shape[1], *([hidden] if hidden else []), classes]
    weights = [rng.normal(0, 1 / np.sqrt(a), (a, b)).astype(np.float32) for a, b in itertools.pairwise(sizes)]
    if not hidden:
        weights[0] *= 0
    weights += [np.zeros(size, np.float32) for size in sizes[1:]]
    first, second = ([np.zeros_like(one) for one in weights] for _ in range(2))
    depth, step = len(sizes) - 1, 0
    for _ in range(EPOCHS):
        order = rng.permutation(len(rows))
        for start in range(0, len(order), 64):
            some = order[start : start + 64]
            step += 1
            inner = rows[some]
            layers = [inner]
            for number in range(depth):
                inner = layers[-1] @ weights[number] + weights[depth + number]
                layers.append(np.maximum(inner, 0) if number < depth - 1 else inner)
            slope = np.exp(inner - inner.max(axis=1, keepdims=True))
            slope /= slope.sum(axis=1, keepdims=True)
            slope[np.arange(len(some)), labels[some]] -= 1
            slope /= len(some)
            for number in reversed(range(depth)):
                slopes = layers[number].T @ slope, slope.sum(axis=0)
                slope = (slope @ weights[number].T) * (layers[number] > 0)
                for place, one in zip((number, depth + number), slopes, strict=True):
                    first[place] += 0.1 * (one - first[place])
                    second[place] += 0.001 * (one**2 - second[place])
                    scaled = first[place] / (1 - 0.9**step)
                    weights[place] -= rate * scaled / (np.sqrt(second[place] / (1 - 0.999**step)) + 1e-8)
        inner = others
        for number in range(depth):
            inner = inner @ weights[number] + weights[depth + number]
            inner = np.maximum(inner, 0) if number < depth - 1 else inner
        yield inner


def coverage(found: Stored, resamples: int, seed: int) -> list[dict]:
    """Return how often the observed coverage lies where it should, of one model that no photo here chose."""
    shares = as_kept(SINGLE_LABEL.probabilities(found.linear).astype(np.float32))
    n, number = len(found.labels), len(np.unique(found.groups))
    chance = np.random.default_rng(seed)
    kinds = {
        "lac": class_scores(shares, "lac"),
        "adaptive": class_scores(shares, "adaptive"),
        "adaptive, randomised": class_scores(shares, "adaptive", chance.random(n)),
        "adaptive, own counts": class_scores(shares, "adaptive", 1.0),
    }
    lines = []
    calibrated = number // 2
    # One photo of a group, for then they are exchangeable.
    alone = np.unique(found.groups, return_index=True)[1]
    for kind, scores in kinds.items():
        own = scores[np.arange(n), found.labels]
        for wanted in COVERAGES:
            low, high = observed_range(calibrated, number - calibrated, wanted)
            seen, sizes, empty, single = [], [], [], []
            rng = np.random.default_rng(seed)
            for _ in range(resamples):
                order = alone[rng.permutation(number)]
                limit = threshold(own[order[:calibrated]], wanted)
                rest = order[calibrated:]
                seen.append(float((own[rest] <= limit).mean()))
                held = (scores[rest[:200]] <= limit).sum(axis=1)
                sizes.append(held.mean())
                empty.append((held == 0).mean())
                single.append((held == 1).mean())
            values = np.array(seen)
            lines.append(
                {
                    "sets": kind,
                    "coverage": wanted,
                    "calibration": calibrated,
                    "test": number - calibrated,
                    "expected": rank(calibrated, wanted) / (calibrated + 1),
                    "mean": float(values.mean()),
                    "within": float(((values >= low - 1e-9) & (values <= high + 1e-9)).mean()),
                    "not_below": float((values >= low - 1e-9).mean()),
                    "size": float(np.mean(sizes)),
                    "empty": float(np.mean(empty)),
                    "single": float(np.mean(single)),
                }
            )
    return lines


def honest(found: Stored, number: int, resamples: int, seed: int) -> list[dict]:
    """Return the coverage where the calibration photos chose the epoch, phase and temperature before."""
    alone = np.unique(found.groups, return_index=True)[1]
    labels, linear, epochs = found.labels[alone], found.linear[alone], found.epochs[:, :, alone]
    flat = epochs.reshape(-1, *epochs.shape[2:])
    places = np.arange(len(labels))
    losses = np.stack([SINGLE_LABEL.losses(SINGLE_LABEL.probabilities(one), labels) for one in flat])
    one = [head * EPOCHS + epoch for head in TWO_PHASES[:1] for epoch in range(EPOCHS)]
    two = [head * EPOCHS + epoch for head in TWO_PHASES for epoch in range(EPOCHS)]
    choices: dict[str, Sequence[int]] = {
        "temperature": [],
        "20 epochs": one,
        "2 phases of 20 epochs": two,
        "10 trials of 20 epochs": range(len(flat)),
    }
    lines = []
    for what, among in choices.items():
        seen: dict[tuple[str, str, float], list[float]] = {}
        rng = np.random.default_rng(seed)
        for _ in range(resamples):
            order = rng.permutation(len(labels))
            validation, apart, test = np.split(order, [number, 2 * number])
            logits = linear
            if len(among):
                best = min(among, key=lambda place: losses[place, validation].mean())
                logits = flat[best]
            temperature = fit_temperature(logits[validation].astype(np.float64), labels[validation])
            shares = SINGLE_LABEL.probabilities(logits, temperature)
            own = shares[places, labels]
            above = np.where(shares > own[:, None], shares, 0).sum(axis=1)
            for kind, scores in (("lac", 1 - own), ("adaptive", above)):
                for by, rows in (("validation", validation), ("calibration", apart)):
                    for wanted in COVERAGES:
                        limit = threshold(scores[rows], wanted)
                        seen.setdefault((kind, by, wanted), []).append(float((scores[test] <= limit).mean()))
        for (kind, by, wanted), some in seen.items():
            low, high = observed_range(number, len(labels) - 2 * number, wanted)
            values = np.array(some)
            lines.append(
                {
                    "chosen": what,
                    "sets": kind,
                    "calibrated_on": by,
                    "coverage": wanted,
                    "photos": number,
                    "test": len(labels) - 2 * number,
                    "short": rank(number, wanted) / (number + 1) - float(values.mean()),
                    "se": float(values.std() / np.sqrt(len(values))),
                    "within": float(((values >= low - 1e-9) & (values <= high + 1e-9)).mean()),
                    "not_below": float((values >= low - 1e-9).mean()),
                }
            )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--train", type=float, default=0.5)
    parser.add_argument("--photos", type=int, nargs="+", default=[100, 300])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    results = {}
    for data in asked.data:
        found = store(data, asked.train, asked.seed)
        covered = coverage(found, asked.resamples, asked.seed)
        print(f"{data.name}: {len(found.labels):,} photos that no model learned from")
        for line in covered:
            print(
                "  "
                + "  ".join(
                    f"{key} {value:.3f}" if isinstance(value, float) else f"{key} {value}"
                    for key, value in line.items()
                ),
                flush=True,
            )
        chosen = []
        for number in asked.photos:
            if 3 * number <= len(found.labels):
                chosen += honest(found, number, asked.resamples, asked.seed)
        for line in chosen:
            print(
                "  "
                + "  ".join(
                    f"{key} {value:.4f}" if isinstance(value, float) else f"{key} {value}"
                    for key, value in line.items()
                ),
                flush=True,
            )
        results[data.name] = {"coverage": covered, "honest": chosen}
    if asked.json:
        asked.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
