"""Runs of several labels a photo beside plain Keras with a sigmoid a label, on the same test photos.

Make the runs (`budwood train TABLE --split-seed 0 -o RUN`), train plain Keras on the split of each
(`benchmarks.plain_keras_labels`), then:

    python -m benchmarks.labels_against_keras RUN keras.json [RUN keras.json ...]

Mean average precision is scikit-learn's; the paired difference is Budwood's.
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score

from budwood.core.files import read_json
from budwood.evaluation.groups import Grouping
from budwood.evaluation.multi_label_differences import paired_map_difference
from budwood.runs.files import read_run


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("pairs", nargs="+", type=Path, metavar="RUN JSON")
    pairs = parser.parse_args().pairs
    print(
        "| run | photos | Budwood | Keras, frozen | Keras, both phases | Budwood − both phases, 95 % interval |"
    )
    print("|---|---|---|---|---|---|")
    found = [compare(run, file) for run, file in zip(pairs[::2], pairs[1::2], strict=True)]
    means = " | ".join(f"{100 * value:.1f} %" for value in np.mean(found, axis=0))
    print(f"| mean | | {means} | |")


def compare(run: Path, file: Path) -> list[float]:
    """Print a row of the table; return its three mean average precisions."""
    files, keras = read_run(run), read_json(file)
    test = files.label_predictions.of("test")
    order = [keras["names"].index(name) for name in test.names]
    columns = [keras["labels"].index(label) for label in test.labels]
    answers = [np.array(some)[order][:, columns] for some in keras["probabilities"].values()]
    group_of = {row.name: row.group for row in files.split}
    groups = Grouping.of([group_of[name] for name in test.names])
    difference = paired_map_difference(test.targets, test.probabilities, answers[-1], groups=groups)
    values = [
        average_precision_score(test.targets, some) for some in (test.probabilities, answers[0], answers[-1])
    ]
    shown = " | ".join(f"{100 * value:.1f} %" for value in values)
    gap = "–"
    if difference is not None:
        gap = (
            f"{100 * difference.difference:+.1f} ({100 * difference.low:.1f} to {100 * difference.high:.1f})"
        )
    print(f"| {run.name} | {len(test.names)} | {shown} | {gap} |")
    return values


if __name__ == "__main__":
    main()
