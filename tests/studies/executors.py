"""An executor without processes, and stand-ins for linear trials that both kinds of executor can run."""

import os
import signal
import threading
import time
from concurrent.futures import CancelledError, Future
from pathlib import Path

import numpy as np

from budwood.core.errors import DataError
from budwood.studies.spec import TrialResult, read_result
from budwood.studies.trial import execute
from tests.studies.made import write_run


class InMemoryExecutor:
    """Threads of this process, in the order in which the trials were submitted."""

    def __init__(self, jobs, linear=execute):
        self.work, self.waiting, self.lock = linear, [], threading.Condition()
        self.closed = self.cancelled = False
        self.futures = []
        self.threads = [threading.Thread(target=self.follow, daemon=True) for _ in range(jobs)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            self.cancel()
        with self.lock:
            self.closed = True
            self.lock.notify_all()
        if not self.cancelled:
            for thread in self.threads:
                thread.join()

    def submit(self, spec):
        future = Future()
        with self.lock:
            if self.closed or self.cancelled:
                raise RuntimeError("the executor is closed")
            self.waiting.append((spec, future))
            self.futures.append(future)
            self.lock.notify()
        return future

    def cancel(self):
        # A thread cannot be ended: it is left to itself, and nobody hears of it.
        with self.lock:
            self.cancelled = True
            self.lock.notify_all()
            for future in self.futures:
                if not future.done() and not future.cancel():
                    future.set_exception(CancelledError())

    def follow(self):
        while True:
            with self.lock:
                self.lock.wait_for(lambda: self.waiting or self.closed or self.cancelled)
                if self.cancelled or not self.waiting:
                    return
                spec, future = self.waiting.pop(0)
                if not future.set_running_or_notify_cancel():
                    continue
            try:
                self.work(spec)
                result = read_result(spec.folder)
            except BaseException as error:
                spec.folder.update(state="failed", error=f"it ended with {type(error).__name__}")
                result = TrialResult(spec.name, error=f"it ended with {type(error).__name__}")
            with self.lock:
                if not future.done():
                    future.set_result(result)


def act(spec):
    """A trial that does what its name says, and notes when."""
    note(spec, "begins")
    kind = spec.name.partition("-")[0]
    if kind == "dies":
        die()
    if kind == "slow":
        time.sleep(0.6)
    if kind == "endless":
        time.sleep(60)
    if kind == "fails":
        error = DataError("there is nothing to learn")
        spec.folder.update(state="failed", error=str(error), seconds=0.1)
    else:
        write_run(spec.folder.run, spec.name, np.arange(8) < 6, loss=0.5)
        spec.folder.update(state="complete", seconds=0.1)
    note(spec, "ends")


def note(spec, what):
    with Path(spec.data).open("a") as file:
        file.write(f"{spec.name} {what}\n")


def die():
    """As a process that runs out of memory does; in a thread, as near to it as can be."""
    if threading.current_thread() is threading.main_thread():
        os.kill(os.getpid(), signal.SIGKILL)
    raise SystemExit(9)


def die_on_odd_splits(spec):
    return die() if spec.recipe.split_seed % 2 else execute(spec)


def die_on_four_folds(spec):
    return die() if spec.recipe.frozen.folds == 4 else execute(spec)


def say_whether_deaf(spec):
    """A linear trial that says whether Ctrl-C would interrupt its process."""
    deaf = signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    spec.folder.update(state="failed", error="deaf" if deaf else "it hears")
