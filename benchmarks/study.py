"""A study of 8 head recipes on 5 splits, from features that are there, against one epoch of plain Keras.

    make bench-study      a minute or two

Both on MobileNetV2 at 224 px and tf_flowers. The eight are seven strengths of the linear probe's penalty and its own
choice among ten by cross-validation. Plain Keras: one epoch of its phase 1, without its start. Budwood: the whole
process, 40 trials, from its start to its end.
"""

import shutil

from benchmarks.against_keras import FOLDER, find_material, link_tree
from benchmarks.processes import python
from budwood.core.files import read_json

STRENGTHS = '"auto", [1.0], [0.3], [0.1], [0.03], [0.01], [0.003], [0.001]'


def main() -> None:
    data, weights = find_material()
    FOLDER.mkdir(exist_ok=True)
    tree, result = link_tree(data, 0), FOLDER / "keras-epoch.json"
    python("benchmarks.plain_keras", tree, "--weights", weights, "--epochs", 1, "--json", result)
    epoch = read_json(result)["seconds"]["fit"]
    cache, folder = FOLDER / "cache-study", FOLDER / "study"
    shutil.rmtree(cache, ignore_errors=True)
    arguments = ["study", data, "-o", folder, "--overwrite", "--quiet", "--recipes", "frozen-linear"]
    arguments += ["--backbones", "mobilenet_v2", "--weights", weights, "--set", "data.size=224"]
    environment = {"BUDWOOD_CACHE": str(cache.resolve())}
    warm_up = python("budwood.cli", *arguments, "--seeds", "1", environment=environment)
    arguments += ["--seeds", "5", "--grid", f"frozen.l2_strengths=[{STRENGTHS}]"]
    cost = python("budwood.cli", *arguments, environment=environment)
    trials = read_json(folder / "results.json")["configurations"]
    seconds = [one["seconds"] for one in trials]
    print(f"features of all photos, and one trial: {warm_up.seconds:.1f} s")
    print(f"plain Keras: {epoch:.1f} s an epoch of phase 1 (tracing and all)")
    print(
        f"study: {sum(one['complete'] for one in trials)} trials in {cost.seconds:.1f} s "
        f"({min(seconds):.2f} to {max(seconds):.2f} s a trial): {epoch / cost.seconds:.2f} times as fast as that epoch"
    )


if __name__ == "__main__":
    main()
