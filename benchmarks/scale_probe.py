"""The linear probe over shards of float16 features, against the truth that they were drawn from.

Photos of a class are normal about its centre, with one covariance for all classes: what a photo's class is, given its
features, is then a softmax of linear functions, which is known. Their loss on new photos is what no head can go below.
"""

import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.special import log_softmax
from threadpoolctl import threadpool_limits

from benchmarks.scale_measure import measured
from budwood.core.system import num_cores
from budwood.training.row_shards import RowShard
from budwood.training.sharded_probe import fit_shards

COLUMNS = ("photos", "what", "seconds", "processor", "memory without mapped files", "and")
ROWS = 12_500
"""Of a shard: 32 MB at 1280 features."""
HELD_OUT = 20_000


@dataclass(frozen=True)
class Truth:
    """What features are drawn from."""

    centres: np.ndarray
    spread: np.ndarray
    turn: np.ndarray

    @classmethod
    def of(cls, features: int, classes: int) -> "Truth":
        rng = np.random.default_rng(0)
        centres = rng.normal(size=(classes, features)) * np.geomspace(0.25, 0.02, features)
        turn = np.linalg.qr(rng.normal(size=(features, features)))[0].astype(np.float32)
        return cls(centres, np.geomspace(1, 0.03, features), turn)

    def draw(self, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, float]:
        """Return features, labels, and the mean loss of the true probabilities."""
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, len(self.centres), rows)
        hidden = self.centres[labels] + rng.standard_normal((rows, len(self.spread)))
        logits = hidden @ self.centres.T - (self.centres**2).sum(axis=1) / 2
        loss = -log_softmax(logits, axis=1)[np.arange(rows), labels].mean()
        return ((hidden * self.spread).astype(np.float32) @ self.turn + 0.3).astype(np.float16), labels, loss


def measure(photos: int, arguments) -> Iterator[list]:
    """Fit one size, and yield a row for each step of it."""
    truth = Truth.of(arguments.features, arguments.classes)
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.folder or Path(temporary)) / f"probe-{photos}"
        shards = list(make(truth, photos, folder))
        stages = Stages()
        strengths: Literal["auto"] | list[float] = [arguments.strength] if arguments.strength else "auto"
        with measured() as whole, threadpool_limits(1), ThreadPoolExecutor(num_cores()) as pool:
            fit = fit_shards(shards, arguments.classes, strengths=strengths, map=pool.map, progress=stages)
        for name, steps, seconds, cpu in stages.done:
            yield [f"{photos:,}", name, f"{seconds:.1f} s", f"{cpu:.1f} CPU s", "", f"{steps} {name}"]
        x, y, least = truth.draw(HELD_OUT, seed=10**6)
        logits = log_softmax(x.astype(np.float32) @ fit.kernel + fit.bias, axis=1)
        loss = -logits[np.arange(len(y)), y].mean()
        right = (logits.argmax(axis=1) == y).mean()
        words = f"strength {fit.strength:.3g}, new photos: loss {loss:.4f} (the truth's {least:.4f}), {right:.2%} right"
        yield [f"{photos:,}", "all", *whole.cells, words]


def make(truth: Truth, photos: int, folder: Path) -> Iterator[RowShard]:
    """Yield shards of features in files, made where they are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for place, first in enumerate(range(0, photos, ROWS)):
        rows, labels = folder / f"{place}.npy", folder / f"{place}.labels.npy"
        if not labels.exists():
            x, y, _ = truth.draw(min(ROWS, photos - first), seed=place + 1)
            np.save(rows, x)
            np.save(labels, y)
        own = np.load(labels)
        yield RowShard(np.load(rows, mmap_mode="r"), 0, own, np.ones(len(own)))


class Stages:
    """A progress that keeps what each stage took."""

    def __init__(self) -> None:
        self.done: list[tuple[str, int, float, float]] = []

    @contextmanager
    def stage(self, name, total=None, unit="photos"):
        counted = _Counted()
        started, cpu = time.perf_counter(), time.process_time()
        yield counted
        self.done.append((unit, counted.steps, time.perf_counter() - started, time.process_time() - cpu))

    def say(self, line):
        pass


class _Counted:
    steps = 0

    def advance(self, steps=1):
        self.steps += steps
