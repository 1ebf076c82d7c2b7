"""Labels of unequal number, labels that hardly stand without another one, and labels that nothing tells apart."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32

from budwood.auditing.classes import UNEQUAL
from budwood.auditing.findings import Imbalance, LabelsTogether, OtherProblem, Shown
from budwood.config.learning import Loss
from budwood.data.manifest import Photo
from budwood.training.label_weights import label_weights

TOGETHER = 0.95
"""Two labels are listed from this share on of the photos of one that have the other too."""
ALONE = 0.5
"""They are not listed where more than this share of the photos without the one have the other as well."""
FEWEST = 10
"""Photos with a label below which nothing is said of what it comes with."""
_EXAMPLES = 6

Targets = Float32[np.ndarray, "n labels"]


def find_label_imbalance(targets: Targets, labels: Sequence[str]) -> list[Imbalance]:
    """Return the imbalance of the labels, where the commonest is on three times the photos of the rarest, or more.

    Args:
        targets: 1, 0, or NaN where it is unknown, of photos that can be used.
        labels: their names.
    """
    learnable = np.flatnonzero((targets == 1).any(axis=0) & (targets == 0).any(axis=0)).tolist()
    if len(learnable) < 2:
        return []
    names, own = [labels[place] for place in learnable], targets[:, learnable]
    counts = (own == 1).sum(axis=0).tolist()
    largest, smallest = int(np.argmax(counts)), int(np.argmin(counts))
    if counts[largest] < UNEQUAL * counts[smallest]:
        return []
    weights = label_weights(Loss(class_weights="balanced"), own, names)[1]
    return [
        Imbalance(
            largest=names[largest],
            smallest=names[smallest],
            num_largest=counts[largest],
            num_smallest=counts[smallest],
            majority_share=counts[largest] / len(targets),
            weights={label: round(float(one), 4) for label, one in zip(names, weights, strict=True)},
            kind="label_imbalance",
        )
    ]


def find_labels_together(
    photos: Sequence[Photo], targets: Targets, labels: Sequence[str]
) -> list[LabelsTogether]:
    """Return the labels that hardly any photo has without another one, those with most photos first."""
    has, known = (targets == 1).astype(np.float32), (~np.isnan(targets)).astype(np.float32)
    both = has.T @ has
    # Photos with the first of which the second is known, and photos without the first that have the second.
    of_first = has.T @ known
    second_alone, without_first = (known - has).T @ has, (known - has).T @ known
    found = []
    for a, b in np.argwhere((both >= TOGETHER * of_first) & (of_first >= FEWEST)).tolist():
        also = both[a, b] >= TOGETHER * of_first[b, a] and of_first[b, a] >= FEWEST
        # Of two that each come with the other, the rarer is told of.
        second = also and (of_first[b, a], labels[b]) < (of_first[a, b], labels[a])
        if a == b or second or second_alone[a, b] > ALONE * without_first[a, b]:
            continue
        exceptions = np.flatnonzero((targets[:, a] == 1) & (targets[:, b] == 0)).tolist()
        meeting = np.flatnonzero((targets[:, a] == 1) & (targets[:, b] == 1)).tolist()
        found.append(
            LabelsTogether(
                label=labels[a],
                other=labels[b],
                together=int(both[a, b]),
                num_label=int(of_first[a, b]),
                num_other=int(of_first[b, a]),
                examples=tuple(
                    Shown(photos[one].name, photos[one].label, photos[one].split or "")
                    for one in [*exceptions, *meeting][:_EXAMPLES]
                ),
            )
        )
    return sorted(found, key=lambda one: (-one.num_label, one.label, one.other))


def find_unlearnable_labels(targets: Targets, labels: Sequence[str]) -> list[OtherProblem]:
    """Return the labels that every photo has in which they are known: a training refuses them."""
    detail = (
        "is on all photos in which it is known, so there is nothing to learn of it, and a training refuses it"
    )
    has, lacks = (targets == 1).any(axis=0).tolist(), (targets == 0).any(axis=0).tolist()
    return [
        OtherProblem(path=label, problem="always", detail=detail, severity="error")
        for label, some, others in zip(labels, has, lacks, strict=True)
        if some and not others
    ]
