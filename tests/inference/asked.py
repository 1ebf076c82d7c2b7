"""Models are read and asked what they say of photos."""

from budwood.inference.artifact import load_artifact, read_reference
from budwood.inference.keras_predictor import KerasPredictor
from budwood.inference.load import load_predictor
from budwood.inference.predictor import OodDetector


def asked(folder, photo):
    """What a model says, and what is said of its graph meanwhile."""
    said: list[str] = []
    predictor = load_predictor(folder, say=said.append)
    return predictor, list(predictor.predict([photo])[0].probabilities.values()), said


def keras_predictor(run):
    artifact = load_artifact(run / "model")
    return KerasPredictor(artifact, OodDetector(read_reference(run / "model", artifact.info)))
