"""What `budwood train --minutes` makes of a limit of time on tf_flowers, and whether it keeps to it.

    python -m benchmarks.minutes --minutes 1.4 3 8                five splits, each from nothing cached
    python -m benchmarks.minutes --keras-epochs 3 --splits 1      the time of three epochs of plain Keras

With `--keras-epochs` plain Keras trains its head (frozen MobileNetV2, augmentation) for so many epochs on each split
first, and Budwood has as long as the whole of that process took. Seconds are of whole processes.
"""

import argparse
import shutil
import statistics
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from benchmarks.against_keras import FOLDER, find_material, link_tree
from benchmarks.processes import python
from budwood.config.recipe import Recipe
from budwood.core.files import read_csv, read_json
from budwood.evaluation.statistics import mean_interval


@dataclass(frozen=True)
class Measured:
    """One training within a limit."""

    limit: float
    """In seconds."""
    planned: float
    took: float
    accuracy: float
    plan: str
    done: str
    """Epochs of fine-tuning that were done, of each network."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--minutes", type=float, nargs="*", default=[])
    parser.add_argument("--keras-epochs", type=int, default=0)
    arguments = parser.parse_args()
    data, weights = find_material()
    FOLDER.mkdir(exist_ok=True)
    found: dict[str, list[Measured]] = {}
    for seed in range(arguments.splits):
        tree = link_tree(data, seed)
        limits = {f"{minutes:g} min": minutes for minutes in arguments.minutes}
        if arguments.keras_epochs:
            result = FOLDER / "keras-minutes.json"
            cost = python(
                *("benchmarks.plain_keras", tree, "--weights", weights),
                *("--epochs", arguments.keras_epochs, "--json", result),
            )
            accuracy = statistics.mean(read_json(result)["correct"].values())
            print(f"split {seed}: plain Keras {cost.seconds:.0f} s, {accuracy:.1%}", flush=True)
            limits[f"{arguments.keras_epochs} epochs of plain Keras"] = cost.seconds / 60
        for name, minutes in limits.items():
            one = measure(tree, minutes)
            found.setdefault(name, []).append(one)
            print(
                f"split {seed}: {name}: {one.accuracy:.1%} in {one.took:.0f} s of {one.limit:.0f}, planned "
                f"{one.planned:.0f}: {one.plan}, {one.done} done",
                flush=True,
            )
    report(found)


def measure(tree: Path, minutes: float) -> Measured:
    cache, folder = FOLDER / "cache-minutes", FOLDER / "run-minutes"
    shutil.rmtree(cache, ignore_errors=True)
    arguments = ["train", tree, "-o", folder, "--overwrite", "--quiet", "--minutes", f"{minutes:.3f}"]
    cost = python("budwood.cli", *arguments, environment={"BUDWOOD_CACHE": str(cache.resolve())})
    info, metrics = read_json(folder / "run.json"), read_json(folder / "metrics.json")
    recipe, budget = Recipe.load(folder / "recipe.toml"), info["budget"]
    # Not `in_words` of the plan, which loads TensorFlow into this process that others are timed beside.
    names = " and ".join(f"{name}@{size or recipe.data.size}" for name, size in recipe.backbone.sized)
    plan = f"{names}, views {recipe.augment.views}, {recipe.finetune.epochs} epochs"
    rows = [row for row in read_csv(folder / "history.csv") if row["phase"] == "finetune"]
    done = (
        " and ".join(str(number) for number in Counter(row.get("backbone") for row in rows).values()) or "0"
    )
    seconds, accuracy = budget["planned_seconds"], metrics["test"]["accuracy"]
    return Measured(60 * minutes, seconds, cost.seconds, accuracy, plan, done)


def report(found: dict[str, list[Measured]]) -> None:
    for name, every in found.items():
        accuracy = statistics.mean(one.accuracy for one in every)
        words = f"{accuracy:.1%}"
        if len(every) > 1:
            _, low, high = mean_interval([one.accuracy for one in every])
            words += f" ({low:.1%} to {min(high, 1):.1%}, {len(every)} splits)"
        used = [one.took / one.limit for one in every]
        print(f"{name:<28}{words}   {min(used):.0%} to {max(used):.0%} of the time was taken")


if __name__ == "__main__":
    main()
