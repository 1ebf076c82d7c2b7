import gc
import importlib
import logging
import os
import subprocess
import sys
from types import SimpleNamespace

import keras
import pytest

from budwood.config.recipe import Recipe
from budwood.core.tensorflow import (
    accelerators,
    drawing_later,
    expect_many_models,
    hushed,
    load_keras,
    usual_keras,
)
from budwood.pipeline.prepare import prepare_networks


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


@pytest.fixture
def odd_session():
    """What an earlier cell of a notebook may have left."""
    config = keras.config
    before = config.image_data_format(), config.floatx(), config.dtype_policy()
    config.set_image_data_format("channels_first")
    config.set_floatx("float16")
    config.set_dtype_policy("mixed_float16")
    yield config
    for put, value in zip(
        (config.set_image_data_format, config.set_floatx, config.set_dtype_policy), before, strict=True
    ):
        put(value)


def test_usual_keras__puts_back_what_a_session_has_set(odd_session):
    with pytest.raises(ZeroDivisionError), usual_keras():
        assert keras.layers.Conv2D(2, 3).data_format == "channels_last"
        assert keras.layers.Dense(2).compute_dtype == odd_session.floatx() == "float32"
        raise ZeroDivisionError
    assert odd_session.image_data_format() == "channels_first" and odd_session.floatx() == "float16"
    assert odd_session.dtype_policy().name == "mixed_float16"


@pytest.mark.usefixtures("tiny_backbones")
def test_usual_keras__networks_are_the_same_in_an_odd_session(odd_session):
    recipe = Recipe.from_dict({"backbone": {"name": "tiny", "weights": "random"}, "data": {"size": 64}})
    model = prepare_networks(recipe).networks[0].model
    layers = [layer for layer in model.layers if hasattr(layer, "data_format")]
    assert layers and {layer.data_format for layer in layers} == {"channels_last"}
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}


def test_load_keras__a_backend_that_cannot_be_loaded_is_named():
    code = "from budwood.core.tensorflow import load_keras; load_keras()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "KERAS_BACKEND": "nonsense"},
        capture_output=True,
        text=True,
    )
    last = done.stderr.strip().splitlines()[-1]
    assert "SettingError: KERAS_BACKEND='nonsense'" in last and "set it to tensorflow" in last


def test_drawing_later__leaves_modules_of_a_namespace_alone(tmp_path, monkeypatch):
    (tmp_path / "of_many" / "places").mkdir(parents=True)
    monkeypatch.syspath_prepend(tmp_path)
    with drawing_later():
        assert importlib.import_module("of_many.places").__name__ == "of_many.places"


def test_drawing_later__loads_it_when_something_of_it_is_asked_for():
    """What draws lists the machine's fonts, which takes seconds on a fresh one."""
    code = """
import sys
from budwood.core.tensorflow import drawing_later
with drawing_later():
    import matplotlib.pyplot as plt
print("matplotlib.font_manager" in sys.modules)
print(callable(plt.figure), "matplotlib.font_manager" in sys.modules)
"""
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert said.split() == ["False", "True", "True"]
