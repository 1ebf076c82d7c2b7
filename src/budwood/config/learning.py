"""Sections of a recipe that say how head and backbone learn: [loss], [distill], [frozen] and [finetune]."""

from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from budwood.config.section import Auto, Fraction, Section

MIN_L2_STRENGTH, MAX_L2_STRENGTH = 1e-12, 1e6


L2Strength = Annotated[float, Field(ge=MIN_L2_STRENGTH, le=MAX_L2_STRENGTH)]


class Loss(Section):
    """The loss function that gradient steps minimize. A linear probe in phase 1 uses only the class weights."""

    label_smoothing: Fraction = 0.0
    """Share of the target that is spread evenly over all classes (Szegedy et al. 2016); of several labels a photo, over
    yes and no of each."""
    class_weights: Literal["none", "balanced"] | dict[str, Annotated[float, Field(ge=0.0)]] = "none"
    """Weights of the classes in the loss: "none"; "balanced", in inverse proportion to the number of training photos;
    or a table of class names and weights, in which a missing class has weight 1. Of several labels a photo: "balanced"
    lets photos with a label and without it count alike; a table has the weights of photos with the label."""
    focal: Annotated[float, Field(ge=0.0, le=10.0)] = 0.0
    """Gamma of the focal loss (Lin et al. 2017); 0 is plain cross-entropy."""
    asymmetric: Annotated[float, Field(ge=0.0, le=10.0)] = 0.0
    """Gamma of the asymmetric loss for the labels that a photo does not have, where it may have several (Ridnik et
    al. 2021, who take 4); those that it has keep `focal`. 0: `focal` for both."""
    clip: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Probability up to which a label that a photo does not have costs nothing, where it may have several (Ridnik et
    al. 2021, who take 0.05); 0: none."""


class Distill(Section):
    """Knowledge distillation: gradient steps of either phase learn from the predictions of a finished run as well as
    from the labels (Hinton, Vinyals and Dean 2015). A linear probe uses the labels only."""

    run: Annotated[str, Field(min_length=1)] | None = None
    """Directory of the run whose saved model is the teacher; without it there is no distillation."""
    temperature: Annotated[float, Field(ge=0.1, le=100.0)] = 2.0
    """Softmax temperature at which the predictions of teacher and student are compared. Above 1 the less likely
    classes count for more; at 1 the targets are the calibrated probabilities of the teacher's saved model."""
    weight: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5
    """Weight of the distillation loss; the loss on the labels has the rest, 1 - weight."""


