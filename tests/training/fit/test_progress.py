"""Progress: told of every step, but the loss is read now and then."""

import io
from contextlib import redirect_stderr

import pytest
import torch

from training.fit.position import Position
from training.fit.progress import Extent, Terminal, TimeLeft


class CountedLoss(torch.Tensor):
    """A loss that counts how often the CPU reads it."""

    reads = 0

    def item(self) -> float:
        """Count, and read."""
        CountedLoss.reads += 1
        return 1.0


class ATerminal(io.StringIO):
    """Text that is shown to a person."""

    def isatty(self) -> bool:
        """Say that somebody looks."""
        return True


@pytest.mark.parametrize(("screen", "reads"), [(ATerminal(), 5), (io.StringIO(), 0)])
def test_the_loss_is_read_every_twentieth_step_where_somebody_looks(
    screen: io.StringIO, reads: int
) -> None:
    """Each read waits for the GPU: none where no bar is shown."""
    CountedLoss.reads = 0
    loss = torch.zeros(2).as_subclass(CountedLoss)

    with redirect_stderr(screen):
        progress = Terminal()
        progress.begin(Position(0, 0, loss), Extent(steps=100, epochs=3, batch_size=50))
        for step in range(1, 101):
            progress.step(Position(0, step, loss), step / 300)
        progress.end()

    assert CountedLoss.reads == reads
    assert ("epoch 1/3" in screen.getvalue()) == (reads > 0)
    assert (" images/s" in screen.getvalue()) == (reads > 0)


def test_time_left_is_that_of_the_whole_run() -> None:
    """From a fifth to two fifths in 10 s: the other three take 30, however many epochs."""
    clock = iter([100.0, 110.0])
    left = TimeLeft(lambda: next(clock))

    assert left(0.2) is None
    assert left(0.4) == pytest.approx(30)
