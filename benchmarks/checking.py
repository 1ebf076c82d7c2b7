"""The rate of the check beside that of decoding alone: the same photos, on all cores, taking turns.

python -m benchmarks.checking TREE [--repeats 5] [--json result.json]

Pillow opens each file and decodes it, and nothing is hashed, compared or noted: as cheaply as it can ("bare", a JPEG at
an eighth of its size), at the scale that the perceptual hash needs ("hashable", brightness alone), and whole. The check
begins with an empty record each time. Beside other work look at the ratios of processor seconds.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from PIL import Image

from budwood.core.system import num_cores
from budwood.data.check import check
from budwood.data.manifest import Manifest
from budwood.data.perceptual_hash import AT_LEAST
from budwood.data.sources import read_source


def decode(files: list[str], how: str) -> None:
    def one(file: str) -> None:
        with Image.open(file) as image:
            if how == "bare":
                image.draft(image.mode, (1, 1))
            elif how == "hashable":
                scale = max(1, min(image.size) // AT_LEAST)
                image.draft("L", (max(1, image.width // scale), max(1, image.height // scale)))
            image.load()

    with ThreadPoolExecutor(num_cores()) as pool:
        for _ in pool.map(one, files):
            pass


def checked(manifest: Manifest) -> None:
    with tempfile.TemporaryDirectory() as cache:
        os.environ["BUDWOOD_CACHE"] = cache
        check(manifest, for_training=False)


def _ratio(bare: list[float], check: list[float]) -> float:
    return round(statistics.median(b / c for b, c in zip(bare, check, strict=True)), 3)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("tree", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    manifest = read_source(arguments.tree)
    files = [os.fspath(photo.image) for photo in manifest.photos if isinstance(photo.image, os.PathLike)]
    decode(files, "bare")
    checked(manifest)
    ways: dict[str, Callable[[], None]] = {
        **{how: partial(decode, files, how) for how in ("bare", "hashable", "whole")},
        "check": lambda: checked(manifest),
    }
    clock: dict[str, list[float]] = {name: [] for name in ways}
    busy: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(arguments.repeats):
        for name, run in ways.items():
            started, used = time.perf_counter(), time.process_time()
            run()
            clock[name].append(time.perf_counter() - started)
            busy[name].append(time.process_time() - used)
    result: dict[str, float] = {"photos": len(files), "cores": num_cores()}
    for name in ways:
        result[f"{name}_per_second"] = round(len(files) / statistics.median(clock[name]), 1)
        if name != "check":
            result[f"ratio_to_{name}"] = _ratio(clock[name], clock["check"])
            result[f"processor_ratio_to_{name}"] = _ratio(busy[name], busy["check"])
    print(json.dumps(result))
    if arguments.json:
        arguments.json.write_text(json.dumps(result))


if __name__ == "__main__":
    main()
