"""The rules by which a layer normalises, pools and reads: plain values, without torch."""

from dataclasses import dataclass, fields
from typing import Any, Literal

AssignmentKind = Literal["learnable", "tempered", "fixed"]
ActivityNorm = Literal["batch", "none"]
InputNorm = Literal["batch", "instance", "layer"]
StagePooling = Literal["max", "average"]
ReadoutKind = Literal["standardised", "plain", "mean"]

_MEAN_ALONE = (1.0, 0.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class LayerRule:
    """What is the same in every layer of a network; the defaults are our own method.

    Attributes:
        activity_norm: batch norm between convolution and ReLU, or none.
        input_norm: how a layer's input is standardised: a channel by running statistics
            (batch), a channel by its own positions in that image (instance), or a whole image
            by itself (layer). The last two standardise the pixels of each image too.
        stage_pooling: how the grid is halved where a stage begins.
        pooling: factors of the mean, the maximum and the minimum of a region, which together
            are what a channel-region says.
        squared: whether the activity is squared before it is pooled.
        readout: how class goodness follows from what the channel-regions say: standardised, a
            plain sum over those assigned to a class, or their mean.
        assignment_temperature: of a tempered assignment, at the start.
        temperature_decay: by which an epoch multiplies that temperature.
    """

    activity_norm: ActivityNorm = "batch"
    input_norm: InputNorm = "batch"
    stage_pooling: StagePooling = "max"
    pooling: tuple[float, ...] = _MEAN_ALONE
    squared: bool = False
    readout: ReadoutKind = "standardised"
    assignment_temperature: float = 10.0
    temperature_decay: float = 0.995

    @property
    def reads_means(self) -> bool:
        """Whether a channel-region says its mean activity, and nothing else."""
        return self.pooling == _MEAN_ALONE and not self.squared

    def options(self) -> dict[str, Any]:
        """Give the rule by its names, for the spec of a part."""
        return {field.name: getattr(self, field.name) for field in fields(LayerRule)}

    def check_rule(self) -> None:
        """Make sure that a layer can follow the rule.

        Raises:
            ValueError: a channel-region would say nothing, or a temperature is not above 0.
        """
        if len(self.pooling) != len(_MEAN_ALONE) or not any(self.pooling):
            message = (
                "pooling needs the factors of mean, maximum and minimum, one of them not 0; "
                f"got {self.pooling}"
            )
            raise ValueError(message)
        if min(self.assignment_temperature, self.temperature_decay) <= 0:
            message = (
                f"assignment_temperature {self.assignment_temperature} and temperature_decay "
                f"{self.temperature_decay} must be above 0"
            )
            raise ValueError(message)
