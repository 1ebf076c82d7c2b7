import gc
import logging
import os
import sys
from types import SimpleNamespace

import pytest

from budwood.core.tensorflow import accelerators, expect_many_models, hushed, load_keras, uncollected


@pytest.fixture(autouse=True)
def usual_level(monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")


def test_hushed__silences_the_process_and_gives_standard_error_back(capfd):
    with pytest.raises(ZeroDivisionError), hushed():
        os.write(2, b"chatter\n")
        raise ZeroDivisionError
    os.write(2, b"heard\n")
    assert capfd.readouterr().err == "heard\n"


def test_hushed__what_python_had_not_yet_written_is_not_lost(capfd, monkeypatch):
    with os.fdopen(os.dup(2), "w", buffering=1024) as buffered:
        monkeypatch.setattr(sys, "stderr", buffered)
        buffered.write("before\n")
        with hushed():
            pass
        assert capfd.readouterr().err == "before\n"


def test_hushed__not_for_who_asks_for_chatter(capfd, monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    with hushed():
        os.write(2, b"chatter\n")
    assert capfd.readouterr().err == "chatter\n"


def test_hushed__without_standard_error(monkeypatch):
    def closed(number):
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr(os, "dup", closed)
    with hushed():
        pass


def test_uncollected__leaves_the_collector_as_it_was():
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError), uncollected():
        assert not gc.isenabled()
        raise ZeroDivisionError
    assert gc.isenabled()
    with uncollected():
        with uncollected():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_load_keras__puts_off_collections(tmp_path, monkeypatch):
    (tmp_path / "keras.py").write_text("import gc\nCOLLECTS = gc.isenabled()\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "keras", None)
    monkeypatch.delitem(sys.modules, "keras")
    load_keras()
    assert sys.modules["keras"].COLLECTS is False and gc.isenabled()


def test_expect_many_models__drops_one_warning_alone():
    logger = logging.getLogger("tensorflow")
    before = list(logger.filters)
    try:
        expect_many_models()
        expect_many_models()
        assert len(set(logger.filters)) == len(logger.filters)

        def passes(text):
            return bool(logger.filter(logging.LogRecord("tensorflow", 30, "", 0, text, (), None)))

        assert not passes("5 calls to TensorFlowTrainer.f triggered tf.function retracing")
        assert passes("5 calls to mine triggered tf.function retracing")
        assert passes("TensorFlowTrainer is slow")
    finally:
        logger.filters[:] = before


def test_accelerators__by_name_and_never_an_error(monkeypatch):
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    assert accelerators() == ()
    devices = {"GPU": [SimpleNamespace(device_type="GPU")], "TPU": [SimpleNamespace(device_type="TPU")]}
    details = SimpleNamespace(
        get_device_details=lambda one: {"device_name": "Big"} if one.device_type == "GPU" else {}
    )
    config = SimpleNamespace(list_physical_devices=devices.get, experimental=details)
    monkeypatch.setitem(sys.modules, "tensorflow", SimpleNamespace(config=config))
    assert accelerators() == ("Big", "TPU")
    monkeypatch.setitem(sys.modules, "tensorflow", SimpleNamespace())
    assert accelerators() == ()
