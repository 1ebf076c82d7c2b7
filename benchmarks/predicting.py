"""Predictions a second, against bare decoding and bare inference of the same photos.

    make bench-predict    two minutes

A linear probe of tf_flowers on MobileNetV2 at 224 px, 1,000 of its photos. Bare: each photo decoded to its square by as
many threads as there are cores, then OpenVINO's own queue of requests over the squares, which gives probabilities and
nothing else; their times added are the bare time. Budwood: `Predictor.predict` over the paths, from file to prediction
with its distance; and `budwood predict -o table.csv` from its start to its end. All are taken in turns in one process,
several times, for a machine is seldom quiet: beside the seconds by the clock stand those of the processor.
"""

import argparse
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.against_keras import FOLDER, find_material
from benchmarks.processes import python
from budwood.core.system import num_cores
from budwood.data.images import view
from budwood.features.engines.graphs import compile_graph, import_openvino, openvino_core
from budwood.inference.load import load_predictor

PHOTOS, TURNS = 1000, 5


@dataclass
class Took:
    seconds: float
    processor: float

    def __add__(self, other: "Took") -> "Took":
        return Took(self.seconds + other.seconds, self.processor + other.processor)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", type=Path, help="a run of MobileNetV2; by default one is trained")
    given = parser.parse_args()
    data, weights = find_material()
    FOLDER.mkdir(exist_ok=True)
    run = given.run or trained(data, weights)
    photos = sorted(data.glob("*/*.jpg"))
    photos = photos[:: max(1, len(photos) // PHOTOS)][:PHOTOS]
    predictor = load_predictor(run / "model")
    predictor.predict(photos[:20])
    queue = bare_queue(run)
    wanted = predictor.input

    bare, ours = [], []
    for turn in range(TURNS):
        views: list[np.ndarray] = []
        decoding = took(lambda views=views: decode(photos, wanted, views))
        inference = took(lambda views=views: infer(queue, views))
        bare.append(decoding + inference)
        ours.append(took(lambda: predictor.predict(photos)))
        print(
            f"turn {turn + 1}: decoding {decoding.seconds:.2f} s, inference {inference.seconds:.2f} s, "
            f"predictions {ours[-1].seconds:.2f} s; of the processor {bare[-1].processor:.2f} s and "
            f"{ours[-1].processor:.2f} s"
        )
    by_clock = median(one.seconds / other.seconds for one, other in zip(bare, ours, strict=True))
    of_processor = median(one.processor / other.processor for one, other in zip(bare, ours, strict=True))
    rate = len(photos) / min(one.seconds for one in ours)
    print(
        f"{rate:.0f} photos a second; {by_clock:.0%} of the bare rate by the clock (median of {TURNS}), "
        f"{of_processor:.0%} by the processor"
    )
    cost = python("budwood.cli", "predict", run, *photos, "-o", FOLDER / "predictions.csv", "--quiet")
    print(
        f"budwood predict -o predictions.csv: {cost.seconds:.1f} s for {len(photos)} photos from start to end"
    )


def trained(data: Path, weights: Path) -> Path:
    run = FOLDER / "predicting"
    options = ["--recipe", "frozen-linear", "--backbone", "mobilenet_v2", "--weights", weights]
    python("budwood.cli", "train", data, "-o", run, *options, "--overwrite", "--quiet")
    return run


def took(work) -> Took:
    started, before = time.perf_counter(), sum(os.times()[:2])
    work()
    return Took(time.perf_counter() - started, sum(os.times()[:2]) - before)


def decode(photos, wanted, into: list) -> None:
    with ThreadPoolExecutor(num_cores()) as threads:
        into += threads.map(lambda photo: view(photo, wanted.size, wanted.resize, wanted.levels), photos)


def bare_queue(run: Path):
    """As a user of OpenVINO would have it: the graph with its probabilities alone, two requests a core."""
    graph = openvino_core().read_model(run / "model" / "openvino" / "model.xml")
    alone = import_openvino().Model([graph.get_results()[0]], graph.get_parameters())
    queue = import_openvino().AsyncInferQueue(compile_graph(alone), 2 * num_cores())
    queue.set_callback(lambda request, rows: rows.append(request.get_output_tensor().data.copy()))
    return queue


def infer(queue, views: list) -> None:
    rows: list[np.ndarray] = []
    for pixels in views:
        queue.start_async({0: pixels[None]}, rows)
    queue.wait_all()
    assert len(rows) == len(views)


if __name__ == "__main__":
    main()
