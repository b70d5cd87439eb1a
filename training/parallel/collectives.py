"""What all processes of a run do together; one that is lost is an error, not a wait without end."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from training.errors import LostProcessError

_LEADER = 0


def summed(values: Tensor) -> Tensor:
    """Add up the values of all processes; each gets the same bits."""
    total = values.detach().clone()
    with answered():
        dist.all_reduce(total)
    return total


def highest(number: int) -> int:
    """Give the highest number of all processes."""
    found = torch.tensor(number)
    with answered():
        dist.all_reduce(found, dist.ReduceOp.MAX)
    return int(found)


def stacked(values: Tensor) -> Tensor:
    """Put the values of all processes, of one shape, beside each other: `(P, ...)`."""
    every = values.new_empty(dist.get_world_size(), *values.shape)
    with answered():
        dist.all_gather(list(every.unbind(0)), values.contiguous())
    return every


def gathered(rows: Tensor, counts: list[int]) -> Tensor:
    """Put rows together, in the order of the processes.

    Args:
        rows: `(n, ...)`, of this process.
        counts: the rows of each process.

    Returns:
        `(N, ...)`. Every process works out the same loss from all rows, so what flows back to its
        own rows is the whole gradient of these, and nothing is added up.
    """
    result: Tensor = _Gathered.apply(rows, counts)  # type: ignore[no-untyped-call]
    return result


def told(value: Any) -> Any:  # noqa: ANN401  whatever the leader reads
    """Give every process what the leader has; from the others nothing is taken."""
    holder = [value]
    with answered():
        dist.broadcast_object_list(holder, src=_LEADER, device=torch.device("cpu"))
    return holder[0]


@contextmanager
def answered() -> Iterator[None]:
    """Wait for the other processes within.

    Raises:
        LostProcessError: one has ended, or does not answer in time.
    """
    try:
        yield
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        message = (
            "another process of this run has ended or does not answer; what it printed says why "
            f"({reason})"
        )
        raise LostProcessError(message) from error


class _Gathered(torch.autograd.Function):
    """All rows forth, the own rows' gradient back."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, counts: list[int]) -> Tensor:  # noqa: ANN401  torch's own
        rank = dist.get_rank()
        ctx.own = sum(counts[:rank]), sum(counts[: rank + 1])
        if min(counts) == max(counts):
            return stacked(rows).flatten(0, 1)
        # All send as many rows as the largest share has.
        padded = rows.new_zeros(max(counts), *rows.shape[1:])
        padded[: len(rows)] = rows
        every = stacked(padded)
        return torch.cat([share[:count] for share, count in zip(every, counts, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        start, stop = ctx.own
        return gradients[0][start:stop], None
