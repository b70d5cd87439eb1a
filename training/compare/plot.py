"""A comparison as a picture: a line for each variant, with its accuracies and its time."""

from collections.abc import Sequence
from html import escape

from training.compare.result import VariantResult

_WIDTH, _LINE, _TOP, _LEFT, _RIGHT = 860, 30, 70, 220, 690
_INK, _FAINT, _TEST, _VALIDATION = "#232830", "#d6dae0", "#21918c", "#8fb8d8"
_STROKE = f'stroke="{_VALIDATION}" stroke-width="2"'
_TICKS = 5


def draw(rows: Sequence[VariantResult]) -> str:
    """Draw validation (open) and test accuracy (filled) of every row, as SVG."""
    low, high = _bounds([value for row in rows for value in (row.validation, row.test)])
    height = _TOP + _LINE * len(rows) + 40
    bottom = _TOP + _LINE * len(rows)
    parts = [_text(_LEFT, 24, "accuracy: test (filled), validation (open)", "start", 17)]
    for tick in range(_TICKS + 1):
        value = low + (high - low) * tick / _TICKS
        x = _place(value, low, high)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="48" y2="{bottom}" stroke="{_FAINT}"/>')
        parts.append(_text(x, bottom + 20, f"{value:.1%}", "middle", 13))
    parts.append(_text(_WIDTH - 16, 40, "s/step", "end", 13))
    for number, row in enumerate(rows):
        parts += _row(row, _TOP + _LINE * number, low, high)
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'font-family="sans-serif">\n<rect width="{_WIDTH}" height="{height}" fill="white"/>\n'
        f"{body}\n</svg>\n"
    )


def _bounds(values: Sequence[float]) -> tuple[float, float]:
    """Leave a tenth of the range free on both sides; of equal values, a point."""
    margin = max((max(values) - min(values)) / 10, 0.001)
    return max(min(values) - margin, 0), min(max(values) + margin, 1)


def _row(row: VariantResult, y: float, low: float, high: float) -> list[str]:
    test, validation = _place(row.test, low, high), _place(row.validation, low, high)
    pace = "" if row.cost is None else f"{row.cost.seconds_per_step:.3f}"
    return [
        _text(_LEFT - 16, y + 5, row.name, "end", 14),
        f'<line x1="{test:.1f}" x2="{validation:.1f}" y1="{y}" y2="{y}" {_STROKE}/>',
        f'<circle cx="{validation:.1f}" cy="{y}" r="6" fill="white" {_STROKE}/>',
        f'<circle cx="{test:.1f}" cy="{y}" r="6" fill="{_TEST}"/>',
        _text(_RIGHT + 66, y + 5, f"{row.test:.2%}", "end", 13),
        _text(_WIDTH - 16, y + 5, pace, "end", 13),
    ]


def _place(value: float, low: float, high: float) -> float:
    return _LEFT + (value - low) / (high - low) * (_RIGHT - _LEFT)


def _text(x: float, y: float, words: str, anchor: str, size: int) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{_INK}" '
        f'text-anchor="{anchor}">{escape(words)}</text>'
    )
