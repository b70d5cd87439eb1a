"""Muon: moves the weights of a convolution along an orthogonal matrix close to their momentum."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

# After five rounds every singular value lies between 0.7 and 1.2.
_ROUNDS = 5
_LINEAR, _CUBIC, _QUINTIC = 3.4445, -4.7750, 2.0315
_EPSILON = 1e-7
# The root mean square of AdamW's steps is near this, so that its rates and decay hold here too.
_SIZE = 0.2


class Muon(torch.optim.Optimizer):
    """Moves matrices, and convolutions as matrices of a row per output channel.

    The step is the momentum with all its singular values made about 1: directions that a gradient
    hardly shows are learned as fast as the strongest. `torch.optim.Muon` takes matrices alone, and
    multiplies in bfloat16, which a processor without it does four times slower than in float32.

    Source: Jordan et al., Muon (2024), for the step and the polynomial; size of the step and
        decoupled decay after Liu et al., Muon is scalable for LLM training (arXiv 2502.16982).
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
    ) -> None:
        """Take parameters, or groups of them that name rates and decay of their own."""
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        assert closure is None  # noqa: S101  nothing here asks for the loss again
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._move(weight, weight.grad, group)

    def _move(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(weight)
        momentum, kept = state["momentum"], group["momentum"]
        momentum.lerp_(gradient, 1 - kept)
        # Nesterov's: the step that the next momentum would take if the gradient stayed.
        matrix = gradient.lerp(momentum, kept).flatten(1)
        size = group["lr"] * _SIZE * max(matrix.shape) ** 0.5
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.add_(orthogonalised(matrix).reshape(weight.shape), alpha=-size)


def orthogonalised(matrix: Tensor) -> Tensor:
    """Make all singular values of a matrix about 1, by a Newton-Schulz iteration.

    Args:
        matrix: `(rows, columns)`, float32; of its directions those count that are above a
            thousandth of the whole.

    Returns:
        Likewise; the singular vectors stay as they are.

    Source: the iteration of Jordan et al., on the Gram matrix as Zhang, Amsel, Chen and Dao, Gram
        Newton-Schulz (2026); in float32 it is stable without their restarts.
    """
    is_tall = matrix.shape[0] > matrix.shape[1]
    found = matrix.T if is_tall else matrix
    found = found / (found.norm() + _EPSILON)
    # Every round multiplies the rows from the left by a polynomial of their products. So the rounds
    # need only that small matrix, and the long one is multiplied once, by all of them together.
    square = found @ found.T
    polynomial = _polynomial(square)
    whole = polynomial.clone()
    whole.diagonal().add_(_LINEAR)
    for _ in range(_ROUNDS - 1):
        # All of these commute: on either side of the products stands the same.
        half = torch.addmm(square, polynomial, square, beta=_LINEAR)
        square = torch.addmm(half, half, polynomial, beta=_LINEAR)
        polynomial = _polynomial(square)
        whole = torch.addmm(whole, polynomial, whole, beta=_LINEAR)
    moved: Tensor = whole @ found
    return moved.T if is_tall else moved


def _polynomial(square: Tensor) -> Tensor:
    """Give what a round multiplies by, less its linear part, which costs no product."""
    return torch.addmm(square, square, square, beta=_CUBIC, alpha=_QUINTIC)
