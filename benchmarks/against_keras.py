"""Budwood against plain Keras on the same photos, the same splits, the same machine, alternately in one run.

    make bench             five splits, 8 epochs of plain Keras each: about 75 minutes on two cores
    make bench QUICK=1     one split, 2 epochs: a few minutes

Every figure is of a whole process, from its start to its end. Machines are noisy: read the ratios, not the seconds.
"""

import argparse
import os
import shutil
import statistics
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.processes import Cost, python, run
from budwood.core.files import read_csv, read_json
from budwood.data.check import check
from budwood.data.sources import read_source
from budwood.data.split import assign_splits
from budwood.evaluation.statistics import mean_interval

FOLDER = Path("bench")
KINDS = ("cold", "cold, graph cached", "warm")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="one split, two epochs")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=8)
    arguments = parser.parse_args()
    splits, epochs = (1, 2) if arguments.quick else (arguments.splits, arguments.epochs)
    data, weights = find_material()
    if arguments.quick:
        print(
            "This is the QUICK benchmark: one split, 2 epochs of plain Keras. It takes about 6 minutes on two cores."
        )
    else:
        minutes = splits * (epochs * 1.8 + 2)
        print(
            f"{splits} splits, {epochs} epochs of plain Keras each: about {minutes:.0f} minutes on two cores."
        )
    FOLDER.mkdir(exist_ok=True)
    # What other benchmarks keep here stays: environments of several gigabytes among it.
    for old in [*FOLDER.glob("split-*"), FOLDER / "cache", FOLDER / "run"]:
        shutil.rmtree(old, ignore_errors=True)
    results = []
    for seed in range(splits):
        tree = link_tree(data, seed)
        sides = [
            lambda tree=tree: measure_keras(tree, weights, epochs),
            lambda tree=tree: measure_budwood(tree, weights),
        ]
        # Alternately first and second, so that a machine that warms up or is shared favours neither.
        measured: dict[str, Any] = {}
        for side in sides if seed % 2 == 0 else sides[::-1]:
            measured |= side()
        results.append(measured)
        report_split(seed, measured, epochs)
        report_all(results, epochs, arguments.quick)
    bare_json = FOLDER / "bare.json"
    python("benchmarks.bare_features", link_tree(data, 0), "--weights", weights, "--json", bare_json)
    report_features(read_json(bare_json), results[-1])
    report_help()


def find_material() -> tuple[Path, Path]:
    """The folder of tf_flowers and MobileNetV2's weights; ends the program where they are not here."""
    material = Path(os.environ.get("BUDWOOD_TEST_DATA", "../shared")).resolve()
    weights = material / "weights" / "mobilenet_v2_1.0_224_no_top.weights.h5"
    data = material / "datasets" / "flower_photos"
    if not data.is_dir() or not weights.is_file():
        sys.exit(
            f"the benchmark needs {data} and {weights}: set BUDWOOD_TEST_DATA to the folder that holds them"
        )
    return data, weights


def link_tree(data: Path, seed: int) -> Path:
    """The photos of one split as train/, validation/, test/ of links, which both sides read."""
    tree = FOLDER / f"split-{seed}"
    if not tree.exists():
        for photo in assign_splits(check(read_source(data)).photos, seed=seed):
            assert photo.split and isinstance(photo.image, os.PathLike), "divided, and of a folder"
            link = tree / photo.split / photo.name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(photo.image)
    return tree


def measure_keras(tree: Path, weights: Path, epochs: int) -> dict:
    result = FOLDER / "keras.json"
    cost = python("benchmarks.plain_keras", tree, "--weights", weights, "--epochs", epochs, "--json", result)
    return {
        "keras": cost,
        "keras_stages": read_json(result)["seconds"],
        "keras_correct": read_json(result)["correct"],
    }


def measure_budwood(tree: Path, weights: Path) -> dict:
    """Three trainings: nothing cached, features cleared but the compiled graph kept, everything cached."""
    cache = FOLDER / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    measured = {}
    for kind in KINDS:
        if kind == "cold, graph cached":
            shutil.rmtree(cache / "features")
            (cache / "decoded.sqlite").unlink(missing_ok=True)
        folder = FOLDER / "run"
        arguments = ["train", tree, "-o", folder, "--overwrite", "--quiet"]
        arguments += ["--recipe", "frozen-linear", "--backbone", "mobilenet_v2", "--weights", weights]
        measured[kind] = python(
            "budwood.cli", *arguments, environment={"BUDWOOD_CACHE": str(cache.resolve())}
        )
        measured[f"{kind} stages"] = read_json(folder / "run.json")["stages"]
        measured[f"{kind} features"] = read_json(folder / "run.json")["features"]
    rows = [row for row in read_csv(FOLDER / "run" / "predictions.csv") if row["split"] == "test"]
    return measured | {"budwood_correct": {row["name"]: int(row["correct"]) for row in rows}}


