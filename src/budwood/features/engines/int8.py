"""A converted graph made int8, kept in the cache beside those at full precision.

Post-training quantisation by NNCF, the library of OpenVINO for it: ranges of the values between layers come from some
pictures, and convolutions are then computed in whole numbers of 8 bits.
"""

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from budwood.features.engines.graphs import keep_graph, quiet_nncf


def calibration_key(pictures: Sequence[str]) -> str:
    """Return what names a quantisation: the pictures that it was made on, by their hashes, and the libraries."""
    made_by = [f"nncf {version('nncf')}", f"openvino {version('openvino')}"]
    return hashlib.sha256("\n".join([*made_by, *pictures]).encode()).hexdigest()[:16]


def quantize(graph: Any, pictures: Sequence[UInt8[np.ndarray, "size size 3"]], folder: Path) -> Any:
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
    return keep_graph(made, folder)
