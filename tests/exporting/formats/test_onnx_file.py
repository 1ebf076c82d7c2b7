import dataclasses
from types import SimpleNamespace

import pytest

from budwood.core.errors import RunError
from budwood.core.system import machine
from budwood.exporting.formats import onnx_file


@pytest.mark.parametrize("name", ["onnx", "web"])
def test_write__a_network_that_memory_does_not_hold_is_refused_at_once(name, tmp_path, monkeypatch):
    import keras

    from budwood.exporting.formats import FORMATS

    pixels = keras.Input((2, 2, 3))
    flat = keras.layers.Flatten()(pixels)
    network = keras.Model(pixels, {"probabilities": keras.layers.Dense(1000)(flat)})
    small = dataclasses.replace(machine(), memory=1_000_000)
    monkeypatch.setattr(onnx_file, "machine", lambda: small)
    with pytest.raises(RunError, match=r"about 0 GB of memory.* take --format openvino"):
        FORMATS[name].write(SimpleNamespace(keras=network), tmp_path)
    assert not list(tmp_path.iterdir())
