"""What a run reports, typed: read by the loop, the checkpoint, the export and the command line.

Every report is frozen, has no NaN, and comes back equal from its JSON, so that a comparison of
runs needs neither torch nor the weights.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, le=1)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SplitReport(_Frozen):
    """How often the network is right on one split.

    Attributes:
        n: images of the split.
        loss: mean cross-entropy of the probabilities, in nats.
        accuracy: of the network.
        per_class: accuracy in each class; None for a class without images.
        per_layer: accuracy of each layer alone.
        images_per_class: of the split; empty in reports of format 2, which end here.
        balanced_accuracy: mean of `per_class` over the classes that have images.
        majority_accuracy: of always giving the class with the most images of the split: the most
            that an answer without a look at the image can reach.
    """

    n: int = Field(ge=1)
    loss: float
    accuracy: Fraction
    per_class: tuple[Fraction | None, ...]
    per_layer: tuple[Fraction, ...]
    images_per_class: tuple[Annotated[int, Field(ge=0)], ...] = ()
    balanced_accuracy: Fraction | None = None
    majority_accuracy: Fraction | None = None


class Calibration(_Frozen):
    """What the validation split decides.

    Attributes:
        loss_per_layer: each layer's cross-entropy alone, in nats.
        layer_weights: w_l of each layer, summing to 1.
        layer_weight_temperature: of the softmax that gave them, in nats.
        temperature: of the probabilities.
    """

    loss_per_layer: tuple[float, ...]
    layer_weights: tuple[float, ...]
    layer_weight_temperature: float = Field(gt=0)
    temperature: float = Field(gt=0)


class EpochReport(_Frozen):
    """One epoch.

    Attributes:
        epoch: from 1.
        seconds: it took, in this process.
        train_loss_per_layer: each layer's local loss, averaged over the steps.
        calibration: as it would be if training ended here.
        validation: by that calibration.
        is_whole: False where the time ended it early.
        images_per_s: learned from, in this process; None in reports of format 2.
        assignment_entropy_per_layer: 1 undecided, 0 one class each; empty in format 2.
    """

    epoch: int = Field(ge=1)
    seconds: float = Field(ge=0)
    train_loss_per_layer: tuple[float, ...]
    calibration: Calibration
    validation: SplitReport
    is_whole: bool = True
    images_per_s: Annotated[float, Field(ge=0)] | None = None
    assignment_entropy_per_layer: tuple[float, ...] = ()


class LayerReport(_Frozen):
    """One layer of the trained network.

    Attributes:
        name: as explanations call it.
        channels: of its activity.
        assignment_entropy: 1 where its channels speak for all classes alike, 0 for one each.
    """

    name: str
    channels: int = Field(ge=1)
    assignment_entropy: float


class InterimReport(_Frozen):
    """A run as it stands: its network calibrated, the test split not read.

    Attributes:
        format: of this report; 2 lacks the fields that say so.
        labels: K class names.
        data_sha256: fingerprint of the data set.
        layers: first to last.
        epochs: first to last.
        calibration: stored with the network.
        validation: by that calibration, in float32.
        kept_epoch: the epoch whose weights these are, from 1; None in older reports.
    """

    format: Literal[2, 3] = 3
    labels: tuple[str, ...] = Field(min_length=2)
    data_sha256: str
    layers: tuple[LayerReport, ...] = Field(min_length=1)
    epochs: tuple[EpochReport, ...]
    calibration: Calibration
    validation: SplitReport
    kept_epoch: int | None = None


class Report(InterimReport):
    """A whole run, from its first epoch to the one look at the test split.

    Attributes:
        test: read once.
    """

    test: SplitReport
