"""The recipe's settings of the training, said in sentences."""

from collections.abc import Sequence

from budwood.config.learning import Finetune
from budwood.config.recipe import Augment, Recipe
from budwood.core import text as words

# Setting, how many percent or degrees its unit is, and what it does, in the order in which it is told.
CHANGES: list[tuple[str, float, str]] = [
    ("rotation", 360, "turned by up to {:g} degrees"),
    ("zoom", 100, "scaled by up to {:g} %"),
    ("height", 100, "stretched in height by up to {:g} %"),
    ("width", 100, "stretched in width by up to {:g} %"),
    ("translation", 100, "shifted by up to {:g} % of the side"),
    ("crop", 100, "cropped to no less than {:g} % of the area"),
    ("brightness", 1, "brighter or darker by up to {:g} of 255"),
    ("channel_brightness", 1, "each colour channel brighter or darker by up to {:g} of 255"),
    ("contrast", 100, "contrast changed by up to {:g} %"),
    ("noise", 1, "noise of standard deviation {:g} of 255"),
    ("downsample", 100, "resolution lowered to no less than {:g} %"),
]


def augmentation(augment: Augment) -> str:
    """Return how the training photos were augmented, from the recipe's section `augment`; "" where they were
    not.

    >>> augmentation(Augment(views=2, rotation=0.1))
    'Every epoch showed each training photo as it is or as an augmented view of it: turned by up to 36 degrees.'
    """
    sentences, views = [], augment.views
    if views == "per-epoch" or views > 1:
        if views == "per-epoch":
            shown = "a new augmented view of each training photo"
        else:
            drawn = "an augmented view" if views == 2 else f"one of {views - 1:,} augmented views"
            shown = f"each training photo as it is or as {drawn} of it"
        beside = ", beside the original" if augment.originals else ""
        changes = ", ".join(changes_of(augment))
        sentences.append(
            f"Every epoch showed {shown}{beside}: {changes}."
            if changes
            else "Every epoch showed the training photos as they are, for no change of them was asked for."
        )
    alphas = (("mixup", augment.mixup), ("cutmix", augment.cutmix))
    mixes = [f"{name} (alpha {alpha:g})" for name, alpha in alphas if alpha]
    if mixes:
        sentences.append(f"The photos of a batch were mixed with one another by {words.listing(mixes)}.")
    return " ".join(sentences)


def changes_of(augment: Augment) -> list[str]:
    """Return what augmented views change, each in words."""
    flips = [(augment.horizontal_flip, "left to right"), (augment.vertical_flip, "top to bottom")]
    ways = [way for is_on, way in flips if is_on]
    changes = [f"mirrored {words.listing(ways)} or not"] if ways else []
    changes += [text.format(value * unit) for key, unit, text in CHANGES if (value := getattr(augment, key))]
    if operations := augment.rand_augment:
        changes.append(
            f"{words.count(operations, 'operation')} of RandAugment of magnitude {augment.rand_magnitude:g}"
        )
    return [change.replace(" %", f"{words.NO_BREAK}%") for change in changes]


def training_loss(recipe: Recipe) -> str:
    """Return what the training loss holds beside the plain loss of the validation photos; "" where there is
    nothing.

    >>> training_loss(Recipe.from_dict({"loss": {"label_smoothing": 0.1}, "head": {"l2": 1e-4}}))
    'The training loss includes label smoothing and an L2 penalty, the validation loss does not.'
    """
    parts = [
        ("label smoothing", recipe.loss.label_smoothing),
        ("the weights of the classes", recipe.loss.class_weights != "none"),
        ("the focal factor", recipe.loss.focal),
        ("the asymmetry between labels that a photo has or not", recipe.loss.asymmetric or recipe.loss.clip),
        ("the distance to the teacher", recipe.distill.run),
        ("an L2 penalty", recipe.head.l2),
    ]
    held = [name for name, is_held in parts if is_held]
    return f"The training loss includes {words.listing(held)}, the validation loss does not." if held else ""


def when_kept(finetune: Finetune) -> str:
    """Return the condition under which fine-tuning is kept, to stand after "is kept".

    >>> when_kept(Finetune())
    'where its loss on the validation photos is lower, of few training photos by more than a standard error'
    """
    lower = "where its loss on the validation photos is lower"
    if finetune.parameters == "scale-and-bias":
        return lower
    return f"{lower}, of few training photos by more than a standard error"


def trained(layers: int, finetune: Finetune) -> str:
    """Return what fine-tuning trained of so many layers, in short.

    >>> trained(18, Finetune()), trained(19, Finetune(parameters="scale-and-bias"))
    ('18 layers and the head', 'scale and bias of 19 layers, and the head')
    """
    number = words.count(layers, "layer")
    if finetune.parameters == "scale-and-bias":
        return f"scale and bias of {number}, and the head"
    return f"{number} and the head"


def unfrozen(layers: Sequence[str], finetune: Finetune) -> str:
    """Return what of the backbone was trained, from the names of the layers that were, bottom first.

    >>> unfrozen(["block_16_expand", "Conv_1"], Finetune())
    'the head and the backbone from “block_16_expand” upwards (2 layers with weights; BatchNorm kept as it was)'
    >>> unfrozen(["Conv_1_bn"], Finetune(parameters="scale-and-bias"))
    'the head, and scale and bias of the normalization layers from “Conv_1_bn” upwards (1 layer)'
    """
    if not layers:
        return "the head alone"
    # Of several backbones the layers' names begin with the backbone's and a dot.
    lowest: dict[str, str] = {}
    for layer in layers:
        lowest.setdefault(layer.rpartition(".")[0], layer)
    upwards = f"from {words.listing([words.name(layer) for layer in lowest.values()])} upwards"
    if finetune.parameters == "scale-and-bias":
        return (
            f"the head, and scale and bias of the normalization layers {upwards} "
            f"({words.count(len(layers), 'layer')})"
        )
    state = "trained too" if finetune.batch_norm == "train" else "kept as it was"
    return (
        f"the head and the backbone {upwards} "
        f"({words.count(len(layers), 'layer')} with weights; BatchNorm {state})"
    )
