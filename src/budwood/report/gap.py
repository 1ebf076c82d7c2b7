"""The gap between training and validation accuracy at the epoch that was kept, and how to read it."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from budwood.core import text as words
from budwood.report.settings import changes_of
from budwood.report.summary import Contents
from budwood.training.probe_size import views_learned

VIEWS = "augmented views"
"""What makes the pictures harder of a head that learned from several views of each photo."""


@dataclass(frozen=True)
class Gap:
    """How far training accuracy lies above validation accuracy, negative where below."""

    points: float
    words: str

    @property
    def label(self) -> str:
        """Its name in a chart."""
        return f"gap {abs(self.points):.1f} points"


def describe_gap(contents: Contents, row: Mapping[str, Any], phase: str) -> Gap | None:
    """Return the gap in one row of `history.csv`, against what chance makes of so few photos; None without
    both figures."""
    train, validation = (row.get(key, math.nan) for key in ("accuracy", "val_accuracy"))
    if not (math.isfinite(train) and math.isfinite(validation)):
        return None
    photos = Counter(photo.split for photo in contents.photos)
    variance = _variance(train, photos["train"]) + _variance(validation, photos["validation"])
    points, chance = 100 * (train - validation), 100 * 1.96 * math.sqrt(variance)
    is_linear = phase != "finetune" and contents.chosen is not None
    harder = [name for name in what_is_harder(contents) if not is_linear or name == VIEWS]
    if is_linear and views_learned(contents.recipe, photos["train"]) == 1:
        harder = []
    named = words.listing(harder)
    if points > chance:
        text = (
            f"Train lies {points:.1f} points above validation, more than the {chance:.1f} that chance explains: "
            "overfitting, the model knows its training photos better than new ones."
        )
        if harder:
            text += (
                f" The training figure was measured on harder pictures ({named}), so the true gap is wider."
            )
        elif is_linear and contents.path:
            text += (
                " The penalty that does best on photos left out was chosen by cross-validation all the same."
            )
    elif points < -chance:
        text = f"Train lies {-points:.1f} points below validation, more than the {chance:.1f} that chance explains: "
        text += (
            f"it was measured on harder pictures ({named}), so that is no fault."
            if harder
            else "in the epoch itself the weights were still moving, or the validation photos are easier."
        )
    else:
        text = (
            f"Train and validation lie {abs(points):.1f} points apart, no more than the {chance:.1f} that chance "
            "explains: no overfitting can be seen."
        )
        if harder:
            text += f" The training figure was measured on harder pictures ({named}), so the true gap may be wider."
    return Gap(points, f"In exact match, {text[0].lower()}{text[1:]}" if contents.multi_label else text)


def _variance(share: float, photos: int) -> float:
    # With one more right and one more wrong, so that all right on ten photos is not taken for certain.
    smoothed = (share * photos + 1) / (photos + 2)
    return smoothed * (1 - smoothed) / max(photos, 1)


def what_is_harder(contents: Contents) -> list[str]:
    """Return what makes the pictures of gradient steps harder than those of validation."""
    augment = contents.recipe.augment
    parts = [
        (VIEWS, (augment.views == "per-epoch" or augment.views > 1) and changes_of(augment)),
        ("mixed photos", augment.mixup or augment.cutmix),
        ("dropout", contents.recipe.head.dropout),
    ]
    return [name for name, is_on in parts if is_on]
