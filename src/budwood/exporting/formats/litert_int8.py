"""A network made int8 by LiteRT's own converter, with layers left as they are where that is asked.

What stands above the features, the head and the distance from known photos, is always left: rounded probabilities would
be multiples of 1/256, and zero where they are small.
"""

import csv
import io
import re
import tempfile
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from budwood.core.scaling import Scaling
from budwood.core.tensorflow import hushed
from budwood.exporting.formats.tracing import above_features, save_signature
from budwood.exporting.network import PIXELS
from budwood.exporting.quantization import COMPARED, Square

if TYPE_CHECKING:
    import keras

NOT_ROUNDED = ["TOPK_V2", "REDUCE_MIN", "SOFTMAX", "LOGISTIC"]
"""Operations above the features whose tensors bear names of the converter's own."""


class LiteRtQuantizer:
    """Makes a network int8.

    Args:
        network: pixels in; it is given back as it was.
        file: name of the file that is written.
        sample: training photos.
    """

    def __init__(self, network: "keras.Model", file: str, sample: Sequence[Square]):
        self._network, self._name, self._sample = network, file, sample
        self._debugger: Any = None

    def noisiest(self) -> Sequence[str]:
        with quietly():
            self._debugger.options = self._options(())
            self._debugger.run()
        table = io.StringIO()
        self._debugger.layer_statistics_dump(table)
        rows = csv.DictReader(io.StringIO(table.getvalue()))
        noise = {row["tensor_name"]: float(row["error"]) for row in rows}
        return sorted(noise, key=lambda name: -noise[name])

    def write(self, folder: Path, left: Collection[str] = (), scaling: Scaling = 1.0) -> None:
        if scaling == 1.0:
            if self._debugger is None:
                self._debugger = self._calibrated()
            debugger = self._debugger
        else:
            with _scaled(self._network, scaling):
                debugger = self._calibrated()
        with quietly():
            debugger.options = self._options(left)
            (folder / self._name).write_bytes(debugger.get_nondebug_quantized_model())

    def _calibrated(self) -> Any:
        """Return what makes the network int8, once it has the ranges of values between layers."""
        import tensorflow as tf

        with tempfile.TemporaryDirectory(prefix="budwood-") as saved, quietly():
            save_signature(self._network, Path(saved))
            converter = tf.lite.TFLiteConverter.from_saved_model(saved)
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ({PIXELS: pixels} for pixels in self._sample)
            return tf.lite.experimental.QuantizationDebugger(
                converter=converter,
                debug_dataset=lambda: ([pixels] for pixels in self._sample[:COMPARED]),
                debug_options=self._options(()),
            )

    def _options(self, left: Collection[str]) -> Any:
        import tensorflow as tf

        return tf.lite.experimental.QuantizationDebugOptions(
            layer_direct_compare_metrics={"error": _error},
            denylisted_ops=NOT_ROUNDED,
            denylisted_nodes=[*left, *self._above_features()],
        )

    def _above_features(self) -> list[str]:
        """Return names of the tensors above the features, as the converter calls them."""
        from ai_edge_litert.interpreter import Interpreter

        if self._debugger is None:
            return []
        with hushed():
            tensors = Interpreter(model_content=self._debugger.calibrated_model).get_tensor_details()
        above = re.compile(above_features(self._network))
        return [one["name"] for one in tensors if above.match(one["name"])]


def _error(plain: np.ndarray, rounded: np.ndarray, scale: np.floating, zero: np.integer) -> float:
    """Return how far a tensor lies from what it would be without rounding, as a share of that."""
    apart = plain - (rounded.astype(np.float32) - zero) * scale
    return float(np.sqrt(np.square(apart).sum() / max(float(np.square(plain).sum()), 1e-12)))


@contextmanager
def _scaled(network: "keras.Model", scaling: Scaling) -> Iterator[None]:
    """Calibrate the logits of a network, until the block ends."""
    from budwood.network.heads import LOGITS, scale_logits

    layer = network.get_layer(LOGITS)
    weights = layer.get_weights()
    scale_logits(network, scaling)
    try:
        yield
    finally:
        layer.set_weights(weights)


@contextmanager
def quietly() -> Iterator[None]:
    """Silence what the converter writes, and its warnings of TensorFlow's own use of its interpreter."""
    with warnings.catch_warnings(), hushed():
        warnings.simplefilter("ignore")
        yield
