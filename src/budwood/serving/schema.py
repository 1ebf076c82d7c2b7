"""What the server answers, as it stands in the OpenAPI description."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from budwood.serving.errors import Kind

Share = Annotated[float, Field(ge=0, le=1)]


class Answered(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())


class ErrorDetail(Answered):
    """What is wrong with a request."""

    kind: Kind
    message: str
    """One sentence."""


class ErrorAnswer(Answered):
    """A request that was not answered."""

    error: ErrorDetail


class ClassShare(Answered):
    """A class, or a node of a tree of labels, and its probability."""

    label: str
    probability: Share


class TreeAnswer(Answered):
    """On a tree of labels, the deepest node that is right as often as was asked."""

    label: str
    depth: int
    probability: Share
    path: list[str]


class PicturePrediction(Answered):
    """What the model says of one picture."""

    name: str
    """The name of the uploaded file, or "image N"."""
    label: str | None = None
    """The most probable class; null where the picture cannot be read, or may have several labels and has none."""
    labels: list[str] | None = None
    """Where a picture may have several labels: those that it has."""
    probability: Share | None = None
    confident: bool | None = None
    """Whether it is probable enough for the precision that was asked for."""
    none_of_these: bool | None = None
    """Whether the picture is too far from the training photos to be one of the classes."""
    distance: float | None = None
    """How far the picture is from the training photos; null for a model that cannot tell."""
    top: list[ClassShare] = []
    """The most probable classes, the most probable first."""
    probabilities: dict[str, Share] = {}
    """The calibrated probability of every class."""
    prediction_set: list[str] | None = None
    """Where a coverage was asked for, the classes that hold the true one so often."""
    path: list[ClassShare] | None = None
    """On a tree of labels, the nodes down to the predicted class."""
    answer: TreeAnswer | None = None
    error: ErrorDetail | None = None
    """Why the picture cannot be read, where others of the request could be."""


class PredictAnswer(Answered):
    """Predictions of the pictures of one request, in their order."""

    model: str
    fingerprint: str
    """SHA-256 of the model that answered."""
    milliseconds: float
    """From the whole body to the answer."""
    predictions: list[PicturePrediction]


class SimilarPhoto(Answered):
    """A training photo that a picture resembles."""

    label: str
    similarity: Annotated[float, Field(ge=-1.0001, le=1.0001)]
    thumbnail: str
    """A small JPEG, as a data URL."""


class ExplainAnswer(Answered):
    """Where in a picture the model sees a class."""

    model: str
    fingerprint: str
    milliseconds: float
    prediction: PicturePrediction
    target: str
    """The class that is explained."""
    picture: str
    """What the model sees, a square, as a JPEG in a data URL."""
    heat: list[list[float]]
    """Rows of square parts of it: by how much the log-odds of the class fall where the part is hidden."""
    similar: list[SimilarPhoto]
    """Training photos that it resembles, the most similar first; empty where the server does not show them."""


class InputInfo(Answered):
    """What the model sees of a picture."""

    size: int
    resize: str
    channels: Literal["RGB"] = "RGB"


class Accuracy(Answered):
    """The accuracy of the run on photos that it did not learn from, and its 95 % interval, null where it has none."""

    split: str
    photos: int
    accuracy: Share
    accuracy_ci95: tuple[float, float] | None


class LabelPrecision(Answered):
    """The mean average precision, over labels, of a run of several labels, on photos that it did not learn from."""

    split: str
    photos: int
    mean_average_precision: Share
    mean_average_precision_ci95: tuple[float, float] | None


class ServedModelInfo(Answered):
    """A model that answers."""

    name: str
    fingerprint: str
    default: bool
    """Whether it answers where a request names no model."""
    backbone: str | list[str]
    classes: list[str]
    several_labels: bool
    thresholds: dict[str, Share] | None
    """The probability from which a picture has each label, where it may have several."""
    tree_of_labels: bool
    none_of_these: bool
    """Whether it can tell what is none of its classes."""
    input: InputInfo
    measured: Accuracy | LabelPrecision | None
    training_photos: bool
    """Whether `similar` of an explanation shows training photos."""
    report: str | None = None
    """Address of the report of the training; null where the server does not show it."""


class ModelsAnswer(Answered):
    """The models that answer."""

    models: list[ServedModelInfo]


class State(Answered):
    """Whether the server is alive, or ready."""

    status: Literal["alive", "ready", "stopping"]
