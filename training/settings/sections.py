"""The settings of a run, one frozen model per concern. Each field is a flag and a TOML key."""

from collections.abc import Mapping
from typing import Annotated, Literal

from cyclopts import Parameter
from pydantic import Field, field_validator

from model.network.rule import (
    ActivityNorm,
    AssignmentKind,
    InputNorm,
    ReadoutKind,
    StagePooling,
)
from training.settings.section import Section, merged
from training.settings.values import (
    Fraction,
    Fractions,
    Integers,
    Keep,
    Numbers,
    OfEach,
    OptimizerName,
    Positive,
    Schedule,
    Seconds,
    Stem,
    Threads,
    Weight,
    Widths,
)

_POOLED_BY_DEFAULT = (2, 3, 4)


class NetworkSettings(Section):
    """The shape of the network, and where its first layers come from."""

    initial: Annotated[str | None, Parameter(name="--from")] = Field(
        None,
        description="take over the first layers of NAME/VERSION that is bundled, or of the folder "
        "of a version or of a trained run",
    )
    widths: Widths = Field((64, 160, 320, 256), min_length=1, description="channels of each layer")
    pool_before: Integers | None = Field(
        None,
        description="1-based layers that begin with 2 x 2 max pooling; by default 2, 3 and 4",
    )
    regions: Positive = Field(4, description="R: a channel is read in R x R regions")
    convolutions: OfEach = Field(
        (1,),
        min_length=1,
        description="1 or 2 of each layer, the last number for all layers after it; two learn "
        "together from the layer's one loss, so that a gradient crosses the second",
    )
    mirrored: bool = Field(
        default=False,
        description="when trained, score each image and its mirror image, and take the mean",
    )
    width_factor: float = Field(
        1.0,
        gt=0,
        le=100,
        description="scales the widths, to multiples of the number of classes; 1 leaves them",
    )
    shortcut: bool = Field(default=True, description="identity shortcut inside a stage")
    concatenate: bool = Field(
        default=False,
        description="where widths grow, a layer passes its input on behind its own channels",
    )
    stage_pooling: StagePooling = Field("max", description="how the grid is halved")
    activity_norm: ActivityNorm = Field("batch", description="between convolution and ReLU")
    stem: Stem = Field(
        "whitened",
        description="filters of the first layer: learned, or set before training by the images' "
        "patches; with --from they are those of the trained layer",
    )
    input_norm: InputNorm = Field(
        "batch", description="of a layer's input: by running statistics, or each image by itself"
    )
    pooling: Numbers = Field(
        (1.0, 0.0, 0.0),
        min_length=3,
        max_length=3,
        description="factors of a region's mean, maximum and minimum",
    )
    squared: bool = Field(default=False, description="pool the square of the activity")
    readout: ReadoutKind = Field(
        "standardised", description="class goodness: standardised, a plain sum, or a mean"
    )
    assignment: AssignmentKind = Field(
        "learnable", description="channel-class assignment; tempered: at a learned temperature"
    )
    assignment_temperature: float = Field(
        10.0, ge=0.1, le=100, description="of a tempered assignment, at the start"
    )
    temperature_decay: float = Field(
        0.995, gt=0, le=1, description="by which an epoch multiplies that temperature"
    )

    def widths_for(self, num_classes: int) -> tuple[int, ...]:
        """Scale the widths to the nearest multiples of the number of classes, at least one of each.

        A factor of 1 leaves them as they are, multiples or not.
        """
        if self.width_factor == 1:
            return self.widths
        per_class = (max(1, round(w * self.width_factor / num_classes)) for w in self.widths)
        return tuple(num_classes * channels for channels in per_class)

    @property
    def pooled_layers(self) -> tuple[int, ...]:
        """The layers that begin a stage, as given or by default."""
        if self.pool_before is not None:
            return self.pool_before
        return tuple(layer for layer in _POOLED_BY_DEFAULT if layer <= len(self.widths))


