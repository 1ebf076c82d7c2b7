"""Every backbone that Budwood knows, by name."""

from collections.abc import Iterable
from dataclasses import replace

from budwood.backbones.applications import APPLICATIONS
from budwood.backbones.backbone import Backbone
from budwood.backbones.efficientnet_lite import EFFICIENTNET_LITE
from budwood.core.errors import BackboneError, did_you_mean


def _every() -> Iterable[Backbone]:
    return BACKBONES.values()


BACKBONES: dict[str, Backbone] = {
    backbone.name: replace(backbone, known=_every) for backbone in (*EFFICIENTNET_LITE, *APPLICATIONS)
}


def get_backbone(name: str) -> Backbone:
    """Return the backbone of that name. Raise BackboneError with the nearest known name.

    >>> get_backbone("efficientnet_lite0").size
    224
    >>> get_backbone("efficientnet_light0")
    Traceback (most recent call last):
    budwood.core.errors.BackboneError: no backbone `efficientnet_light0`. Did you mean efficientnet_lite0? ...
    """
    known, at, size = name.rpartition("@")
    if at and known in BACKBONES:
        raise BackboneError(
            f"`{name}`: `{size}` is no size in pixels. Give {known}@{BACKBONES[known].size}, or no size"
        )
    if name not in BACKBONES:
        raise BackboneError(
            f"no backbone `{name}`.{did_you_mean(name, BACKBONES)} Known: {', '.join(BACKBONES)}. "
            "`budwood backbones` describes them."
        )
    return BACKBONES[name]
