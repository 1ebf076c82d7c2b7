"""The layout and the configuration that OpenVINO Model Server and Triton take, with answers to compare theirs with.

Neither server is at hand where this is made: the files follow their documentation and are untried.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from budwood.core.errors import RunError
from budwood.core.files import write_json, write_text
from budwood.exporting.checking import SplitPhotos, squares
from budwood.exporting.contract import Contract
from budwood.exporting.formats.format import Format, Runtime
from budwood.exporting.network import DISTANCE, PROBABILITIES
from budwood.inference.predictor import InputContract

VERSION = "1"
"""The folder that the servers look for a model in: the number of its version."""
BACKENDS = {"openvino": "openvino", "onnx": "onnxruntime"}
"""What Triton calls the runtimes of the formats that both servers know."""
GOLDEN = 20
"""Photos whose answers are written down."""


def refuse_unknown(form: Format) -> None:
    """Raise RunError for a format that these servers do not both know."""
    if form.name not in BACKENDS:
        raise RunError(
            f"OpenVINO Model Server and Triton do not both know {form.title}. Take --format openvino or onnx, or leave "
            "out --server"
        )


def move_model(folder: Path) -> None:
    """Move the files of a model to where the servers look for them."""
    files = list(folder.iterdir())
    (folder / VERSION).mkdir()
    for file in files:
        file.rename(folder / VERSION / file.name)


def write_configuration(folder: Path, name: str, contract: Contract) -> None:
    """Write `config.json` for OpenVINO Model Server and `config.pbtxt` for Triton.

    Args:
        folder: of the export.
        name: what the model is called, the name that its folder will have.
        contract: of the export.
    """
    model = {
        "name": name,
        "base_path": f"/models/{name}",
        "plugin_config": {"INFERENCE_PRECISION_HINT": "f32"},
    }
    write_json(folder / "config.json", {"model_config_list": [{"config": model}]})
    write_text(folder / "config.pbtxt", triton_configuration(contract))


def triton_configuration(contract: Contract) -> str:
    """Return `config.pbtxt` of Triton: any number of pictures, which the model takes as they come."""
    outputs = [(contract.output.name, contract.output.shape[1])]
    if contract.distance is not None:
        outputs.append((contract.distance.name, 1))
    lines = [
        f'backend: "{BACKENDS[contract.exported_as]}"',
        # Pictures are the first of the dimensions: Triton's OpenVINO backend fails where it is to add it.
        "max_batch_size: 0",
        f"input [ {_tensor(contract.input.name, contract.input.shape[1:])} ]",
        f"output [ {', '.join(_tensor(name, (width,)) for name, width in outputs)} ]",
        "instance_group [ { kind: KIND_CPU } ]",
    ]
    if contract.exported_as == "openvino":
        lines.append('parameters: { key: "ENFORCE_BF16" value: { string_value: "NO" } }')
    return "\n".join(lines) + "\n"


def golden_answers(photos: SplitPhotos, wanted: InputContract, runtime: Runtime) -> list[dict[str, object]]:
    """Return what an exported model answers for some photos, and by what their squares are known.

    Args:
        photos: of which some are chosen, spread over all.
        wanted: how a picture becomes a square.
        runtime: of the exported model.
    """
    few = photos.some(GOLDEN)
    found = []
    for name, square in zip(few.names, squares(few.pictures, wanted), strict=True):
        answers = runtime(square)
        one: dict[str, object] = {
            "photo": name,
            "square_sha256": hashlib.sha256(square[0].astype(np.uint8).tobytes()).hexdigest(),
            PROBABILITIES: _numbers(answers[PROBABILITIES]),
        }
        if DISTANCE in answers:
            one[DISTANCE] = _numbers(answers[DISTANCE])[0]
        found.append(one)
    return found


def readme_lines(name: str) -> str:
    """Return the part of README.md on the servers."""
    return f"""
## On a model server

Untried, for no such server was at hand: OpenVINO Model Server takes the folder as it is,

```shell
docker run --rm -p 9000:9000 -v "$PWD:/models/{name}:ro" openvino/model_server:latest \\
    --config_path /models/{name}/config.json --port 9000
```

and Triton a folder of models that it lies in under its name (`tritonserver --model-repository FOLDER`). Both are told
to compute at full precision. `golden.json` has the answers for up to {GOLDEN} photos of the run, with the SHA-256 of
their squares (bytes, rows, then columns, then RGB): send these pixels as float32, and compare to within 0.001.
"""


def _tensor(name: str, dims: Sequence[int]) -> str:
    return f'{{ name: "{name}" data_type: TYPE_FP32 dims: [ -1, {", ".join(map(str, dims))} ] }}'


def _numbers(row: np.ndarray) -> list[float]:
    return [round(float(number), 6) for number in row[0]]
