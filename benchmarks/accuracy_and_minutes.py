"""Accuracy against minutes on tf_flowers: plain Keras's two recipes and Budwood's, each from nothing cached.

    make bench-accuracy                            five splits: two hours on two fast cores
    python -m benchmarks.accuracy_and_minutes --splits 1 --only quick auto

Draws docs/images/accuracy-and-minutes.svg from all that was measured so far (bench/accuracy-and-minutes.json). Seconds
are of whole processes. Every figure is of the same test photos; the splits are those of the other benchmarks.
"""

import argparse
import shutil
import statistics
from pathlib import Path

from benchmarks.against_keras import FOLDER, find_material, link_tree
from benchmarks.processes import python
from budwood.core.files import read_json, write_json
from budwood.evaluation.statistics import mean_interval, wilson_interval

CHART = Path("docs/images/accuracy-and-minutes.svg")
MOBILENET = ["--backbone", "mobilenet_v2", "--set", "data.size=224"]
KERAS = {
    "plain Keras, the head": ["--epochs", 8],
    "plain Keras, both phases": ["--epochs", 8, "--finetune", 10],
}
BUDWOOD = {
    "frozen-linear, MobileNetV2": ["--recipe", "frozen-linear", *MOBILENET],
    "frozen-linear": ["--recipe", "frozen-linear"],
    "quick, MobileNetV2": ["--recipe", "quick", *MOBILENET],
    "quick": ["--recipe", "quick"],
    "auto": ["--recipe", "auto"],
    "best": ["--recipe", "best"],
}
TEST_PHOTOS = 367
KEPT = FOLDER / "accuracy-and-minutes.json"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument(
        "--only", nargs="+", choices=[*KERAS, *BUDWOOD], help="these alone, beside the kept ones"
    )
    arguments = parser.parse_args()
    data, weights = find_material()
    FOLDER.mkdir(exist_ok=True)
    known = read_json(KEPT) if KEPT.exists() else {}
    for seed in range(arguments.splits):
        tree = link_tree(data, seed)
        for name in arguments.only or [*KERAS, *BUDWOOD]:
            measure = measure_keras if name in KERAS else measure_budwood
            found = measure(tree, weights, name)
            known.setdefault(name, {})[str(seed)] = found
            write_json(KEPT, known)
            print(f"split {seed}: {name}: {found['accuracy']:.1%} in {found['seconds']:.0f} s", flush=True)
    report(known)
    draw(known)


def measure_keras(tree: Path, weights: Path, name: str) -> dict[str, float]:
    result = FOLDER / "keras.json"
    cost = python("benchmarks.plain_keras", tree, "--weights", weights, *KERAS[name], "--json", result)
    return {"seconds": cost.seconds, "accuracy": statistics.mean(read_json(result)["correct"].values())}


def measure_budwood(tree: Path, weights: Path, name: str) -> dict[str, float]:
    cache, folder = FOLDER / "cache-minutes", FOLDER / "run-minutes"
    shutil.rmtree(cache, ignore_errors=True)
    own = ["--weights", weights] if "MobileNetV2" in name else []
    arguments = ["train", tree, "-o", folder, "--overwrite", "--quiet", *BUDWOOD[name], *own]
    cost = python("budwood.cli", *arguments, environment={"BUDWOOD_CACHE": str(cache.resolve())})
    return {"seconds": cost.seconds, "accuracy": read_json(folder / "metrics.json")["test"]["accuracy"]}


def report(known: dict[str, dict[str, dict[str, float]]]) -> None:
    for name, by_split in known.items():
        seconds = [one["seconds"] for one in by_split.values()]
        mean, low, high = mean_interval([one["accuracy"] for one in by_split.values()])
        if len(by_split) == 1:
            low, high = wilson_interval(round(mean * TEST_PHOTOS), TEST_PHOTOS)
        print(
            f"{name:<28}{statistics.mean(seconds) / 60:6.1f} min ({min(seconds):.0f} to {max(seconds):.0f} s)   "
            f"{mean:.1%} ({max(low, 0):.1%} to {min(high, 1):.1%}, {len(seconds)} splits)"
        )


def draw(known: dict[str, dict[str, dict[str, float]]]) -> None:
    import matplotlib

    matplotlib.use("svg")
    # Letters as letters: they can be read aloud and searched.
    matplotlib.rcParams["svg.fonttype"] = "none"
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7.2, 4.4), layout="constrained")
    for name, by_split in known.items():
        minutes = statistics.mean(one["seconds"] for one in by_split.values()) / 60
        values = [one["accuracy"] for one in by_split.values()]
        accuracy = 100 * statistics.mean(values)
        error = 100 * statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
        marker = "s" if name in KERAS else "o"
        axes.errorbar(
            minutes, accuracy, error, fmt=marker, color="0.35" if name in KERAS else "C0", capsize=3
        )
        # Names of what takes longest stand to the left of their points, for there is no room on the other side.
        late = minutes > 3
        axes.annotate(
            name,
            (minutes, accuracy),
            xytext=(-7 if late else 7, 5),
            ha="right" if late else "left",
            textcoords="offset points",
            fontsize=9,
        )
    axes.set_xscale("log")
    ticks = [0.5, 1, 2, 5, 10, 20]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("minutes from nothing cached (two cores)")
    axes.set_ylabel("accuracy on 367 test photos, %")
    axes.grid(alpha=0.25)
    axes.margins(0.08, 0.12)
    splits = sorted({len(by_split) for by_split in known.values()})
    axes.set_title(
        "tf_flowers, one split: intervals are some 4 points wide"
        if splits == [1]
        else f"tf_flowers, mean over {'/'.join(map(str, splits))} splits and its standard error",
        fontsize=10,
    )
    figure.savefig(CHART, metadata={"Date": None})


if __name__ == "__main__":
    main()
