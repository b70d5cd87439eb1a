"""A CSV or JSONL file that lists pictures with their labels."""

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from training.data.listing import PURPOSES, Listing, Named, numbered
from training.data.picture import Purpose
from training.errors import DataError

Rows = Iterator[tuple[int, Mapping[str, Any]]]


def list_csv(file: Path) -> Listing:
    """Read a CSV file with a head line and the columns path, label and, where wanted, split.

    Raises:
        DataError: the file cannot be read, or a line of it cannot be used.
    """
    return _listed(file, _csv_rows)


def list_jsonl(file: Path) -> Listing:
    """Read a file of one JSON object per line, with path, label and, where wanted, split.

    Raises:
        DataError: the file cannot be read, or a line of it cannot be used.
    """
    return _listed(file, _json_rows)


def _listed(file: Path, rows: Callable[[Iterable[str]], Rows]) -> Listing:
    """Read a list; its paths are relative to its folder."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            named = [_named(row, f"{file} line {number}") for number, row in rows(lines)]
    except OSError as error:
        message = f"cannot read {file}: {error.strerror}"
        raise DataError(message) from error
    except (ValueError, csv.Error) as error:
        message = f"cannot read {file}: {error}; is it UTF-8, and of the kind that it was named as?"
        raise DataError(message) from error
    _refuse_twice(file, named)
    return numbered(file.parent, named, said=file)


def _csv_rows(lines: Iterable[str]) -> Rows:
    reader = csv.DictReader(lines, skipinitialspace=True)
    return ((reader.line_num, row) for row in reader)


def _json_rows(lines: Iterable[str]) -> Rows:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                message = f"line {number} is no JSON: {error.msg}"
                raise ValueError(message) from error
            yield number, row if isinstance(row, Mapping) else {}


def _named(row: Mapping[str, Any], where: str) -> Named:
    """Check one row; a label may be a number."""
    path, label, split = (
        str(_or_empty(row.get(key))).strip() for key in ("path", "label", "split")
    )
    if not path or not label:
        message = f"{where} has no {'label' if path else 'path'}; columns are path, label[, split]"
        raise DataError(message)
    return Named(Path(os.path.normpath(path)).as_posix(), label, _purpose(split, where))


def _or_empty(value: object) -> object:
    """Take what is not there as no text; a label may be 0."""
    return "" if value is None else value


def _purpose(split: str, where: str) -> Purpose:
    if not split:
        return "train"
    if split.lower() not in PURPOSES:
        message = f"{where} has split {split!r}; use one of {', '.join(PURPOSES)}, or nothing"
        raise DataError(message)
    return PURPOSES[split.lower()]


def _refuse_twice(file: Path, named: list[Named]) -> None:
    """Refuse a picture that stands in the list twice: it could be in two splits or classes."""
    seen: set[str] = set()
    for path, _, _ in named:
        if path in seen:
            message = f"{file} lists {path} twice; keep one of the lines"
            raise DataError(message)
        seen.add(path)
