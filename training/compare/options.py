"""What a comparison is asked, beside the settings of training; without torch."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from training.settings.section import Section
from training.settings.values import Fractions


def _names(value: object) -> object:
    """Read `full,fixed partition` as two names."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list):
        return value
    return [name.strip() for text in texts for name in str(text).split(",")]


class CompareOptions(Section):
    """Which variants are trained, and at which rates backpropagation is tried."""

    only: Annotated[tuple[str, ...] | None, BeforeValidator(_names)] = Field(
        None, description="variants by name, separated by commas; by default all"
    )
    backprop_rates: Fractions = Field(
        (0.004, 0.008, 0.016),
        min_length=1,
        description="peak rates at which backpropagation is trained, the whole budget each; "
        "the best on validation counts",
    )
