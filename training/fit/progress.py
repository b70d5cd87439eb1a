"""What a person at the terminal sees of a run."""

import time
from typing import Any, NamedTuple, Protocol

from tqdm import tqdm

from training.fit.budget import Clock
from training.fit.position import Position
from training.results.table import numbered

# tqdm's own time left is that of the epoch: the run's stands behind it.
_BAR = "{desc} {percentage:3.0f}%|{bar}| {rate_fmt}{postfix}"
# Reading the loss makes the CPU wait for the GPU: not in every step.
_SHOWN_EVERY = 20


class Extent(NamedTuple):
    """How much there is to follow.

    Attributes:
        steps: of an epoch.
        epochs: of the run; 0 where only its time is limited.
        batch_size: images of a step.
    """

    steps: int
    epochs: int
    batch_size: int


class Progress(Protocol):
    """Is told what a run does."""

    def begin(self, start: Position, extent: Extent) -> None:
        """Follow an epoch from `start`."""

    def step(self, position: Position, done: float) -> None:
        """Hear that a step was taken, and which part of the whole run is done."""

    def end(self) -> None:
        """Stop following the epoch."""

    def say(self, line: str) -> None:
        """Hear a line that is worth keeping."""


class Silent:
    """Shows nothing."""

    def begin(self, start: Position, extent: Extent) -> None:
        """Show nothing."""

    def step(self, position: Position, done: float) -> None:
        """Show nothing."""

    def end(self) -> None:
        """Show nothing."""

    def say(self, line: str) -> None:
        """Show nothing."""


class Terminal:
    """Shows a bar where a terminal is attached, and a line per epoch."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        """Show nothing yet; `clock` gives seconds that only grow."""
        self._bar: tqdm[Any] | None = None
        self._batch_size = 0
        self._left = TimeLeft(clock)

    def begin(self, start: Position, extent: Extent) -> None:
        """Open a bar: of images, so that tqdm shows how many pass in a second."""
        self._batch_size = extent.batch_size
        self._bar = tqdm(
            total=extent.steps * extent.batch_size,
            initial=start.step * extent.batch_size,
            desc=f"epoch {numbered(start.epoch + 1, extent.epochs)}",
            unit=" images",
            unit_scale=True,
            leave=False,
            disable=None,  # None: no bar where the output is no terminal
            bar_format=_BAR,
        )

    def step(self, position: Position, done: float) -> None:
        """Move the bar; now and then show the last layer's mean loss and the run's time left."""
        if self._bar is None or self._bar.disable:
            return
        if position.step % _SHOWN_EVERY == 1:
            loss = position.loss_sum[-1].item() / position.step
            left = self._left(done)
            shown = "?" if left is None else tqdm.format_interval(left)
            self._bar.set_postfix_str(f"loss {loss:.3f}, run ends in {shown}", refresh=False)
        self._bar.update(self._batch_size)

    def end(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
        self._bar = None

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        tqdm.write(line)


class TimeLeft:
    """Estimates when the run ends, from how it has gone in this process."""

    def __init__(self, clock: Clock) -> None:
        """Begin when it is first asked."""
        self._clock = clock
        self._first: tuple[float, float] | None = None

    def __call__(self, done: float) -> float | None:
        """Give the seconds left.

        Args:
            done: the part of the whole run, validation of its epochs included, 0 to 1.

        Returns:
            None while there is nothing to go by.
        """
        now = self._clock()
        since, before = self._first = self._first or (now, done)
        return (now - since) * (1 - done) / (done - before) if done > before else None
