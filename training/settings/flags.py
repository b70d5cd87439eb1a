"""The objective's settings as flags of the command line."""

from pydantic import Field

from training.settings.section import Section
from training.settings.values import Fraction, Weight


class TermFlags(Section):
    """A term as the command line names it; what is not given comes from the file."""

    weight: Weight | None = Field(None, description="factor before the term; 0 leaves it out")
    warmup: Fraction | None = Field(
        None, description="part of the steps on which the weight rises from zero"
    )


class ObjectiveFlags(Section):
    """The objective's settings as flags: any term by name, and short names for the usual ones."""

    entropy_weight: Weight | None = Field(
        None, description="lambda_H: price of undecided channels [default: 0.1]"
    )
    orthogonality_weight: Weight | None = Field(
        None, description="lambda_O: price of shared channels [default: 0.1]"
    )
    similarity_weight: Weight | None = Field(
        None, description="price of images that are not as alike as their classes [default: 3.0]"
    )
    regulariser_warmup: Fraction | None = Field(
        None,
        description="part of the steps on which both prices rise from zero [default: 0.5]",
    )
    label_smoothing: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="part of a label that is dealt out to all classes [default: 0.0]",
    )
    term: dict[str, TermFlags] = Field({}, description="another term of the local loss")
