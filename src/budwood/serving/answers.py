"""Predictions and explanations as the server's schema has them."""

import base64
import io

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from budwood.core.errors import ImageError
from budwood.evaluation.ood import Reference
from budwood.inference.prediction import Prediction
from budwood.inference.rules import Rules
from budwood.serving.errors import RequestError, of_picture
from budwood.serving.model import ServedModel
from budwood.serving.schema import (
    ClassShare,
    ErrorDetail,
    ExplainAnswer,
    PicturePrediction,
    SimilarPhoto,
    TreeAnswer,
)
from budwood.serving.uploads import Upload

SIMILAR = 6


def predict_one(
    upload: Upload, model: ServedModel, rules: Rules, top: int
) -> PicturePrediction | RequestError:
    """Return what is said of one picture, or why it cannot be read."""
    try:
        found = model.answer(upload.name, upload.content, rules)
    except ImageError as error:
        return of_picture(error)
    return as_answer(found, top)


def in_error(name: str, error: RequestError) -> PicturePrediction:
    """Return the place of a picture that cannot be read among others."""
    return PicturePrediction(name=name, error=ErrorDetail(kind=error.kind, message=error.message))


def as_answer(found: Prediction, top: int) -> PicturePrediction:
    """Return a prediction as the server's schema has it."""
    answer = None
    if found.answer is not None and found.answer.label is not None:
        probability = found.answer.probability or 0.0
        answer = TreeAnswer(
            label=found.answer.label,
            depth=found.answer.depth,
            probability=probability,
            path=list(found.answer.path),
        )
    return PicturePrediction(
        name=found.name,
        label=found.label if found.labels is None else None,
        labels=None if found.labels is None else list(found.labels),
        probability=found.probability,
        confident=found.confident,
        none_of_these=found.out_of_distribution,
        distance=found.distance,
        top=_shares(found.top(top)),
        probabilities=found.probabilities,
        prediction_set=None if found.prediction_set is None else list(found.prediction_set),
        path=_shares(found.path) if found.path else None,
        answer=answer,
    )


def _shares(pairs) -> list[ClassShare]:
    return [ClassShare(label=label, probability=share) for label, share in pairs]


def explain_one(
    model: ServedModel, upload: Upload, target: str | None, *, show_photos: bool
) -> ExplainAnswer | RequestError:
    """Return where in a picture the model sees a class, or why it cannot be read."""
    try:
        seen = model.see(upload.content)
    except ImageError as error:
        return of_picture(error)
    scores = model.predictor.score(seen)
    found = model.predict(upload.name, scores, model.default_rules)
    target = found.top(1)[0][0] if target is None else target
    reference = model.predictor.ood.reference if model.predictor.ood and show_photos else None
    return ExplainAnswer(
        model=model.name,
        fingerprint=model.fingerprint,
        milliseconds=0.0,
        prediction=as_answer(found, 5),
        target=target,
        picture=_as_url(_jpeg(seen)),
        heat=model.heat(seen, target).astype(float).round(4).tolist(),
        similar=_similar(model, reference, scores.features) if reference is not None else [],
    )


def _similar(model: ServedModel, reference: Reference, features: np.ndarray) -> list[SimilarPhoto]:
    if not reference.names:
        return []
    places, similarities = reference.nearest(features[None], SIMILAR)
    return [
        SimilarPhoto(
            label=model.label_of(reference, int(place)),
            similarity=float(share),
            thumbnail=_as_url(reference.thumbnails[place]),
        )
        for place, share in zip(places[0], similarities[0], strict=True)
        if reference.thumbnails[place]
    ]


def _jpeg(pixels: UInt8[np.ndarray, "height width 3"]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


def _as_url(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
