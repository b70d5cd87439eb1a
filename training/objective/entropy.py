"""The term that makes channels decide for a class."""

from torch import Tensor

from model.network.assignment import assignment_entropy
from training.objective.view import LayerView


def entropy(view: LayerView) -> Tensor:
    """Give the entropy of the assignment: 0 one class each, 1 undecided.

    Source: arXiv 2606.09928, whose abstract names the term; its form is ours.
    """
    return assignment_entropy(view.assignment)
