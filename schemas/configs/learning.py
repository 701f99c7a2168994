"""Settings of a recipe: how a model is trained."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from tagger.schemas.values import Fit, JobConfig, Panel, Precision, Resize, Size, parse_size

Edges = Literal["none", "channel", "branch"]
Head = Literal["linear", "fc", "batchnorm"]
OptimiserName = Literal["sgd", "adam", "adamw", "rmsprop"]
Schedule = Literal["constant", "exponential", "cosine", "one_cycle"]
Monitor = Literal["loss", "accuracy", "macro_f1", "master_accuracy"]
Sampling = Literal["uniform", "sqrt", "balanced"]
ClassWeights = Literal["none", "sqrt", "balanced", "effective"]


class Augmentation(JobConfig):
    """Random changes of training images; 0 leaves one out."""

    panel = Panel.AUGMENTATION

    flip: bool = Field(default=True, description="Mirror half of the training images.")
    shift: float = Field(default=0.06, ge=0, lt=0.5, description="Largest random shift, share of each side.")
    crop: float = Field(default=0, ge=0, lt=1, description="Cut out a random part, at most this share smaller.")
    rotation: float = Field(default=0, ge=0, le=180, description="Largest random rotation, degrees.")
    colour: float = Field(default=0, ge=0, le=1, description="Largest change of brightness, contrast, saturation.")
    erasing: float = Field(default=0, ge=0, le=1, description="Share of the images from which a rectangle is erased.")
    noise: float = Field(
        default=0, ge=0, le=1, description="Standard deviation of Gaussian noise, of the range 0 to 1."
    )
    blur: float = Field(default=0, ge=0, le=1, description="Share of the images that are blurred.")


class Mixing(JobConfig):
    """Images and labels blended in pairs."""

    panel = Panel.AUGMENTATION

    mixup: float = Field(default=0, ge=0, description="Alpha of mixup: blend pairs of images and their labels.")
    cutmix: float = Field(default=0, ge=0, description="Alpha of CutMix: paste parts of images, with their labels.")


class Leaves(JobConfig):
    """Which leaves are learnt."""

    panel = Panel.DATA

    min_items: int = Field(default=50, ge=1, description="Leaves with fewer items are left out and reported.")
    merge: dict[str, str] = Field(default={}, description="FROM=TO: count one master category as another.")


class Architecture(JobConfig):
    """The network, its weights at the start, and what it sees of an image."""

    panel = Panel.MODEL

    backbone: str = Field(
        default="mobilenet_v2", description="A torchvision classification model, or one of this project's small ones."
    )
    weights: str = Field(default="pretrained", description="pretrained, none, or file:PATH (.safetensors, .pth).")
    image_size: Size = Field(default="128x96", description="Model input, HEIGHTxWIDTH.")
    fit: Fit = Field(default="pad", description="pad keeps the aspect and fills with white; stretch does not.")
    resize: Resize = Field(default="bicubic", description="What enlarges small images; large ones are area-averaged.")
    edges: Edges = Field(
        default="none",
        description="What a Canny edge map is to the model: a fourth channel of every image, or of blurry images alone "
        "the input of a small network beside the backbone.",
    )
    head: Head = Field(
        default="linear", description="linear, or layers of `hidden` units before it: fc, or with batchnorm."
    )
    hidden: list[int] = Field(default=[512], description="Units of each layer of an fc or batchnorm head.")
    dropout: float = Field(default=0.2, ge=0, lt=1, description="Before each linear layer of the head.")
    flip_when_tagging: bool | None = Field(
        default=None, description="Average what is said of an image and of its mirror image; by default, as flip."
    )


class Optimisation(JobConfig):
    """How the weights are learnt."""

    panel = Panel.TRAINING

    frozen_epochs: int = Field(
        default=0,
        ge=0,
        description="Epochs that train the head alone, before fine-tuning; without shift, crop and the "
        "like, the backbone looks at each image once for all of them.",
    )
    epochs: int = Field(default=6, ge=0, description="Epochs that fine-tune the whole model.")
    early_epochs: int = Field(
        default=0, ge=0, description="Of these, the first ones that see smaller images, which takes a part of the time."
    )
    early_size: Size | None = Field(default=None, description="Size of those images, HEIGHTxWIDTH.")
    tuned_blocks: int = Field(default=0, ge=0, description="Fine-tune only this many of the last blocks; 0: all.")
    batch_size: int = Field(default=128, ge=2, description="Items per step, over all workers together.")
    accumulate: int = Field(default=1, ge=1, description="Passes that a step is made of, to fit a small memory.")
    optimiser: OptimiserName = Field(
        default="adamw", description="With weight decay on weights, not on norms and biases."
    )
    lr: float = Field(default=1e-3, gt=0, description="Highest learning rate of the backbone.")
    head_lr: float = Field(default=3e-3, gt=0, description="Highest learning rate of the head.")
    layer_decay: float = Field(
        default=1.0, gt=0, le=1, description="Ratio of each block's learning rate to that of the next block."
    )
    momentum: float = Field(default=0.9, ge=0, lt=1, description="Of sgd and rmsprop.")
    weight_decay: float = Field(default=0.02, ge=0, description="L2 penalty on weights; decoupled with adamw.")
    schedule: Schedule = Field(default="one_cycle", description="Of the learning rates, over each phase.")
    lr_end: float = Field(default=0.01, gt=0, le=1, description="What is left of the rates with schedule exponential.")
    patience: int = Field(
        default=3, ge=0, description="Early stopping: end after this many epochs without a better val score; 0: never."
    )
    monitor: Monitor = Field(default="loss", description="The val figure that says which epoch is best.")
    ema: float = Field(default=0, ge=0, lt=1, description="Decay of a moving average of the weights, such as 0.999.")
    label_smoothing: float = Field(
        default=0.1, ge=0, lt=1, description="Share of a label that is spread over the other leaves."
    )
    precision: Precision = Field(default="auto", description="auto trains in bfloat16 where the hardware has it.")


class RareLeaves(JobConfig):
    """How leaves of few items are helped."""

    panel = Panel.RARE

    sampling: Sampling = Field(default="uniform", description="How often leaves are drawn: as they are, or more alike.")
    class_weights: ClassWeights = Field(default="none", description="How much more an item of a rare leaf counts.")
    focal_gamma: float = Field(default=0, ge=0, le=10, description="Focal loss: how much less sure items count.")
    logit_adjustment: float = Field(default=0, ge=0, le=4, description="Strength of logit adjustment by leaf sizes.")
    minority_items: int = Field(
        default=0,
        ge=0,
        description="Oversample each leaf with fewer training items, as if it had this many, and augment these "
        "images more (rotation, crop, colour).",
    )


class Learning(RareLeaves, Optimisation, Architecture, Leaves, Mixing, Augmentation):
    """The fields of a recipe: data, model, optimisation, imbalance, augmentation."""

    @field_validator("merge")
    @classmethod
    def _merge_once(cls, merge: dict[str, str]) -> dict[str, str]:
        chained = sorted(set(merge) & set(merge.values()))
        if chained:
            raise ValueError(f"{', '.join(chained)} is merged and merged into; name the last target")
        return merge

    @field_validator("hidden")
    @classmethod
    def _units(cls, hidden: list[int]) -> list[int]:
        if any(not 1 <= units <= 65_536 for units in hidden):
            raise ValueError("each layer has 1 to 65,536 units")
        return hidden

    @model_validator(mode="after")
    def _some_epochs(self) -> "Learning":
        if self.frozen_epochs + self.epochs == 0:
            raise ValueError("epochs and frozen_epochs are both 0")
        if bool(self.early_epochs) != bool(self.early_size):
            raise ValueError("early_epochs and early_size go together")
        if self.early_size:
            sizes = zip(parse_size(self.early_size), parse_size(self.image_size), strict=True)
            if any(early > late for early, late in sizes) or self.early_epochs >= self.epochs:
                raise ValueError("early_size is not above image_size, and the last of the epochs see image_size")
        if self.edges != "none" and not self.epochs:
            raise ValueError("edges are learnt while the whole model is fine-tuned, but epochs is 0")
        if self.edges == "channel" and self.tuned_blocks:
            raise ValueError("edges as a channel are learnt by the first block, which tuned_blocks leaves frozen")
        return self