def report_split(seed: int, measured: dict, epochs: int) -> None:
    print(f"\nsplit {seed}")
    keras: Cost = measured["keras"]
    stages = ", ".join(f"{name} {seconds:.1f}" for name, seconds in measured["keras_stages"].items())
    print(
        f"  plain Keras, {epochs} epochs   {keras.seconds:7.1f} s   peak {keras.peak_bytes / 1e9:.2f} GB   ({stages})"
    )
    for kind in KINDS:
        cost: Cost = measured[kind]
        stages = ", ".join(f"{stage['name']} {stage['seconds']:.1f}" for stage in measured[f"{kind} stages"])
        ratio = keras.seconds / cost.seconds
        computed = measured[f"{kind} features"]["computed"]
        print(
            f"  Budwood, {kind:<19}{cost.seconds:7.1f} s   peak {cost.peak_bytes / 1e9:.2f} GB   ({stages})"
            f"   {ratio:.1f}x   {computed} images through the feature extractor"
        )
    accuracy = [statistics.mean(measured[f"{side}_correct"].values()) for side in ("keras", "budwood")]
    print(f"  test accuracy: plain Keras {accuracy[0]:.1%}, Budwood {accuracy[1]:.1%}", flush=True)


def report_all(results: list[dict], epochs: int, quick: bool) -> None:
    print(
        f"\nall {len(results)} splits"
        + (" (QUICK: fewer epochs than the recipe, so the ratio is smaller)" if quick else "")
    )
    for kind in KINDS:
        ratios = [measured["keras"].seconds / measured[kind].seconds for measured in results]
        spread = f"({min(ratios):.1f}x to {max(ratios):.1f}x)"
        print(f"  {kind:<19} {statistics.mean(ratios):5.1f}x faster than {epochs} epochs {spread}")
    ours = max(measured[kind].peak_bytes for measured in results for kind in KINDS)
    theirs = max(measured["keras"].peak_bytes for measured in results)
    print(f"  peak memory of Budwood {ours / 1e9:.2f} GB, of plain Keras {theirs / 1e9:.2f} GB")
    for side in ("keras", "budwood"):
        accuracies = [statistics.mean(measured[f"{side}_correct"].values()) for measured in results]
        text = f"{statistics.mean(accuracies):.2%}"
        if len(accuracies) > 1:
            _, low, high = mean_interval(accuracies)
            text += f" (mean over splits, 95 % interval {low:.2%} to {high:.2%})"
        print(f"  test accuracy of {side:<8} {text}")
    difference, low, high, n = paired_difference(results)
    interval = f"95 % {low:+.2%} to {high:+.2%}"
    print(f"  Budwood minus plain Keras on the same {n} test predictions: {difference:+.2%} ({interval})")


def paired_difference(results: list[dict], resamples: int = 10_000) -> tuple[float, float, float, int]:
    """Mean paired difference with a bootstrap over photos: one photo may be a test photo of several splits."""
    by_photo: dict[str, list[int]] = {}
    for measured in results:
        keras, budwood = measured["keras_correct"], measured["budwood_correct"]
        assert keras.keys() == budwood.keys(), "both sides must be tested on the same photos"
        for name in keras:
            by_photo.setdefault(name, []).append(budwood[name] - keras[name])
    sums = np.array([sum(differences) for differences in by_photo.values()])
    counts = np.array([len(differences) for differences in by_photo.values()])
    drawn = np.random.default_rng(0).multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=resamples)
    low, high = np.quantile((drawn @ sums) / (drawn @ counts), [0.025, 0.975])
    return sums.sum() / counts.sum(), low, high, int(counts.sum())


def report_features(bare: dict, measured: dict) -> None:
    stage = next(s["seconds"] for s in measured["cold, graph cached stages"] if s["name"] == "features")
    total = bare["decode"] + bare["infer"]
    print(
        f"\nfeature stage {stage:.1f} s; bare decode {bare['decode']:.1f} s + bare OpenVINO {bare['infer']:.1f} s"
        f" = {total:.1f} s over {bare['photos']} photos: {stage / total:.2f}x"
    )


def report_help() -> None:
    seconds = [run([str(Path(sys.executable).with_name("budwood")), "--help"]).seconds for _ in range(5)]
    print(f"budwood --help: {statistics.median(seconds):.2f} s (median of 5)")


if __name__ == "__main__":
    main()
