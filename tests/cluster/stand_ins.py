"""Workers without a network: light, and killed where a test wants it."""

import os
import pickle
import signal
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from budwood.cluster.shards import Kept
from budwood.core.errors import ClusterError, DataError
from budwood.features.extractor import FeatureExtractor, KnownModel


class Squares:
    """Squares numbers. Each number that is to kill does so once, whoever is given it."""

    def __init__(self, folder, kills=()):
        self.folder, self.kills = Path(folder), kills

    def do(self, piece):
        if piece < 0:
            raise ClusterError(f"{piece} has no place here")
        if piece in self.kills:
            die_once(self.folder / f"{piece} has killed")
        time.sleep(0.02)
        return piece * piece


def die_once(mark):
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


class Means:
    """A network that yields the mean of each colour, and writes down for which photo; may be killed by a dark one."""

    engine, notes = "means", ()

    def __init__(self, log):
        self.log = Path(log)

    def run(self, views):
        for number, view in enumerate(views):
            if number == 3:
                die_once(self.log.with_suffix(".killed"))
            row = view.reshape(-1, 3).mean(axis=0, dtype=np.float64).astype(np.float32)
            with self.log.open("a") as file:
                file.write(f"{row.tolist()}\n")
            yield row


def means(log):
    return FeatureExtractor(
        KnownModel("0" * 32, (3,), lambda: Means(log), name="means"), size=8, resize="crop", fetch=False
    )


class MeansWorker:
    """Computes such features into the store."""

    def __init__(self, log):
        self.features = ExitStack().enter_context(means(log))

    def do(self, piece):
        found = self.features.compute(piece)
        self.features.flush()
        return found


class DeadlyRows:
    """Rows that kill whoever reads them."""

    def __getitem__(self, part):
        os.kill(os.getpid(), signal.SIGKILL)


def refuse(shard, number):
    raise DataError(f"{number} rows too many")


class NoRay:
    """What `cluster.shards` asks of Ray, done in this process as it is asked for: actors come up and die as they are
    told to."""

    class exceptions:  # noqa: N801
        class RayError(Exception):
            pass

        class RayTaskError(RayError):
            pass

    def __init__(self):
        self.actors, self.done = [], []
        self.late = set()
        """Numbers of actors that do not come up."""
        self.deadly = {}
        """How many calls an actor of a number has left."""

    def remote(self, made):
        outer = self

        class Made:
            def options(self, **options):
                return self

            def remote(self, *given):
                actor = _Actor(outer, len(outer.actors))
                outer.actors.append(actor)
                return actor

        return Made()

    def put(self, value):
        return value

    def get(self, ref):
        if isinstance(ref, tuple):
            kind, value = ref
            if kind == "lost":
                raise self.exceptions.RayError("it was lost")
            return value()
        return ref

    def wait(self, refs, num_returns=1, timeout=None):
        ended = [ref for ref in refs if ref[0] != "late"][:1]
        return ended, [ref for ref in refs if ref not in ended]

    def kill(self, actor):
        self.deadly[actor.number] = 0


class _Actor:
    def __init__(self, ray, number):
        self.ray, self.number, self.kept = ray, number, Kept()
        self.do, self.__ray_ready__ = _Method(self._do), _Method(self._ready)

    def _ready(self):
        return ("late" if self.number in self.ray.late else "up"), lambda: True

    def _do(self, number, where, work, beside):
        left = self.ray.deadly.get(self.number, 10**6)
        self.ray.deadly[self.number] = left - 1
        if left <= 0:
            return "lost", object()
        self.ray.done.append((self.number, number))
        shard = self.kept.get(number, lambda: where[0])
        return "done", lambda: pickle.loads(work)(shard, *pickle.loads(beside))


class _Method:
    def __init__(self, function):
        self.remote = function


class Count:
    """A shard of one row, whose number is what is read of it."""

    weights, labels = np.ones(1), np.zeros(1, int)

    def __init__(self, number):
        self.number = number

    def read(self, rows):
        return np.full((1, 1), self.number, np.float32)[rows]


def number_of(shard, more=0):
    return shard.number + more