class TermSettings(Section):
    """One term of the local loss: how much it counts, and how soon."""

    weight: Weight = Field(1.0, description="factor before the term; 0 leaves it out")
    warmup: Fraction = Field(
        0.0, description="part of the steps on which the weight rises from zero"
    )


_TERMS_BY_DEFAULT = {
    "cross_entropy": TermSettings(),
    "entropy": TermSettings(weight=0.1, warmup=0.5),
    "orthogonality": TermSettings(weight=0.1, warmup=0.5),
    "similarity": TermSettings(weight=3.0),
}


class ObjectiveSettings(Section):
    """The local loss of every layer: the sum of these terms, each at its weight."""

    terms: dict[str, TermSettings] = Field(
        _TERMS_BY_DEFAULT, description="weight and warm-up of each term, by its name"
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="part of a label that is dealt out to all classes"
    )

    @field_validator("terms", mode="before")
    @classmethod
    def _over_the_defaults(cls, given: object) -> object:
        """Lay what was given over the defaults, so that naming one term drops no other."""
        if not isinstance(given, Mapping):
            return given
        defaults = {name: term.model_dump() for name, term in _TERMS_BY_DEFAULT.items()}
        values = {n: t.model_dump() if isinstance(t, TermSettings) else t for n, t in given.items()}
        return merged(defaults, values)


class OptimiserSettings(Section):
    """How the weights are moved, by an optimizer for each layer."""

    epochs: int = Field(
        30, ge=0, description="passes over the training images; 0, as many as the time allows"
    )
    time: Seconds | None = Field(
        None,
        description="end after so much training, as 90s, 30m or 2h; then epochs set a limit only "
        "if they are given too",
    )
    patience: Positive | None = Field(
        None, description="end after so many epochs without a lower validation loss"
    )
    keep: Keep = Field(
        "best", description="which epoch's weights count: of the best validation, or the last"
    )
    batch_size: int = Field(250, ge=2, description="images per step")
    optimizer: OptimizerName = Field(
        "muon", description="of the convolutions; norms, assignment and scale have AdamW"
    )
    learning_rate: float = Field(0.008, gt=0, description="peak rate, of the norms")
    convolution_rate: float | None = Field(
        None,
        gt=0,
        description="how many times faster the convolutions learn; by default 2.5 by Muon, 1 by "
        "AdamW",
    )
    warmup_fraction: Fraction = Field(0.2, description="part of the steps on which it rises")
    schedule: Schedule = Field("linear", description="how the rate falls from its peak")
    final_rate: Fraction = Field(0.0, description="part of the peak rate at which it ends")
    max_gradient_norm: float | None = Field(
        None, gt=0, description="a layer's longer gradients are scaled down to this"
    )
    weight_decay: Weight = Field(0.05, description="of the convolutions alone")
    freeze_after: Fractions = Field(
        (0.15,),
        description="part of the run after which each layer stops learning, first layer first; "
        "layers not named learn to the end",
    )
    freeze: int = Field(
        0,
        ge=0,
        description="of so many first layers only the readouts learn, all else stays as it is",
    )
    assignment_rate: float = Field(
        5.0, gt=0, description="how many times faster the assignment and the scale learn"
    )

    @property
    def convolution_factor(self) -> float:
        """How many times faster than the norms the convolutions learn, as given or by default."""
        if self.convolution_rate is not None:
            return self.convolution_rate
        return 2.5 if self.optimizer == "muon" else 1.0


class RunSettings(Section):
    """Chance, and the machine to run on."""

    seed: int = Field(
        0, ge=0, lt=2**62, description="fixes initial weights, split, order and augmentation"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="auto: bfloat16 where the processor multiplies it natively"
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where to train")
    threads: Threads | None = Field(None, description="CPU threads; part of what a seed fixes")
    checkpoint_every_s: float = Field(
        120.0, gt=0, description="seconds between two checkpoints within an epoch"
    )
