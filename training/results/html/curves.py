"""Curves as a drawing in SVG needs them: ticks and points in the drawing's own units."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from training.results.report import EpochReport

WIDTH, HEIGHT = 440, 260
# Room for the numbers of the axes, and for a name at the end of each line.
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 84, 12, 40
_LEAST_GAP = 12.0
_NO_SPAN = 1e-9  # of the values: less than can be told apart
_TICKS = 5


@dataclass(frozen=True)
class Series:
    """One line.

    Attributes:
        name: as it is written at the line's end.
        values: one per epoch.
        depth: 0 for the first layer to 1 for the last; None for the whole network.
    """

    name: str
    values: tuple[float, ...]
    depth: float | None


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where, and what it says."""

    at: float
    text: str


@dataclass(frozen=True)
class Line:
    """A series in the drawing's units.

    Attributes:
        series: what is drawn.
        points: x and y of each value.
        label_y: where its name stands, clear of the others.
    """

    series: Series
    points: tuple[tuple[float, float], ...]
    label_y: float

    @property
    def path(self) -> str:
        """The points as SVG takes them."""
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in self.points)


@dataclass(frozen=True)
class Chart:
    """A chart of lines: 440 wide, 260 high, the origin at the upper left.

    Attributes:
        title: what it shows.
        x_name: what the x axis counts.
        percent: whether values are parts of 1.
        xs: the x of every epoch, in the axis' unit.
        x_ticks: from left to right.
        y_ticks: from the least value up.
        lines: in the order of the series.
    """

    title: str
    x_name: str
    percent: bool
    xs: tuple[float, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[Line, ...]

    left, right, top, bottom = _LEFT, WIDTH - _RIGHT, _TOP, HEIGHT - _BOTTOM


def draw(
    title: str,
    x_name: str,
    xs: Sequence[float],
    series: Sequence[Series],
    *,
    percent: bool = False,
) -> Chart:
    """Place the lines of some series of equal length in one chart."""
    values = [value for each in series for value in each.values]
    x_marks, y_marks = nice_ticks(min(xs), max(xs)), nice_ticks(min(values), max(values))
    if all(float(x).is_integer() for x in xs):  # there is no half of an epoch
        x_marks = [mark for mark in x_marks if mark.is_integer()]
    across = _scale(min(xs), max(xs), _LEFT, WIDTH - _RIGHT)
    up = _scale(y_marks[0], y_marks[-1], HEIGHT - _BOTTOM, _TOP)
    points = [tuple((across(x), up(y)) for x, y in zip(xs, s.values, strict=True)) for s in series]
    label_ys = apart([each[-1][1] for each in points])
    return Chart(
        title,
        x_name,
        percent,
        tuple(xs),
        tuple(Tick(across(m), f"{m:g}") for m in x_marks if min(xs) <= m <= max(xs)),
        tuple(Tick(up(mark), f"{mark:.0%}" if percent else f"{mark:g}") for mark in y_marks),
        tuple(Line(*each) for each in zip(series, points, label_ys, strict=True)),
    )


def layer_series(names: Sequence[str], rows: Sequence[Sequence[float]]) -> list[Series]:
    """Make a series of each layer from one row of values per epoch."""
    last = max(1, len(names) - 1)
    columns = zip(*rows, strict=True)
    return [
        Series(name, tuple(column), place / last)
        for place, (name, column) in enumerate(zip(names, columns, strict=True))
    ]


def charts(names: Sequence[str], epochs: Sequence[EpochReport]) -> list[Chart]:
    """Draw how a run went; none where no epoch is known."""
    if not epochs:
        return []
    numbers = [float(epoch.epoch) for epoch in epochs]
    minutes = [sum(e.seconds for e in epochs[: n + 1]) / 60 for n in range(len(epochs))]
    whole = Series("network", tuple(e.validation.accuracy for e in epochs), None)
    accuracy = [*layer_series(names, [e.validation.per_layer for e in epochs]), whole]
    weights = layer_series(names, [e.calibration.layer_weights for e in epochs])
    loss = layer_series(names, [e.train_loss_per_layer for e in epochs])
    drawn = [
        draw("Validation accuracy by epoch", "epoch", numbers, accuracy, percent=True),
        draw("Validation accuracy by time", "minutes of training", minutes, accuracy, percent=True),
        draw("Layer weights by epoch", "epoch", numbers, weights),
        draw("Local training loss by epoch", "epoch", numbers, loss),
    ]
    entropies = [e.assignment_entropy_per_layer for e in epochs]
    if all(entropies):
        series = layer_series(names, entropies)
        drawn.append(draw("Assignment entropy by epoch", "epoch", numbers, series))
    return drawn


def nice_ticks(low: float, high: float) -> list[float]:
    """Give about five round numbers around a span."""
    span = high - low
    if span < _NO_SPAN * max(1.0, abs(high)):
        span = abs(high) if abs(high) > _NO_SPAN else 1.0
    magnitude = 10.0 ** math.floor(math.log10(span / _TICKS))
    step = next(m * magnitude for m in (1, 2, 5, 10) if span / (m * magnitude) <= _TICKS)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(n * step, 10) for n in range(first, max(last, first + 1) + 1)]


def apart(heights: Sequence[float]) -> list[float]:
    """Move names apart that would cover each other, in the order in which they stand."""
    order = sorted(range(len(heights)), key=lambda n: heights[n])
    placed = [0.0] * len(heights)
    below = -math.inf
    for n in order:
        placed[n] = below = max(heights[n], below + _LEAST_GAP)
    # What was pushed out at the lower end goes up again, and pushes in its turn.
    above = float(HEIGHT - _BOTTOM) + _LEAST_GAP
    for n in reversed(order):
        placed[n] = above = min(placed[n], above - _LEAST_GAP)
    return placed


def _scale(low: float, high: float, start: float, end: float) -> "_Scale":
    return _Scale(low, (high - low) or 1.0, start, end - start)


@dataclass(frozen=True)
class _Scale:
    low: float
    span: float
    start: float
    length: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / self.span * self.length
