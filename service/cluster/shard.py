"""What is scored as one piece: some files, or a row group of a Parquet file."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from service.local_pictures import Unread
from service.pictures import pictures_in
from service.rows import RowsError

_PARQUET = ".parquet"
_ROWS_AT_ONCE = 64


@dataclass(frozen=True)
class Shard:
    """One piece of the sources; what it holds does not change once it is planned.

    Attributes:
        files: paths of pictures, or of one Parquet file.
        row_group: of that Parquet file; None: the files are pictures.
        first_row: number of the group's first row in the file.
        column: holds the encoded pictures: bytes, or a structure with the field `bytes`.
    """

    files: tuple[str, ...]
    row_group: int | None = None
    first_row: int = 0
    column: str = ""

    @classmethod
    def parse(cls, line: str) -> "Shard":
        """Read what `line` writes."""
        fields = json.loads(line)
        return cls(**{**fields, "files": tuple(fields["files"])})

    @property
    def line(self) -> str:
        """Write it as one line; names of files may be no UTF-8, which JSON's escapes can hold."""
        return json.dumps(asdict(self))

    def name(self, number: int) -> str:
        """Name it by its place and by a hash of what it holds."""
        digest = hashlib.sha256(self.line.encode()).hexdigest()
        return f"{number:06}-{digest[:12]}"

    def pictures(self) -> Iterator[Unread]:
        """List its pictures; those in Parquet are called `FILE:ROW`.

        Raises:
            OSError: the Parquet file cannot be read.
        """
        if self.row_group is None:
            for file in self.files:
                path = Path(file)
                yield Unread(path, path.read_bytes)
            return
        for number, value in enumerate(self._values(self.row_group), start=self.first_row):
            yield Unread(Path(f"{self.files[0]}:{number}"), _Held(value).read)

    def _values(self, row_group: int) -> Iterator[object]:
        from pyarrow import parquet  # noqa: PLC0415  an extra

        with parquet.ParquetFile(self.files[0]) as file:
            groups, columns = [row_group], [self.column]
            for batch in file.iter_batches(_ROWS_AT_ONCE, row_groups=groups, columns=columns):
                yield from batch.column(0).to_pylist()


class _Held:
    """A value of a Parquet column, read as a file is."""

    def __init__(self, value: object) -> None:
        self._value = value.get("bytes") if isinstance(value, dict) else value

    def read(self) -> bytes:
        if not isinstance(self._value, bytes):
            message = "the row holds no bytes"
            raise OSError(message)
        return self._value


def shards_in(sources: Iterable[Path], size: int, column: str) -> Iterator[Shard]:
    """Cut sources into pieces, in the order in which they are listed.

    Args:
        sources: pictures, Parquet files, and folders of both.
        size: pictures in a piece; a row group of Parquet stays whole.
        column: of the Parquet files.

    Raises:
        RowsError: a Parquet file cannot be used.
        OSError: a source cannot be read.
    """
    for source in sources:
        if source.suffix == _PARQUET and not source.is_dir():
            yield from _of_table(source, column)
            continue
        for table in sorted(source.rglob(f"*{_PARQUET}")) if source.is_dir() else ():
            yield from _of_table(table, column)
        pictures = pictures_in([source])
        while files := tuple(str(path) for path in islice(pictures, size)):
            yield Shard(files)


def _of_table(path: Path, column: str) -> Iterator[Shard]:
    from pyarrow import ArrowException, parquet  # noqa: PLC0415  an extra

    try:
        file = parquet.ParquetFile(path)
    except ArrowException as error:
        message = f"{path} is no Parquet file: {error}"
        raise RowsError(message) from error
    with file:
        names = file.schema_arrow.names
        if column not in names:
            message = f"{path} has no column {column}, but {', '.join(names)}; name one by --column"
            raise RowsError(message)
        first = 0
        for group in range(file.num_row_groups):
            yield Shard((str(path),), group, first, column)
            first += file.metadata.row_group(group).num_rows
