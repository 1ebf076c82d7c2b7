"""Transfer learning on a CPU: one network, the same layers, photos, split and epochs, in several frameworks.

    python -m benchmarks.cpu                       everything: about an hour on two cores
    python -m benchmarks.cpu --only torch-f32 budwood --part pace

The network is MobileNetV2 at 224 px with the weights of the test data; phase 1 trains a new head (8 epochs), phase 2
the top 30 % of the layers (10 epochs), BatchNorm held; tf_flowers. Every side first shows its pace on a few photos,
then Keras on TensorFlow (in bf16 too where that is faster), the fastest PyTorch and Budwood do the whole. PyTorch and
JAX each have an environment of their own, in bench/, which is made with pip on first use (on Linux pip may take
PyTorch's build for GPUs, of several gigabytes); `--torch` and `--jax` name the Python of one that is there. The chart
is written into bench/ too.

Each figure is of a process that had the machine to itself. Read ratios, not seconds.
"""

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.against_keras import FOLDER, find_material, link_tree, paired_difference
from benchmarks.processes import Cost, python, run
from budwood.core.files import read_csv, read_json, write_json

PACKAGES = {
    "torch": ["torch==2.13.0", "numpy", "pillow", "h5py", "scikit-learn"],
    "jax": ["jax", "keras", "numpy", "pillow", "h5py", "scikit-learn"],
}
TRIAL = 256
"""Training photos of the first, short look at each side's pace."""
KEPT = FOLDER / "cpu.json"
TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
CHART = FOLDER / "frameworks-on-a-cpu.svg"


@dataclass(frozen=True)
class Side:
    """A framework, and how it is asked to train."""

    title: str
    module: str
    needs: str | None = None
    flags: tuple[str, ...] = ()
    backend: str | None = None


SIDES = {
    "keras-tensorflow": Side("Keras on TensorFlow", "keras_side", backend="tensorflow"),
    "keras-tensorflow-bf16": Side(
        "Keras on TensorFlow, bf16", "keras_side", flags=("--bf16",), backend="tensorflow"
    ),
    "keras-jax": Side("Keras on JAX", "keras_side", "jax", backend="jax"),
    "torch-f32": Side("PyTorch", "torch_side", "torch"),
    "torch-bf16": Side("PyTorch, bf16", "torch_side", "torch", ("--bf16",)),
    "torch-compile": Side("PyTorch, compiled", "torch_side", "torch", ("--compile",)),
    "torch-compile-bf16": Side("PyTorch, bf16, compiled", "torch_side", "torch", ("--bf16", "--compile")),
}
REFERENCE, BUDWOOD = "keras-tensorflow", "budwood"
OURS = {BUDWOOD: "Budwood", "budwood-bf16": "Budwood, bf16"}
"""Titles of our own sides; in bf16 by `finetune.precision`."""


@dataclass(frozen=True)
class Pace:
    """Milliseconds that a photo takes."""

    features: float
    """Decoding and the whole network, once."""
    head: float | None
    """An epoch of phase 1; Budwood has none, for it fits the head on features."""
    tune: float
    """An epoch of phase 2."""
    apart: float | None = None
    """Its features from those of Keras on TensorFlow: the norm of the difference over the norm."""


@dataclass(frozen=True)
class Whole:
    """Both phases on one split, from nothing cached to the tested network."""

    seconds: float
    peak_bytes: int
    regression: float
    """Seconds of the logistic regression on this side's features."""
    head_correct: dict[str, int]
    correct: dict[str, int]


