"""The bare time of decoding and of OpenVINO inference over the photos of a folder, to set beside the feature stage.

python -m benchmarks.bare_features TREE --weights FILE --json result.json
"""

import argparse
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import openvino

from budwood.backbones.registry import get_backbone
from budwood.data.images import view
from budwood.data.sources import read_source
from budwood.features.extractor import FeatureExtractor, with_pooling


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("tree", type=Path)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    photos = read_source(arguments.tree).photos
    size = 224

    mark = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        views = list(threads.map(lambda photo: view(photo.image, size, "crop"), photos))
    decode = time.perf_counter() - mark

    # An engine of the benchmark's own, as a user of OpenVINO would write it: nothing of Budwood's pipeline in it.
    frozen = FeatureExtractor(
        with_pooling(get_backbone("mobilenet_v2").build(size, arguments.weights), "avg"),
        size=size,
        resize="crop",
    )
    compiled = openvino_model(frozen)
    queue = openvino.AsyncInferQueue(compiled)
    rows = [None] * len(views)

    def keep(request: openvino.InferRequest, index: int) -> None:
        rows[index] = request.get_output_tensor().data.copy()

    queue.set_callback(keep)
    mark = time.perf_counter()
    for index, pixels in enumerate(views):
        queue.start_async({0: pixels[None].astype(np.float32)}, index)
    queue.wait_all()
    infer = time.perf_counter() - mark
    arguments.json.write_text(json.dumps({"photos": len(photos), "decode": decode, "infer": infer}))


def openvino_model(frozen: FeatureExtractor) -> openvino.CompiledModel:
    """The feature extractor, converted anew and compiled for throughput at one image per request."""
    import keras
    import tensorflow as tf

    shape = (1, frozen.size, frozen.size, 3)
    function = tf.function(lambda pixels: frozen.model(pixels, training=False))
    concrete = function.get_concrete_function(tf.TensorSpec(shape, tf.float32))
    model = openvino.convert_model(concrete, input=[shape])
    assert keras.backend.backend() == "tensorflow"
    return openvino.compile_model(
        model, "CPU", {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "f32"}
    )


if __name__ == "__main__":
    main()
