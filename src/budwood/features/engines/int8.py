"""A converted graph made int8, kept in the cache beside those at full precision.

Post-training quantisation by NNCF, the library of OpenVINO for it: ranges of the values between layers come from some
pictures, and convolutions are then computed in whole numbers of 8 bits.
"""

import hashlib
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from budwood.core.errors import BackboneError
from budwood.features.engines.graphs import compile_graph, keep_graph, openvino_core, quiet_nncf


def calibration_key(pictures: Iterable[UInt8[np.ndarray, "size size 3"]]) -> str:
    """Return what names a quantisation: the pictures that it was made on, the libraries, and the processor, for without
    VNNI sums of whole numbers of 8 bits may overflow."""
    processor = openvino_core().get_property("CPU", "FULL_DEVICE_NAME")
    digest = hashlib.sha256(f"nncf {version('nncf')}, openvino {version('openvino')}, {processor}".encode())
    for picture in pictures:
        digest.update(picture.tobytes())
    return digest.hexdigest()[:16]


def quantize(graph: Any, pictures: list[UInt8[np.ndarray, "size size 3"]], folder: Path) -> Any:
    """Make a graph int8, keep it in a folder of the cache, and return it.

    Args:
        graph: from one picture of uint8 pixels; it stays as it is.
        pictures: from which the ranges of values are taken, some hundred of them.
        folder: where it is kept.
    """
    with quiet_nncf() as nncf:
        # Mixed: the range of values between layers need not lie around 0.
        made = nncf.quantize(
            graph,
            nncf.Dataset([picture[np.newaxis] for picture in pictures]),
            subset_size=len(pictures),
            preset=nncf.QuantizationPreset.MIXED,
        )
    return keep_graph(made, folder, lambda kept: _compare(kept, made, pictures[0]))


def _compare(kept: Any, made: Any, picture: UInt8[np.ndarray, "size size 3"]) -> None:
    found, expected = (compile_graph(one)(picture[np.newaxis])[0] for one in (kept, made))
    if not np.array_equal(found, expected):
        raise BackboneError("the int8 graph was not written as it is: is the disk full?")
