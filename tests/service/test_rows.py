"""Rows in files: written, gone on with, cut off anywhere."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.rows import Format, RowsError, format_of, kept_in, name_of, writer

COLUMNS = ("path", "label", "probability", "familiarity", "classes", "model")
PATHS = ["a.png", 'b, "quoted".png', "two\nlines.png", "ünï.png", "e.png"]


def row(path: str) -> dict[str, Any]:
    """Make a row with a list in it and without what is optional."""
    classes = [{"label": "red, dark", "probability": 0.5}]
    return {"path": path, "label": "red", "probability": 0.5, "classes": classes, "model": "m/1"}


def write(out: Path, form: Format, paths: Sequence[str], *, resume: bool) -> None:
    """Write what is not there."""
    kept = kept_in(out, form, COLUMNS) if resume else None
    done = kept.paths if kept is not None else set[str]()
    with writer(form, COLUMNS, out, kept) as put:
        for path in paths:
            if path not in done:
                put(row(path))


def read(out: Path, form: Format) -> list[str]:
    """Read the paths as any other program would."""
    if form == "jsonl":
        return [msgspec.json.decode(line)["path"] for line in out.read_bytes().splitlines()]
    with out.open(newline="") as file:
        return [each["path"] for each in csv.DictReader(file)]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@given(cut=st.integers(0, 600), known=st.integers(0, 5))
def test_a_file_cut_off_anywhere_is_gone_on_with(
    tmp_path_factory: pytest.TempPathFactory, form: Format, cut: int, known: int
) -> None:
    """In the end it is as if it had been written at once."""
    folder = tmp_path_factory.mktemp("rows")
    out, other = folder / "out", folder / "other"
    write(out, form, PATHS[:known], resume=False)
    out.write_bytes(out.read_bytes()[:cut])
    write(other, form, PATHS, resume=False)

    write(out, form, PATHS, resume=True)

    assert read(out, form) == PATHS
    assert out.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_without_resume_a_file_begins_anew(tmp_path: Path, form: Format) -> None:
    """What was in it is gone."""
    out = tmp_path / "out"

    for paths in (PATHS, PATHS[:2]):
        write(out, form, paths, resume=False)

    assert read(out, form) == PATHS[:2]


def test_lists_in_csv_are_json(tmp_path: Path) -> None:
    """So that a label's comma cuts nothing."""
    write(tmp_path / "out", "csv", ["a.png"], resume=False)

    with (tmp_path / "out").open(newline="") as file:
        (found,) = csv.DictReader(file)

    assert msgspec.json.decode(found["classes"]) == row("")["classes"]
    assert found["familiarity"] == ""


@pytest.mark.parametrize(
    ("content", "form", "message"),
    [
        (b"path,label\na.png,red\n", "csv", "has the columns path,label, this run gives path,"),
        (b"hello\n", "jsonl", "line 1 of .* is no answer of ours"),
        (b'{"path": "a"}\n[]\n', "jsonl", "line 2 of"),
        (b"", "table", "a table cannot be gone on with"),
    ],
)
def test_another_file_is_left_alone(
    tmp_path: Path, content: bytes, form: Format, message: str
) -> None:
    """It says why, and the file is as it was."""
    out = tmp_path / "out"
    out.write_bytes(content)

    with pytest.raises(RowsError, match=message):
        kept_in(out, form, COLUMNS)

    assert out.read_bytes() == content


def test_the_file_says_the_format() -> None:
    """Unless a flag does."""
    assert format_of(None, Path("a.csv")) == "csv"
    assert format_of(None, Path("a.jsonl")) == "jsonl"
    assert format_of("csv", Path("a.jsonl")) == "csv"
    assert format_of(None, Path("a.txt")) == format_of(None, None) == "table"


def test_any_file_name_can_be_written() -> None:
    """Bytes that are no text are shown as such."""
    assert name_of(Path("a\udcff.png")) == "a\\xff.png"
