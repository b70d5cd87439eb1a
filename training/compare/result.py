"""What a comparison finds, typed, and its table."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from training.settings.fit import FitSettings

Fraction = Annotated[float, Field(ge=0, le=1)]
_MEGA = 1e6


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Cost(_Frozen):
    """What training took.

    Attributes:
        seconds_per_step: mean over the run, validation left out.
        images_per_s: learned from, by that time.
        peak_bytes: on a CPU the most resident memory of the process until its first validation,
            data set included; on CUDA the most that torch had allocated.
        before_bytes: the same when the first step began.
    """

    seconds_per_step: float = Field(gt=0)
    images_per_s: float = Field(gt=0)
    peak_bytes: int = Field(ge=0)
    before_bytes: int = Field(ge=0)


class VariantResult(_Frozen):
    """One row.

    Attributes:
        name: of the variant.
        learning_rate: at its peak; of several that were tried, the best on validation.
        tried: validation accuracy by rate, where several were tried.
        epochs: validation accuracy after each one.
        validation: accuracy after the last epoch.
        n_validation: images.
        test: accuracy, read once.
        n_test: images.
        parameters: numbers that are learned.
        cost: of its training; None where another variant's network is used.
    """

    name: str
    learning_rate: float
    tried: dict[float, Fraction] = {}
    epochs: tuple[Fraction, ...]
    validation: Fraction
    n_validation: int
    test: Fraction
    n_test: int
    parameters: int
    cost: Cost | None


class Machine(_Frozen):
    """Where it was measured.

    Attributes:
        processor: its name.
        cores: that the process may use.
        gpu: its name, if training used one.
        versions: of Python and torch.
        load: processes that wanted a core, on average over the minute before the first variant
            and before the end.
    """

    processor: str
    cores: int
    gpu: str | None
    versions: dict[str, str]
    load: tuple[float, float]


class Comparison(_Frozen):
    """Everything that a comparison found.

    Attributes:
        format: of this file.
        settings: of the full method.
        rows: one for each variant.
        left_out: why a variant has no row, by its name.
        machine: that it ran on.
    """

    format: Literal[1] = 1
    settings: FitSettings
    rows: tuple[VariantResult, ...] = Field(min_length=1)
    left_out: dict[str, str]
    machine: Machine


def table(comparison: Comparison) -> Iterator[str]:
    """Write a comparison as lines of Markdown, the first row's test accuracy as the measure."""
    first = comparison.rows[0]
    yield f"validation n = {first.n_validation}, test n = {first.n_test}; {_where(comparison)}"
    yield ""
    yield (
        "| variant | validation | test | points | s/step | images/s | peak MB | parameters | rate |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for row in comparison.rows:
        points = 100 * (row.test - first.test)
        yield (
            f"| {row.name} | {row.validation:.2%} | {row.test:.2%} | {points:+.2f} | "
            f"{_cost(row.cost)} | {row.parameters:,} | {row.learning_rate:g} |"
        )
    for name, reason in comparison.left_out.items():
        yield f"\n{name}: left out, {reason}"


def _cost(cost: Cost | None) -> str:
    if cost is None:
        return "| |"
    return f"{cost.seconds_per_step:.3f} | {cost.images_per_s:.0f} | {cost.peak_bytes / _MEGA:.0f}"


def _where(comparison: Comparison) -> str:
    settings, machine = comparison.settings, comparison.machine
    hardware = machine.gpu or f"{machine.cores} cores of {machine.processor}"
    versions = ", ".join(f"{name} {number}" for name, number in machine.versions.items())
    return (
        f"{settings.optimiser.epochs} epochs, seed {settings.run.seed}, {settings.run.precision}; "
        f"{hardware}, {versions}; load {machine.load[0]:.1f} before, {machine.load[1]:.1f} after"
    )
