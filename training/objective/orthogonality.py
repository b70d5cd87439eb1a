"""The term that gives every class channels of its own."""

from torch import Tensor

from model.network.assignment import assignment_overlap
from training.objective.view import LayerView


def orthogonality(view: LayerView) -> Tensor:
    """Give the overlap of the classes' channels: 0 none shared, 1 all shared.

    Source: arXiv 2606.09928, whose abstract names the term; its form is ours.
    """
    return assignment_overlap(view.assignment)
