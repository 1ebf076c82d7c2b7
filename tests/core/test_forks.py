import os
import subprocess
import sys
import threading
import types

import pytest

from budwood.core import forks
from budwood.core.forks import Lock, refuse_lost_tensorflow
from tests.forked import in_child

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]


def test_lock__is_free_in_a_forked_process():
    lock, held, done = Lock(), threading.Event(), threading.Event()

    def hold():
        with lock:
            held.set()
            done.wait()

    def take():
        with lock:
            return "taken"

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    assert in_child(take) == "taken"
    assert lock._lock.locked()
    done.set()
    thread.join()
    assert take() == "taken"


@pytest.mark.parametrize("running", [True, False])
def test_refuse_lost_tensorflow__in_a_process_forked_after_it_began(monkeypatch, running):
    context = types.SimpleNamespace(_context=types.SimpleNamespace(_initialized=running))
    monkeypatch.setitem(sys.modules, "tensorflow.python.eager.context", context)
    refuse_lost_tensorflow()
    said = in_child(refuse_lost_tensorflow)
    assert said.startswith("SettingError: TensorFlow does not outlive a fork") if running else said == "None"
    assert not forks._tensorflow_was_running


@pytest.mark.slow
def test_tensorflow_runs__once_it_has_computed():
    code = """
import tensorflow as tf
from budwood.core.forks import tensorflow_runs
before = tensorflow_runs()
tf.zeros(1)
print(before, tensorflow_runs())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
