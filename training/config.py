"""The settings of one training run: frozen, validated once, stored with the run."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from training.errors import ConfigError

Positive = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0)]

_POOLED_BY_DEFAULT = (2, 3, 4)


class FitSettings(BaseModel):
    """Everything that decides what a run learns. Each field is a flag and a TOML key."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    data: str = Field(
        description="cifar10:PATH, cifar100:PATH, mnist:PATH, fashion-mnist:PATH "
        "or folder:PATH (one sub-folder of images per class)"
    )
    seed: int = Field(
        0, ge=0, lt=2**62, description="fixes initial weights, split, order and augmentation"
    )
    epochs: Positive = Field(30, description="passes over the training images")
    batch_size: int = Field(250, ge=2, description="images per step")
    learning_rate: float = Field(0.008, gt=0, description="peak rate of AdamW")
    warmup_fraction: Fraction = Field(0.2, description="part of the steps on which it rises")
    weight_decay: Weight = Field(0.05, description="of the convolutions alone")
    assignment_rate: float = Field(
        5.0, gt=0, description="how many times faster the assignment and the scale learn"
    )
    entropy_weight: Weight = Field(0.1, description="lambda_H: price of undecided channels")
    orthogonality_weight: Weight = Field(0.1, description="lambda_O: price of shared channels")
    regulariser_warmup: Fraction = Field(
        0.5, description="part of the steps on which both prices rise from zero"
    )
    widths: tuple[Positive, ...] = Field(
        (64, 160, 320, 256), min_length=1, description="channels of each layer"
    )
    pool_before: tuple[Positive, ...] | None = Field(
        None,
        description="1-based layers that begin with 2 x 2 max pooling; by default 2, 3 and 4",
    )
    regions: Positive = Field(4, description="R: a channel is read in R x R regions")
    shortcut: bool = Field(default=True, description="identity shortcut inside a stage")
    assignment: Literal["learnable", "fixed"] = Field(
        "learnable", description="channel-class assignment"
    )
    image_size: int = Field(32, ge=4, description="side to which folder images are resized")
    validation_fraction: float = Field(
        0.1, gt=0, lt=1, description="part of the training images kept for validation"
    )
    test_fraction: float = Field(0.1, gt=0, lt=1, description="part of a folder kept for the test")
    crop_padding: int = Field(4, ge=0, description="largest random shift in pixels")
    flip: bool | None = Field(None, description="mirror at random; by default all but digits")
    limit_train: Positive | None = Field(None, description="use only so many training images")
    limit_test: Positive | None = Field(None, description="use only so many test images")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="auto: bfloat16 where the processor multiplies it natively"
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where to train")
    threads: Positive | None = Field(None, description="CPU threads; part of what a seed fixes")

    @property
    def pooled_layers(self) -> tuple[int, ...]:
        """The layers that begin a stage, as given or by default."""
        if self.pool_before is not None:
            return self.pool_before
        return tuple(layer for layer in _POOLED_BY_DEFAULT if layer <= len(self.widths))

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "FitSettings":
        beyond = [layer for layer in self.pooled_layers if layer > len(self.widths)]
        if beyond:
            message = f"pool_before names layers {beyond}, but widths has {len(self.widths)}"
            raise ValueError(message)
        if self.limit_train is not None and self.limit_train < 2 * self.batch_size:
            message = (
                f"limit_train {self.limit_train} is under two batches of {self.batch_size}; "
                "raise it or lower batch_size"
            )
            raise ValueError(message)
        return self


def read_config(path: Path) -> dict[str, Any]:
    """Read settings from a TOML file; they are not validated yet.

    Raises:
        ConfigError: the file cannot be read.
    """
    try:
        return tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        message = f"cannot read settings from {path}: {error}"
        raise ConfigError(message) from error


def load_settings(flags: dict[str, Any], config: Path | None = None) -> FitSettings:
    """Lay flags over a TOML file over the defaults, and validate the whole once.

    Raises:
        ConfigError: the file cannot be read, or a setting is unknown or out of range.
    """
    values = read_config(config) if config is not None else {}
    try:
        return FitSettings(**{**values, **flags})
    except ValidationError as error:
        raise ConfigError(describe(error)) from error


def describe(error: ValidationError) -> str:
    """Put pydantic's errors into one line: each setting, what is wrong, and its value."""
    return "; ".join(_worded(each) for each in error.errors(include_url=False))


def _worded(error: Mapping[str, Any]) -> str:
    """One fault of one setting, or of several that contradict each other."""
    message = error["msg"].removeprefix("Value error, ")
    if not error["loc"]:
        return str(message)
    return f"{'.'.join(map(str, error['loc']))}: {message} (got {error['input']!r})"
