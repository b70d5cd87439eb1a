"""What a manifest says about familiarity: how the validation images scored."""

from bisect import bisect_right
from itertools import pairwise
from typing import Self

from pydantic import Field, model_validator

from model.artifact.outputs import Frozen

PERCENTILES = 101


class FamiliarityScale(Frozen):
    """Where scores lie among those of the validation images.

    Attributes:
        quantiles: the scores at 0, 1, ..., 100 percent of the validation images, rising.
        n: those images.
    """

    quantiles: tuple[float, ...] = Field(min_length=PERCENTILES, max_length=PERCENTILES)
    n: int = Field(ge=1)

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if any(higher < lower for lower, higher in pairwise(self.quantiles)):
            message = "the quantiles of familiarity must rise"
            raise ValueError(message)
        return self

    def percentile(self, score: float) -> float:
        """Say what percentage of the validation images is less familiar: 0 to 100."""
        # Not numpy: for the one score of most requests that takes ten times as long.
        above = bisect_right(self.quantiles, score)
        if above == 0:
            return 0.0
        if above == PERCENTILES:
            return 100.0
        low, high = self.quantiles[above - 1 : above + 1]
        return above - 1 + (score - low) / (high - low)
