from collections.abc import Callable

import h5py
import keras
import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("copies") and item.callspec.params["built"] not in item.module.COPIED:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def write_legacy() -> Callable[..., None]:
    """Writes a model's weights to a file of the `.h5` layout of Keras 2, in which Keras still keeps ImageNet's."""
    return _write_legacy


def _write_legacy(path, model: keras.Model, prefix: str = "") -> None:
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [f"{prefix}{layer.name}".encode() for layer in model.layers]
        for layer in model.layers:
            group = file.create_group(f"{prefix}{layer.name}")
            names = [f"{layer.name}/{index}:0" for index in range(len(layer.weights))]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, array in zip(names, layer.get_weights(), strict=True):
                group[name] = array
