"""100 photos explained, against the same two methods in plain Keras.

    make bench-explain    a minute or two

On a linear probe of tf_flowers with the default network. Plain Keras: Grad-CAM by a gradient through a model with two
outputs, as Keras's own example has it, and the same 25 covered windows by `predict`, photo by photo, on 20 of the
photos. Budwood: `budwood explain` from its start to its end, with the sheet and the similar photos; and its rate alone.
"""

import time

import keras
import numpy as np

from benchmarks.against_keras import FOLDER, find_material
from benchmarks.processes import python
from budwood.core.files import read_csv
from budwood.data.images import view
from budwood.inference.occlusion import occlude
from budwood.run import load

PHOTOS, OF_PLAIN_KERAS = 100, 20


def main() -> None:
    data, _ = find_material()
    FOLDER.mkdir(exist_ok=True)
    folder, sheet = FOLDER / "explained", FOLDER / "explained.png"
    python("budwood.cli", "train", data, "-o", folder, "--recipe", "frozen-linear", "--overwrite", "--quiet")
    rows = [row for row in read_csv(folder / "split.csv") if row["split"] == "test"]
    paths = [data / row["name"] for row in rows][:PHOTOS]

    arguments = ["explain", folder, *paths, "-o", sheet, "--quiet"]
    python("budwood.cli", *arguments[:3], "-o", sheet, "--quiet")  # the graph is converted once
    cost = python("budwood.cli", *arguments)
    run = load(folder)
    run.explain(paths[:1])
    started = time.perf_counter()
    run.explain(paths)
    seconds = time.perf_counter() - started

    model = keras.models.load_model(folder / "model" / "model.keras", compile=False)
    both = keras.Model(model.input, [model.get_layer("pooling").input, model.output])
    size, resize = model.input.shape[1], run.recipe.data.resize
    plainly(both, model, paths[:1], size, resize)
    started = time.perf_counter()
    plainly(both, model, paths[:OF_PLAIN_KERAS], size, resize)
    plain = (time.perf_counter() - started) / OF_PLAIN_KERAS

    print(f"plain Keras: {1 / plain:.2f} photos a second, {PHOTOS * plain:.0f} s for {PHOTOS}")
    print(
        f"budwood explain: {cost.seconds:.1f} s for {len(paths)} photos from start to end, "
        f"{len(paths) / cost.seconds:.1f} a second: {PHOTOS * plain / cost.seconds:.1f} times as fast"
    )
    print(
        f"Run.explain alone: {len(paths) / seconds:.1f} photos a second, "
        f"{plain * len(paths) / seconds:.1f} times as fast"
    )


def plainly(both: keras.Model, model: keras.Model, paths, size: int, resize: str) -> None:
    """Both maps of each photo."""
    import tensorflow as tf

    for path in paths:
        pixels = view(path, size, resize)
        with tf.GradientTape() as tape:
            maps, shares = both(pixels[None].astype(np.float32), training=False)
            score = tf.math.log(tf.reduce_max(shares[0]))
        weights = tf.reduce_mean(tape.gradient(score, maps), axis=(0, 1, 2))
        tf.nn.relu(maps[0] @ weights[:, None]).numpy()
        model.predict(np.stack(list(occlude(pixels))).astype(np.float32), verbose=0)


if __name__ == "__main__":
    main()
