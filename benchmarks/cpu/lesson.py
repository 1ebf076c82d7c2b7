"""What every side of the benchmark does alike: the photos, the recipe, and the form of its result.

It imports nothing but NumPy, Pillow and scikit-learn, for each side runs in an environment of its own framework.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

SIZE, BATCH = 224, 32
HEAD_RATE, TUNE_RATE, DROPOUT = 1e-3, 1e-5, 0.2
ROTATION = 0.1
"""Of a full turn, either way."""
FIRST_TRAINED = "block_12_expand"
"""Of MobileNetV2: the top 30 % of its 154 layers begin here."""
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Photos:
    """The photos of one split, with the number of each one's class."""

    paths: list[Path]
    labels: np.ndarray
    names: list[str]


@dataclass
class Result:
    """What one side measured; written as JSON."""

    seconds: dict[str, float] = field(default_factory=dict)
    epochs: dict[str, list[float]] = field(default_factory=lambda: {"head": [], "tune": []})
    """Seconds of each epoch of both phases, without validation."""
    trained_on: int = 0
    sample: list[list[float]] = field(default_factory=list)
    """Features of the first training photos, which show that every side runs the same network."""
    head_correct: dict[str, int] = field(default_factory=dict)
    """Of each test photo: whether the logistic regression on this side's features is right."""
    correct: dict[str, int] = field(default_factory=dict)
    """The same for the fine-tuned network."""

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Adds the seconds of a block to those of its name."""
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))


def arguments() -> argparse.ArgumentParser:
    """What every side is asked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("tree", type=Path, help="a folder with train/, validation/ and test/")
    parser.add_argument("--weights", type=Path, required=True, help="MobileNetV2's, a file of Keras")
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=8, help="of the head")
    parser.add_argument("--finetune", type=int, default=10, help="epochs of the upper layers")
    parser.add_argument("--limit", type=int, help="so many training photos, and no test")
    parser.add_argument("--no-features", action="store_true", help="train alone")
    parser.add_argument("--seed", type=int, default=0)
    return parser


def photos_of(tree: Path, split: str, limit: int | None = None) -> Photos:
    """The photos of a split in order of their names; with a limit every n-th, so that all classes occur."""
    folder = tree / split
    classes = sorted(path.name for path in folder.iterdir())
    found = [
        (path, number) for number, name in enumerate(classes) for path in sorted((folder / name).iterdir())
    ]
    if limit:
        chosen = np.linspace(0, len(found) - 1, min(limit, len(found))).round().astype(int)
        found = [found[number] for number in chosen]
    return Photos(
        [path for path, _ in found],
        np.array([number for _, number in found]),
        [path.relative_to(tree).as_posix() for path, _ in found],
    )


def split_photos(asked: argparse.Namespace) -> list[Photos]:
    """The photos to learn from, to validate with and to test."""
    limits = (asked.limit, *[asked.limit and asked.limit // 8] * 2)
    return [photos_of(asked.tree, split, limit) for split, limit in zip(SPLITS, limits, strict=True)]


def pixels(path: Path) -> np.ndarray:
    """A photo squeezed to a square: float32 of 0 to 255, shape (SIZE, SIZE, 3)."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR), np.float32)


def fit_head(
    result: Result, features: Callable[[Photos], np.ndarray], train: Photos, test: Photos | None
) -> None:
    """scikit-learn's logistic regression on the features that a framework computed."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    with result.timed("features"):
        known = features(train)
    result.sample = known[:8].astype(float).tolist()
    with result.timed("regression"):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
        model.fit(known, train.labels)
    if test is not None:
        hits = model.predict(features(test)) == test.labels
        result.head_correct = {name: int(hit) for name, hit in zip(test.names, hits, strict=True)}
