"""Several processes that torchrun has started, joined by torch.distributed."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor

from model.network.block import ForwardForwardBlock
from model.network.stack import ForwardForwardNetwork
from training.parallel.collectives import answered, gathered, highest, summed, told
from training.parallel.group import ALONE, Group
from training.parallel.norm import with_global_norms
from training.parallel.patience import patiently
from training.parallel.share import Share

T = TypeVar("T")

# One collective call waits this long at most. What a process does alone, as decoding pictures or
# testing on the CPU, may take longer: meanwhile the others hear that it lives.
_PATIENCE = timedelta(minutes=30)
_MEET_EVERY_S = 5.0
_NAMES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@contextmanager
def joined(environment: Mapping[str, str] = os.environ) -> Iterator[Group]:
    """Join the processes of a run, where a launcher has started several.

    Args:
        environment: in which torchrun, or another launcher, names rank, number and address.

    Raises:
        LostProcessError: the others do not come.
    """
    if not all(name in environment for name in _NAMES) or int(environment["WORLD_SIZE"]) == 1:
        yield ALONE
        return
    local_rank = int(environment.get("LOCAL_RANK", "0"))
    per_machine = int(environment.get("LOCAL_WORLD_SIZE", "1"))
    with answered():
        dist.init_process_group(_backend(local_rank, per_machine), timeout=_PATIENCE)
    try:
        yield Together(is_first_here=local_rank == 0)
    finally:
        dist.destroy_process_group()


def _backend(local_rank: int, per_machine: int) -> str:
    """Give each process a GPU of its own; where there are too few, gloo shares them."""
    gpus = torch.cuda.device_count()
    if gpus:
        torch.cuda.set_device(local_rank % gpus)
    # What is no array of the network, as the time, always goes by gloo: no GPU waits for it.
    return "cpu:gloo,cuda:nccl" if dist.is_nccl_available() and per_machine <= gpus else "gloo"


class Together:
    """The processes of `torch.distributed`, all of them; the first one leads."""

    def __init__(self, *, is_first_here: bool) -> None:
        """Be one of those that were joined; the first of a machine is the first to load."""
        self.size = dist.get_world_size()
        self._rank = dist.get_rank()
        self.is_leader = self._rank == 0
        self._is_first_here = is_first_here
        # Of their own, so that the statistics of the next layer do not queue behind gradients.
        self._gradients = dist.new_group(timeout=_PATIENCE)
        self._pending: Callable[[], None] | None = None

    def join(self, network: ForwardForwardNetwork) -> None:
        """Give a network the leader's weights, and norms by the statistics of whole batches."""
        with_global_norms(network)
        network.load_state_dict(self.told(lambda: _on_cpu(network.state_dict())))

    def share(self, total: int) -> Share:
        """Take a run of rows whose length differs by at most one between processes."""
        return Share.each(total, self.size)[self._rank]

    def gathered(self, rows: Tensor, count: int) -> Tensor:
        """Put every process' rows together, in the order of the shares."""
        return gathered(rows, [share.size for share in Share.each(count, self.size)])

    def add_up(self, block: ForwardForwardBlock, then: Callable[[], None]) -> None:
        """Begin to add up a block's gradients; the block below is settled meanwhile.

        The next block learns from the activity before this one's step, so that the sum has the
        next block's whole pass to arrive in.
        """
        moved = [p for p in block.parameters() if p.grad is not None]
        # Only a convolution's gradient is of the own images; the others are whole already, and
        # their mean is taken, so that rounding on unlike machines moves no process away.
        own = {id(conv.weight) for conv, _ in block.convolved()}
        shares = [1 if id(parameter) in own else self.size for parameter in moved]
        gradients = [p.grad for p in moved if p.grad is not None]
        total = torch.cat([g.flatten() / s for g, s in zip(gradients, shares, strict=True)])
        with answered():
            work = dist.all_reduce(total, group=self._gradients, async_op=True)
        self.settle()

        def finish() -> None:
            with answered():
                work.wait()
            sizes = [gradient.numel() for gradient in gradients]
            for gradient, found in zip(gradients, torch.split(total, sizes), strict=True):
                gradient.copy_(found.view(gradient.shape))
            then()

        self._pending = finish

    def settle(self) -> None:
        """Wait for the sum that is under way, and take its block's step."""
        finish, self._pending = self._pending, None
        if finish is not None:
            finish()

    def told(self, read: Callable[[], T]) -> T:
        """Give what the leader reads."""
        value: T = told(read() if self.is_leader else None)
        return value

    def awaited(self, make: Callable[[], T]) -> T:
        """Give what the leader makes, however long it takes."""
        made = self._patiently(make if self.is_leader else _nothing)
        return self.told(lambda: cast("T", made))

    def any(self, is_so: bool) -> bool:  # noqa: FBT001  as the group's
        """Tell whether it is so for any process."""
        return bool(summed(torch.tensor(float(is_so))) > 0)

    def in_turn(self, load: Callable[[], T]) -> T:
        """Have the first process of every machine load before the others."""
        loaded = self._patiently(load if self._is_first_here else _nothing)
        return self._patiently(lambda: load() if loaded is None else loaded)

    def _patiently(self, work: Callable[[], T]) -> T:
        """Work, and wait for the others' work, however long it takes."""
        return patiently(work, highest, _MEET_EVERY_S)


def _nothing() -> None:
    """Do nothing, beside others who do something."""


def _on_cpu(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copy a state off the device: another process would look for it on that device's number."""
    return {name: tensor.cpu() for name, tensor in state.items()}
