"""Sections of a recipe that say how head and backbone learn: [loss], [distill], [frozen] and [finetune]."""

from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from budwood.config.section import Auto, Fraction, Section

MIN_L2_STRENGTH, MAX_L2_STRENGTH = 1e-12, 1e6


L2Strength = Annotated[float, Field(ge=MIN_L2_STRENGTH, le=MAX_L2_STRENGTH)]


class Loss(Section):
    """What gradient steps make smaller. Of a linear fit only the class weights have a part in phase 1."""

    label_smoothing: Fraction = 0.0
    """Share of the target that is spread evenly over all classes (Szegedy et al. 2016)."""
    class_weights: Literal["none", "balanced"] | dict[str, Annotated[float, Field(ge=0.0)]] = "none"
    """"balanced": each class counts alike, however many photos it has; or a weight for each class by name, 1 where
    none is given."""
    focal: Annotated[float, Field(ge=0.0, le=10.0)] = 0.0
    """Gamma of the focal loss (Lin et al. 2017); 0 is cross-entropy."""


class Distill(Section):
    """Learning from a finished run beside the labels (Hinton, Vinyals and Dean 2015), by gradient steps of either
    phase; a linear fit knows labels alone."""

    run: Annotated[str, Field(min_length=1)] | None = None
    """The run whose saved model teaches; without one nothing is distilled."""
    temperature: Annotated[float, Field(ge=0.1, le=100.0)] = 2.0
    """At which teacher and student are compared: above 1, more of what the teacher says of the less likely classes
    counts. At 1 the teacher says the probabilities of its saved model, calibrated as they are."""
    weight: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5
    """Share of the teacher in the loss; the rest is that of the labels."""


class Steps(Section):
    """Gradient steps: the settings that both phases share."""

    optimizer: str = "adam"
    """Any of Keras's, by its name: "adam", "adamw", "sgd", "rmsprop" and so on."""
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-3
    """The highest rate, where a schedule changes it."""
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.0
    """Decoupled decay of the weights, as the optimizer has it; biases and norms do not decay."""
    momentum: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Momentum of SGD and RMSprop; other optimizers have their own."""
    clip_norm: Annotated[float, Field(ge=0.0)] = 0.0
    """Largest norm of all gradients together; 0 clips nothing."""
    ema: Fraction = 0.0
    """Momentum of an exponential moving average of the weights, which is what is validated and kept; 0 for none."""
    schedule: Literal["constant", "cosine", "reduce_on_plateau"] = "constant"
    """How the rate goes: as it is, down to 0 along half a cosine, or down wherever validation loss stands still."""
    warmup_epochs: Annotated[float, Field(ge=0.0)] = 0.0
    """Epochs in which the rate climbs to its height, at first; parts of one are allowed."""
    plateau_factor: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    """What "reduce_on_plateau" multiplies the rate by ..."""
    plateau_patience: Annotated[int, Field(ge=1)] = 2
    """... after so many epochs without a better validation loss ..."""
    plateau_floor: Annotated[float, Field(ge=0.0)] = 0.0
    """... never below this."""
    batch_size: Annotated[int, Field(ge=1)] = 32
    """Photos in one gradient step."""
    early_stopping: Annotated[int, Field(ge=0)] = 5
    """Epochs without a better validation loss after which training stops; 0 never stops."""


class Frozen(Steps):
    """Phase 1: the head is trained on features of the frozen backbone."""

    fit: Literal["auto", "linear", "gradient"] = "auto"
    """"linear" is multinomial logistic regression, "gradient" any head and optimizer; "auto" is "linear" where the
    head has no hidden layer, batch norm or dropout and the features of the training split are small enough."""
    l2_strengths: Auto | Annotated[list[L2Strength], Field(min_length=1)] = "auto"
    """L2 strengths tried by the linear fit, in units of the mean loss per photo."""
    folds: Annotated[int, Field(ge=2, le=20)] = 5
    """Folds of the cross-validation that chooses the L2 strength."""
    epochs: Annotated[int, Field(ge=0)] = 30
    """0: there is no phase 1, the head is trained in phase 2 alone, as from scratch."""


WHAT_TO_UNFREEZE = (
    'give "all", or one of {layers = 20}, {blocks = 2}, {fraction = 0.3}, {from_layer = "NAME"}'
)


class Unfreeze(Section):
    """What of the backbone trains in phase 2: give one of the four."""

    layers: Annotated[int, Field(ge=1)] | None = None
    """So many layers from the top."""
    blocks: Annotated[int, Field(ge=1)] | None = None
    """So many blocks from the top."""
    fraction: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    """This share of the layers, from the top."""
    from_layer: str | None = None
    """This layer and all above it."""

    @pydantic.model_validator(mode="after")
    def _one(self) -> "Unfreeze":
        if len(self.model_dump(exclude_none=True)) != 1:
            raise ValueError(WHAT_TO_UNFREEZE)
        return self


def _all_or_a_line(value: Any) -> Any:
    one_line = isinstance(value, dict) and len(value) == 1 and value.keys() <= Unfreeze.model_fields.keys()
    if value == "all" or one_line or isinstance(value, Unfreeze):
        return value
    raise ValueError(WHAT_TO_UNFREEZE)


class Finetune(Steps):
    """Phase 2: the upper layers of the backbone are trained too, at a low rate. 0 epochs: there is no phase 2."""

    epochs: Annotated[int, Field(ge=0)] = 0
    """At most so many; 0: there is no phase 2."""
    backbones: Literal["all"] | Annotated[list[str], Field(min_length=1)] = "all"
    """Which of several backbones are fine-tuned, one after the other, each with these settings; by name."""
    unfreeze: Annotated[Literal["all"] | Unfreeze, pydantic.BeforeValidator(_all_or_a_line)] = Unfreeze(
        fraction=0.3
    )
    """What of the backbone trains: "all", or from the top so many layers, blocks, such a share, or down to a layer."""
    batch_norm: Literal["frozen", "train"] = "frozen"
    """"frozen": statistics, gamma and beta of the backbone's BatchNorm layers stay as they are, to the last bit."""
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-5
    """The highest rate of the topmost block, where a schedule or `depth_decay` changes it; a tenth to a hundredth of
    phase 1's."""
    depth_decay: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Every unfrozen block below the top learns at this share of the rate of the block above it."""

    def trains(self, backbone: str) -> bool:
        """Whether a backbone is fine-tuned, by its name."""
        return self.backbones == "all" or backbone in self.backbones
