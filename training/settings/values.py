"""The kinds of values that settings take, and how a command line writes them."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field


def _parts(value: object) -> list[str] | None:
    """Take `8,12`, as a command line gives it, apart at the commas; None: it is no text."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        return None
    return [part.strip() for text in texts for part in text.split(",")]


def _whole_numbers(value: object) -> object:
    """Read `8,12` as a list of two numbers."""
    parts = _parts(value)
    if parts is not None and not all(part.isdecimal() for part in parts):
        message = f"{','.join(parts)!r} is no list of whole numbers separated by commas"
        raise ValueError(message)
    return value if parts is None else parts


def _numbers(value: object) -> object:
    """Read `0.2,1` as a list of two numbers."""
    parts = _parts(value)
    return value if parts is None else parts


def _absolute(path: Path) -> Path:
    """Name a folder so that a run can be resumed from another one."""
    return path.expanduser().absolute()


def _seconds(value: object) -> object:
    """Read `90s`, `30m` or `2h` as seconds; a number is seconds already."""
    if not isinstance(value, str):
        return value
    number, unit = value.strip()[:-1], value.strip()[-1:]
    try:
        return float(number) * _SECONDS[unit] if unit in _SECONDS else float(value)
    except ValueError as error:
        message = f"{value!r} is no time such as 90s, 30m or 2h"
        raise ValueError(message) from error


_SECONDS = {"s": 1, "m": 60, "h": 3600}


def _as_list(value: object) -> object:
    """Take one number for a list of it: what was a number before is one still."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return (value,) if is_number else _whole_numbers(value)


Positive = Annotated[int, Field(ge=1)]
Threads = Annotated[int, Field(ge=1, le=1024)]
Width = Annotated[int, Field(ge=1, le=65_536)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0)]
AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
Integers = Annotated[tuple[Positive, ...], BeforeValidator(_whole_numbers)]
Widths = Annotated[tuple[Width, ...], BeforeValidator(_whole_numbers)]
OneOrTwo = Annotated[int, Field(ge=1, le=2)]
OfEach = Annotated[tuple[OneOrTwo, ...], BeforeValidator(_as_list)]
Fractions = Annotated[tuple[Fraction, ...], BeforeValidator(_numbers)]
Numbers = Annotated[tuple[float, ...], BeforeValidator(_numbers)]
Seconds = Annotated[float, Field(gt=0), BeforeValidator(_seconds)]
Schedule = Literal["linear", "cosine"]
Keep = Literal["best", "last"]
StoredWeights = Literal["float32", "float16"]
OptimizerName = Literal["muon", "adamw"]
Stem = Literal["whitened", "learned"]
