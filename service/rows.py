"""Answers as rows: printed, or kept in a file that a later run goes on with."""

import csv
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import msgspec

Format = Literal["table", "csv", "jsonl"]
Row = dict[str, Any]
Write = Callable[[Row], Any]

PATH = "path"
_LABEL_WIDTH = 16


class RowsError(Exception):
    """Flags that do not fit, or a file of answers that this run could not go on with."""


class Kept(NamedTuple):
    """What a file of answers holds.

    Attributes:
        paths: of the pictures that are answered.
        size_bytes: of its whole rows; what follows was half written.
    """

    paths: set[str]
    size_bytes: int


class _Head(msgspec.Struct):
    path: str


def name_of(path: Path) -> str:
    """Write a path as text that any file can hold."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def format_of(given: Format | None, out: Path | None) -> Format:
    """Choose a format: what is asked for, or what the file's name says."""
    by_name: dict[str, Format] = {".csv": "csv", ".jsonl": "jsonl"}
    return given or by_name.get(out.suffix if out is not None else "", "table")


def kept_in(out: Path, form: Format, columns: Sequence[str]) -> Kept:
    """Read what a file answers already; nothing where there is none.

    Raises:
        RowsError: it has other columns, or was not written by this command.
    """
    if form == "table":
        message = "a table cannot be gone on with; take --format csv or jsonl"
        raise RowsError(message)
    if not out.exists():
        return Kept(set(), 0)
    with out.open("rb") as file:
        return _kept_lines(file) if form == "jsonl" else _kept_table(file, columns)


def _kept_lines(file: IO[bytes]) -> Kept:
    kept, size = set[str](), 0
    for number, line in enumerate(file, start=1):
        if not line.endswith(b"\n"):
            break
        try:
            kept.add(msgspec.json.decode(line, type=_Head).path)
        except msgspec.DecodeError as error:
            message = f"line {number} of {file.name} is no answer of ours: {error}"
            raise RowsError(message) from error
        size += len(line)
    return Kept(kept, size)


def _kept_table(file: IO[bytes], columns: Sequence[str]) -> Kept:
    kept, size, read = set[str](), 0, 0
    is_whole = True

    def lines() -> Iterator[str]:
        nonlocal read, is_whole
        for line in file:
            read += len(line)
            is_whole = line.endswith(b"\n")
            yield line.decode(errors="replace")

    rows = csv.reader(lines())
    head = next(rows, None)
    if head is None or not is_whole:
        return Kept(kept, 0)
    if head != list(columns):
        message = (
            f"{file.name} has the columns {','.join(head)}, this run gives {','.join(columns)}; "
            "ask for the same, or write another file"
        )
        raise RowsError(message)
    size = read
    for row in rows:
        # A row may have several lines: a path may have line ends.
        if not is_whole or len(row) != len(columns):
            break
        kept.add(row[columns.index(PATH)])
        size = read
    return Kept(kept, size)


@contextmanager
def writer(
    form: Format, columns: Sequence[str], out: Path | None, kept: Kept | None = None
) -> Iterator[Write]:
    """Give what writes a row, for as long as the block lasts.

    Args:
        form: how.
        columns: of CSV.
        out: file to write; None: stdout.
        kept: of the file; it goes on behind that. None: it begins anew.
    """
    if out is None:
        yield _by_format(form, sys.stdout, columns, is_new=True)
        return
    with out.open("r+b" if kept is not None and out.exists() else "wb") as raw:
        size = kept.size_bytes if kept is not None else 0
        raw.truncate(size)
        raw.seek(size)
        # Line by line, so that little is lost with a run that is killed.
        with io.TextIOWrapper(raw, "utf-8", newline="", line_buffering=True) as file:
            yield _by_format(form, file, columns, is_new=size == 0)


def _by_format(form: Format, file: IO[str], columns: Sequence[str], *, is_new: bool) -> Write:
    if form == "jsonl":
        return lambda row: file.write(msgspec.json.encode(row).decode() + "\n")
    if form == "csv":
        table = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        if is_new:
            table.writeheader()
        return lambda row: table.writerow({name: _cell(each) for name, each in row.items()})
    return lambda row: file.write(_line(row) + "\n")


def _cell(value: Any) -> Any:  # noqa: ANN401  whatever a row holds
    """Write lists as JSON: a label may have commas."""
    return msgspec.json.encode(value).decode() if isinstance(value, list) else value


def _line(row: Row) -> str:
    """Word a row for people."""
    parts = [f"{row['probability']:6.3f}", f"{row['label']:<{_LABEL_WIDTH}}"]
    if row.get("familiarity") is not None:
        parts.append(f"familiarity {row['familiarity']:5.1f}")
    if row.get("conformal_set") is not None:
        parts.append(f"{{{', '.join(row['conformal_set'])}}}")
    others = row.get("classes", [])[1:]
    parts += [f"{each['label']} {each['probability']:.3f}" for each in others]
    return "  ".join([*parts, row[PATH]])
