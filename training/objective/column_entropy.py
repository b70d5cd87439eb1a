"""The term of the paper's code that makes channels decide, class by class."""

from torch import Tensor

from model.network import assignment
from training.objective.view import LayerView


def column_entropy(view: LayerView) -> Tensor:
    """Give the entropy of the assignment down its columns, in nats; it grows with D / K.

    Source: arXiv 2606.09928, in the form of its code. `entropy` is ours: along the rows, and 0
        to 1 whatever the layer's size.
    """
    return assignment.column_entropy(view.assignment)
