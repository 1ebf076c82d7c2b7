"""The predictor of a saved model: on its converted graph where there is one, made anew where that is lost."""

from collections.abc import Callable
from pathlib import Path

from budwood.core.tensorflow import load_keras
from budwood.data.decoder.levels import as_range
from budwood.evaluation.ood import Reference
from budwood.features.engines.engine import openvino_is_preferred
from budwood.inference import converted
from budwood.inference.artifact import read_info, read_model, read_reference
from budwood.inference.model_info import ModelInfo
from budwood.inference.predictor import InputContract, OodDetector, Predictor


def load_predictor(
    folder: Path, engine: Callable[[], str] = lambda: "auto", say: Callable[[str], None] = lambda line: None
) -> Predictor:
    """Return the predictor of a saved model.

    Where the converted graph is missing, damaged or of another `model.keras`, it is made again: beside the model, or in
    the cache where that folder cannot be written.

    Args:
        folder: `model.keras` and what lies beside it.
        engine: returns what the recipe asks for, "auto", "openvino" or "keras"; called where no graph is kept.
        say: told where a graph has to be made, and why, and where the photos of the training were scaled otherwise.

    Raises:
        RunError: the model is missing, damaged or changed.
    """
    info = read_info(folder)
    if scaled_otherwise(info):
        say(
            f"the photos of {folder} were scaled by Pillow {info.versions['pillow']}, in another order than by Pillow "
            "13 and later: some probabilities differ by a hundredth or two from those that the run reports. Train "
            "again to be rid of the difference"
        )
    model = info.sha256
    reference = read_reference(folder, info)
    graph = converted.find(folder, model) if openvino_is_preferred() else None
    if graph is None:
        from budwood.inference.keras_predictor import KerasPredictor

        load_keras()
        asked = engine()
        artifact = read_model(folder / "model.keras", info)
        if asked == "keras" or not openvino_is_preferred():
            return KerasPredictor(artifact, _detector(reference), engine=asked)
        state = "damaged" if converted.is_there(folder) else "missing"
        say(f"the inference graph of {folder} is {state}: it is made again from model.keras")
        pictures = reference.thumbnails[: converted.CHECKED] if reference else ()
        try:
            graph = converted.keep(artifact, folder, model, [one for one in pictures if one], reference)
        except converted.ConversionError as error:
            say(f"Keras answers, OpenVINO could not: {error}")
            return KerasPredictor(artifact, _detector(reference), engine=asked)
        if converted.find(folder, model) is None:
            say(
                f"neither {folder} nor the cache can be written, so the next process makes the graph again. Set "
                "BUDWOOD_CACHE to a folder that you may write"
            )
    from budwood.inference.openvino_predictor import OpenVinoPredictor

    return OpenVinoPredictor(
        graph.file,
        graph.parts,
        info.classes,
        InputContract(info.input.size, info.input.resize, as_range(info.input.levels)),
        _detector(reference, graph),
        info.thresholds,
    )


def scaled_otherwise(info: ModelInfo) -> bool:
    """Return whether the model saw photos that an older Pillow scaled: always by columns first."""
    major = info.versions.get("pillow", "").partition(".")[0]
    return major.isdecimal() and int(major) < 13


def _detector(
    reference: Reference | None, graph: "converted.ConvertedGraph | None" = None
) -> OodDetector | None:
    return OodDetector(reference, graph.thresholds if graph else {}) if reference else None