def main() -> None:
    parser = argparse.ArgumentParser(
        formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__
    )
    parser.add_argument(
        "--only", nargs="+", choices=[*SIDES, *OURS], help="by default all that this processor can"
    )
    parser.add_argument("--splits", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=8, help="of phase 1")
    parser.add_argument("--finetune", type=int, default=10, help="epochs of phase 2")
    parser.add_argument(
        "--part", choices=("pace", "whole"), help="one of the two, beside what is known of the other"
    )
    parser.add_argument("--torch", help="the Python of an environment with PyTorch")
    parser.add_argument("--jax", help="the Python of an environment with JAX and Keras")
    arguments = parser.parse_args()
    data, weights = find_material()
    FOLDER.mkdir(exist_ok=True)
    known = read_json(KEPT) if KEPT.exists() else {}
    if known.get("machine") != machine():
        # What another processor did is not to be compared.
        if arguments.part == "whole":
            sys.exit("--part whole needs the paces that --part pace measures on this machine")
        if known:
            print(
                f"{KEPT} is of another machine; kept as {KEPT.replace(KEPT.with_suffix('.old.json'))}",
                flush=True,
            )
        known = {"machine": machine(), "pace": {}, "whole": {}}
    given = {"torch": arguments.torch, "jax": arguments.jax}
    able = [name for name, side in SIDES.items() if has_bf16() or "--bf16" not in side.flags]
    asked = arguments.only or [*able, *(name for name in OURS if has_bf16() or name == BUDWOOD)]
    needed = {SIDES[name].needs for name in asked if name in SIDES}
    interpreters = {name: given[name] or environment(name) for name in PACKAGES if name in needed}
    tree = link_tree(data, 0)
    for name in asked if arguments.part != "whole" else ():
        if name in OURS:
            measured, _ = measure_budwood(tree, weights, bf16=name != BUDWOOD)
        else:
            found, _ = trained(SIDES[name], interpreters, tree, weights, 2, 2, "--limit", TRIAL)
            if name == REFERENCE:
                known["reference"] = found["sample"]
            measured = pace_of(found, known.get("reference"))
            if measured.apart is not None and measured.apart > 1e-4 and "--bf16" not in SIDES[name].flags:
                sys.exit(f"{name} does not run the same network: its features are {measured.apart:.1e} apart")
        known["pace"][name] = asdict(measured)
        write_json(KEPT, known)
        print(f"{name}: {words(measured)}", flush=True)
    if arguments.part != "pace":
        for seed in range(arguments.splits):
            tree = link_tree(data, seed)
            chosen = whole_sides(asked, known["pace"])
            # Alternately first and last, so that a machine that warms up favours neither.
            for name in chosen if seed % 2 == 0 else chosen[::-1]:
                if name in OURS:
                    _, whole = measure_budwood(tree, weights, bf16=name != BUDWOOD)
                else:
                    whole = measure_whole(
                        SIDES[name], interpreters, tree, weights, arguments.epochs, arguments.finetune
                    )
                known["whole"].setdefault(name, {})[str(seed)] = asdict(whole)
                write_json(KEPT, known)
                accuracy = statistics.mean(whole.correct.values())
                print(f"split {seed}: {name}: {whole.seconds:.0f} s, {accuracy:.1%}", flush=True)
    report(known)
    draw(known)


def has_bf16() -> bool:
    """Whether the processor multiplies bf16 numbers; one that does not takes many times as long as for f32."""
    return bool({"avx512_bf16", "amx_bf16"} & set(processor()[1]))


def processor() -> tuple[str, list[str]]:
    """Its name, and the flags that Linux has of it."""
    model, information = platform.processor() or platform.machine(), Path("/proc/cpuinfo")
    if not information.exists():
        return model, []
    lines = [line.partition(":") for line in information.read_text().split("\n\n")[0].splitlines()]
    fields = {key.strip(): value.strip() for key, _, value in lines}
    return fields.get("model name", model), fields.get("flags", "").split()