class Steps(Section):
    """Settings of training by gradient descent that both phases share."""

    optimizer: str = "adam"
    """Name of any Keras optimizer: "adam", "adamw", "sgd", "rmsprop" and so on."""
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-3
    """Learning rate; with warmup or a schedule, the highest one."""
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.0
    """Decoupled weight decay of the optimizer; biases and the parameters of normalization layers do not decay."""
    momentum: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Momentum of "sgd" and "rmsprop"; refused with other optimizers."""
    clip_norm: Annotated[float, Field(ge=0.0)] = 0.0
    """Global norm to which gradients are clipped; 0: no clipping."""
    ema: Fraction = 0.0
    """Momentum of an exponential moving average of the weights, which is what is validated and saved; 0: none."""
    schedule: Literal["constant", "cosine", "reduce_on_plateau"] = "constant"
    """Learning rate schedule: "constant"; "cosine", half a cosine down to 0 at the last epoch; or "reduce_on_plateau",
    lower each time the validation loss has stopped improving."""
    warmup_epochs: Annotated[float, Field(ge=0.0)] = 0.0
    """Number of epochs at the beginning in which the learning rate rises linearly from 0; may be a fraction."""
    plateau_factor: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    """Factor by which "reduce_on_plateau" multiplies the learning rate."""
    plateau_patience: Annotated[int, Field(ge=1)] = 2
    """Epochs without a lower validation loss after which "reduce_on_plateau" acts."""
    plateau_floor: Annotated[float, Field(ge=0.0)] = 0.0
    """Smallest learning rate that "reduce_on_plateau" sets."""
    batch_size: Annotated[int, Field(ge=1)] = 32
    """Number of photos per gradient step."""
    early_stopping: Annotated[int, Field(ge=0)] = 5
    """Epochs without a lower validation loss after which training stops; 0: no early stopping."""


class Frozen(Steps):
    """Phase 1: the head is trained on features of the frozen backbone."""

    fit: Literal["auto", "linear", "gradient"] = "auto"
    """"linear" is multinomial logistic regression, "gradient" any head and optimizer; "auto" is "linear" where the
    head has no hidden layer, batch norm or dropout. Features that memory does not hold are read block by block; where
    that would take too long, "linear" gives way to "gradient"."""
    l2_strengths: Auto | Annotated[list[L2Strength], Field(min_length=1)] = "auto"
    """L2 strengths that the linear probe tries: factors of the squared norm beside the mean loss per photo."""
    folds: Annotated[int, Field(ge=2, le=20)] = 5
    """Number of cross-validation folds by which the L2 strength is chosen."""
    views: Literal["auto", "original"] = "auto"
    """Views of the training photos from which the linear probe learns where phase 2 follows. "original": the photos as
    they are; "auto": all the views that phase 2 stores, where these are 5,000 at most, else the originals."""
    epochs: Annotated[int, Field(ge=0)] = 30
    """Largest number of epochs of gradient training. 0: no phase 1; the head is trained in phase 2 only."""


WHAT_TO_UNFREEZE = (
    'give "all", or one of {layers = 20}, {blocks = 2}, {fraction = 0.3}, {from_layer = "NAME"}'
)


class Unfreeze(Section):
    """Which layers of the backbone are trained in phase 2; give exactly one of the four."""

    layers: Annotated[int, Field(ge=1)] | None = None
    """This number of layers, counted from the output."""
    blocks: Annotated[int, Field(ge=1)] | None = None
    """This number of blocks, counted from the output."""
    fraction: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    """This fraction of the layers, counted from the output."""
    from_layer: str | None = None
    """The layer of this name and all layers after it."""

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
    """Phase 2, fine-tuning: the upper layers of the backbone are trained too, at a low learning rate."""

    epochs: Annotated[int, Field(ge=0)] = 0
    """Largest number of epochs. 0: no phase 2."""
    backbones: Literal["all"] | Annotated[list[str], Field(min_length=1)] = "all"
    """Names of the backbones to fine-tune where there are several: one after the other, each with these settings."""
    unfreeze: Annotated[Literal["all"] | Unfreeze, pydantic.BeforeValidator(_all_or_a_line)] = Unfreeze(
        fraction=0.3
    )
    """Which layers of the backbone are trained: "all", or one of {layers = 20}, {blocks = 2}, {fraction = 0.3} and
    {from_layer = "NAME"}, counted from the output."""
    parameters: Literal["all", "scale-and-bias"] = "all"
    """Which parameters of the unfrozen layers are trained: "all"; or "scale-and-bias", gamma and beta of their
    normalization layers alone, moving statistics held (Frankle, Schwab and Morcos 2021). The head is trained too."""
    batch_norm: Literal["frozen", "train"] = "frozen"
    """"frozen": moving statistics, gamma and beta of the backbone's BatchNorm layers do not change, but for what
    `parameters` asks for; "train": those of unfrozen layers are trained."""
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-5
    """Learning rate of the topmost block; with warmup or a schedule, the highest one. Usually a tenth to a hundredth
    of that of phase 1."""
    depth_decay: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Factor between the learning rates of an unfrozen block and of the block above it."""
    precision: Literal["auto", "f32", "bf16"] = "auto"
    """Arithmetic of the convolutions in gradient steps, where BatchNorm is frozen and `parameters` is "all"; weights
    and what is measured are of f32. "bf16" is faster on a CPU that has it; on others it is f32, and said. "auto":
    "f32", but within a limit of minutes "bf16" on a CPU that has it."""
    accelerators: Annotated[int, Field(ge=1)] = 1
    """Accelerators of this machine, such as GPUs, that share every batch. The batch size is that of all together."""

    @pydantic.model_validator(mode="after")
    def _statistics_are_held(self) -> "Finetune":
        if self.parameters != "all" and self.batch_norm == "train":
            raise ValueError(
                'parameters = "scale-and-bias" holds the statistics that batch_norm = "train" changes. Leave one of '
                "them out"
            )
        return self

    def trains(self, backbone: str) -> bool:
        """Return whether the backbone of this name is fine-tuned."""
        return self.backbones == "all" or backbone in self.backbones
