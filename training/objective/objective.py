"""The local loss of a layer: its terms, each at its weight of the moment, added up."""

import functools
import operator
from typing import NamedTuple

from torch import Tensor

from training.errors import ConfigError
from training.objective.cross_entropy import cross_entropy
from training.objective.terms import TERMS, Terms
from training.objective.view import LayerView
from training.settings.sections import ObjectiveSettings, TermSettings


class Moment(NamedTuple):
    """Where in the whole run a step is taken.

    Attributes:
        step: from 0, over all epochs.
        total_steps: of the whole run; under a limit of time an estimate, which moves.
        epoch: the step is in, from 0.
    """

    step: int
    total_steps: float
    epoch: int = 0


class Objective:
    """The only loss that a layer's parameters ever see."""

    def __init__(self, settings: ObjectiveSettings, terms: Terms = TERMS) -> None:
        """Look the terms up.

        Raises:
            ConfigError: a term is unknown, or none has a weight.
        """
        unknown = settings.terms.keys() - terms.keys()
        if unknown:
            message = (
                f"unknown terms of the objective: {', '.join(sorted(unknown))}; known are "
                f"{', '.join(terms)}"
            )
            raise ConfigError(message)
        # A term of weight 0 is not computed: it costs time, and 0 times nan is nan.
        chosen = _smoothed(terms, settings.label_smoothing)
        self._terms = [(chosen[name], own) for name, own in settings.terms.items() if own.weight]
        if not self._terms:
            message = "no term of the objective has a weight above 0: nothing would be learned"
            raise ConfigError(message)

    def __call__(self, view: LayerView, at: Moment) -> Tensor:
        """Give one layer's loss on one batch: a scalar, in nats."""
        parts = [weight_at(own, at) * term(view) for term, own in self._terms]
        # In the order of the settings: another order would round otherwise.
        return functools.reduce(operator.add, parts)


def weight_at(term: TermSettings, at: Moment) -> float:
    """Say how much a term counts at a step: its weight, after a linear rise from zero."""
    rise = term.warmup * at.total_steps
    return term.weight * (min(1.0, (at.step + 1) / rise) if rise else 1.0)


def _smoothed(terms: Terms, label_smoothing: float) -> Terms:
    """Have the cross-entropy smooth its labels; other terms stay as they are."""
    if not label_smoothing:
        return terms
    return {**terms, "cross_entropy": functools.partial(cross_entropy, smoothing=label_smoothing)}
