"""What a caller may choose."""

from collections.abc import Sequence
from typing import TypedDict


class PredictOptions(TypedDict, total=False):
    """Of a prediction; what is left out is as the service has it.

    Attributes:
        model: that answers; by default the default one.
        version: a number or a label, of that model or of the default one; by default the
            active one.
        top_k: classes to give, most probable first (5).
        explain: whether to say what each layer contributed.
        confidence: over 0, at most 1: also give the set of classes that holds the true one so
            often.
        routing_key: any text, such as a user's name: with the same one the same version answers
            while another one is on trial.
    """

    model: str | None
    version: int | str | None
    top_k: int
    explain: bool
    confidence: float | None
    routing_key: str | None


class ExplainOptions(TypedDict, total=False):
    """Of an explanation; what is left out is as the service has it.

    Attributes:
        model: that answers; by default the default one.
        version: a number or a label, of that model or of the default one; by default the
            active one.
        classes: to take apart; by default the most probable one.
        contrast: two classes: what speaks for the first rather than the second.
        channels: how many of the strongest channels to give (5).
        confidence: as for a prediction.
        routing_key: as for a prediction: with the same one the same version answers both.
    """

    model: str | None
    version: int | str | None
    classes: Sequence[str]
    contrast: tuple[str, str] | None
    channels: int
    confidence: float | None
    routing_key: str | None


class DrawOptions(TypedDict, total=False):
    """Of a drawn explanation.

    Attributes:
        model: that answers; by default the default one.
        version: a number or a label, of that model or of the default one; by default the
            active one.
        classes: the class to draw; by default the most probable one.
        contrast: two classes instead: what speaks for the first rather than the second.
        layer: whose evidence to draw; by default all layers'.
        routing_key: as for a prediction: with the same one the same version answers both.
    """

    model: str | None
    version: int | str | None
    classes: Sequence[str]
    contrast: tuple[str, str] | None
    layer: str | None
    routing_key: str | None
