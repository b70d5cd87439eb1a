"""What a person at the terminal sees of a run."""

from typing import Any, Protocol

from tqdm import tqdm

from training.fit.position import Position

# Reading the loss makes the CPU wait for the GPU: not in every step.
_SHOWN_EVERY = 20


class Progress(Protocol):
    """Is told what a run does."""

    def begin(self, start: Position, steps: int, epochs: int) -> None:
        """Follow an epoch from `start`; it has `steps`, the run has `epochs`."""

    def step(self, position: Position) -> None:
        """Hear that a step was taken."""

    def end(self) -> None:
        """Stop following the epoch."""

    def say(self, line: str) -> None:
        """Hear a line that is worth keeping."""


class Silent:
    """Shows nothing."""

    def begin(self, start: Position, steps: int, epochs: int) -> None:
        """Show nothing."""

    def step(self, position: Position) -> None:
        """Show nothing."""

    def end(self) -> None:
        """Show nothing."""

    def say(self, line: str) -> None:
        """Show nothing."""


class Terminal:
    """Shows a bar where a terminal is attached, and a line per epoch."""

    def __init__(self) -> None:
        """Show nothing yet."""
        self._bar: tqdm[Any] | None = None

    def begin(self, start: Position, steps: int, epochs: int) -> None:
        """Open a bar."""
        self._bar = tqdm(
            total=steps,
            initial=start.step,
            desc=f"epoch {start.epoch + 1}/{epochs}",
            unit="batch",
            leave=False,
            disable=None,  # None: no bar where the output is no terminal
        )

    def step(self, position: Position) -> None:
        """Move the bar, and now and then the last layer's mean loss beside it."""
        if self._bar is None or self._bar.disable:
            return
        if position.step % _SHOWN_EVERY == 1:
            loss = position.loss_sum[-1].item() / position.step
            self._bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
        self._bar.update()

    def end(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
        self._bar = None

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        tqdm.write(line)