def machine() -> str:
    """The processor in words, and its cores."""
    model, flags = processor()
    known = [name for name in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16") if name in flags]
    return f"{model}, {os.cpu_count()} cores, {', '.join(known) or 'no vector instructions known'}"


def environment(name: str) -> str:
    """The Python of an environment with a framework, made on first use."""
    folder = FOLDER / f"{name}-environment"
    interpreter = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ready = folder / "ready"
    if not ready.exists():
        print(f"making {folder} with {', '.join(PACKAGES[name])}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([interpreter, "-m", "pip", "install", "-q", *PACKAGES[name]], check=True)
        ready.touch()
    return str(interpreter)


def trained(
    side: Side,
    interpreters: dict[str, str],
    tree: Path,
    weights: Path,
    epochs: int,
    finetune: int,
    *more: object,
) -> tuple[dict, Cost]:
    """What one side wrote, and what its process cost."""
    result = FOLDER / "side.json"
    interpreter = interpreters[side.needs] if side.needs else sys.executable
    own = {"KERAS_BACKEND": side.backend} if side.backend else {}
    command = [
        interpreter,
        "-m",
        f"benchmarks.cpu.{side.module}",
        tree,
        "--weights",
        weights,
        "--json",
        result,
    ]
    command += ["--epochs", epochs, "--finetune", finetune, *side.flags, *more]
    cost = run([str(part) for part in command], own)
    return read_json(result), cost


def pace_of(found: dict, reference: list[list[float]] | None) -> Pace:
    each = 1000 / found["trained_on"]
    # The first epoch has the compiler's work in it.
    head, tune = (min(found["epochs"][phase][1:]) for phase in ("head", "tune"))
    apart = None
    if reference is not None:
        apart = float(np.linalg.norm(np.subtract(found["sample"], reference)) / np.linalg.norm(reference))
    return Pace(each * found["seconds"]["features"], each * head, each * tune, apart)


def measure_whole(
    side: Side, interpreters: dict[str, str], tree: Path, weights: Path, epochs: int, finetune: int
) -> Whole:
    """The whole of both phases; the logistic regression is of a process of its own, and not in the seconds."""
    alone, _ = trained(side, interpreters, tree, weights, 0, 0)
    found, cost = trained(side, interpreters, tree, weights, epochs, finetune, "--no-features")
    return Whole(
        cost.seconds, cost.peak_bytes, alone["seconds"]["regression"], alone["head_correct"], found["correct"]
    )


def measure_budwood(tree: Path, weights: Path, *, bf16: bool) -> tuple[Pace, Whole]:
    """Budwood's `quick` on the same network and size, and the head alone before it, each from nothing cached."""
    correct, costs = {}, {}
    for recipe in ("frozen-linear", "quick"):
        cache, folder = FOLDER / "cache-cpu", FOLDER / f"run-cpu-{recipe}"
        shutil.rmtree(cache, ignore_errors=True)
        arguments = ["train", tree, "-o", folder, "--overwrite", "--quiet", "--recipe", recipe]
        arguments += ["--set", "data.size=224", "--backbone", "mobilenet_v2", "--weights", weights]
        arguments += ["--set", "finetune.precision=bf16"] if bf16 else []
        costs[recipe] = python("budwood.cli", *arguments, environment={"BUDWOOD_CACHE": str(cache.resolve())})
        rows = [row for row in read_csv(folder / "predictions.csv") if row["split"] == "test"]
        correct[recipe] = {row["name"]: int(row["correct"]) for row in rows}
    folder = FOLDER / "run-cpu-quick"
    stages = {stage["name"]: stage["seconds"] for stage in read_json(folder / "run.json")["stages"]}
    phase = read_json(folder / "metrics.json")["phases"][1]
    photos = sum(1 for split in ("train", "validation", "test") for _ in (tree / split).glob("*/*"))
    trained_on = sum(1 for _ in (tree / "train").glob("*/*"))
    pace = Pace(
        1000 * stages["features"] / photos, None, 1000 * phase["seconds"] / phase["epochs"] / trained_on
    )
    cost = costs["quick"]
    return pace, Whole(
        cost.seconds, cost.peak_bytes, stages["head"], correct["frozen-linear"], correct["quick"]
    )


def whole_sides(asked: list[str], pace: dict[str, dict]) -> list[str]:
    """Keras on TensorFlow, the fastest PyTorch, Budwood and whatever else of Keras is faster than in f32, as far as
    they were asked for."""

    def epochs(name: str) -> float:
        return pace[name]["head"] + pace[name]["tune"]

    torches = sorted((name for name in asked if name.startswith("torch") and name in pace), key=epochs)
    kerases = [name for name in asked if name.startswith("keras") and name in pace]
    faster = [name for name in kerases if REFERENCE in pace and epochs(name) < epochs(REFERENCE)]
    return [name for name in asked if name in (REFERENCE, *OURS, *torches[:1], *faster)]


def words(pace: Pace) -> str:
    head = "" if pace.head is None else f"an epoch of phase 1 {pace.head:.1f}, "
    return f"ms a photo: features {pace.features:.1f}, {head}an epoch of phase 2 {pace.tune:.1f}"


def report(known: dict) -> None:
    print(f"\n{known['machine']}\n")
    print("ms a photo                 features   epoch, phase 1   epoch, phase 2   features apart by")
    for name, pace in known["pace"].items():
        head = "" if pace["head"] is None else f"{pace['head']:.1f}"
        distance = "" if pace["apart"] is None else f"{pace['apart']:.0e}"
        print(f"{title(name):<28}{pace['features']:7.1f}{head:>17}{pace['tune']:17.1f}{distance:>21}")
    ours = known["whole"].get(BUDWOOD, {})
    print(
        "\nboth phases                 seconds   accuracy   head alone   regression   memory   Budwood minus it"
    )
    for name, by_split in known["whole"].items():
        every = list(by_split.values())
        accuracy, head = (
            statistics.mean(statistics.mean(one[key].values()) for one in every)
            for key in ("correct", "head_correct")
        )
        line = f"{title(name):<28}{statistics.mean(one['seconds'] for one in every):7.0f}{accuracy:11.1%}{head:13.1%}"
        line += f"{statistics.mean(one['regression'] for one in every):11.1f} s"
        line += f"{max(one['peak_bytes'] for one in every) / 1e9:6.2f} GB"
        shared = [seed for seed in by_split if seed in ours]
        if name not in OURS and shared:
            pairs = [
                {"keras_correct": by_split[seed]["correct"], "budwood_correct": ours[seed]["correct"]}
                for seed in shared
            ]
            difference, low, high, number = paired_difference(pairs)
            ratio = statistics.mean(by_split[seed]["seconds"] / ours[seed]["seconds"] for seed in shared)
            line += f"   {difference:+.1%} ({low:+.1%} to {high:+.1%}, {number} photos), {ratio:.1f} times as fast"
        print(line)


def title(name: str) -> str:
    return OURS.get(name) or SIDES[name].title


def draw(known: dict) -> None:
    """Milliseconds of a photo for features and in an epoch of phase 2, each side a point."""
    import matplotlib

    matplotlib.use("svg")
    # Letters as letters: they can be read aloud and searched.
    matplotlib.rcParams["svg.fonttype"] = "none"
    import matplotlib.pyplot as plt

    if not known["pace"]:
        return
    names = sorted(known["pace"], key=lambda name: known["pace"][name]["tune"], reverse=True)
    figure, panels = plt.subplots(
        1, 2, figsize=(8.2, 0.42 * len(names) + 1.2), layout="constrained", sharey=True, sharex=True
    )
    for axes, key, heading in zip(
        panels, ("features", "tune"), ("features", "an epoch of phase 2"), strict=True
    ):
        for place, name in enumerate(names):
            value = known["pace"][name][key]
            axes.plot(value, place, "o", color="C0" if name in OURS else "0.35")
            axes.annotate(f"{value:.1f}", (value, place), (7, -3), textcoords="offset points", fontsize=9)
        # Points, not bars: a bar on a logarithmic axis has no length.
        axes.set_xscale("log")
        values = [known["pace"][name][part] for name in names for part in ("features", "tune")]
        axes.set_xlim(min(values) / 1.6, max(values) * 2.5)
        ticks = [tick for tick in TICKS if min(values) / 1.6 <= tick <= max(values) * 2.5]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.set_yticks(range(len(names)), [title(name) for name in names])
        axes.set_title(heading, fontsize=10)
        axes.set_xlabel("milliseconds a photo")
        axes.margins(y=0.12)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(CHART, metadata={"Date": None})


if __name__ == "__main__":
    main()
