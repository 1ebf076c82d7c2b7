"""Workers without a network: light, and killed where a test wants it."""

import os
import signal
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from budwood.core.errors import ClusterError
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
