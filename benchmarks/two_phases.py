"""Both phases of the two-phase lesson on MobileNetV2 at 224 px: Budwood against plain Keras, the same splits, one run.

    make bench-finetune                       five splits: an hour or two, nearly all of it plain Keras's
    make bench-finetune QUICK=1               one split, one epoch of plain Keras's phase 1 and two of its phase 2
    python -m benchmarks.two_phases --only 3  one split more; the figures of those measured before are kept beside it

Plain Keras: a frozen network with a new head for 8 epochs, then the top 30 % of its layers at 1e-5 for at most 10,
early stopping after 3, augmentation throughout. Budwood: the recipe "quick" on the same network, the same layers and
the same size, from nothing cached. The seconds are of whole processes.
"""

import argparse
import shutil
import statistics
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.against_keras import FOLDER, find_material, link_tree, paired_difference
from benchmarks.processes import python
from budwood.core.files import read_csv, read_json, write_json


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument(
        "--only", type=int, nargs="+", help="these splits alone, beside those measured before"
    )
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--finetune", type=int, default=10)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.splits, arguments.epochs, arguments.finetune = 1, 1, 2
    data, weights = find_material()
    seeds = arguments.only or list(range(arguments.splits))
    minutes = len(seeds) * (arguments.epochs * 0.5 + arguments.finetune * 0.7 + 1.5)
    print(
        f"{len(seeds)} splits: {minutes:.0f} minutes on two fast cores, three times that on slow ones.",
        flush=True,
    )
    FOLDER.mkdir(exist_ok=True)
    kept = FOLDER / "two-phases.json"
    results = read_json(kept) if arguments.only and kept.exists() else {}
    for seed in seeds:
        tree = link_tree(data, seed)
        sides = [
            lambda tree=tree: measure_keras(tree, weights, arguments.epochs, arguments.finetune),
            lambda tree=tree: measure_budwood(tree, weights),
        ]
        # Alternately first and second, so that a machine that warms up or is shared favours neither.
        measured: dict[str, Any] = {}
        for side in sides if seed % 2 == 0 else sides[::-1]:
            measured |= side()
        report(seed, measured)
        results[str(seed)] = measured
        if not arguments.quick:
            write_json(kept, results)
    report_all(list(results.values()), arguments.quick)


def measure_keras(tree: Path, weights: Path, epochs: int, finetune: int) -> dict:
    result = FOLDER / "keras.json"
    arguments = [tree, "--weights", weights, "--epochs", epochs, "--finetune", finetune, "--json", result]
    cost = python("benchmarks.plain_keras", *arguments)
    found = read_json(result)
    per_epoch = found["seconds"]["finetune"] / found["finetune_epochs"]
    return {
        "keras": asdict(cost),
        "keras_epoch": per_epoch,
        "keras_correct": found["correct"],
        "keras_stages": found,
    }


def measure_budwood(tree: Path, weights: Path) -> dict:
    """From nothing cached."""
    cache, folder = FOLDER / "cache-two", FOLDER / "run-two"
    shutil.rmtree(cache, ignore_errors=True)
    arguments = ["train", tree, "-o", folder, "--overwrite", "--quiet"]
    arguments += ["--recipe", "quick", "--set", "data.size=224"]
    arguments += ["--backbone", "mobilenet_v2", "--weights", weights]
    cost = python("budwood.cli", *arguments, environment={"BUDWOOD_CACHE": str(cache.resolve())})
    rows = [row for row in read_csv(folder / "predictions.csv") if row["split"] == "test"]
    phase = read_json(folder / "metrics.json")["phases"][1]
    return {
        "budwood": asdict(cost),
        "budwood_epoch": phase["seconds"] / phase["epochs"],
        "budwood_stages": read_json(folder / "run.json")["stages"],
        "budwood_correct": {row["name"]: int(row["correct"]) for row in rows},
    }


def report(seed: int, measured: dict) -> None:
    accuracy = {side: statistics.mean(measured[f"{side}_correct"].values()) for side in ("keras", "budwood")}
    seconds = {side: measured[side]["seconds"] for side in ("keras", "budwood")}
    stages = ", ".join(f"{stage['name']} {stage['seconds']:.0f}" for stage in measured["budwood_stages"])
    print(
        f"split {seed}: plain Keras {seconds['keras']:.0f} s ({measured['keras_epoch']:.1f} s an epoch of phase 2, "
        f"{measured['keras_stages']['finetune_epochs']} epochs), {accuracy['keras']:.1%}; "
        f"Budwood {seconds['budwood']:.0f} s ({measured['budwood_epoch']:.1f} s an epoch; {stages}), "
        f"{accuracy['budwood']:.1%}; {seconds['keras'] / seconds['budwood']:.1f}x in all, "
        f"{measured['keras_epoch'] / measured['budwood_epoch']:.1f}x an epoch",
        flush=True,
    )


def report_all(results: list[dict], quick: bool) -> None:
    whole = [measured["keras"]["seconds"] / measured["budwood"]["seconds"] for measured in results]
    epoch = [measured["keras_epoch"] / measured["budwood_epoch"] for measured in results]
    print(f"an epoch of phase 2: {statistics.mean(epoch):.1f}x ({min(epoch):.1f}x to {max(epoch):.1f}x)")
    if quick:
        print("QUICK: plain Keras did not run to its end, so the whole and the accuracies are not compared")
        return
    print(f"both phases: {statistics.mean(whole):.1f}x ({min(whole):.1f}x to {max(whole):.1f}x)")
    difference, low, high, n = paired_difference(results)
    print(
        f"Budwood minus plain Keras on the same {n} test predictions: {difference:+.2%} "
        f"(95 % {low:+.2%} to {high:+.2%})"
    )


if __name__ == "__main__":
    main()
