"""Which engine runs the feature extractor, and that both give the same."""

import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from budwood.core.errors import BackboneError, RecipeError
from budwood.core.system import num_cores
from budwood.features.engines import engine as engines
from budwood.features.engines import openvino
from budwood.features.engines.engine import BATCH_SIZE, Engine, choose_engine, milliseconds_per_picture

SIZE = 12


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(0)
    pixels = keras.Input((SIZE, SIZE, 3), name="pixels")
    x = keras.layers.Rescaling(1 / 255)(pixels)
    x = keras.layers.Conv2D(5, 3)(x)
    return keras.Model(pixels, x)


def views(n: int) -> list[np.ndarray]:
    return list(np.random.default_rng(1).integers(0, 256, (n, SIZE, SIZE, 3), dtype=np.uint8))


def test_frozen_part__both_engines_agree_in_order(model):
    pictures = views(BATCH_SIZE + 3)
    parts = [Engine(model, engine=engine, fingerprint="fp") for engine in ("openvino", "keras")]
    assert [part.engine for part in parts] == ["openvino", "keras"]
    one, other = (np.stack(list(part.run(iter(pictures)))) for part in parts)
    assert one.shape == other.shape == (len(pictures), *parts[0].shape)
    assert one.dtype == other.dtype == np.float32
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-4 * np.abs(other).max())


def test_frozen_part__auto_is_openvino_on_a_cpu(model, own_cache):
    part = Engine(model, fingerprint="fp")
    assert part.engine == "openvino"
    assert part.notes == []
    assert (own_cache / "graphs" / "fp" / "graph.xml").exists()


def test_frozen_part__keras_does_not_depend_on_neighbours_beyond_rounding(model):
    part = Engine(model, engine="keras", fingerprint="fp")
    pictures = views(5)
    together = np.stack(list(part.run(pictures)))
    alone = np.stack([next(part.run([picture])) for picture in pictures])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-6 * np.abs(together).max())


def test_frozen_part__auto_takes_keras_where_conversion_fails(model, monkeypatch):
    def fail(*arguments):
        raise BackboneError("an unknown layer")

    monkeypatch.setattr(openvino, "convert_model", fail)
    part = Engine(model, fingerprint="fp")
    assert part.engine == "keras"
    assert "an unknown layer" in part.notes[0].text and part.notes[0].kind == "engine"
    assert next(part.run(views(1))).shape == part.shape
    with pytest.raises(BackboneError):
        Engine(model, engine="openvino", fingerprint="fp")


def test_frozen_part__keras_says_that_it_has_no_bf16(model):
    assert "f32" in Engine(model, engine="keras", precision="bf16", fingerprint="fp").notes[0].text


def test_choose_engine__keras_on_an_accelerator(monkeypatch):
    monkeypatch.setattr(engines, "_sees_accelerator", lambda: True)
    assert choose_engine("auto") == "keras"
    assert choose_engine("openvino") == "openvino"


def test_choose_engine__without_openvino(monkeypatch):
    def absent():
        raise ImportError("No module named 'openvino'")

    monkeypatch.setattr(engines, "import_openvino", absent)
    assert choose_engine("auto") == "keras"
    with pytest.raises(RecipeError, match="pip install openvino"):
        choose_engine("openvino")


def test_choose_engine__keras_on_other_backends(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    notes = []
    assert choose_engine("auto", notes) == "keras"
    assert notes == []
    assert choose_engine("openvino", notes) == "keras"
    assert "jax" in notes[0].text


def test_milliseconds_per_picture__of_two_seconds_and_kept_out_of_the_cache(model, own_cache, monkeypatch):
    seconds = iter([100.0, 100.75, 101.5, 102.25])
    monkeypatch.setattr(engines, "time", SimpleNamespace(perf_counter=lambda: next(seconds)))
    assert milliseconds_per_picture(model) == pytest.approx(2250 / (3 * 2 * num_cores()))
    assert not list(own_cache.iterdir())


def test_openvino_is_preferred__on_a_machine_with_an_accelerator_but_without_keras(monkeypatch, tmp_path):
    monkeypatch.setattr(engines, "ACCELERATORS", [str(tmp_path)])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with monkeypatch.context() as with_keras:
        with_keras.setattr(engines, "_sees_accelerator", lambda: True)
        assert not engines.openvino_is_preferred()
    monkeypatch.setitem(sys.modules, "keras", None)
    assert engines.openvino_is_preferred()
