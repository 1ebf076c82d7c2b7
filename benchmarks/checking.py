"""The rate of the check beside that of decoding alone: the same photos, on all cores, taking turns.

python -m benchmarks.checking TREE [--repeats 5] [--json result.json]

What is bare: Pillow opens each file and decodes it as cheaply as it can, a JPEG at an eighth of its size; nothing is
hashed, compared or noted. The check begins with an empty record each time. Expected: a ratio of at least 0.9. Beside
other work look at the ratio of processor seconds.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from budwood.core.system import num_cores
from budwood.data.check import check
from budwood.data.manifest import Manifest
from budwood.data.sources import read_source


def bare(files: list[str]) -> None:
    def decode(file: str) -> None:
        with Image.open(file) as image:
            image.draft(image.mode, (1, 1))
            image.load()

    with ThreadPoolExecutor(num_cores()) as pool:
        for _ in pool.map(decode, files):
            pass


def checked(manifest: Manifest) -> None:
    with tempfile.TemporaryDirectory() as cache:
        os.environ["BUDWOOD_CACHE"] = cache
        check(manifest, for_training=False)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("tree", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    manifest = read_source(arguments.tree)
    files = [os.fspath(photo.image) for photo in manifest.photos if isinstance(photo.image, os.PathLike)]
    bare(files)
    rates: dict[str, list[float]] = {"bare": [], "check": []}
    processor: dict[str, list[float]] = {"bare": [], "check": []}
    for _ in range(arguments.repeats):
        for name, run in (("bare", lambda: bare(files)), ("check", lambda: checked(manifest))):
            clock, busy = time.perf_counter(), time.process_time()
            run()
            rates[name].append(len(files) / (time.perf_counter() - clock))
            processor[name].append(time.process_time() - busy)
    result = {
        "photos": len(files),
        "cores": num_cores(),
        **{f"{name}_per_second": round(statistics.median(values), 1) for name, values in rates.items()},
        "ratio": round(
            statistics.median(c / b for b, c in zip(rates["bare"], rates["check"], strict=True)), 3
        ),
        "processor_ratio": round(
            statistics.median(b / c for b, c in zip(processor["bare"], processor["check"], strict=True)), 3
        ),
    }
    print(json.dumps(result))
    if arguments.json:
        arguments.json.write_text(json.dumps(result))


if __name__ == "__main__":
    main()
